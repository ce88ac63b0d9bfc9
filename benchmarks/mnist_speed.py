"""Time a training step of mnist_backward.py against TensorFlow 1.14 and against the hardware.

Command:  python benchmarks/mnist_speed.py [--tf1 PYTHON3.6] [--rounds 3]
Reads:    data/ (MNIST)
Writes:   nothing outside a temporary folder
Takes:    15 s a round, 30 s with --tf1; run nothing else beside it

The rows alternate within each round, because a shared machine's speed drifts; a row gives the
median over the rounds. "ours" is the real loop of `backward`, with its lines and checkpoints. The
floor is the step's multiplications, forward and twice as many backward, at the rate of one large
float32 matrix product. PYTHON3.6 is an interpreter with tensorflow==1.14.0.
"""
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
import cli  # noqa: E402

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

import input_data  # noqa: E402
import mnist_backward  # noqa: E402
import mnist_forward  # noqa: E402

WARM_UP = 100   # steps before the clock starts
STEPS = 2000    # steps timed in a round
SIDE = 2048     # of the large matrices
PRODUCTS = 30   # of them timed in a round


def matmul_rate():
    """Floating-point operations a second in one large float32 product."""
    with tf.Graph().as_default(), tf.Session() as sess:
        a, b = (tf.Variable(tf.random_uniform([SIDE, SIDE])) for _ in range(2))
        product = tf.matmul(a, b).op
        sess.run(tf.global_variables_initializer())
        sess.run(product)
        start = time.perf_counter()
        for _ in range(PRODUCTS):
            sess.run(product)
        return 2 * SIDE ** 3 * PRODUCTS / (time.perf_counter() - start)


def our_step(mnist):
    """Seconds a step of mnist_backward.backward, from the moments it asks for its batches."""
    moments, next_batch = [], mnist.train.next_batch

    def watched(batch_size):
        moments.append(time.perf_counter())
        return next_batch(batch_size)
    mnist.train.next_batch = watched
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        mnist_backward.model_save_path = folder
        mnist_backward.backward(mnist, WARM_UP + STEPS)
    mnist.train.next_batch = next_batch
    return (moments[WARM_UP + STEPS] - moments[WARM_UP]) / STEPS


def on_tf1(python, script, *arguments):
    """Run one of the scripts of this folder on TensorFlow 1.14 and return its last line."""
    command = [python, '-W', 'ignore', os.path.join(ROOT, 'benchmarks', script)]
    # TensorFlow 2 puts TF2_BEHAVIOR=1 into our environment, which 1.14 would obey.
    env = {name: value for name, value in os.environ.items() if name != 'TF2_BEHAVIOR'}
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, env=env)
    if done.returncode:
        raise cli.UserError(f'{python}: expected Python 3.6 with tensorflow==1.14.0, '
                            f'found: {done.stderr.strip().splitlines()[-1:]}')
    return done.stdout.splitlines()[-1]


def tf1_step(python):
    """Seconds a step of the post's graph on TensorFlow 1.14."""
    return float(on_tf1(python, 'mnist_tf1_step.py', STEPS).split()[0]) / 1000


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--tf1', metavar='PYTHON3.6', help='time TensorFlow 1.14 too')
    parser.add_argument('--rounds', type=cli.positive_int, default=3, help='default: %(default)s')
    args = parser.parse_args()
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    inputs, hidden, outputs = (mnist_forward.INPUT_NODE, mnist_forward.LAYER1_NODE,
                               mnist_forward.OUTPUT_NODE)
    work = 2 * mnist_backward.batch_size * (inputs * hidden + hidden * outputs) * 3
    rates, ours, tf1 = [], [], []
    for _ in range(args.rounds):
        rates.append(matmul_rate())
        ours.append(our_step(mnist))
        if args.tf1:
            tf1.append(tf1_step(args.tf1))
    rows = [('floor', [work / rate for rate in rates]), ('ours', ours), ('TensorFlow 1.14', tf1)]
    for name, seconds in rows:
        if seconds:
            all_rounds = ' '.join(f'{s * 1000:.2f}' for s in seconds)
            cli.say(f'{name:16}{statistics.median(seconds) * 1000:6.2f} ms a step '
                    f'(rounds: {all_rounds})')
    cli.say(f'matrix product  {statistics.median(rates) / 1e9:6.0f} GFLOP/s')
    if tf1:
        cli.say(f'ours is {statistics.median(tf1) / statistics.median(ours):.2f} times as fast '
                'as TensorFlow 1.14')


if __name__ == '__main__':
    cli.run(main)
