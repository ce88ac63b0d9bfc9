"""Plot trainings from TensorBoard's event files, and what a network sees or confuses.

Command:  python benchmarks/plots.py loss post=FOLDER default=FOLDER    loss, first iterations
          python benchmarks/plots.py held_out NAME=FOLDER ...           accuracy by minutes
          python benchmarks/plots.py pictures NAME=N:FOLDER ...         accuracy by pictures
          python benchmarks/plots.py confusions --model-dir captcha --test FILE
          python benchmarks/plots.py distortion                         ten captchas, distorted
          python benchmarks/plots.py digits                             ten digits of samples/
          python benchmarks/plots.py boxes                              five of them in boxes
Reads:    the event files in each FOLDER, a --model-dir or its folder `log`; a network and record
          files, as captcha_test.py does; samples/
Writes:   a PNG, --out (default: <subcommand>.png), 800 pixels wide
Takes:    seconds; confusions as long as captcha_test.py

NAME goes into the legend; runs of one NAME form one line in `pictures`. A stopped and resumed run
is one curve; an iteration that was repeated counts as it was done last. Needs matplotlib:
pip install 'matplotlib>=3.8'
"""
import collections
import dataclasses
import glob
import io
import itertools
import math
import os
import re
import sys

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console

with console.quiet_start():
    import tensorflow.compat.v1 as tf

try:
    from matplotlib.figure import Figure  # without pyplot: no window, no global state
except ImportError as error:
    raise SystemExit('plots.py: expected matplotlib, found none; install it with: '
                     'pip install matplotlib') from error

from support.captcha import dataset, network, preprocessing, recipes, records, report
from support.captcha.reader import BATCH_SIZE
from support.common import files, option_types, pictures
from support.digits import ink, photographs

DPI = 100
WIDTH = 8.0  # inches, 800 pixels
FIRST = 1000  # iterations, of `loss`
RECENT = 20  # losses in the running median
SHOWN = 10  # captchas or digits
# Okabe and Ito's colour-blind-safe colours, with a line style each.
COLOURS = '#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'
STYLES = '-', '--', '-.', ':', '-', '--'
MARKERS = 'o', 's', '^', 'D', 'v', 'P'
HELD_OUT = 'whole-captcha accuracy on held-out pictures (%)'


# --- curves from event files
@dataclasses.dataclass(frozen=True)
class Curve:
    """One number over a training, in order of iteration."""
    steps: np.ndarray  # int [n]
    values: np.ndarray  # float [n]
    minutes: np.ndarray  # float [n], of training; the time between two sessions does not count


def read_curve(folder, tag):
    """Read a number from all event files of a run.

    Args:
      folder: the run's --model-dir, or its folder for TensorBoard.
      tag: as training.py writes them: loss, held_out/whole_captchas ...
    Returns: Curve.
    Raises: UserError if there are no event files, or they have no such number.
    """
    points = {}  # iteration: (value, minutes)
    before = 0.0  # minutes of the sessions before this
    paths = event_files(folder)
    for path in paths:
        begin, minutes = None, 0.0
        for event in events(path):
            if event.HasField('session_log'):  # all is built and read: training starts
                begin = event.wall_time
                points = {step: point for step, point in points.items() if step < event.step}
            begin = event.wall_time if begin is None else begin
            minutes = (event.wall_time - begin) / 60
            for value in event.summary.value:
                if value.tag == tag:
                    points[event.step] = value.simple_value, before + minutes
        before += minutes
    if not points:
        raise console.UserError(f'{paths[0]}: expected the number {tag}, found none; name the '
                                '--model-dir of a training that got so far')
    steps = sorted(points)
    values, minutes = zip(*(points[step] for step in steps))
    return Curve(np.array(steps), np.array(values), np.array(minutes))


def event_files(folder):
    """The event files of a run, the oldest first. Raises UserError if there are none."""
    for place in folder, os.path.join(folder, 'log'):
        found = glob.glob(os.path.join(glob.escape(place), 'events.out.tfevents.*'))
        if found:
            return sorted(found)  # their names continue with the time in seconds
    raise console.UserError(f'{folder}: expected event files of TensorBoard, found none; name the '
                            '--model-dir of a training by captcha_train.py')


