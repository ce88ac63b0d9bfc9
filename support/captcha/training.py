"""What begins, surrounds and ends the post's training loop, which captcha_train.py runs."""
import collections
import contextlib
import dataclasses
import math
import os
import shlex
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from nets.methods import METHODS
from support.captcha import dataset, models, recipes, records, transfer
from support.common import checkpoints, console, files, signals
from support.common.console import UserError

KEEP = 2  # checkpoints
RECENT = 40  # losses whose mean shows whether the network still guesses
GUESSING = 0.97  # share of the loss at chance above which the network still guesses


# --- values
@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What a training reads and writes, and how it starts; how it learns is a recipes.Recipe."""
    train_file: str = dataset.TRAIN_FILE
    test_file: str = dataset.TEST_FILE
    model_dir: str = models.MODEL_DIR  # for checkpoints, and TensorBoard's `log`
    seed: int = 0  # of initial values, dropout, distortion and shuffling
    restart: bool = False  # start at iteration 0, whatever is there
    init_from: str | None = None  # folder or checkpoint that a new training starts from
    bfloat16: bool = True  # see `session_config`
    save_every: int = 1000  # iterations; the held-out accuracy is measured then as well
    plateau: int = 1500  # iterations at chance after which to warn

    @property
    def prefix(self):
        """The prefix of checkpoints: ./captcha/crack_captcha.model."""
        return os.path.join(self.model_dir, models.MODEL_NAME)


@dataclasses.dataclass(frozen=True)
class Start:
    """What `prepare` found."""
    facts: dataset.Facts
    train_files: list  # of records
    pictures: int  # in them
    held_out: int  # pictures
    chance: float  # the loss of a network that guesses
    resumed: str | None  # checkpoint to resume
    iteration: int  # the first to do
    init_from: models.About | None  # what a new training starts from
    seed: int  # of the graph; a resumed run draws different random numbers


@dataclasses.dataclass(frozen=True)
class Graph:
    """Handles to the tensors of the post's graph."""
    graph: tf.Graph
    x: tf.Tensor  # placeholder float32 [None, 224, 224], -1 ... 1
    y: list  # placeholders float32 [None], classes, one for each head
    batch: list  # images and labels to feed
    lr: tf.Variable
    optimizer: tf.Operation  # a training step
    total_loss: tf.Tensor  # float32 scalar
    accuracies: list  # float32 scalars, one for each head
    predictions: tf.Tensor  # int32 [batch, heads], classes read of x, without dropout


# --- beginning
def prepare(recipe, run):
    """Read all files with every check, so that faults show up now. Raises: UserError.

    Returns: Start; None, after printing so, if all iterations are done already.
    """
    files.writable_folder(os.path.join(run.model_dir, 'log'))
    checkpoints.remove_halves(run.model_dir, models.MODEL_NAME)
    train_files = records.files(run.train_file)
    both = {os.path.realpath(path) for path in train_files} & {
        os.path.realpath(path) for path in records.files(run.test_file)}
    if both:
        raise UserError(f'{run.test_file}: expected pictures that are not trained on, found '
                        f'{min(both)} in --train, too; name other files with --test or --train')
    pictures, facts, chance = records.survey(train_files)
    if pictures < recipe.batch_size:
        raise UserError(f'{train_files[0]}: expected at least one batch of {recipe.batch_size} '
                        f'records, found {pictures}; use --batch-size {pictures}, or make a larger '
                        'file with to_tfrecord.py')
    held_out, test_facts, _ = records.survey(run.test_file)
    if not facts.covers(test_facts):
        raise UserError(f'{run.test_file}: expected {facts} as in {run.train_file}, found '
                        f'{test_facts}; make both at once, with python to_tfrecord.py')
    init_from, iteration = None, 0
    resumed = None if run.restart else models.newest(run.model_dir)
    if resumed:
        about = models.about(resumed)
        models.check_resumable(about, recipe, facts, dataset.noted(train_files[0]))
        iteration = about.iteration + 1
    elif run.init_from is not None:
        init_from = models.about(models.find(run.init_from))
        if init_from.facts.pictures != facts.pictures:
            raise UserError(f'{init_from.checkpoint}: expected records as it was trained on, found '
                            'others; make them with: python to_tfrecord.py --pictures '
                            f'{init_from.facts.pictures} ... --overwrite')
    if iteration >= recipe.steps:
        print(f'{resumed} is fully trained; continue with --steps '
              f'{iteration + max(1, recipe.steps - 1)}, or train a new one with --restart')
        return None
    chance = METHODS[recipe.method].chance(chance, facts.heads)
    return Start(facts, train_files, pictures, held_out, chance, resumed, iteration, init_from,
                 seed=run.seed + iteration)


