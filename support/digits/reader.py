"""The reader of digits: a trained network, opened once, for any number of pictures.

    with open_reader(['model'], 'mnist_model', mnist_forward.forward) as reader:
        print(reader.read('my.jpg'))  # [2 0 2 6]
"""
import contextlib
import os
import sys
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from support.common import checkpoints, console, folders
from support.common.console import UserError
from support.digits import photographs, report, training
from support.digits.input_data import SIDE

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDED = os.path.join(ROOT, 'models', 'mnist')  # a network of --augment


class Reading(NamedTuple):
    """The digits of one picture, in reading order."""
    digits: np.ndarray         # int64 [n], 0 ... 9
    probabilities: np.ndarray  # float32 [n, 10], of each digit from 0 to 9
    pictures: np.ndarray       # float32 [n, 784], 0 paper ... 1 ink, as the network saw them
    places: np.ndarray         # float64 [n, 5], boxes and lines: see photographs.find_digits
    doubts: list               # reasons not to trust it, one line each

    @property
    def lines(self):
        """The confidence in each digit, and the doubts."""
        sure = ' '.join(f'{of_digit.max():.1%}' for of_digit in self.probabilities)
        return [f'sure: {sure}', *self.doubts] if sure else self.doubts

    def __str__(self):
        return np.array2string(self.digits, max_line_width=np.inf, threshold=np.inf)


class Reader(contextlib.AbstractContextManager):
    """The network of one checkpoint; later ones do not change what it reads."""

    def __init__(self, checkpoint, forward, prepare=photographs.find_digits):
        """
        Args:
          checkpoint: its prefix.
          forward: the network, a function of pictures float32 [n, 784] and a regularizer.
          prepare: a function of a picture file that returns pictures, places and the number of
            marks left out, as photographs.find_digits does.
        Raises: UserError if the checkpoint is unusable.
        """
        self.prepare = prepare
        with tf.Graph().as_default() as graph:
            self._x = tf.placeholder(tf.float32, [None, SIDE * SIDE])
            y = forward(self._x, None)                             # logits [n, 10]
            self._outputs = tf.argmax(y, 1), tf.nn.softmax(y)
            self._sess = tf.Session(graph=graph)
            checkpoints.restore(averages_saver(), self._sess, checkpoint, training.RETRAIN)

    def classify(self, pictures):
        """Pictures float32 [n, 784], 0 ... 1 -> digits int64 [n], probabilities float32 [n, 10]."""
        return self._sess.run(self._outputs, {self._x: pictures})

    def read(self, source):
        """Read a picture file. Returns: Reading. Raises: UserError if it is none."""
        pictures, places, left_out = self.prepare(source)
        digits, probabilities = self.classify(pictures)
        return Reading(digits, probabilities, pictures, places,
                       report.doubts(pictures, probabilities, left_out))

    def __exit__(self, *_):
        self._sess.close()


def averages_saver():
    """The Saver that gives each variable the value of its moving average."""
    return tf.train.Saver({f'{variable.op.name}/ExponentialMovingAverage': variable
                           for variable in tf.trainable_variables()})


def open_reader(folders, name, forward, prepare=photographs.find_digits):
    """The Reader of the newest checkpoint in the first of `folders` that has one.

    Says on stderr which it is.
    Args: name: of the checkpoints. forward, prepare: as in Reader.
    Raises: UserError if there is none, or an unusable one.
    """
    found = [checkpoint for folder in folders if (checkpoint := checkpoints.newest(folder, name))]
    if not found:
        raise UserError(f'{folders[0]}: expected a trained network, found no checkpoint file; '
                        'train first: python mnist_backward.py')
    print(f'reading with {found[0]}', file=sys.stderr)
    return Reader(found[0], forward, prepare)


def options(doc, model_dir):
    """mnist_app.py's command line. Args: doc: for --help. model_dir: the default.

    Returns: the arguments, with `model_dirs` for `open_reader`.
    """
    parser = console.parser(doc)
    parser.add_argument('pictures', nargs='*', help='picture files or folders; none: ask for them')
    parser.add_argument('--post', action='store_true', help="prepare pictures as the post does")
    output = parser.add_mutually_exclusive_group()
    output.add_argument('--show', action='store_true', help="save the network's inputs and outputs")
    output.add_argument('--csv', metavar='FILE', help='write the readings there, as a table')
    parser.add_argument('--model-dir', metavar='FOLDER', help='folder of the checkpoint (default: '
                        f'{model_dir}, or else models/mnist)')
    args = parser.parse_args()
    if args.csv and not args.pictures:
        parser.error('--csv: expected picture files to read, found none; name them as well')
    args.model_dirs = [args.model_dir] if args.model_dir else [model_dir, INCLUDED]
    args.pictures = folders.file_names(args.pictures)
    return args