def events(path):
    """Yield the events of a file, up to one that a running training is still writing."""
    try:
        yield from tf.train.summary_iterator(path)
    except tf.errors.DataLossError:
        print(f'{path}: its last event is not whole, as while a training runs; drawn up to it',
              file=sys.stderr)


def medians(values, count):
    """The median of each value and up to `count - 1` before it: float [n].

    A median, because the first step of the post's recipe raises the loss a thousandfold.
    """
    return np.array([np.median(values[max(0, end - count):end])
                     for end in range(1, len(values) + 1)])


# --- the command line's runs

def named_folder(text):
    """argparse type: 'NAME=FOLDER' -> (name, folder)."""
    name, _, folder = text.partition('=')
    if not (name and folder):
        raise console.UserError(f'{text}: expected NAME=FOLDER, such as post=captcha/post')
    return name, folder


def counted_folder(text):
    """argparse type: 'NAME=N:FOLDER' -> (name, pictures, folder)."""
    match = re.fullmatch(r'([^=]+)=([1-9]\d*):(.+)', text)
    if not match:
        raise console.UserError(f'{text}: expected NAME=PICTURES:FOLDER, such as '
                                'own=300:captcha/own300')
    return match[1], int(match[2]), match[3]


# --- the pictures

def axes(height, x_label, y_label):
    """A figure with one plot: WIDTH x height inches."""
    figure = Figure((WIDTH, height), DPI, layout='constrained')
    plot = figure.add_subplot(xlabel=x_label, ylabel=y_label)
    plot.spines[['top', 'right']].set_visible(False)
    plot.grid(color='0.9')
    plot.set_axisbelow(True)
    return figure, plot


def looks():
    """Colours and line styles, one per curve."""
    return ({'color': colour, 'linestyle': style, 'linewidth': 2}
            for colour, style in itertools.cycle(zip(COLOURS, STYLES)))


def loss(args):
    """The loss over the first iterations, and the loss of guessing."""
    figure, plot = axes(3.8, 'iteration', f'loss (median of the last {RECENT})')
    for (name, folder), look in zip(args.runs, looks()):
        curve = read_curve(folder, 'loss')
        shown = curve.steps <= args.steps
        plot.plot(curve.steps[shown], medians(curve.values[shown], RECENT), label=name, **look)
    chance = math.log(args.classes)
    plot.axhline(chance, color='0.3', linewidth=1)
    plot.annotate(f'guessing: ln {args.classes} = {chance:.3f}', (1, chance), (0, 4),
                  xycoords=('axes fraction', 'data'), textcoords='offset points', ha='right')
    plot.set(xlim=(0, args.steps), ylim=(0, 2 * chance))
    plot.legend(loc='upper right', frameon=False)
    return figure


def held_out(args):
    """Whole-captcha accuracy on held-out pictures, by minutes of training."""
    figure, plot = axes(3.8, 'minutes of training', HELD_OUT)
    for (name, folder), look, marker in zip(args.runs, looks(), itertools.cycle(MARKERS)):
        curve = read_curve(folder, 'held_out/whole_captchas')
        plot.plot(curve.minutes, 100 * curve.values, label=name, marker=marker, clip_on=False,
                  **look)
    plot.set(xlim=(0, None), ylim=(args.lowest, 100))
    plot.legend(loc='lower right', frameon=False)
    return figure


def by_pictures(args):
    """Final whole-captcha accuracy on held-out pictures, by number of training pictures."""
    figure, plot = axes(3.8, 'training pictures', HELD_OUT)
    lines = collections.defaultdict(list)
    for name, count, folder in args.runs:
        lines[name].append((count, 100 * read_curve(folder, 'held_out/whole_captchas').values[-1]))
    for (name, points), look, marker in zip(lines.items(), looks(), itertools.cycle(MARKERS)):
        plot.plot(*zip(*sorted(points)), label=name, marker=marker, clip_on=False, **look)
    counts = sorted({count for points in lines.values() for count, _ in points})
    plot.set(xscale='log', ylim=(args.lowest, 100))
    plot.set_xticks(counts, [f'{count:,}' for count in counts])
    plot.minorticks_off()
    plot.legend(loc='lower right', frameon=False)
    return figure


