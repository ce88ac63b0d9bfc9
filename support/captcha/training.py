"""What surrounds the post's training loop: checks before it, and saving, measuring, resuming in it.

captcha_train.py builds the graph and runs the loop. `prepare` reads all files once, so that no
fault in them shows up an hour later; `begin` gives the variables their values; `supervised`
surrounds the loop and does after each iteration what is due: the progress bar, TensorBoard, a
checkpoint, the held-out captchas, a warning when the network only guesses, a stop on Ctrl-C.
"""
import collections
import contextlib
import dataclasses
import math
import os
import shlex
import sys
from typing import Callable

import numpy as np
import tensorflow.compat.v1 as tf

from nets.methods import METHODS
from support import cluster
from support.captcha import dataset, models, recipes, records, transfer
from support.common import checkpoints, console, files
from support.common.console import UserError

KEEP = 2  # checkpoints
EVAL_BATCH_SIZE = 100  # pictures in a held-out batch: only memory depends on it
RECENT = 40  # losses whose mean tells whether the network still guesses
GUESSING = 0.97  # of the loss at chance: above it the network still guesses


@dataclasses.dataclass(frozen=True)
class Run:
    """What a training reads and writes, and how it begins; how it learns is a recipes.Recipe."""
    train_file: str = dataset.TRAIN_FILE
    test_file: str = dataset.TEST_FILE
    model_dir: str = models.MODEL_DIR  # for checkpoints
    log_dir: str | None = None  # for TensorBoard; None: `log` in model_dir
    seed: int = 0  # of initial values, dropout, distortion and shuffling
    restart: bool = False  # begin at iteration 0 whatever is there
    init_from: str | None = None  # folder or checkpoint whose weights a new training begins with
    bfloat16: bool | None = None  # see `session_config`; None: where the processor can
    save_every: int = 1000  # iterations; then it is measured on the held-out captchas, too
    plateau: int = 1500  # iterations at chance after which to warn
    member: cluster.Member | None = None  # of a cluster; None: one process
    # Called after each iteration with its number and the last losses; true ends the training.
    until: Callable | None = None


@dataclasses.dataclass(frozen=True)
class Start:
    """What `prepare` found."""
    facts: dataset.Facts
    train_files: list  # the records of this process
    pictures: int  # in them
    agreement: dict  # what all processes of a cluster must agree on
    held_out: int  # pictures
    chance: float  # the loss of a network that guesses
    newest: tuple | None  # checkpoint that is there, see `written`
    resumed: str | None  # checkpoint to begin with
    iteration: int  # the first to be done
    init_from: models.About | None  # what a new training begins with

    @property
    def chance_name(self):
        """'ln 10 = 2.303', or '2.130' where it is no logarithm of a whole number."""
        classes = round(math.exp(self.chance))
        exact = math.isclose(self.chance, math.log(classes), abs_tol=1e-6)
        return f'ln {classes} = {self.chance:.3f}' if exact else f'{self.chance:.3f}'


@dataclasses.dataclass(frozen=True)
class Tensors:
    """What `begin` and `supervised` need of the graph: see `tensors`."""
    x: tf.Tensor  # placeholder float32 [None, 224, 224]
    total_loss: tf.Tensor  # float32 scalar
    predictions: tf.Tensor  # int32 [batch, heads], classes read of x, without dropout
    lr: tf.Variable
    input_summary: tf.Tensor  # the pictures as the network sees them, for TensorBoard
    initializer: tf.Operation
    restorable: tf.train.Saver  # of what the original code's checkpoints hold as well
    saver: tf.train.Saver  # of everything


def tensors(x, total_loss, predictions, lr, input_summary, member):
    """Tensors of a graph that is complete but for its savers."""
    variables = cluster.keys(tf.global_variables())
    ours = checkpoints.ABOUT, lr.op.name
    return Tensors(
        x, total_loss, predictions, lr, input_summary, cluster.initializer(member),
        tf.train.Saver({key: v for key, v in variables.items() if key not in ours}),
        tf.train.Saver(variables, max_to_keep=KEEP, save_relative_paths=True))