# --- the session
@contextlib.contextmanager
def supervised(graph, recipe, run, start):
    """Start the training of a Graph. Yields: a session, new or resumed; a Supervisor.

    Raises: UserError if the data or a checkpoint is unusable, or the loss is NaN.
    """
    try:
        with (graph.graph.as_default(), tf.Session(config=session_config(run.bfloat16)) as sess,
              signals.stop_signals() as stop):
            models.note_about(recipe, start.facts, run)
            begin(sess, graph, recipe, start)
            supervisor = Supervisor(sess, graph, recipe, run, start, stop)
            console.say(f'{start.pictures} training pictures, {start.held_out} held-out pictures, '
                        f'{start.facts}; loss at chance: {start.chance:.3f}')
            with (tf.summary.FileWriter(os.path.join(run.model_dir, 'log'),
                                        sess.graph) as supervisor.writer,
                  console.progress(recipe.steps, 'training', 'it',
                                   initial=start.iteration) as supervisor.bar):
                supervisor.writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START),
                                                  start.iteration)
                yield sess, supervisor
    except tf.errors.OutOfRangeError as error:  # the reader's thread failed, closed the queue
        raise UserError(f'{run.train_file}: was whole when the training began, cannot be read '
                        f'now; make it again, then resume with the same command') from error


def session_config(bfloat16=True):
    """A session's settings: products in bfloat16, variables in float32, if the processor can."""
    config = tf.ConfigProto(allow_soft_placement=True)
    if bfloat16 and has_bfloat16():
        rewrites = config.graph_options.rewrite_options
        rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
    return config


def has_bfloat16():
    """Whether Linux lists bfloat16 instructions; False on other systems, where nothing tells."""
    with contextlib.suppress(OSError), open('/proc/cpuinfo', encoding='ascii',
                                            errors='replace') as file:
        return not {'avx512_bf16', 'amx_bf16'}.isdisjoint(file.read().split())
    return False


def begin(sess, graph, recipe, start):
    """Give all variables their values, from a checkpoint or new ones. Raises: UserError."""
    sess.run(tf.global_variables_initializer())
    if start.resumed:
        ours = checkpoints.ABOUT, graph.lr.op.name  # which the original code's checkpoints lack
        checkpoints.restore(
            tf.train.Saver([v for v in tf.global_variables() if v.op.name not in ours]), sess,
            start.resumed, 'train a new one with the same command and --restart, or start from '
            'its weights with --init-from and another --model-dir')
        graph.lr.load(recipes.rate_at(recipe, start.iteration), sess)
        console.say(f'resuming from {start.resumed} at the learning rate {sess.run(graph.lr):.3g}')
    elif start.init_from:
        transfer.begin_with(sess, start.init_from, start.facts)


