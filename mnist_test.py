"""Print the accuracy on MNIST's 10,000 test pictures, again with each new checkpoint.

Command:  python mnist_test.py [--once]
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
from support.common import checkpoints
from support.digits import input_data

test_interval_secs = 5  # between checks of ./model/
patience = 6  # checks without a new checkpoint before a notice
restore_attempts = 3    # training may delete a checkpoint while we read it


def test(mnist, once=False, model_folder=mnist_backward.model_save_path, sleep=console.pause):
    """Print the test accuracy of each new checkpoint until training has finished.

    Args: once: test only the newest. sleep: called with the seconds between checks.
    Returns: the last accuracy, 0 ... 1; None without a checkpoint.
    """
    with tf.Graph().as_default():
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

        feed = {x: mnist.test.images, y_: mnist.test.labels}
        tested = accuracy_score = None
        looks = 0  # since the last new checkpoint
        with tf.Session() as sess:
            while True:
                checkpoint = checkpoints.newest(model_folder, mnist_backward.model_name)
                if checkpoint is None:
                    console.say('No checkpoint file found')
                    return accuracy_score
                looks += 1
                if checkpoint != tested:
                    looks = 0
                    tested = restore_newest(saver, sess, model_folder, sleep)
                    accuracy_score = float(sess.run(accuracy, feed_dict=feed))
                    console.say(f'After {checkpoints.step_of(tested)} training step(s),'
                                f'test accuracy= {accuracy_score:g}.')
                if once or checkpoints.finished(tested):
                    return accuracy_score
                if looks == patience:
                    print('waiting for the next checkpoint of mnist_backward.py; Ctrl-C ends this',
                          file=sys.stderr)
                sleep(test_interval_secs)


def restore_newest(saver, sess, model_folder, sleep):
    """Restore the newest checkpoint and return its prefix; raises UserError if it is unusable.

    Training deletes old checkpoints, so if one is unreadable, look for the newest again.
    """
    for attempts_left in reversed(range(restore_attempts)):
        checkpoint = checkpoints.newest(model_folder, mnist_backward.model_name)
        try:
            checkpoints.restore(saver, sess, checkpoint, mnist_backward.retrain)
            return checkpoint
        except console.UserError:
            if not attempts_left:
                raise
            sleep(1)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--once', action='store_true', help='test the newest checkpoint and exit')
    args = parser.parse_args()
    mnist = input_data.read_data_sets(mnist_backward.data_path, one_hot=True)
    if test(mnist, args.once) is None:
        raise console.UserError('train first: python mnist_backward.py')


if __name__ == '__main__':
    console.run(main)
