"""The start of the post's training: checks, a session, values for the variables.

captcha_train.py builds the graph and runs the loop. `prepare` reads all files once, so that faults
show up immediately. `supervised` opens a session, new or resumed, supervises the loop (see
supervision.py) and ends it.
"""
import contextlib
import dataclasses
import math
import os
from typing import Callable

import numpy as np
import tensorflow.compat.v1 as tf

from nets.methods import METHODS
from support.captcha import dataset, models, recipes, records, supervision, transfer
from support.cluster import placement
from support.cluster.member import Alone, Member, join
from support.common import checkpoints, console, files
from support.common.console import UserError


# --- values
@dataclasses.dataclass(frozen=True)
class Run:
    """What a training reads and writes, and how it starts; how it learns is a recipes.Recipe."""
    train_file: str = dataset.TRAIN_FILE
    test_file: str = dataset.TEST_FILE
    model_dir: str = models.MODEL_DIR  # for checkpoints
    log_dir: str | None = None  # for TensorBoard; None: `log` in model_dir
    seed: int = 0  # of initial values, dropout, distortion and shuffling
    restart: bool = False  # start at iteration 0, whatever is there
    init_from: str | None = None  # folder or checkpoint that a new training starts from
    bfloat16: bool | None = None  # see `session_config`; None: if the processor supports it
    save_every: int = 1000  # iterations; the held-out accuracy is measured then as well
    plateau: int = 1500  # iterations at chance after which to warn
    member: Alone | Member = Alone()
    # Called after each iteration with its number and the last losses; true ends the training.
    until: Callable | None = None

    @property
    def prefix(self):
        """The prefix of checkpoints: ./captcha/crack_captcha.model."""
        return os.path.join(self.model_dir, models.MODEL_NAME)

    @property
    def logs(self):
        """The folder for TensorBoard."""
        return self.log_dir or os.path.join(self.model_dir, 'log')


@dataclasses.dataclass(frozen=True)
class Start:
    """What `prepare` found."""
    facts: dataset.Facts
    train_files: list  # the records of this process
    pictures: int  # in them
    agreement: dict  # what all processes of a cluster must agree on
    held_out: int  # pictures
    chance: float  # the loss of a network that guesses
    newest: tuple | None  # existing checkpoint, see `written`
    resumed: str | None  # checkpoint to resume
    iteration: int  # the first to do
    init_from: models.About | None  # what a new training starts from
    seed: int = 0  # of the graph

    @property
    def chance_name(self):
        """'ln 10 = 2.303', or '2.130' if it is not the logarithm of a whole number."""
        classes = round(math.exp(self.chance))
        exact = math.isclose(self.chance, math.log(classes), abs_tol=1e-6)
        return f'ln {classes} = {self.chance:.3f}' if exact else f'{self.chance:.3f}'


@dataclasses.dataclass(frozen=True)
class Graph:
    """The post's graph, as far as the loop and `supervised` need it."""
    graph: tf.Graph
    x: tf.Tensor  # placeholder float32 [None, 224, 224], -1 ... 1
    y: list  # placeholders float32 [None], classes, one for each head
    batch: list  # images and labels to feed
    seen: tf.Tensor  # the batch as the network sees it, float32 [batch, height, width, 1]
    optimizer: tf.Operation  # a training step
    total_loss: tf.Tensor  # float32 scalar
    accuracies: list  # float32 scalars, one for each head
    lr: tf.Variable
    predictions: tf.Tensor  # int32 [batch, heads], classes read of x, without dropout


# --- beginning
def main(train, recipe, run):
    """Train as TF_CONFIG says; without it, in this process alone.

    Args: train: a function of recipe and run that returns an exit status.
    Returns: exit status.
    """
    run = dataclasses.replace(run, member=join())
    if run.member.serves:
        return run.member.serve()
    # A cluster's workers write nothing there.
    with files.alone(run.model_dir) if run.member.chief else contextlib.nullcontext():
        return train(recipe, run)


def prepare(recipe, run):
    """Read all files with every check and find the checkpoint to resume.

    A worker of a cluster only reads its own records: the rest is the chief's.

    Returns: Start; None, after printing so, if all iterations are done already.
    Raises: UserError.
    """
    all_files = records.files(run.train_file)
    train_files = run.member.share(all_files)
    newest = resumed = init_from = None
    iteration = 0
    if run.member.chief:
        files.writable_folder(run.model_dir)
        files.writable_folder(run.logs)
        checkpoints.remove_halves(run.model_dir, models.MODEL_NAME)
        newest = models.newest(run.model_dir)
        resumed = None if run.restart else newest
        check_held_out(all_files, run.test_file)
    pictures, held_out, facts, chance = check_data(train_files, run, recipe.batch_size)
    if run.init_from is not None and not resumed:
        init_from = models.about(models.find(run.init_from))
        check_initial(init_from, recipe, facts)
    if resumed:
        about = models.about(resumed)
        models.check_resumable(about, recipe, facts, dataset.sum_of(all_files[0]))
        iteration = about.iteration + 1
    if iteration >= recipe.steps:
        print(f'{resumed} is fully trained; continue with --steps '
              f'{iteration + max(1, recipe.steps - 1)}, or train a new one with --restart')
        run.member.dismiss()
        return None
    chance = METHODS[recipe.method].chance(chance, facts.heads)
    agreement = {**recipes.to_json(recipe), **dataset.to_json(facts),
                 'records': [os.path.basename(path) for path in all_files]}
    if not run.member.agree(agreement):
        return None
    # A resumed run, like each process of a cluster, draws different random numbers.
    seed = run.seed + iteration + 1_000_003 * run.member.number
    return Start(facts, train_files, pictures, agreement, held_out, chance, written(newest),
                 resumed, iteration, init_from, seed)


