"""Accuracy on held-out captchas: by network, method, pictures.

Command:  python benchmarks/captcha_accuracy.py networks    both networks, accuracy over time
          python benchmarks/captcha_accuracy.py methods     every method
          python benchmarks/captcha_accuracy.py pictures    from 1,000 pictures to all
Reads:    captcha/train.tfrecords, captcha/test.tfrecords
Writes:   a table on stdout, what each training prints on stderr; checkpoints in a temporary folder
Takes:    networks: the default training of each network, on two cores 35 to 75 minutes and 5 to
          10; the others two or three minutes per training of the small network

Each training is `captcha_train.train` in a separate process, with the default recipe, except that
it is evaluated on the held-out captchas more often and that `methods` and `pictures` train
without distortion, unless --distort is given. Minutes count from the first iteration and
include reading, evaluation and saving.
"""
import concurrent.futures
import contextlib
import dataclasses
import glob
import io
import itertools
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console, option_types

with console.quiet_start():
    import tensorflow.compat.v1 as tf

import captcha_test
import captcha_train
from nets import nets_factory
from nets.methods import METHODS
from support.captcha import dataset, models, recipes, records, training

# --- training length of the small network in all tables but `networks`
SHORT = 1001  # iterations

# --- `pictures`
PICTURES = [1000, 3000, 10_000, 20_000]  # and all there are
MEASURED = 500  # training pictures evaluated without dropout

# --- iterations between evaluations on the held-out captchas
MEASURE_EVERY = {'small_cnn': 200, 'alexnet_v2': 500}

HELD_OUT = re.compile(r'Held-out after iteration (\d+): characters ([\d.]+), '
                      r'whole captchas ([\d.]+) of (\d+)')


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of a training."""
    points: list  # [(minutes, iteration, character accuracy, whole-captcha accuracy), ...]
    pictures_per_second: float
    megabytes: float  # a checkpoint's size
    known: float  # whole-captcha accuracy on the first training pictures

    @property
    def whole(self):
        """The final whole-captcha accuracy."""
        return self.points[-1][3]


class Clocked(io.TextIOBase):
    """A stdout that forwards lines to stderr and records when each came."""

    def __init__(self):
        self.lines = []  # (time.perf_counter(), line)

    def write(self, text):
        now = time.perf_counter()
        self.lines += [(now, line) for line in text.splitlines() if line]
        return sys.stderr.write(text)


def one_training(recipe, run):
    """Worker: train once, in a temporary folder instead of the run's own.

    Returns: Result; None if the training was stopped by a signal.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(Clocked()) as out:
        if captcha_train.train(recipe, dataclasses.replace(run, model_dir=folder)):
            return None
        reader = captcha_test.open_reader(folder)
        images, labels = next(records.read_batches(run.train_file, MEASURED))
        known = (reader.classify(images)[0] == labels).all(axis=1).mean()
        parts = glob.glob(glob.escape(models.newest(folder)) + '.*')
        size = sum(os.path.getsize(part) for part in parts)
    first = next(moment for moment, line in out.lines if line.startswith('Iter:0 '))
    points = [((moment - first) / 60, int(match[1]), float(match[2]), float(match[3]))
              for moment, line in out.lines if (match := HELD_OUT.match(line))]
    minutes, iteration, *_ = points[-1]
    return Result(points, recipe.batch_size * iteration / (60 * minutes), size / 1e6, known)


def in_new_process(recipe, run):
    """`one_training` in a separate process."""
    with concurrent.futures.ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context('spawn')) as pool:
        result = pool.submit(one_training, recipe, run).result()
    if result is None:
        raise KeyboardInterrupt
    return result


@dataclasses.dataclass(frozen=True)
class Data:
    """The captchas to train and to evaluate on."""
    run: training.RunConfig  # whose files each training uses
    pictures: int  # to train on
    facts: dataset.Facts
    train: Callable = in_new_process  # trains on them


def train_small(args, data, **changes):
    """Train small_cnn with its default recipe and `changes`, once per seed.

    Returns: [Result, ...].
    """
    recipe = dataclasses.replace(recipes.RECIPES['small_cnn', 'default'],
                                 **{'steps': args.steps or SHORT,
                                    **({'method': args.method} if args.method else {}),
                                    **changes})
    return [data.train(recipe, dataclasses.replace(data.run, seed=seed,
                                                   save_every=MEASURE_EVERY['small_cnn']))
            for seed in args.seeds]


def distortion_of(args):
    """The distortion of `methods` and `pictures`."""
    return recipes.Distortion() if args.distort else None


def cost(network, facts, method='heads'):
    """The parameters of a network, and its multiplications for one picture."""
    with tf.Graph().as_default() as graph:
        nets_factory.get_network_fn(network, facts.num_classes, method=method,
                                    num_heads=facts.heads)(
            tf.zeros([1, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE, 1]))
        parameters = sum(v.shape.num_elements() for v in tf.trainable_variables())
        multiplications = 0
        for op in graph.get_operations():
            if op.type in ('Conv2D', 'MatMul'):
                weights, output = op.inputs[1].shape, op.outputs[0].shape
                # each output value is a sum over the kernel's axes except the output channels
                multiplications += output.num_elements() * weights.num_elements() // weights[-1]
    return parameters, multiplications


