"""One training step of AlexNet v2 with four heads, compared with the floor and other frameworks.

Command:  python benchmarks/train_step.py
          python benchmarks/train_step.py --tf1-python ~/tf1/bin/python    adds the original code
          python benchmarks/train_step.py --batches 1 5 25 100 200 --rows ours
Reads:    nothing; every row gets the same random pictures and labels
Writes:   a table on stdout: seconds per step (median, min, max), the ratios, peak memory
Takes:    about five minutes per batch size on two cores, mostly for the slow rows

Each row is a separate process: train_step_tf2.py, train_step_keras.py, train_step_torch.py or
train_step_tf1.py. The rows alternate over several rounds, so that drift of the machine's speed
affects all of them. PyTorch's rows need benchmarks/requirements.txt and are skipped without it.

Measured and rejected, because the gain was negative or within the machine's noise:
filter gradients as one matmul for each kernel offset, as a forward convolution or over extracted
patches (all slower); one or four threads between operations; the single-threaded executor; grappler
off (slower). Kept for a small gain: `slim._same_conv2d`, see --rows ours own-gradients.
"""
import importlib.util
import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import step_timing
from support.common import console, option_types

BATCHES = [25, 100]
STEPS = 4  # timed steps of a row in each round
ROUNDS = 3
SCRIPTS = {'floor': 'train_step_tf2.py', 'ours': 'train_step_tf2.py',
           'post-graph': 'train_step_tf2.py', 'keras3': 'train_step_keras.py',
           'torch': 'train_step_torch.py', 'torch-compiled': 'train_step_torch.py',
           'own-gradients': 'train_step_tf2.py'}
SHOWN_UNASKED = ['floor', 'ours', 'post-graph', 'keras3', 'torch', 'torch-compiled']


def run_row(name, batch, tf1_python):
    """Run one row in a separate process: {'seconds': [...], 'peak_gib': ...} or None."""
    folder = os.path.join(ROOT, 'benchmarks')
    if name == 'tf1':
        command = [tf1_python, '-W', 'ignore', os.path.join(folder, 'train_step_tf1.py')]
    else:
        command = [sys.executable, os.path.join(folder, SCRIPTS[name]), name]
    ended = subprocess.run([*command, '--batch', str(batch), '--steps', str(STEPS)],
                           capture_output=True, text=True, cwd=ROOT)
    if ended.returncode:
        print(f'{name}: left out: {ended.stderr.strip().splitlines()[-1:]}', file=sys.stderr)
        return None
    return json.loads(ended.stdout.splitlines()[-1])


def table(names, batch, rounds, tf1_python):
    """Measure the rows in turns and print them."""
    seconds, peaks = {name: [] for name in names}, {}
    for number in range(rounds):
        for name in list(seconds):
            print(f'batch {batch}, round {number + 1} of {rounds}: {name}', file=sys.stderr)
            result = run_row(name, batch, tf1_python)
            if result is None:
                del seconds[name]
                continue
            seconds[name] += result['seconds']
            peaks[name] = max(peaks.get(name, 0), result['peak_gib'])
    median = {name: statistics.median(times) for name, times in seconds.items()}
    print(f'\nbatch {batch}: {step_timing.step_flops(batch) / 1e9:.0f} GFLOP a step')
    print('| row | median s | min | max | x floor | x ours | ms per picture | peak GiB |')
    print('|---|---|---|---|---|---|---|---|')
    for name, times in seconds.items():
        ratios = [f'{median[name] / median[other]:.2f}' if other in median else ''
                  for other in ('floor', 'ours')]
        print(f'| {name} | {median[name]:.3f} | {min(times):.3f} | {max(times):.3f} | '
              f'{ratios[0]} | {ratios[1]} | {1000 * median[name] / batch:.1f} | '
              f'{peaks[name]:.2f} |', flush=True)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--batches', type=option_types.positive_int, nargs='+', default=BATCHES)
    parser.add_argument('--rounds', type=option_types.positive_int, default=ROUNDS)
    parser.add_argument('--rows', nargs='+', choices=SCRIPTS, help='default: all but own-gradients')
    parser.add_argument('--tf1-python', metavar='PYTHON', help='Python 3.6 with TensorFlow 1.14')
    args = parser.parse_args()
    if args.rows is None:
        args.rows = SHOWN_UNASKED
        if importlib.util.find_spec('torch') is None:
            print('rows of PyTorch left out: not installed', file=sys.stderr)
            args.rows = [name for name in args.rows if not name.startswith('torch')]
    names = args.rows
    if args.tf1_python:
        names = [*names, 'tf1']
    for batch in args.batches:
        table(names, batch, args.rounds, args.tf1_python)


if __name__ == '__main__':
    console.run(main)
