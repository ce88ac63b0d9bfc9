"""Whether checkpoints of the post's own code on TensorFlow 1.14 work in ours, and vice versa.

Command:  python benchmarks/exchange.py PYTHON3.6
Reads:    data/ (MNIST)
Writes:   a table on stdout; checkpoints in a temporary folder
Takes:    a minute

AlexNet, untrained: both sides read four noise pictures; the table has the largest difference
between two logits, relative to the largest logit. MNIST, trained for 2,000 steps on either side:
the test accuracy there and here. PYTHON3.6 is an interpreter with tensorflow==1.14.0.
"""
import contextlib
import dataclasses
import io
import json
import os
import sys
import tempfile

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console

with console.quiet_start():
    import tensorflow.compat.v1 as tf

import mnist_backward
import mnist_test
from nets import nets_factory
from on_tf1 import on_tf1
from support.captcha import models, preprocessing
from support.common import checkpoints
from support.digits import input_data

PICTURES = 4
STEPS = 2000  # of MNIST


def pixels():
    """The pictures of train_step_tf1.py: float32 [4, 224, 224], -1 ... 1."""
    return np.random.RandomState(0).uniform(-1, 1, [PICTURES, 224, 224]).astype(np.float32)


def our_logits(checkpoint=None, save_to=None):
    """Our network's logits [4, batch, 10], restored, or newly initialized and saved."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 224, 224])
        network_fn = nets_factory.get_network_fn('alexnet_v2', 10, is_training=False)
        *heads, _ = network_fn(preprocessing.network_input(x, standardize=False))
        saver = tf.train.Saver()
        if checkpoint:
            saver.restore(sess, checkpoint)
        else:
            sess.run(tf.global_variables_initializer())
            saver.save(sess, save_to)
        return np.array(sess.run(heads, {x: pixels()}))


def difference(ours, theirs):
    """The largest difference, relative to the largest value."""
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def captchas(python, folder):
    """Print both directions for AlexNet."""
    answer = json.loads(on_tf1(python, 'train_step_tf1.py', '--save', folder))
    checkpoint = os.path.join(folder, models.MODEL_NAME)
    found = difference(our_logits(f'{checkpoint}-6000'), np.array(answer['logits']))
    print(f'| AlexNet, logits | {found:.0e} |', end='', flush=True)
    ours = our_logits(save_to=checkpoint)
    answer = json.loads(on_tf1(python, 'train_step_tf1.py', '--restore', checkpoint))
    print(f' {difference(ours, np.array(answer["logits"])):.0e} |', flush=True)


def digits(python, folder):
    """Print both directions for the MNIST network."""
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    print('| MNIST, test accuracy there and here |', end='', flush=True)
    for name in 'theirs', 'ours':
        model = os.path.join(folder, name)
        os.mkdir(model)
        with contextlib.redirect_stdout(io.StringIO()):
            if name == 'theirs':
                on_tf1(python, 'mnist_tf1_step.py', STEPS, '--warm-up', 0, '--save', model)
            else:
                mnist_backward.backward(mnist, dataclasses.replace(
                    mnist_backward.post, steps=STEPS, model_save_path=model))
            here = mnist_test.test(mnist, model, once=True)
        newest = checkpoints.newest(model, mnist_backward.model_name)
        there = on_tf1(python, 'mnist_tf1_step.py', '--test', newest)
        print(f' {100 * float(there):.2f} %, {100 * here:.2f} % |', end='', flush=True)
    print()


def main():
    parser = console.parser(__doc__)
    parser.add_argument('python', metavar='PYTHON3.6', help='with tensorflow==1.14.0')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print('| | from TensorFlow 1.14 | to TensorFlow 1.14 |\n|---|---:|---:|', flush=True)
        captchas(args.python, folder)
        digits(args.python, folder)


if __name__ == '__main__':
    console.run(main)