def minutes_to(points, share):
    """The minutes until a training first reached an accuracy of `share`."""
    return next((f'{minutes:.1f}' for minutes, _, _, whole in points if whole >= share), 'never')


def seed_names(args):
    """The headings of the columns that have a training each."""
    return ' | '.join(f'seed {seed}' for seed in args.seeds)


def percents(shares):
    """Table cells."""
    return ' | '.join(f'{100 * share:.1f} %' for share in shares)


@contextlib.contextmanager
def first_records(data, count):
    """A Data of the first `count` training pictures, in a temporary file."""
    whole = data.run.train_file
    with tempfile.TemporaryDirectory() as folder:
        part = os.path.join(folder, os.path.basename(whole))
        with tf.io.TFRecordWriter(part) as writer:
            for record in itertools.islice(tf.io.tf_record_iterator(whole), count):
                writer.write(record)
        if os.path.isfile(dataset.facts_path(whole)):
            shutil.copy(dataset.facts_path(whole), folder)
        yield dataclasses.replace(data, run=dataclasses.replace(data.run, train_file=part),
                                  pictures=min(count, data.pictures))


# --- the tables

def networks(args, data):
    """Print the table of networks."""
    print('| network | parameters | multiplications/picture | pictures/s | minutes to 90 % '
          '| to 97 % | to 98 % | to 98.5 % | at the end | minutes | checkpoint |')
    print('|---|' + '---:|' * 10, flush=True)
    for name, seed in itertools.product(args.networks, args.seeds):
        recipe = recipes.make(name, steps=args.steps)
        result = data.train(recipe, dataclasses.replace(data.run, seed=seed,
                                                        save_every=MEASURE_EVERY[name]))
        parameters, multiplications = cost(name, data.facts, recipe.method)
        marks = ' | '.join(minutes_to(result.points, share) for share in (0.9, 0.97, 0.98, 0.985))
        minutes, *_ = result.points[-1]
        print(f'| {name}, seed {seed} | {parameters:,} | {multiplications / 1e6:.0f} million | '
              f'{result.pictures_per_second:.0f} | {marks} | {percents([result.whole])} | '
              f'{minutes:.1f} | {result.megabytes:.1f} MB |', flush=True)


def methods(args, data):
    """Print the table of all methods of the small network."""
    print(f'| method | {seed_names(args)} | mean |')
    print('|---|' + '---:|' * (len(args.seeds) + 1), flush=True)
    for method in nets_factory.methods_of('small_cnn'):
        shares = [result.whole for result in train_small(args, data, method=method,
                                                         distortion=distortion_of(args))]
        print(f'| {method} | {percents([*shares, sum(shares) / len(shares)])} |', flush=True)


def pictures(args, data):
    """Print the small network's training and held-out accuracy by number of pictures."""
    print('| training pictures | epochs | training accuracy | held-out accuracy |')
    print('|---:|---:|---:|---:|', flush=True)
    for count in [*(count for count in PICTURES if count < data.pictures), data.pictures]:
        with first_records(data, count) as part:
            for result in train_small(args, part, distortion=distortion_of(args)):
                passes = result.pictures_per_second * result.points[-1][0] * 60 / count
                print(f'| {count:,} | {passes:.1f} | {percents([result.known])} | '
                      f'{percents([result.whole])} |', flush=True)


TABLES = {'networks': networks, 'methods': methods, 'pictures': pictures}


def parse(arguments=None):
    """Parse the command line, or a list of arguments."""
    parser = console.parser(__doc__)
    parser.add_argument('table', choices=TABLES)
    parser.add_argument('--networks', nargs='+', choices=MEASURE_EVERY,
                        default=list(MEASURE_EVERY), help='rows of `networks` (default: all)')
    parser.add_argument('--seeds', nargs='+', type=option_types.seed_number, default=[0])
    parser.add_argument('--steps', type=option_types.positive_int,
                        help='iterations of each training (default: for `networks` the '
                             f"network's own, for the others {SHORT})")
    parser.add_argument('--method', choices=METHODS,
                        help="of the small network for `pictures` (default: the recipe's)")
    parser.add_argument('--distort', action='store_true',
                        help='distort the training pictures for `methods` and `pictures`, too')
    parser.add_argument('--train', default=dataset.TRAIN_FILE, metavar='FILE',
                        help='training records (default: %(default)s)')
    parser.add_argument('--test', default=dataset.TEST_FILE, metavar='FILE',
                        help='held-out records (default: %(default)s)')
    return parser.parse_args(arguments)


def main():
    args = parse()
    count, facts, _ = records.survey(args.train)
    test_count = records.survey(args.test)[0]
    print(f'{facts}: {count} training pictures, {test_count} held-out ones\n', flush=True)
    TABLES[args.table](args, Data(training.RunConfig(args.train, args.test), count, facts))


if __name__ == '__main__':
    console.run(main)
