"""Time the post's own training step on the TensorFlow it was written for, 1.14.

Command:  python3.6 benchmarks/mnist_tf1_step.py 2000 [--save FOLDER]
          python3.6 benchmarks/mnist_tf1_step.py --test FOLDER/mnist_model-2100
Reads:    the files in data/ beside this folder, and the checkpoint to test
Writes:   nothing; with --save the checkpoint FOLDER/mnist_model-<step> of the steps it made
Takes:    3 to 6 ms a step on two cores; 20 s for the 2,000 above

It needs the old environment (Python 3.6, tensorflow==1.14.0) and nothing else of this project;
benchmarks/mnist_speed.py --tf1 and exchange.py call it. It stands alone on purpose: the graph is
the post's, written down once more with TensorFlow 1's own reader and optimizer calls, so that ours
can be compared with it. Prints milliseconds a step, or the test accuracy of the moving averages,
0 ... 1.
"""
from __future__ import print_function

import argparse
import os
import time
import warnings

warnings.filterwarnings('ignore')  # NumPy and TensorFlow 1 disagree about the future, loudly
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

import tensorflow as tf

try:
    from tensorflow.examples.tutorials.mnist import input_data
except ImportError:  # a later TensorFlow: `main` says so
    input_data = None

# --- the post's numbers
BATCH = 200
RATE_BASE, RATE_DECAY = 0.1, 0.99
REGULARIZER = 0.0001
AVERAGE_DECAY = 0.99
DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'data')

WARM_UP = 100  # steps made before the clock starts


def weight(shape):
    """A weight variable of the post's, with its penalty in the collection 'losses'."""
    w = tf.Variable(tf.truncated_normal(shape, stddev=0.1))
    tf.add_to_collection('losses', tf.contrib.layers.l2_regularizer(REGULARIZER)(w))
    return w


def network():
    """Build the post's network; returns x [batch, 784], y_ [batch, 10] and logits [batch, 10]."""
    x = tf.placeholder(tf.float32, [None, 784])
    y_ = tf.placeholder(tf.float32, [None, 10])
    w1, b1 = weight([784, 500]), tf.Variable(tf.zeros([500]))
    hidden = tf.nn.relu(tf.matmul(x, w1) + b1)
    w2, b2 = weight([500, 10]), tf.Variable(tf.zeros([10]))
    return x, y_, tf.matmul(hidden, w2) + b2


def step_graph(num_examples):
    """Build the post's graph; returns x, y_ and what one step fetches."""
    x, y_, y = network()
    global_step = tf.Variable(0, trainable=False)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=tf.argmax(y_, 1))
    loss = tf.reduce_mean(entropy) + tf.add_n(tf.get_collection('losses'))
    rate = tf.train.exponential_decay(RATE_BASE, global_step, num_examples / float(BATCH),
                                      RATE_DECAY, staircase=True)
    train_step = tf.train.GradientDescentOptimizer(rate).minimize(loss, global_step=global_step)
    average = tf.train.ExponentialMovingAverage(AVERAGE_DECAY, global_step)
    average_op = average.apply(tf.trainable_variables())
    with tf.control_dependencies([train_step, average_op]):
        train_op = tf.no_op(name='train')
    return x, y_, [train_op, loss, global_step]


def train(mnist, warm_up, steps, folder):
    """Train for warm_up + steps steps and save into a folder, if any; returns ms per timed step."""
    x, y_, fetches = step_graph(mnist.train.num_examples)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i in range(warm_up + steps):
            if i == warm_up:
                start = time.time()
            xs, ys = mnist.train.next_batch(BATCH)
            sess.run(fetches, feed_dict={x: xs, y_: ys})
        seconds = time.time() - start
        if folder:
            tf.train.Saver().save(sess, os.path.join(folder, 'mnist_model'),
                                  global_step=warm_up + steps)
        return seconds / steps * 1000


def test(mnist, checkpoint):
    """The accuracy of a checkpoint's moving averages on the test pictures, 0 ... 1."""
    x, y_, y = network()
    averages = tf.train.ExponentialMovingAverage(AVERAGE_DECAY).variables_to_restore()
    right = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
    with tf.Session() as sess:
        tf.train.Saver(averages).restore(sess, checkpoint)
        return sess.run(tf.reduce_mean(tf.cast(right, tf.float32)),
                        feed_dict={x: mnist.test.images, y_: mnist.test.labels})


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('steps', type=int, nargs='?', default=2000, help='how many steps to time')
    parser.add_argument('--warm-up', type=int, default=WARM_UP, metavar='STEPS',
                        help='untimed steps before (default: %(default)s)')
    parser.add_argument('--save', metavar='FOLDER', help='save the result as a checkpoint here')
    parser.add_argument('--test', metavar='CHECKPOINT', help='test this one, train nothing')
    args = parser.parse_args()
    if input_data is None:
        parser.error('expected TensorFlow 1.14.0, found %s' % tf.__version__)
    tf.logging.set_verbosity(tf.logging.ERROR)
    mnist = input_data.read_data_sets(DATA, one_hot=True)
    if args.test:
        print(test(mnist, args.test))
    else:
        print('%.3f ms a step' % train(mnist, args.warm_up, args.steps, args.save))


if __name__ == '__main__':
    main()
