"""Train the network of mnist_forward.py on MNIST and save checkpoints.

Command:  python mnist_backward.py [--steps 50000]
          python mnist_backward.py --augment      augments the training digits for accuracy; move
                                                  ./model/ away first, or it resumes from there
Reads:    ./data/ (MNIST), and the newest checkpoint in ./model/ if there is one, to resume
Writes:   ./model/mnist_model-<step>.*, the newest five, and ./model/log/ for TensorBoard
Takes:    two and a half to four minutes on two cores without a GPU, with --augment ten
          to twelve

Ctrl-C saves and exits; the same command resumes. In a second shell, mnist_test.py shows the
accuracy while this runs, and `tensorboard --logdir model/log` the loss.
"""
import contextlib
import dataclasses
import math
import os

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

import mnist_forward
from support.common import checkpoints, files
from support.digits import augmentation, input_data
from support.common.prefetch import prefetched

# --- the post's constants
batch_size = 200             # pictures per step
learning_rate_base = 0.1     # learning rate of the first epoch
learning_rate_decay = 0.99   # factor on the learning rate after each epoch
regularizer = 0.0001         # coefficient of the L2 penalty
steps = 50000                # global step at which training ends
moving_average_decay = 0.99  # weight of the old value in each update of a moving average
model_save_path = "./model/"
model_name = "mnist_model"
data_path = "./data/"

# --- ours
checkpoints_kept = 5
retrain = 'move its folder away and run: python mnist_backward.py'  # if a checkpoint is unusable


@dataclasses.dataclass(frozen=True)
class Run:
    """A training's hyperparameters and folder. Run() has the post's."""
    steps: int = steps
    batch_size: int = batch_size
    learning_rate_base: float = learning_rate_base
    falls_to_zero: bool = False  # the learning rate falls linearly to 0 at the last step
    momentum: float = 0          # share of the last update that the next one repeats
    regularizer: float = regularizer
    seed: int = 0                # for the initial weights, picture order and distortions
    augmented: bool = False      # distort the training digits
    model_save_path: str = model_save_path
    report_interval: int = 1000  # steps between printed lines, and between checkpoints
    summary_interval: int = 100  # steps between points in TensorBoard

    def command(self, until):
        """The command that resumes this training until global step `until`."""
        seed = '' if self.seed == Run.seed else f' --seed {self.seed}'
        return f'python mnist_backward.py{" --augment" * self.augmented}{seed} --steps {until}'


# Augmented digits take longer to learn and cannot be memorised: larger steps and almost no penalty
# do no harm, and a learning rate that decays to 0 lets the weights settle.
augmented_run = Run(steps=150000, learning_rate_base=0.1, falls_to_zero=True, momentum=0.9,
                    regularizer=0.00001, augmented=True)


def backward(mnist, run=Run()):
    """Train on `mnist` from the newest checkpoint until global step `run.steps`.

    Args: mnist: from input_data.read_data_sets with one_hot, see `training_data`.
    Returns: the exit status: 0, or 128 + the signal that stopped it.
    Raises: UserError; earlier checkpoints are kept.
    """
    if mnist.train.num_examples < run.batch_size:
        raise console.UserError(f'{data_path}: expected a batch of {run.batch_size} training '
                                'pictures beside the validation set, found '
                                f'{mnist.train.num_examples}; put more there')
    files.writable_folder(run.model_save_path)
    checkpoints.remove_halves(run.model_save_path, model_name)
    with tf.Graph().as_default():
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
        # learning rate
        learning_rate = learning_rate_of(run, global_step,
                                         mnist.train.num_examples / run.batch_size)
        # gradient descent; for Momentum or Adam change this line: docs/mnist.md
        optimizer = tf.train.GradientDescentOptimizer(learning_rate)
        if run.momentum:
            optimizer = tf.train.MomentumOptimizer(learning_rate, run.momentum)
        train_step = optimizer.minimize(loss, global_step=global_step)
        # moving averages
        ema = tf.train.ExponentialMovingAverage(moving_average_decay, global_step)
        # After the step: without this order they might average the old weights.
        with tf.control_dependencies([train_step]):
            train_op = ema.apply(tf.trainable_variables())

        tf.summary.scalar('loss', loss)
        tf.summary.scalar('learning_rate', learning_rate)
        summaries = tf.summary.merge_all()
        saver = tf.train.Saver(max_to_keep=checkpoints_kept, save_relative_paths=True)
        with tf.Session(config=session_config()) as sess:
            sess.run(tf.global_variables_initializer())
            # the latest checkpoint, if there is one
            checkpoint = checkpoints.newest(run.model_save_path, model_name)
            if checkpoint:
                restore(saver, sess, checkpoint)
            step = saved_step = int(sess.run(global_step))
            if step >= run.steps:
                console.say(f'{checkpoint} is trained: {step} steps of {run.steps} are done. '
                            f'To train it further: {run.command(2 * step)}')
                checkpoints.mark_finished(checkpoint)
                return 0
            if checkpoint:
                console.say(f'Restored {checkpoint}, resuming until step {run.steps}.')
                saver.recover_last_checkpoints(checkpoints.kept(run.model_save_path, model_name))
            checkpoints.mark_unfinished(run.model_save_path)

            with (contextlib.closing(prefetched(mnist.train.next_batch, run.batch_size)) as batches,
                  tf.summary.FileWriter(os.path.join(run.model_save_path, 'log'),
                                        sess.graph) as log,
                  console.progress(run.steps, 'training', 'step', initial=step) as bar,
                  console.stop_signals() as stop):
                while step < run.steps and stop.signal is None:
                    # the post's mnist.train.next_batch, prefetched during the last step
                    xs, ys = next(batches)  # float32 [200, 784], 0 ... 1; float64 [200, 10]
                    feed = {x: xs, y_: ys}
                    step += 1
                    # every 1,000 steps the post's line and a checkpoint; only then fetch the loss,
                    # which costs time, and again after the step: never save NaN weights
                    if (step - 1) % run.report_interval == 0 or step == run.steps:
                        _, loss_value = sess.run([train_op, loss], feed_dict=feed)
                        console.say(f'After {step} training step(s),'
                                    f'loss on training batch is {loss_value:g}.')
                        checkpoint = save(saver, sess, run, step, sess.run(loss, feed_dict=feed))
                        saved_step = step
                    elif step % run.summary_interval == 0:
                        _, summary = sess.run([train_op, summaries], feed_dict=feed)
                        log.add_summary(summary, step)
                    else:
                        sess.run(train_op, feed_dict=feed)
                    bar.update()
                if saved_step < step:
                    save(saver, sess, run, step, sess.run(loss, feed_dict=feed))
            if step < run.steps:
                console.say(f'Stopped and saved at step {step} of {run.steps}. '
                            f'To resume: {run.command(run.steps)}')
                return 128 + stop.signal
            checkpoints.mark_finished(checkpoint)
            return 0


