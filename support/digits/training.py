"""What surrounds the post's MNIST training: options, data, resuming, saving, TensorBoard, the end.

mnist_backward.py builds the graph and runs the loop.
"""
import contextlib
import dataclasses
import os
import shlex

import numpy as np
import tensorflow.compat.v1 as tf

from support.common import checkpoints, console, files, option_types, signals
from support.common.console import UserError
from support.common.prefetch import prefetched
from support.digits import augmentation, input_data

KEPT = 5  # checkpoints
MOMENTUM = 0.9  # share of the last update that the next one repeats, with --augment
RETRAIN = 'train a new one: python mnist_backward.py --model-dir FOLDER'  # if one is unusable


@dataclasses.dataclass(frozen=True)
class Run:
    """A training's hyperparameters and folder."""
    steps: int                   # global step at which it ends
    batch_size: int              # pictures per step
    learning_rate_base: float
    regularizer: float           # coefficient of the L2 penalty
    model_save_path: str
    model_name: str
    seed: int = 0                # of the initial weights, the order of the pictures, distortions
    augmented: bool = False      # distort the training digits
    report_interval: int = 1000  # steps between printed lines, and between checkpoints
    summary_interval: int = 100  # steps between points in TensorBoard

    @property
    def prefix(self):
        """The prefix of checkpoints: ./model/mnist_model."""
        return os.path.join(self.model_save_path, self.model_name)

    def newest(self):
        """The newest checkpoint's prefix, or None."""
        return checkpoints.newest(self.model_save_path, self.model_name)

    def command(self, until):
        """The command that resumes this training until global step `until`."""
        return (f'python mnist_backward.py --model-dir {shlex.quote(self.model_save_path)}'
                f'{" --augment" * self.augmented} --seed {self.seed} --steps {until}')


def augmented(run):
    """The same training on distorted digits.

    They take longer to learn and cannot be memorised: larger steps and almost no penalty do no
    harm, and a learning rate that decays to 0 lets the weights settle.
    """
    return dataclasses.replace(run, steps=150000, regularizer=0.00001, augmented=True)


def optimizer_of_augmented(run, global_step):
    """Momentum, with a rate that falls linearly to 0. Returns: the rate float32 [], optimizer."""
    rate = tf.train.polynomial_decay(run.learning_rate_base, global_step, run.steps,
                                     end_learning_rate=0.)
    return rate, tf.train.MomentumOptimizer(rate, MOMENTUM)


def options(doc, run):
    """The command line's Run. Args: doc: for --help. run: the post's."""
    parser = console.parser(doc)
    parser.add_argument('--steps', type=option_types.positive_int,
                        help=f'train until this global step (default: {run.steps}, with --augment '
                             f'{augmented(run).steps})')
    parser.add_argument('--augment', action='store_true',
                        help='distort the training digits at random')
    parser.add_argument('--seed', type=option_types.seed_number, default=run.seed,
                        help='for the initial weights, the order of the pictures and the '
                             'distortions (default: %(default)s)')
    parser.add_argument('--model-dir', default=run.model_save_path, metavar='FOLDER',
                        help='folder for the checkpoints (default: %(default)s)')
    args = parser.parse_args()
    run = augmented(run) if args.augment else run
    return dataclasses.replace(run, steps=args.steps or run.steps, seed=args.seed,
                               model_save_path=args.model_dir)


def data(run, folder, strength=augmentation.Strength()):
    """MNIST from `folder` for `run`: shuffled with its seed, distorted with `strength` or not.

    A resumed training continues with the pictures that an uninterrupted one would see.
    Raises: UserError if there are too few pictures.
    """
    mnist = input_data.read_data_sets(folder, one_hot=True, seed=run.seed)
    if mnist.train.num_examples < run.batch_size:
        raise UserError(f'{folder}: expected a batch of {run.batch_size} training pictures beside '
                        f'the validation set, found {mnist.train.num_examples}; put more there')
    if run.augmented:
        mnist = augmentation.distorted(mnist, run.seed, strength)
    mnist.train.skip_batches(checkpoints.step_of(run.newest() or ''), run.batch_size)
    return mnist


