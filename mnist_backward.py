"""Train the network of mnist_forward.py on MNIST and save checkpoints.

Command:  python mnist_backward.py [--steps 50000]
          python mnist_backward.py --augment      distorts the training digits: reads better; move
                                                  ./model/ away first, or it goes on from there
Reads:    ./data/ (MNIST), and the newest checkpoint in ./model/ if there is one: then it goes on
Writes:   ./model/mnist_model-<step>.*, the newest five, and ./model/log/ for TensorBoard
Takes:    two and a half to four minutes on two cores without a GPU, with --augment ten

Ctrl-C saves and ends; the same command goes on from there. In a second shell, mnist_test.py shows
the accuracy while this runs, and `tensorboard --logdir model/log` the loss.
"""
import concurrent.futures
import contextlib
import glob
import os

import cli

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

import input_data
import mnist_augment
import mnist_forward

# ---- training ----
batch_size = 200             # pictures in a step
learning_rate_base = 0.1     # learning rate of the first epoch
learning_rate_decay = 0.99   # the next epoch's rate is this times the last one's
regularizer = 0.0001         # factor of the weight penalty
steps = 50000                # train until the global step is this
augment_steps = 120000       # the same with --augment: more to see takes longer to learn ...
augment_rate_base = 0.5      # ... and cannot be learnt by heart, so larger steps do no harm
seed = 0                     # of the first weights, the order of the pictures, the distortions
moving_average_decay = 0.99  # share of the old value when a moving average follows its variable

# ---- files ----
data_path = "./data/"
model_save_path = "./model/"
model_name = "mnist_model"
checkpoints_kept = 5

# ---- how often ----
report_interval = 1000       # steps from one line and checkpoint to the next
summary_interval = 100       # steps from one point in TensorBoard to the next


def backward(mnist, until=None, weight_seed=None, augment=False):
    """Train on `mnist` (see input_data.read_data_sets) until the global step is `until`.

    `until` is `steps` and `weight_seed` is `seed` unless given; `augment` says that the digits of
    `mnist` are distorted. Goes on from the newest checkpoint in `model_save_path`.
    Returns the exit status: 0, or 128 + the signal that stopped it.
    """
    rate_base = augment_rate_base if augment else learning_rate_base
    until = steps if until is None else until
    weight_seed = seed if weight_seed is None else weight_seed
    command = 'python mnist_backward.py' + ' --augment' * augment
    if weight_seed != seed:
        command += f' --seed {weight_seed}'
    if mnist.train.num_examples < batch_size:
        raise cli.UserError(f'{data_path}: expected a batch of {batch_size} training pictures '
                            'beside the validation set, found '
                            f'{mnist.train.num_examples}; put more there')
    cli.writable_folder(model_save_path)
    with tf.Graph().as_default():
        tf.set_random_seed(weight_seed)
        x = tf.placeholder(tf.float32, [None, mnist_forward.INPUT_NODE])    # pixels, 0 ... 1
        y_ = tf.placeholder(tf.float32, [None, mnist_forward.OUTPUT_NODE])  # one-hot digits
        y = mnist_forward.forward(x, regularizer)                           # logits [batch, 10]
        global_step = tf.Variable(0, trainable=False)                       # int32 []

        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(
            logits=y, labels=tf.argmax(y_, 1))                              # float32 [batch], 0 ...
        loss = tf.reduce_mean(ce) + tf.add_n(tf.get_collection('losses'))   # float32 []

        learning_rate = tf.train.exponential_decay(
            rate_base, global_step,
            mnist.train.num_examples / batch_size,  # steps in an epoch: 275
            learning_rate_decay, staircase=True)
        train_step = tf.train.GradientDescentOptimizer(learning_rate).minimize(
            loss, global_step=global_step)

        ema = tf.train.ExponentialMovingAverage(moving_average_decay, global_step)
        # The averages follow the step: without this order they might take the old weights.
        with tf.control_dependencies([train_step]):
            train_op = ema.apply(tf.trainable_variables())

        tf.summary.scalar('loss', loss)
        tf.summary.scalar('learning_rate', learning_rate)
        summaries = tf.summary.merge_all()
        saver = tf.train.Saver(max_to_keep=checkpoints_kept, save_relative_paths=True)
        with tf.Session(config=one_after_another()) as sess:
            sess.run(tf.global_variables_initializer())
            checkpoint = newest_checkpoint()
            if checkpoint:
                restore(saver, sess, checkpoint)
            step = int(sess.run(global_step))
            if step >= until:
                cli.say(f'{checkpoint} is trained: {step} steps of {until} are done. '
                        f'To go on: {command} --steps {2 * step}')
                mark_finished(checkpoint)
                return 0
            if checkpoint:
                cli.say(f'Restored {checkpoint}, going on to step {until}.')
                saver.recover_last_checkpoints(kept_checkpoints())
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(model_save_path, 'finished'))  # see mark_finished

            # While a step runs, a second thread gathers the next batch.
            with (concurrent.futures.ThreadPoolExecutor(1) as reader,
                  tf.summary.FileWriter(os.path.join(model_save_path, 'log'), sess.graph) as log,
                  cli.progress(until, 'training', 'step', initial=step) as bar,
                  cli.stop_signals() as stop):
                saved = step
                batch = reader.submit(mnist.train.next_batch, batch_size)
                while step < until and stop.signal is None:
                    xs, ys = batch.result()  # float32 [200, 784], 0 ... 1; float64 [200, 10]
                    batch = reader.submit(mnist.train.next_batch, batch_size)
                    step += 1
                    feed = {x: xs, y_: ys}
                    # The loss costs time, so it is fetched only where somebody sees it.
                    if step % report_interval == 1 or step == until:
                        _, loss_value = sess.run([train_op, loss], feed_dict=feed)
                        cli.say(f'After {step} training step(s),'
                                f'loss on training batch is {loss_value:g}.')
                        save(saver, sess, step, sess.run(loss, feed_dict=feed))
                        saved = step
                    elif step % summary_interval == 0:
                        _, summary = sess.run([train_op, summaries], feed_dict=feed)
                        log.add_summary(summary, step)
                    else:
                        sess.run(train_op, feed_dict=feed)
                    bar.update()
                if saved < step:
                    save(saver, sess, step, sess.run(loss, feed_dict=feed))
            if step == until:
                mark_finished(newest_checkpoint())
                return 0
            cli.say(f'Stopped and saved at step {step} of {until}. '
                    f'To go on: {command} --steps {until}')
            return 128 + stop.signal


