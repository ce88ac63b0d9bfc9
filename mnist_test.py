"""Print the accuracy on MNIST's 10,000 test pictures, again with each new checkpoint.

Command:  python mnist_test.py [--once] [--model-dir model/augmented]
Reads:    ./data/ (MNIST) and the newest checkpoint in ./model/, every five seconds
Writes:   nothing
Takes:    3 s with --once; otherwise until mnist_backward.py has finished, or Ctrl-C
"""
import sys

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

import mnist_backward
import mnist_forward
from support.common import checkpoints, files, signals
from support.digits import input_data, training

test_interval_secs = 5  # between looks for a new checkpoint


def test(mnist, model_dir=mnist_backward.model_save_path, once=False, sleep=signals.pause):
    """Print the test accuracy of each new checkpoint until training has finished.

    Args: once: test only the newest. sleep: called with the seconds between looks.
    Returns: the last accuracy, 0 ... 1; None without a checkpoint.
    """
    with tf.Graph().as_default(), tf.Session() as sess:
        # placeholders and forward pass
        x = tf.placeholder(tf.float32, [None, mnist_forward.INPUT_NODE])    # pixels, 0 ... 1
        y_ = tf.placeholder(tf.float32, [None, mnist_forward.OUTPUT_NODE])  # one-hot digits
        y = mnist_forward.forward(x, None)                                  # logits [10000, 10]

        # Each variable takes the value of its moving average, key <name>/ExponentialMovingAverage.
        ema = tf.train.ExponentialMovingAverage(mnist_backward.moving_average_decay)
        saver = tf.train.Saver(ema.variables_to_restore())

        # accuracy
        correct_prediction = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))    # bool [10000]
        accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))  # float32 [], 0 ... 1

        accuracy_score = tested = None
        while True:
            training_goes_on = files.in_use(model_dir)
            checkpoint = checkpoints.newest(model_dir, mnist_backward.model_name)
            if checkpoint is None:
                console.say('No checkpoint file found')
                return accuracy_score
            if checkpoint != tested:
                checkpoints.restore(saver, sess, checkpoint, training.RETRAIN)
                global_step = checkpoint.split('-')[-1]
                accuracy_score = float(sess.run(
                    accuracy, feed_dict={x: mnist.test.images, y_: mnist.test.labels}))
                console.say('After %s training step(s),test accuracy= %g.' % (
                    global_step, accuracy_score))
            if once or not training_goes_on:
                return accuracy_score
            if tested is None:
                print('waiting for new checkpoints of mnist_backward.py; Ctrl-C ends this',
                      file=sys.stderr)
            tested = checkpoint
            sleep(test_interval_secs)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--once', action='store_true', help='test the newest checkpoint and exit')
    parser.add_argument('--model-dir', default=mnist_backward.model_save_path, metavar='FOLDER',
                        help='folder of the checkpoints (default: %(default)s)')
    args = parser.parse_args()
    mnist = input_data.read_data_sets(mnist_backward.data_path, one_hot=True)
    if test(mnist, args.model_dir, args.once) is None:
        raise console.UserError('train first: python mnist_backward.py')


if __name__ == '__main__':
    console.run(main)
