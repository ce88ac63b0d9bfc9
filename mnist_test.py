"""Print the accuracy on MNIST's 10,000 test pictures, again with each new checkpoint.

Command:  python mnist_test.py [--once]
Reads:    ./data/ (MNIST) and the newest checkpoint in ./model/, every five seconds
Writes:   nothing
Takes:    3 s with --once; otherwise until mnist_backward.py has finished, or Ctrl-C
"""
import time

import cli

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

import input_data
import mnist_backward
import mnist_forward

# ---- how often ----
test_interval_secs = 5  # seconds from one look at ./model/ to the next
restore_attempts = 3    # training may replace a checkpoint at the moment we read it


def test(mnist, once=False):
    """Print the test accuracy of each new checkpoint until training has finished.

    With `once`, of the newest only. Returns the last accuracy, 0 ... 1, or None: no checkpoint.
    """
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, mnist_forward.INPUT_NODE])    # pixels, 0 ... 1
        y_ = tf.placeholder(tf.float32, [None, mnist_forward.OUTPUT_NODE])  # one-hot digits
        y = mnist_forward.forward(x, None)                                  # logits [10000, 10]

        # Each variable takes the value of its moving average, key <name>/ExponentialMovingAverage.
        ema = tf.train.ExponentialMovingAverage(mnist_backward.moving_average_decay)
        saver = tf.train.Saver(ema.variables_to_restore())

        correct_prediction = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))    # bool [10000]
        accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))  # float32 [], 0 ... 1

        feed = {x: mnist.test.images, y_: mnist.test.labels}
        tested = accuracy_score = None
        with tf.Session() as sess:
            while True:
                newest = mnist_backward.newest_checkpoint()
                if newest is None:
                    cli.say('No checkpoint file found')
                    return accuracy_score
                if newest != tested:
                    tested = restore_newest(saver, sess)
                    accuracy_score = float(sess.run(accuracy, feed_dict=feed))
                    cli.say(f'After {mnist_backward.step_of(tested)} training step(s),'
                            f'test accuracy= {accuracy_score:g}.')
                if once or mnist_backward.finished(tested):
                    return accuracy_score
                time.sleep(test_interval_secs)


def restore_newest(saver, sess):
    """Restore the newest checkpoint and return its path; raises cli.UserError if it is unusable.

    Training deletes old checkpoints, so one that cannot be read is looked up again.
    """
    for attempt in range(restore_attempts):
        checkpoint = mnist_backward.newest_checkpoint()
        try:
            mnist_backward.restore(saver, sess, checkpoint)
            return checkpoint
        except cli.UserError:
            if attempt == restore_attempts - 1:
                raise
            time.sleep(1)


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--once', action='store_true', help='test the newest checkpoint and end')
    args = parser.parse_args()
    mnist = input_data.read_data_sets(mnist_backward.data_path, one_hot=True)
    if test(mnist, args.once) is None:
        return cli.complain('train first: python mnist_backward.py', 1)


if __name__ == '__main__':
    cli.run(main)
