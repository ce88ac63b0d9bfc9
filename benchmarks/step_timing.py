"""Shared by all rows of train_step.py: what is timed, and how a row's script reports it.

Imports no framework, so that a row's peak memory is its framework's.
"""
import json
import os
import resource
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console, option_types

NUM_CLASSES, HEADS, IMAGE_SIZE = 10, 4, 224
PARAMETERS = 46_355_304
ADAM_BYTES = 28  # a parameter: read g, m, v, w; write m, v, w; four bytes each
LEARNING_RATE = 0.0003

# Multiplications of the forward pass for one picture: positions x kernel x in x out.
FORWARD = {'conv1': 54 * 54 * 11 * 11 * 1 * 64, 'conv2': 26 * 26 * 5 * 5 * 64 * 192,
           'conv3': 12 * 12 * 3 * 3 * 192 * 384, 'conv4': 12 * 12 * 3 * 3 * 384 * 384,
           'conv5': 12 * 12 * 3 * 3 * 384 * 256, 'fc6': 5 * 5 * 256 * 4096, 'fc7': 4096 * 4096,
           'fc8': 4 * 4096 * 10}


def step_flops(batch):
    """Operations of a training step: forward, filter gradients, all input gradients but conv1's."""
    return 2 * batch * (3 * sum(FORWARD.values()) - FORWARD['conv1'])


def data(batch):
    """Pictures float32 [batch, 224, 224], -1 ... 1, and labels [4, batch]."""
    rng = np.random.RandomState(0)
    return (rng.uniform(-1, 1, [batch, IMAGE_SIZE, IMAGE_SIZE]).astype(np.float32),
            rng.randint(0, NUM_CLASSES, [HEADS, batch]))


def timed(step, steps):
    """Seconds of `steps` calls, after two untimed ones, which allocate and compile."""
    seconds = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds[2:]


def run_row(rows, doc):
    """The main function of a row's script: run one row and print its figures as a line of JSON.

    Args:
      rows: {name: function of the batch size and the number of steps that returns the seconds of
        each step}.
      doc: what --help opens with.
    """
    parser = console.parser(doc)
    parser.add_argument('row', choices=rows)
    parser.add_argument('--batch', type=option_types.positive_int, default=25,
                        help='pictures (default: %(default)s)')
    parser.add_argument('--steps', type=option_types.positive_int, default=4,
                        help='timed ones (default: %(default)s)')
    args = parser.parse_args()
    seconds = rows[args.row](args.batch, args.steps)
    unit = 1024 ** 3 if sys.platform == 'darwin' else 1024 ** 2  # bytes there, else KiB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit  # GiB
    print(json.dumps({'seconds': list(seconds), 'peak_gib': peak}))