def prepare(recipe, run):
    """Read all files with every check and find the checkpoint to resume.

    A worker of a cluster reads its own records only: the rest is the chief's.

    Returns: Start; None if all iterations are done already, which is said.
    Raises: UserError.
    """
    all_files = records.files(run.train_file)
    train_files = cluster.share(run.member, all_files)
    newest = resumed = init_from = None
    iteration = 0
    if cluster.is_chief(run.member):
        files.writable_folder(run.model_dir)
        files.writable_folder(log_dir(run))
        checkpoints.remove_halves(run.model_dir, models.MODEL_NAME)
        newest = models.newest(run.model_dir)
        resumed = None if run.restart else newest
        check_held_out(all_files, run.test_file)
    pictures, held_out, facts, chance = check_data(train_files, run, recipe.batch_size)
    if run.init_from is not None and not resumed:
        init_from = models.about(models.find(run.init_from))
        check_initial(init_from, recipe)
    if resumed:
        about = models.about(resumed)
        models.check_resumable(about, recipe, facts, dataset.sum_of(all_files[0]))
        iteration = about.iteration + 1
    if iteration >= recipe.steps:
        print(f'{resumed} is trained already; train it further with --steps '
              f'{iteration + max(1, recipe.steps - 1)}, or train a new one with --restart')
        cluster.dismiss(run.member)
        return None
    chance = METHODS[recipe.method].chance(chance, facts.heads)
    agreement = {**recipes.to_json(recipe), **dataset.to_json(facts),
                 'records': [os.path.basename(path) for path in all_files]}
    if not cluster.agree(run.member, agreement):
        return None
    return Start(facts, train_files, pictures, agreement, held_out, chance, written(newest),
                 resumed, iteration, init_from)


def written(checkpoint):
    """A checkpoint and when it was written, for one may take the name of another; or None."""
    return checkpoint and (checkpoint, os.stat(f'{checkpoint}.index').st_mtime_ns)


def check_initial(about, recipe):
    """Raise a UserError unless a checkpoint's network is the one to be trained."""
    for field in 'network', *recipes.INPUT:
        found, wanted = about.fields[field], getattr(recipe, field)
        if found != wanted:
            raise UserError(f'{about.checkpoint}: expected a checkpoint of {field} {wanted}, found '
                            f'one of {field} {found}; name another with --init-from, or train '
                            f'with the --network and the --recipe that it was trained with')


def check_data(train_files, run, batch_size):
    """Read the training records once, and the held-out ones unless this is a worker.

    Returns: their record counts, the training records' Facts and loss at chance.
    """
    count, facts, chance = records.survey_with_chance(train_files)
    if count < batch_size:
        raise UserError(f'{train_files[0]}: expected at least one batch of {batch_size} records, '
                        f'found {count}; use --batch-size {count}, or make a larger file '
                        'with to_tfrecord.py')
    if not cluster.is_chief(run.member):
        return count, 0, facts, chance
    test_count, test_facts = records.survey(run.test_file)
    if not facts.covers(test_facts):
        raise UserError(f'{run.test_file}: expected {facts} as in {run.train_file}, found '
                        f'{test_facts}; make both at once, with python to_tfrecord.py')
    return count, test_count, facts, chance


def check_held_out(train_files, test_file):
    """Raise a UserError if a file of held-out records is among those that are trained on."""
    both = {*map(os.path.realpath, train_files)} & {*map(os.path.realpath,
                                                        records.files(test_file))}
    if both:
        raise UserError(f'{test_file}: expected pictures that are not trained on, found '
                        f'{min(both)} in --train, too; name other files with --test or --train')


def seed(run, start):
    """The graph's seed: a resumed run draws what is new, and so does each process of a cluster."""
    return run.seed + start.iteration + (1_000_003 * run.member.number if run.member else 0)


def log_dir(run):
    """The folder for TensorBoard."""
    return run.log_dir or os.path.join(run.model_dir, 'log')


def session_config(bfloat16=None, member=None):
    """Settings of a training session.

    Args:
      bfloat16: let TensorFlow multiply matrices and convolve in bfloat16 (8 bits of precision,
        float32's range); variables stay float32. None: if the processor has instructions for it.
      member: a cluster.Member; None: no cluster.
    """
    config = tf.ConfigProto(allow_soft_placement=True)
    rewrites = config.graph_options.rewrite_options
    if bfloat16 or bfloat16 is None and has_bfloat16():
        rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
        if member:  # it joins operations to some that a cluster's session lacks in 16 bits
            rewrites.remapping = rewrites.OFF
    return config


