"""A signal during a matrix product corrupts the heap: a report for TensorFlow and oneDNN.

Command:  python benchmarks/signal_in_product.py            aborts in most runs
          python benchmarks/signal_in_product.py --taken    survives: how this project does it
Reads:    nothing
Writes:   one line, if it survives
Takes:    --seconds, 12 by default; run it three times

What happens: with `SINGLE_THREADED_EXECUTOR`, TensorFlow multiplies in the thread that calls
`Session.run`, which in Python is the main thread, to which the system delivers signals. On a
processor with AVX-512, oneDNN multiplies with code generated at run time. If a signal that has a
handler arrives meanwhile, the process dies within seconds, whatever the handler does, from SIGABRT
("corrupted size vs. prev_size", "double linked list corrupted") or SIGSEGV.

Hypothesis: the generated code keeps values below the stack pointer, beyond the System V ABI's red
zone of 128 bytes. The kernel puts the signal frame there, which corrupts these values, and the next
store through one of them writes to a wrong address.

Evidence: it survives with ONEDNN_MAX_CPU_ISA=AVX2, with the default executor (the main thread only
waits), without signals, with operations other than matrix products, and with the signal blocked in
all threads but one that waits in sigwait(2). TF_ENABLE_ONEDNN_OPTS=0 changes nothing. Seen with
TensorFlow 2.21.0 on Linux 6, AMD EPYC (Zen 4).

Expected: the signal frame overwrites nothing. The generated code could move the stack pointer below
the values it keeps, as other functions do.
"""
import argparse
import os
import signal
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)


def multiply(seconds, arrived):
    """Train a small network while SIGINT arrives 100 times per second. Returns: the steps.

    Args: arrived: a list that the signal's handler appends to.
    """
    import numpy as np
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 784])
        w1 = tf.Variable(tf.random.normal([784, 500]))
        w2 = tf.Variable(tf.random.normal([500, 10]))
        loss = tf.reduce_mean(tf.matmul(tf.nn.relu(tf.matmul(x, w1)), w2) ** 2)
        step = tf.train.GradientDescentOptimizer(1e-9).minimize(loss)
        config = tf.ConfigProto()
        config.experimental.executor_type = 'SINGLE_THREADED_EXECUTOR'
        with tf.Session(config=config) as sess:
            sess.run(tf.global_variables_initializer())
            signal.signal(signal.SIGINT, lambda number, _frame: arrived.append(number))
            pictures = np.random.rand(200, 784).astype(np.float32)
            end, steps = time.monotonic() + seconds, 0

            def send():
                while time.monotonic() < end:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.01)
            sender = threading.Thread(target=send)
            sender.start()
            while time.monotonic() < end:
                sess.run(step, {x: pictures})
                steps += 1
            sender.join()
    return steps


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--taken', action='store_true',
                        help='block the signal and wait for it in a separate thread')
    parser.add_argument('--seconds', type=float, default=12)
    args = parser.parse_args()
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    if args.taken:
        from support.common import signals
        signals.take_signals()  # before TensorFlow starts a thread
    arrived = []
    steps = multiply(args.seconds, arrived)
    print(f'survived {steps} steps and {len(arrived)} signals')


if __name__ == '__main__':
    main()
