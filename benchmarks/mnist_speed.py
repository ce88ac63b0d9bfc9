"""Time a training step of mnist_backward.py, compared with TensorFlow 1.14 and the hardware.

Command:  python benchmarks/mnist_speed.py [--tf1 PYTHON3.6] [--rounds 3]
Reads:    data/ (MNIST)
Writes:   nothing outside a temporary folder
Takes:    15 s per round, 30 s with --tf1; run nothing else meanwhile

The rows alternate within each round, because a shared machine's speed drifts; a row gives the
median over the rounds. "ours" is the real loop of `backward`, with its lines and checkpoints. The
floor is the step's multiplications, forward and twice as many backward, at the rate of one large
float32 matrix product. PYTHON3.6 is an interpreter with tensorflow==1.14.0.
"""
import contextlib
import dataclasses
import io
import os
import statistics
import sys
import tempfile
import time
import types

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console, option_types

with console.quiet_start():
    import tensorflow.compat.v1 as tf

import mnist_backward
import mnist_forward
from on_tf1 import on_tf1
from support.digits import input_data

WARM_UP = 100   # steps before the clock starts
STEPS = 2000    # steps timed in a round
SIDE = 2048     # of the large matrices
PRODUCTS = 30   # of them timed in a round


def matmul_rate():
    """Floating-point operations per second of one large float32 product."""
    with tf.Graph().as_default(), tf.Session() as sess:
        a, b = (tf.Variable(tf.random_uniform([SIDE, SIDE])) for _ in range(2))
        product = tf.matmul(a, b).op
        sess.run(tf.global_variables_initializer())
        sess.run(product)
        start = time.perf_counter()
        for _ in range(PRODUCTS):
            sess.run(product)
        return 2 * SIDE ** 3 * PRODUCTS / (time.perf_counter() - start)


def our_step(mnist, steps):
    """Seconds per step of mnist_backward.backward, from the times it fetches its batches."""
    moments = []

    def next_batch(batch_size):
        moments.append(time.perf_counter())
        return mnist.train.next_batch(batch_size)
    watched = mnist._replace(train=types.SimpleNamespace(num_examples=mnist.train.num_examples,
                                                         next_batch=next_batch))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        mnist_backward.backward(watched, dataclasses.replace(
            mnist_backward.post, steps=WARM_UP + steps, model_save_path=folder))
    return (moments[WARM_UP + steps] - moments[WARM_UP]) / steps


def tf1_step(python, steps):
    """Seconds per step of the post's graph on TensorFlow 1.14."""
    return float(on_tf1(python, 'mnist_tf1_step.py', steps).split()[0]) / 1000


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--tf1', metavar='PYTHON3.6', help='time TensorFlow 1.14 too')
    parser.add_argument('--rounds', type=option_types.positive_int, default=3,
                        help='default: %(default)s')
    parser.add_argument('--steps', type=option_types.positive_int, default=STEPS,
                        help='steps timed in a round (default: %(default)s)')
    args = parser.parse_args()
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    inputs, hidden, outputs = (mnist_forward.INPUT_NODE, mnist_forward.LAYER1_NODE,
                               mnist_forward.OUTPUT_NODE)
    work = 2 * mnist_backward.batch_size * (inputs * hidden + hidden * outputs) * 3
    rates, ours, tf1 = [], [], []
    for _ in range(args.rounds):
        rates.append(matmul_rate())
        ours.append(our_step(mnist, args.steps))
        if args.tf1:
            tf1.append(tf1_step(args.tf1, args.steps))
    rows = [('floor', [work / rate for rate in rates]), ('ours', ours), ('TensorFlow 1.14', tf1)]
    for name, seconds in rows:
        if seconds:
            all_rounds = ' '.join(f'{s * 1000:.2f}' for s in seconds)
            console.say(f'{name:16}{statistics.median(seconds) * 1000:6.2f} ms a step '
                        f'(rounds: {all_rounds})')
    console.say(f'matrix product  {statistics.median(rates) / 1e9:6.0f} GFLOP/s')
    if tf1:
        console.say(f'ours is {statistics.median(tf1) / statistics.median(ours):.2f} times as fast '
                    'as TensorFlow 1.14')


if __name__ == '__main__':
    console.run(main)
