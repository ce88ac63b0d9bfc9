"""Train the network of mnist_forward.py on MNIST and save checkpoints.

Command:  python mnist_backward.py [--steps 50000]
          python mnist_backward.py --augment --model-dir model/augmented    trains on distorted
                                                                            digits, for accuracy
Reads:    ./data/ (MNIST), and the newest checkpoint in ./model/ if there is one, to resume
Writes:   ./model/mnist_model-<step>.*, the newest five, and ./model/log/ for TensorBoard
Takes:    two and a half to four minutes on two cores without a GPU, with --augment ten
          to twelve

Ctrl-C saves and exits; the same command resumes. In a second shell, mnist_test.py shows the
accuracy while this runs, and `tensorboard --logdir model/log` the loss.

This file follows the post, in its order. What surrounds the loop (options, resuming, stopping) is
in support/digits/training.py.
"""
from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

import mnist_forward
from support.common import files
from support.digits import training

batch_size = 200             # pictures per step
learning_rate_base = 0.1     # learning rate of the first epoch
learning_rate_decay = 0.99   # factor on the learning rate after each epoch
regularizer = 0.0001         # coefficient of the L2 penalty
steps = 50000                # global step at which training ends
moving_average_decay = 0.99  # weight of the old value in each update of a moving average
model_save_path = "./model/"
model_name = "mnist_model"
data_path = "./data/"

post = training.Run(steps=steps, batch_size=batch_size, learning_rate_base=learning_rate_base,
                    regularizer=regularizer, model_save_path=model_save_path,
                    model_name=model_name)


def backward(mnist, run=post):
    """Train on `mnist` from the newest checkpoint until global step `run.steps`.

    Args: mnist: from input_data.read_data_sets with one_hot, see `training.data`.
    Returns: the exit status: 0, or 128 + the signal that stopped it.
    Raises: UserError; earlier checkpoints are kept.
    """
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(run.seed)
        # placeholders
        x = tf.placeholder(tf.float32, [None, mnist_forward.INPUT_NODE])    # pixels, 0 ... 1
        y_ = tf.placeholder(tf.float32, [None, mnist_forward.OUTPUT_NODE])  # one-hot digits
        # forward pass
        y = mnist_forward.forward(x, run.regularizer)                       # logits [batch, 10]
        global_step = tf.Variable(0, trainable=False)                       # int32 []
        # loss: cross-entropy and the penalty on the weights
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(
            logits=y, labels=tf.argmax(y_, 1))                              # float32 [batch], 0 ...
        loss = tf.reduce_mean(ce) + tf.add_n(tf.get_collection('losses'))   # float32 []
        # learning rate, and gradient descent; for Momentum or Adam see docs/mnist.md
        learning_rate = tf.train.exponential_decay(
            run.learning_rate_base, global_step, mnist.train.num_examples / run.batch_size,
            learning_rate_decay, staircase=True)
        optimizer = tf.train.GradientDescentOptimizer(learning_rate)
        if run.augmented:
            learning_rate, optimizer = training.optimizer_of_augmented(run, global_step)
        train_step = optimizer.minimize(loss, global_step=global_step)
        # moving averages, of the weights after the step
        ema = tf.train.ExponentialMovingAverage(moving_average_decay, global_step)
        with tf.control_dependencies([train_step]):
            train_op = ema.apply(tf.trainable_variables())
            global_step = global_step.read_value()                          # after the step
        saver = training.Saver(run)

    with training.supervised(graph, saver, run, mnist.train, learning_rate) as (sess, supervisor):
        for i in supervisor.iterations():  # 50,000
            xs, ys = next(supervisor.batches)  # mnist.train.next_batch(batch_size), one ahead
            _, loss_value, step = sess.run([train_op, loss, global_step], feed_dict={x: xs, y_: ys})
            if supervisor.save_is_due(i, loss_value):  # every 1,000, at the end, at Ctrl-C
                console.say('After %d training step(s),loss on training batch is %g.' % (
                    step, loss_value))
                saver.save(sess, run.prefix, global_step=step)
    return supervisor.status


def main():
    run = training.options(__doc__, post)
    with files.alone(run.model_save_path):
        return backward(training.data(run, data_path), run)


if __name__ == '__main__':
    console.run(main)