class Saver(tf.train.Saver):
    """The post's saver; a failed save is a UserError and leaves the earlier checkpoints."""

    def __init__(self, run):
        super().__init__(max_to_keep=KEPT, save_relative_paths=True)
        self.run = run

    def save(self, sess, save_path, global_step):
        return checkpoints.save(super(), sess, save_path, global_step,
                                self.run.command(self.run.steps))


@contextlib.contextmanager
def supervised(graph, saver, run, train, learning_rate):
    """Open a session, new or resumed, for a loop over `Supervisor.iterations`, and end it well.

    Args: train: input_data.DataSet. learning_rate: float32 [], for TensorBoard.
    Yields: tf.Session, Supervisor. Raises: UserError; earlier checkpoints are kept.
    """
    files.writable_folder(run.model_save_path)
    checkpoints.remove_halves(run.model_save_path, run.model_name)
    with graph.as_default(), tf.Session(config=session_config()) as sess:
        sess.run(tf.global_variables_initializer())
        step = resume(saver, sess, run)
        supervisor = Supervisor(sess, run, learning_rate, step)
        with (contextlib.closing(prefetched(train.next_batch, run.batch_size))
              as supervisor.batches,
              tf.summary.FileWriter(os.path.join(run.model_save_path, 'log'), graph)
              as supervisor.log,
              console.progress(run.steps, 'training', 'step', initial=step) as supervisor.bar,
              signals.stop_signals() as supervisor.stop):
            yield sess, supervisor
    if supervisor.step < run.steps:
        console.say(f'Stopped and saved at step {supervisor.step} of {run.steps}. '
                    f'To resume: {run.command(run.steps)}')


class Supervisor:
    """What surrounds the loop's body."""

    def __init__(self, sess, run, learning_rate, step):
        """Args: step: training steps that are done."""
        self.sess, self.run, self.learning_rate, self.step = sess, run, learning_rate, step
        self.batches = self.log = self.bar = self.stop = None  # see `supervised`
        self.saved = False  # at the end of the iteration
        self.status = 0  # the exit status: 0, or 128 + the signal that ended the loop

    def iterations(self):
        """Yield the number of each iteration that is left, until a signal."""
        while self.step < self.run.steps and not self.status:
            yield self.step
            self.step += 1
            self.bar.update()
            if self.stop.signal and self.saved:  # otherwise the next iteration saves
                self.status = 128 + self.stop.signal

    def save_is_due(self, i, loss):
        """Whether to save after iteration `i`: regularly, at the end, and at a stop.

        Raises: UserError if the weights are not finite.
        """
        if (i + 1) % self.run.summary_interval == 0:
            values = {'loss': loss, 'learning_rate': self.sess.run(self.learning_rate)}
            self.log.add_summary(tf.Summary(value=[
                tf.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]),
                i + 1)
        self.saved = (i % self.run.report_interval == 0 or i + 1 == self.run.steps
                      or self.stop.signal is not None)
        if self.saved and not all(np.isfinite(value).all()
                                  for value in self.sess.run(tf.trainable_variables())):
            raise UserError(f'step {i + 1}: expected finite weights, found NaN or infinity; the '
                            'last checkpoint is kept; lower learning_rate_base in '
                            'mnist_backward.py and run again')
        return self.saved


def resume(saver, sess, run):
    """Restore the newest checkpoint, if there is one. Returns: how many steps are done."""
    checkpoint = run.newest()
    if not checkpoint:
        return 0
    checkpoints.restore(saver, sess, checkpoint, RETRAIN)
    step = checkpoints.step_of(checkpoint)
    if step < run.steps:
        console.say(f'Restored {checkpoint}, resuming until step {run.steps}.')
        saver.recover_last_checkpoints(checkpoints.kept(run.model_save_path, run.model_name))
    else:
        console.say(f'{checkpoint} is trained: {step} steps of {run.steps} are done. '
                    f'To train it further: {run.command(2 * step)}')
    return step


def session_config():
    """Session settings under which a small graph runs fastest.

    The operations run in the caller's thread, in order; each may still use all cores.
    The default executor hands them to other threads; waking one takes longer than most operations.
    This one lacks tf.cond and tf.while_loop: return tf.ConfigProto() if you add one.
    """
    config = tf.ConfigProto()
    config.experimental.executor_type = 'SINGLE_THREADED_EXECUTOR'
    return config