def count_confusions(reader, test_file):
    """The confusion matrix: int [characters, characters], one row per true character.

    "No character", where lengths vary, is left out.
    """
    alphabet = reader.facts.alphabet
    counts = np.zeros([len(alphabet)] * 2, int)
    for images, labels in records.read_batches(test_file, BATCH_SIZE):
        predictions, _ = reader.classify(images)
        both = (labels < len(alphabet)) & (predictions < len(alphabet))
        np.add.at(counts, (labels[both], predictions[both]), 1)
    return counts


def confusions(args):
    """The confusion matrix of the characters: the darker a square, the more frequent."""
    report.held_out(network.trained(args.model_dir), args.test)  # refuses other records
    reader = network.open_reader(args.model_dir)
    counts = count_confusions(reader, args.test)
    alphabet = reader.facts.alphabet
    errors = counts * (1 - np.eye(len(alphabet), dtype=int))
    shares = 100 * errors / np.maximum(1, counts.sum(axis=1, keepdims=True))  # of the true ones
    figure = Figure((WIDTH, 7.4), DPI, layout='constrained')
    plot = figure.add_subplot(xlabel='read as', ylabel='true character')
    image = plot.imshow(shares, cmap='Blues', vmin=0, vmax=max(1.0, shares.max()))
    places = np.arange(len(alphabet))
    plot.set_xticks(places, alphabet)
    plot.set_yticks(places, alphabet)
    plot.tick_params(length=0, top=True, labeltop=True, right=True, labelright=True)
    plot.set_xticks(places[:-1] + 0.5, minor=True)
    plot.set_yticks(places[:-1] + 0.5, minor=True)
    plot.grid(which='minor', color='0.92', linewidth=0.5)
    plot.tick_params(which='minor', length=0)
    for row, column in zip(*np.nonzero(errors)):
        plot.text(column, row, errors[row, column], ha='center', va='center', fontsize=7,
                  color='white' if shares[row, column] > 0.6 * shares.max() else 'black')
    figure.colorbar(image, label='% of the character; number: count', shrink=0.6, pad=0.02)
    return figure