def one_after_another():
    """Session settings under which a small graph runs fastest.

    The operations run in the caller's thread, in order; each may still use all cores inside.
    The default executor hands them to other threads, and waking one costs more than most of them.
    This one knows no tf.cond and tf.while_loop: return tf.ConfigProto() if you add one.
    """
    config = tf.ConfigProto()
    config.experimental.executor_type = 'SINGLE_THREADED_EXECUTOR'
    return config


def newest_checkpoint(state_file=None):
    """Return the path of the checkpoint in `model_save_path` that was saved last, or None."""
    listed = cli.listed_checkpoints(model_save_path, state_file)
    if not listed and state_file is None:  # copied here without their state file
        listed = kept_checkpoints()
    return listed[-1] if listed else None


def kept_checkpoints():
    """Return the paths of all checkpoints in `model_save_path`, the smallest step first."""
    indexes = glob.glob(os.path.join(glob.escape(model_save_path), f'{model_name}-*.index'))
    paths = [index[:-len('.index')] for index in indexes]
    return sorted((path for path in paths if step_of(path).isdigit()),
                  key=lambda path: int(step_of(path)))


def step_of(checkpoint):
    """'./model/mnist_model-1001' -> '1001'"""
    return checkpoint.rpartition('-')[2]


def mark_finished(checkpoint):
    """Tell other processes, such as mnist_test.py, that training ended with `checkpoint`.

    It is named in a second state file beside TensorFlow's own; no key is added to the checkpoint.
    """
    if not finished(checkpoint):
        tf.train.update_checkpoint_state(model_save_path, os.path.basename(checkpoint),
                                         latest_filename='finished')


def finished(checkpoint):
    """Whether training ended with `checkpoint`, so that no newer one will come."""
    return newest_checkpoint('finished') == checkpoint


def restore(saver, sess, checkpoint):
    """Restore `checkpoint`; raises cli.UserError if it is missing, damaged or another network's."""
    try:
        saver.restore(sess, checkpoint)
        # TensorFlow itself would take a value of any shape.
        for variable, value in zip(tf.trainable_variables(), sess.run(tf.trainable_variables())):
            if variable.shape != value.shape:
                raise ValueError(f'{variable.op.name} of shape {value.shape}, '
                                 f'expected {tuple(variable.shape)}')
    except (tf.errors.OpError, ValueError) as error:
        raise cli.UserError(
            f'{checkpoint}: expected a whole checkpoint of the network in mnist_forward.py, found: '
            f'{cli.reason(error)}; move {model_save_path} away and run: python mnist_backward.py'
        ) from error


def save(saver, sess, step, loss_value):
    """Save mnist_model-<step>; raises cli.UserError if that fails or training has gone astray."""
    if not abs(loss_value) < float('inf'):  # also true of nan
        raise cli.UserError(f'the loss is {loss_value} at step {step}, expected a finite number; '
                            'the last checkpoint is kept; lower the learning rate in '
                            'mnist_backward.py and run again')
    try:
        saver.save(sess, os.path.join(model_save_path, model_name), global_step=step)
    except (tf.errors.OpError, ValueError) as error:
        raise cli.UserError(f'{model_save_path}: could not save a checkpoint there: '
                            f'{cli.reason(error)}; the last one is kept; make room and run the '
                            'same command again') from error


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--steps', type=cli.positive_int,
                        help='train until the global step is this '
                             f'(default: {steps}, with --augment {augment_steps})')
    parser.add_argument('--augment', action='store_true',
                        help='distort the training digits, each time in another way')
    parser.add_argument('--seed', type=cli.seed_number, default=seed,
                        help='of the first weights, the order of the pictures and the '
                             'distortions (default: %(default)s)')
    args = parser.parse_args()
    done = step_of(newest_checkpoint() or '-0')
    order_seed = args.seed + (int(done) if done.isdigit() else 0)  # gone on, it draws what is new
    mnist = input_data.read_data_sets(data_path, one_hot=True, seed=order_seed)
    if args.augment:
        mnist = mnist_augment.distorted(mnist, order_seed)
        return backward(mnist, args.steps or augment_steps, args.seed, augment=True)
    return backward(mnist, args.steps, args.seed)


if __name__ == '__main__':
    cli.run(main)