def learning_rate_of(run, global_step, steps_in_epoch):
    """The learning rate of the step after `global_step`, float32 [].

    It depends only on the step, so a resumed training has the rates of an uninterrupted one.
    Args: global_step: int32 []. steps_in_epoch: float, 275 with MNIST.
    """
    if run.falls_to_zero:
        return tf.train.polynomial_decay(run.learning_rate_base, global_step, run.steps,
                                         end_learning_rate=0.)
    return tf.train.exponential_decay(run.learning_rate_base, global_step, steps_in_epoch,
                                      learning_rate_decay, staircase=True)


def restore(saver, sess, checkpoint):
    """Restore `checkpoint`, whose keys show whether it has momentum.

    One without, from the default training or an older --augment, continues with momentum starting
    at 0, after a notice.
    Raises: UserError if it is unusable, or has momentum but the graph has none.
    """
    shapes, _ = checkpoints.contents(checkpoint, retrain)
    plain = [variable for variable in tf.global_variables() if not is_momentum(variable.op.name)]
    momentum_wanted = len(plain) < len(tf.global_variables())
    momentum_found = any(map(is_momentum, shapes))
    if momentum_found and not momentum_wanted:
        raise console.UserError(f'{checkpoint}: expected a checkpoint of the default training, '
                                'found one of --augment; resume it with: python mnist_backward.py '
                                '--augment, or move its folder away to train anew')
    if momentum_wanted and not momentum_found:
        console.say(f'{checkpoint} has no momentum: the default training made it, or an older '
                    '--augment. It continues with momentum; to retrain, move its folder away.')
        saver = tf.train.Saver(plain)
    checkpoints.restore(saver, sess, checkpoint, retrain)


def is_momentum(key):
    """Whether a key belongs to a MomentumOptimizer variable, such as Variable_1/Momentum."""
    return key.endswith('/Momentum')


def session_config():
    """Session settings under which a small graph runs fastest.

    The operations run in the caller's thread, in order; each may still use all cores.
    The default executor hands them to other threads; waking one takes longer than most operations.
    This one lacks tf.cond and tf.while_loop: return tf.ConfigProto() if you add one.
    """
    config = tf.ConfigProto()
    config.experimental.executor_type = 'SINGLE_THREADED_EXECUTOR'
    return config


def save(saver, sess, run, step, loss_value):
    """Save mnist_model-<step> and return its prefix.

    Args: loss_value: of the current weights; if it is NaN, so are they.
    Raises: UserError then, or if the checkpoint cannot be written.
    """
    if not math.isfinite(loss_value):
        raise console.UserError(f'the loss is {loss_value} at step {step}, expected a finite '
                                'number; the last checkpoint is kept; lower the learning rate in '
                                'mnist_backward.py and run again')
    return checkpoints.save(saver, sess, os.path.join(run.model_save_path, model_name), step,
                            run.command(run.steps))


def training_data(run, folder=data_path, strength=augmentation.Strength()):
    """MNIST from `folder` for `run`: shuffled with its seed, distorted with `strength` or not.

    A resumed training continues with the pictures that an uninterrupted one would see.
    """
    checkpoint = checkpoints.newest(run.model_save_path, model_name) or ''
    mnist = input_data.read_data_sets(folder, one_hot=True, seed=run.seed)
    if run.augmented:
        mnist = augmentation.distorted(mnist, run.seed, strength)
    if mnist.train.num_examples >= run.batch_size:
        mnist.train.skip_batches(checkpoints.step_of(checkpoint), run.batch_size)
    return mnist


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--steps', type=console.positive_int,
                        help='train until this global step '
                             f'(default: {steps}, with --augment {augmented_run.steps})')
    parser.add_argument('--augment', action='store_true',
                        help='distort the training digits at random')
    parser.add_argument('--seed', type=console.seed_number, default=Run.seed,
                        help='for the initial weights, the order of the pictures and the '
                             'distortions (default: %(default)s)')
    args = parser.parse_args()
    run = augmented_run if args.augment else Run()
    run = dataclasses.replace(run, steps=args.steps or run.steps, seed=args.seed)
    with files.alone(run.model_save_path):
        return backward(training_data(run), run)


if __name__ == '__main__':
    console.run(main)