def has_bfloat16():
    """Whether Linux lists instructions for bfloat16; elsewhere False, because nothing tells."""
    with contextlib.suppress(OSError), open('/proc/cpuinfo', encoding='ascii',
                                            errors='replace') as file:
        flags = next((line for line in file if line.startswith('flags')), '').split()
        return 'avx512_bf16' in flags or 'amx_bf16' in flags
    return False


def summary(values):
    """{tag: number} for TensorBoard."""
    return tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)
                             for tag, value in values.items()])


def begin(sess, tensors, recipe, run, start):
    """Give all variables their values: of the checkpoint to resume, or new ones.

    Returns: the first iteration to be done.
    Raises: UserError.
    """
    sess.run(tensors.initializer)
    resumed, iteration = start.resumed, start.iteration
    newest = written(models.newest(run.model_dir))
    if newest != start.newest:  # a cluster lost its variables: resume from what it has saved itself
        resumed, iteration = newest[0], checkpoints.step_of(newest[0]) + 1
    if resumed:
        checkpoints.restore(tensors.restorable, sess, resumed, 'train a new one with the same '
                            'command and --restart, or begin with the weights that it has: '
                            '--init-from, and another --model-dir')
        tensors.lr.load(recipes.rate_at(recipe, iteration), sess)
        console.say(f'resuming from {resumed} at the learning rate {sess.run(tensors.lr):.3g}')
    elif start.init_from:
        transfer.begin_with(sess, start.init_from, start.facts)
    return iteration


@contextlib.contextmanager
def supervised(sess, tensors, recipe, run, start):
    """Surround the training loop of a session in which it has begun.

    Yields: the numbers of the iterations to be done; a function to be called after each of them
      with its number, its loss before the step, and what was fed, which returns the exit status
      when the training is to end, else None; and TensorBoard's writer.
    Raises: UserError if the data or a checkpoint fails, or the loss is no number.
    """
    if run.bfloat16:
        check_bfloat16(sess, tensors)
    console.say(f'{start.pictures} training pictures, {start.held_out} held-out pictures, '
                f'{start.facts}; loss at chance: {start.chance_name}'
                if cluster.is_chief(run.member) else f'{run.member.name}: {start.pictures} training'
                f' pictures of its own in {len(start.train_files)} files')
    try:
        with console.stop_signals() as stop:
            numbers = cluster.iterations(run.member, sess, start.iteration, recipe.steps, stop)
            if cluster.is_chief(run.member):
                with _saved(sess, tensors, recipe, run, start, stop) as (after_iteration, writer):
                    yield numbers, after_iteration, writer
            else:
                def after_iteration(*_):
                    cluster.rest(run.member)
                    return 128 + stop.signal if stop.signal else None
                yield numbers, after_iteration, None
    except tf.errors.OutOfRangeError as error:  # the reader's thread failed, closed the queue
        raise UserError(f'{run.train_file}: was whole when the training began, cannot be read '
                        f'now; make it again, then resume with the same command') from error