def written(checkpoint):
    """A checkpoint and when it was written, because another may get its name; or None."""
    try:
        return checkpoint and (checkpoint, os.stat(f'{checkpoint}.index').st_mtime_ns)
    except FileNotFoundError:  # in the state file but gone: restoring reports that
        return None


def check_initial(about, recipe, facts):
    """Raise a UserError unless a checkpoint has this network, trained on such pictures."""
    if about.facts.pictures != facts.pictures:
        raise UserError(f'{about.checkpoint}: expected records as it was trained on, found others; '
                        f'make them with: python to_tfrecord.py --pictures {about.facts.pictures} '
                        '... --overwrite')
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
    if not run.member.chief:
        return count, 0, facts, chance
    test_count, test_facts = records.survey(run.test_file)
    if not facts.covers(test_facts):
        raise UserError(f'{run.test_file}: expected {facts} as in {run.train_file}, found '
                        f'{test_facts}; make both at once, with python to_tfrecord.py')
    return count, test_count, facts, chance


def check_held_out(train_files, test_file):
    """Raise a UserError if a file of held-out records is also a training file."""
    both = {*map(os.path.realpath, train_files)} & {*map(os.path.realpath,
                                                        records.files(test_file))}
    if both:
        raise UserError(f'{test_file}: expected pictures that are not trained on, found '
                        f'{min(both)} in --train, too; name other files with --test or --train')


def complete(graph, recipe, run, start):
    """Add what the post lacks, supervision.Tools, to a Graph, which is the default graph."""
    input_summary = tf.summary.image('input', tf.image.resize(
        graph.seen, [dataset.IMAGE_HEIGHT, dataset.IMAGE_WIDTH]), max_outputs=5)
    models.note_about(recipe, start.facts, run)
    variables = placement.keys(tf.global_variables())
    ours = checkpoints.ABOUT, graph.lr.op.name
    return supervision.Tools(
        input_summary, run.member.initializer(),
        tf.train.Saver({key: v for key, v in variables.items() if key not in ours}),
        supervision.Saver(variables, run))


def session_config(bfloat16=None, alone=True):
    """Settings of a training session.

    Args:
      bfloat16: let TensorFlow multiply matrices and convolve in bfloat16 (8 bits of precision,
        float32's range); variables stay float32. None: if the processor has instructions for it.
      alone: whether this process is not part of a cluster.
    """
    config = tf.ConfigProto(allow_soft_placement=True)
    rewrites = config.graph_options.rewrite_options
    if bfloat16 or bfloat16 is None and has_bfloat16():
        rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
        if not alone:  # it fuses operations into some that a cluster's session lacks in 16 bits
            rewrites.remapping = rewrites.OFF
    return config


def has_bfloat16():
    """Whether Linux lists bfloat16 instructions; False on other systems, where nothing tells."""
    with contextlib.suppress(OSError), open('/proc/cpuinfo', encoding='ascii',
                                            errors='replace') as file:
        flags = next((line for line in file if line.startswith('flags')), '').split()
        return 'avx512_bf16' in flags or 'amx_bf16' in flags
    return False


def begin(sess, graph, tools, recipe, run, start):
    """Give all variables their values, from the checkpoint to resume or new ones.

    Returns: the first iteration to do.
    Raises: UserError.
    """
    sess.run(tools.initializer)
    resumed, iteration = start.resumed, start.iteration
    newest = written(models.newest(run.model_dir))
    # a cluster lost its variables: resume from its own last save
    if newest and newest != start.newest:
        resumed, iteration = newest[0], checkpoints.step_of(newest[0]) + 1
    if resumed:
        checkpoints.restore(tools.restorable, sess, resumed, 'train a new one with the same '
                            'command and --restart, or start from its weights with --init-from '
                            'and another --model-dir')
        graph.lr.load(recipes.rate_at(recipe, iteration), sess)
        console.say(f'resuming from {resumed} at the learning rate {sess.run(graph.lr):.3g}')
    elif start.init_from:
        transfer.begin_with(sess, start.init_from, start.facts)
    return iteration


@contextlib.contextmanager
def supervised(graph, recipe, run, start):
    """Start the training of a Graph, supervise its loop and end it.

    Yields: a session in which all variables have values; a supervision.Supervisor or Worker.
    Raises: UserError if the data or a checkpoint is unusable, or the loss is NaN.
    """
    config = session_config(run.bfloat16, isinstance(run.member, Alone))
    kind = supervision.Supervisor if run.member.chief else supervision.Worker
    try:
        with graph.graph.as_default(), run.member.placement():
            tools = complete(graph, recipe, run, start)
            with run.member.session(
                    config, lambda sess: begin(sess, graph, tools, recipe, run, start),
                    start.agreement) as sess, console.stop_signals() as stop:
                if run.bfloat16:
                    check_bfloat16(sess, graph)
                with kind(sess, graph, tools, recipe, run, start, stop) as supervisor:
                    yield sess, supervisor
    except tf.errors.OutOfRangeError as error:  # the reader's thread failed, closed the queue
        raise UserError(f'{run.train_file}: was whole when the training began, cannot be read '
                        f'now; make it again, then resume with the same command') from error


def check_bfloat16(sess, graph):
    """Raise a UserError if the session cannot compute in 16 bits on this processor."""
    try:
        sess.run(graph.predictions, {graph.x: np.zeros([1, *graph.x.shape[1:]])})
    except tf.errors.OpError as error:
        raise UserError('--bfloat16: expected a processor with AVX512-BF16 or AMX, found one '
                        'on which TensorFlow cannot multiply in 16 bits; leave it out') from error