class Supervisor:
    """Does what is due after each iteration: progress bar, TensorBoard, checkpoints, Ctrl-C."""

    def __init__(self, sess, graph, recipe, run, start, stop):
        self.sess, self.graph, self.recipe = sess, graph, recipe
        self.run, self.start, self.stop = run, start, stop
        self.writer = self.bar = None  # see `supervised`
        self.status = None  # the exit status, once the training must end
        self.recent = collections.deque(maxlen=RECENT)  # losses
        self.input_summary = tf.summary.merge_all()
        self.saver = tf.train.Saver(max_to_keep=KEEP, save_relative_paths=True)
        # the saver removes existing checkpoints as new ones come, even if none is resumed
        self.saver.recover_last_checkpoints(checkpoints.kept(run.model_dir, models.MODEL_NAME))
        self.again = 'the same command'  # how to resume

    def iterations(self):
        """Yield the number of each remaining iteration, until the training must end."""
        for i in range(self.start.iteration, self.recipe.steps):
            yield i
            if self.status is not None:
                return

    def show(self, i, line, values):
        """Print a line and write {tag: number} of iteration `i` for TensorBoard."""
        console.say(line)
        self.writer.add_summary(summary(values), i)

    def save_is_due(self, i, loss, feed):
        """Whether to save after iteration `i`: regularly, at the end, and at a stop.

        Args: loss: of its batch, before the step. feed: its feed_dict.
        Raises: UserError if the loss is not finite, so that NaN weights are never saved.
        """
        self.recent.append(loss)
        self.writer.add_summary(summary({'loss': loss}), i)
        self.bar.update()
        if i - self.start.iteration == self.run.plateau:
            self.warn_if_guessing(i)
        due = (i and i % self.run.save_every == 0) or i + 1 == self.recipe.steps
        due = bool(due or self.stop.signal)
        if due:
            self.feed, loss = feed, self.sess.run(self.graph.total_loss, feed)  # after the step
        if not math.isfinite(loss):
            last = models.newest(self.run.model_dir) or 'none yet'
            raise UserError(f'iteration {i}: the loss is {loss}; last good checkpoint: {last}; try '
                            'the same command with a smaller learning rate: --restart '
                            f'--learning-rate {self.recipe.learning_rate / 3:.2g}')
        return due

    def warn_if_guessing(self, i):
        """Print on stderr if the loss has stayed at chance level, and what to try."""
        if np.mean(self.recent) <= GUESSING * self.start.chance:
            return
        advice = ('without --recipe post' if self.recipe.initialization == 'post'
                  else 'with another --seed, or a third of the --learning-rate')
        print(f'\nwarning: after {i} iterations the loss is still at chance, '
              f'{self.start.chance:.3f}; try the same command with --restart, {advice}; '
              f'more than these {self.start.pictures} pictures help too', file=sys.stderr)

    def save(self, sess, save_path, global_step):
        """Save, evaluate, and end at the last iteration or a stop. Raises: UserError, disk full."""
        checkpoint = checkpoints.save(self.saver, sess, save_path, global_step, self.again)
        self.again = 'the same command' + ', without --restart' * self.run.restart
        done = global_step + 1 == self.recipe.steps
        if done or not self.stop.signal:
            report_held_out(sess, self.graph, self.run.test_file, self.start.facts, global_step,
                            self.writer)
            self.writer.add_summary(sess.run(self.input_summary, self.feed), global_step)
        self.writer.flush()
        stopped = self.stop.signal  # it may have come meanwhile
        if done:
            read = models.command('captcha_test.py', self.run.model_dir)
            if self.run.test_file != dataset.TEST_FILE:
                read += f' --test {shlex.quote(self.run.test_file)}'
            console.say(f'saved {checkpoint}; read captchas with: {read}')
            self.status = 0
        elif stopped:
            console.say(f'stopped after iteration {global_step}, saved {checkpoint}; resume with '
                        f'{self.again}')
            self.status = 128 + stopped


def summary(values):
    """{tag: number} for TensorBoard."""
    return tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)
                             for tag, value in values.items()])


def report_held_out(sess, graph, filename, facts, i, writer):
    """Read the held-out pictures without dropout; print the accuracy, write it for TensorBoard.

    A captcha is whole if its text is right, wherever the network finds 'no character'.
    """
    count = characters = right = whole = 0
    for images, labels in records.read_batches(filename, batch_size=100):
        predictions = sess.run(graph.predictions, {graph.x: records.scale(np.float32(images))})
        there = np.minimum(predictions, labels) < len(facts.alphabet)  # bool [n, heads]
        count += len(labels)
        characters += there.sum()
        right += (there & (predictions == labels)).sum()
        whole += sum(facts.text_of(found) == facts.text_of(label)
                     for found, label in zip(predictions, labels))
    console.say(f'Held-out after iteration {i}: characters {right / characters:.4f}, '
                f'whole captchas {whole / count:.4f} of {count}')
    writer.add_summary(summary({'held_out/characters': right / characters,
                                'held_out/whole_captchas': whole / count}), i)