def rows_of_pictures(above, below, names, columns):
    """Pairs of rows, labelled on the left: pictures, and below each its other version.

    Args: above, below: [grey picture, uint8 or float 0 ... 1 [height, width], ...].
    """
    blocks = math.ceil(len(above) / columns)
    height, width = np.shape(above[0])
    size = (WIDTH - 0.3) / columns * height / width + 0.05  # inches, a row
    figure = Figure((WIDTH, 2 * blocks * size), DPI, layout='constrained')
    plots = figure.subplots(2 * blocks, columns, squeeze=False)
    for plot in plots.flat:
        plot.axis('off')  # until it has a picture
    for part, (images, name) in enumerate(zip((above, below), names)):
        for number, image in enumerate(images):
            plot = plots[2 * (number // columns) + part, number % columns]
            plot.axis('on')
            white = 255 if image.dtype == np.uint8 else 1
            plot.imshow(image, cmap='gray', vmin=0, vmax=white, interpolation='nearest')
            plot.set(xticks=[], yticks=[])
            plot.spines[:].set_color('0.8')
            if number % columns == 0:
                plot.set_ylabel(name, fontsize=8)
    return figure


def distortion(args):
    """Captchas, and below each a distorted version for training."""
    recipe = recipes.make('small_cnn', args.recipe)
    if recipe.distortion is None:
        raise console.UserError(f'--recipe {args.recipe}: expected one that distorts its pictures, '
                                'found one that does not; name another')
    images = np.stack([image for image, _ in itertools.islice(
        records.read_records(args.test), SHOWN)])  # uint8 [10, 224, 224]
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(args.seed)
        x = tf.constant(records.scale(np.float32(images))[..., np.newaxis])  # [10, 224, 224, 1]
        distorted = sess.run(preprocessing.distort(x, recipe.distortion))[..., 0]
    distorted = np.uint8((np.clip(distorted, -1, 1) + 1) * 127.5)  # uint8 [10, 224, 224]
    size = dataset.IMAGE_WIDTH, dataset.IMAGE_HEIGHT  # what 224x224 was made of
    return rows_of_pictures(*([np.asarray(Image.fromarray(image).resize(size)) for image in row]
                              for row in (images, distorted)), ('as drawn', 'distorted'), 5)


def digits(args):
    """Photographed digits, and below each the network's input."""
    above = [np.asarray(pictures.open_picture(path).convert('L').resize(
        (100, 100), Image.Resampling.LANCZOS)) for path in args.files]
    below = [photographs.pre_digits(path)[0].reshape(photographs.SIDE, photographs.SIDE)
             for path in args.files]
    return rows_of_pictures(above, below, ('picture', 'network'), SHOWN)


def boxes(args):
    """Digits in boxes, the ink without the boxes, and the network's input for each digit."""
    row = []
    for path in args.files:
        cell = np.full([300, 300], 255, np.uint8)
        cell[10:290, 10:290] = np.asarray(pictures.open_picture(path).convert('L'))
        cell[:8] = cell[-8:] = cell[:, :8] = cell[:, -8:] = 0
        row.append(cell)
    page = np.pad(np.concatenate(row, axis=1), 40, constant_values=255)
    picture = Image.fromarray(page)
    _, found = ink.find_ink(ink.grey_of(picture))
    seen = np.concatenate(photographs.pre_digits(picture).reshape(-1, 28, 28), axis=1)
    figure = Figure((WIDTH, 5), DPI, layout='constrained')
    shown = (('picture', page), ('ink', found), ('network', seen))
    for plot, (name, image) in zip(figure.subplots(len(shown), 1), shown):
        plot.imshow(image, cmap='gray', interpolation='nearest')
        plot.set(xticks=[], yticks=[])
        plot.set_ylabel(name, fontsize=8)
    return figure


def save(figure, path):
    """Write a figure as PNG, atomically; 48 colours are enough and halve the size."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format='png')
    with files.whole_file(path) as part:
        Image.open(drawn).convert('RGB').quantize(48).save(part, 'PNG', optimize=True)
    print(path)


def parse(arguments=None):
    """The command line's arguments; `.draw` is the function that draws."""
    parser = console.parser(__doc__)
    commands = parser.add_subparsers(dest='command', required=True, metavar='SUBCOMMAND')

    def command(name, draw):
        made = commands.add_parser(name, help=draw.__doc__, description=draw.__doc__)
        made.error = parser.error
        made.add_argument('--out', default=f'{name}.png', metavar='FILE',
                          help='picture to write (default: %(default)s)')
        made.set_defaults(draw=draw)
        return made

    one = command('loss', loss)
    one.add_argument('runs', nargs='+', type=named_folder, metavar='NAME=FOLDER')
    one.add_argument('--steps', type=option_types.positive_int, default=FIRST,
                     help='iterations to show (default: %(default)s)')
    one.add_argument('--classes', type=option_types.positive_int, default=10,
                     help='for the loss of guessing (default: %(default)s)')
    for name, draw, run, metavar in [
            ('held_out', held_out, named_folder, 'NAME=FOLDER'),
            ('pictures', by_pictures, counted_folder, 'NAME=N:FOLDER')]:
        one = command(name, draw)
        one.add_argument('runs', nargs='+', type=run, metavar=metavar)
        one.add_argument('--lowest', type=float, default=0.0, metavar='PERCENT',
                         help='where the vertical axis starts (default: %(default)s)')
    one = command('confusions', confusions)
    one.add_argument('--model-dir', required=True, metavar='FOLDER')
    one.add_argument('--test', default=dataset.TEST_FILE, metavar='FILE',
                     help='records (default: %(default)s)')
    one = command('distortion', distortion)
    one.add_argument('--test', default=dataset.TEST_FILE, metavar='FILE',
                     help='records (default: %(default)s)')
    one.add_argument('--recipe', choices=recipes.NAMES, default='default',
                     help="of the small network (default: %(default)s)")
    one.add_argument('--seed', type=option_types.seed_number, default=0)
    one = command('digits', digits)
    one.add_argument('files', nargs='*', metavar='FILE', help='(default: samples/0.jpg ... 9.jpg)',
                     default=[os.path.join(ROOT, 'samples', f'{n}.jpg') for n in range(SHOWN)])
    one = command('boxes', boxes)
    one.add_argument('files', nargs='*', metavar='FILE', help='(default: samples/1.jpg ... 5.jpg)',
                     default=[os.path.join(ROOT, 'samples', f'{n}.jpg') for n in range(1, 6)])
    return parser.parse_args(arguments)


def main():
    args = parse()
    save(args.draw(args), args.out)


if __name__ == '__main__':
    console.run(main)