@contextlib.contextmanager
def _saved(sess, tensors, recipe, run, start, stop):
    """`supervised` of a process that saves and measures."""
    saver = tensors.saver
    if start.newest and not saver.last_checkpoints:  # even if it is not resumed: as new ones come,
        saver.recover_last_checkpoints(  # the saver removes the old
            checkpoints.kept(run.model_dir, models.MODEL_NAME))
    again = 'the same command'
    prefix = os.path.join(run.model_dir, models.MODEL_NAME)
    recent = collections.deque(maxlen=RECENT)  # losses
    warned = False

    def after_iteration(number, loss, feed):
        nonlocal again, warned
        i = cluster.last_done(run.member, sess, number)
        if i < number and not stop.signal:  # a fault took the cluster back
            return None
        if i < 0:
            return 128 + stop.signal
        check_finite(loss, i, recipe, run)
        recent.append(loss)
        writer.add_summary(summary({'loss': loss}), i)
        bar.update()
        if run.until and run.until(i, recent):
            return 0
        if i >= run.plateau and not warned and len(recent) == RECENT:
            warned = True
            if sum(recent) / RECENT > GUESSING * start.chance:
                warn_of_plateau(i, recipe, start)
        done = i + 1 == recipe.steps
        if not (done or stop.signal or (i and i % run.save_every == 0)):
            return None

        # once more, because what is saved comes after the step that `loss` led to
        check_finite(sess.run(tensors.total_loss, feed), i, recipe, run)
        try:
            checkpoint = checkpoints.save(saver, cluster.raw(sess), prefix, i, again)
        except cluster.BROKEN:  # a parameter server is gone: the next step begins all anew
            return None
        cluster.note_saved(run.member)
        again = 'the same command' + ', without --restart' * run.restart
        if done or not stop.signal:
            report_held_out(sess, tensors, run.test_file, start.facts, i, writer)
            writer.add_summary(sess.run(tensors.input_summary, feed), i)
        writer.flush()
        if done:
            read = models.command('captcha_test.py', run.model_dir)
            if run.test_file != dataset.TEST_FILE:
                read += f' --test {shlex.quote(run.test_file)}'
            console.say(f'saved {checkpoint}; read captchas with: {read}')
            return 0
        if stop.signal:
            console.say(f'stopped after iteration {i}, saved {checkpoint}; resume with {again}')
            return 128 + stop.signal
        return None

    with tf.summary.FileWriter(log_dir(run), sess.graph) as writer, console.progress(
            recipe.steps, 'training', 'it', initial=start.iteration) as bar:
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), start.iteration)
        yield after_iteration, writer


def check_bfloat16(sess, tensors):
    """Raise a UserError if the session cannot compute in 16 bits on this processor."""
    try:
        sess.run(tensors.predictions, {tensors.x: np.zeros([1, *tensors.x.shape[1:]])})
    except tf.errors.OpError as error:
        raise UserError('--bfloat16: expected a processor with AVX512-BF16 or AMX, found one '
                        'on which TensorFlow cannot multiply in 16 bits; leave it out') from error


def check_finite(loss, i, recipe, run):
    """Raise a UserError if the loss is infinite or no number: no later step can repair that."""
    if not math.isfinite(loss):
        last = models.newest(run.model_dir) or 'none yet'
        raise UserError(
            f'iteration {i}: the loss is {loss}; last good checkpoint: {last}; try a smaller rate: '
            f'the same command with --restart --learning-rate {recipe.learning_rate / 3:.2g}')


def held_out_accuracy(sess, tensors, filename, facts):
    """Read every record of a file once, without dropout.

    Like captcha_test.py: a whole captcha is one whose text is right, wherever in it the network
    finds no character, and where there is none and none is found, none is counted.
    Returns: the share of characters, the share of whole captchas, and of how many captchas.
    """
    count = characters = right = whole = 0
    for images, labels in records.read_batches(filename, EVAL_BATCH_SIZE):
        predictions = sess.run(tensors.predictions, {tensors.x: records.scale(images)})
        there = np.minimum(predictions, labels) < len(facts.alphabet)  # bool [n, heads]
        count += len(labels)
        characters += there.sum()
        right += (there & (predictions == labels)).sum()
        whole += sum(facts.text_of(found) == facts.text_of(label)
                     for found, label in zip(predictions, labels))
    return right / characters, whole / count, count


def report_held_out(sess, tensors, filename, facts, i, writer):
    """Measure on the held-out pictures, print it and write it for TensorBoard."""
    characters, whole, count = held_out_accuracy(sess, tensors, filename, facts)
    console.say(f'Held-out after iteration {i}: characters {characters:.4f}, '
                f'whole captchas {whole:.4f} of {count}')
    writer.add_summary(summary({'held_out/characters': characters,
                                'held_out/whole_captchas': whole}), i)


def warn_of_plateau(i, recipe, start):
    """Say on stderr that the network still guesses, and what to try."""
    advice = ('without --recipe post' if recipe.initialization == 'post'
              else 'with another --seed, or a third of the --learning-rate')
    print(f'\nwarning: after {i} iterations the loss is still at chance, '
          f'{start.chance_name}; try the same command with --restart, {advice}; '
          f'more than these {start.pictures} pictures help too', file=sys.stderr)
