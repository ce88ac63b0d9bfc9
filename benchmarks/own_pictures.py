"""Accuracy on digits in pictures like those users take, with our preparation and the post's.

Command:  python benchmarks/own_pictures.py [--half second] [--count 500] [--sheet FILE]
Reads:    data/ (MNIST's validation digits) and the newest checkpoint in model/, beside this folder
Writes:   nothing; with --sheet a PNG: the first pictures of each condition, what the network saw
Takes:    about ten minutes for 500 digits per condition on two cores

MNIST's validation digits are redrawn as simulated photographs of ink on paper, with varying paper,
size, position, pen, light and camera (ink_on_paper.py). For each condition the table has the
accuracy of the same network after the post's `pre_pic` and after `photographs`. The last row has
other writers: scikit-learn's `load_digits` (1,797 digits, 8x8, enlarged smoothly), if installed.

The parameters of support/digits/ink.py and support/digits/photographs.py were tuned on the first
half of the validation digits. The second half is for reporting only.
"""
import os
import sys
import tempfile

import numpy as np
from PIL import Image

try:
    from sklearn.datasets import load_digits
except ImportError:  # its row says so
    load_digits = None

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import ink_on_paper
import mnist_app
import mnist_backward
import mnist_forward
from support.common import console, files, option_types, pictures
from support.digits import input_data, photographs
from support.digits.ink import find_ink, grey_of
from support.digits.reader import open_reader

COUNT = 500         # digits per condition
SEED = 2026
SHEET_COLUMNS = 8   # pictures per condition on the sheet
CELL = 120          # pixels, height and width of a picture on the sheet
ROWS = [*ink_on_paper.CONDITIONS, 'load_digits']


def seen_both_ways(path):
    """A file of one digit as the network sees it after pre_pic and after ours: [2, 784]."""
    strength, ink = find_ink(grey_of(pictures.open_picture(path)))
    ours = photographs.as_mnist(strength, ink) if ink.any() else np.zeros([1, 784])
    return np.concatenate([mnist_app.pre_pic(path), ours])


def photographed(condition, digits, sheet_row):
    """Photograph digits, float32 [n, 784], and prepare the pictures both ways: [n, 2, 784].

    The first are added to `sheet_row`: (picture, what the network sees after ours).
    """
    prepared = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'picture')
        for n, digit in enumerate(digits):
            rng = np.random.default_rng([SEED, ink_on_paper.CONDITIONS.index(condition), n])
            settings = ink_on_paper.settings_of(condition, rng)
            picture, options = ink_on_paper.photograph(digit.reshape(28, 28), rng, settings)
            picture.save(path, **options)
            prepared.append(seen_both_ways(path))
            if n < SHEET_COLUMNS:
                sheet_row.append((pictures.open_picture(path), prepared[-1][1]))
    return np.stack(prepared)


def by_other_writers(images):
    """scikit-learn's digits, float64 [n, 8, 8], 0 paper ... 16 ink, prepared: [n, 2, 784]."""
    prepared = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'digit.png')
        for image in images:
            ink = Image.fromarray(np.pad(image / 16, 1).astype(np.float32))
            side = ink_on_paper.SIDE
            ink = np.asarray(ink.resize((side, side), Image.Resampling.BICUBIC))
            Image.fromarray(np.uint8(255 * (1 - ink.clip(0, 1)))).save(path)
            prepared.append(seen_both_ways(path))
    return np.stack(prepared)


def row(name, read, prepared, labels):
    """A line of the table: the accuracies on `prepared`, [n, 2, 784], whose truth is `labels`."""
    post, ours = (share_right(read, prepared[:, way], labels) for way in (0, 1))
    return f'{name:24}{post:9.1%}{ours:11.1%}'


def share_right(read, images, labels):
    """The network's accuracy on `images`, float32 [n, 784], with `labels`, [n]."""
    return float(np.mean(read(images) == labels))


def save_sheet(rows, path):
    """Save pictures beside what the network saw. rows: [[(picture, float32 [784]), ...], ...]"""
    page = Image.new('L', (2 * SHEET_COLUMNS * CELL, len(rows) * CELL), 128)
    for r, sheet_row in enumerate(rows):
        for c, (picture, seen) in enumerate(sheet_row):
            picture = picture.convert('L').resize((CELL - 4, CELL - 4))
            grey = Image.fromarray(np.uint8(255 * seen.reshape(28, 28)))
            page.paste(picture, (2 * c * CELL, r * CELL))
            page.paste(grey.resize((CELL - 4, CELL - 4)), ((2 * c + 1) * CELL, r * CELL))
    with files.whole_file(path) as part:
        page.save(part, 'PNG')


def compare(half, count, rows, model_folder, sheet=None):
    """Print the table.

    Args:
      half: 'first' or 'second', of the validation digits.
      count: digits per condition.
      rows: some of ROWS.
      sheet: where to save example pictures.
    Raises: UserError if there is no model.
    """
    reader = open_reader([model_folder], mnist_backward.model_name, mnist_forward.forward)

    def read(images):
        return reader.classify(images)[0]
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'))
    validation = mnist.validation
    middle = validation.num_examples // 2
    part = slice(0, middle) if half == 'first' else slice(middle, None)
    digits, labels = validation.images[part][:count], validation.labels[part][:count]
    shares = [f'{name} {share_right(read, data.images, data.labels):.2%}'
              for name, data in mnist._asdict().items()]
    console.say(f'MNIST unchanged: {", ".join(shares)}')
    console.say(f'{len(digits)} digits per condition, {half} half of the validation digits; '
                f'unchanged: {share_right(read, digits, labels):.1%}')
    console.say(f'{"condition":24}{"pre_pic":>9}{"ours":>11}')
    sheet_rows = []
    for name in rows:
        if name in ink_on_paper.CONDITIONS:
            sheet_rows.append([])
            prepared = photographed(name, digits, sheet_rows[-1])
            console.say(row(name, read, prepared, labels))
        elif load_digits is None:
            console.say(f'{name}: pip install scikit-learn')
        else:
            others = load_digits()
            console.say(row(name, read, by_other_writers(others.images), others.target))
    if sheet:
        save_sheet(sheet_rows, sheet)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--half', choices=['first', 'second'], default='first',
                        help='of the validation digits (default: %(default)s)')
    parser.add_argument('--count', type=option_types.positive_int, default=COUNT,
                        help='digits per condition, at most 2500 (default: %(default)s)')
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=ROWS, metavar='ROW',
                        help=f'some of: {"; ".join(ROWS)} (default: all)')
    parser.add_argument('--model-dir', default=os.path.join(ROOT, 'model'), metavar='FOLDER',
                        help='folder of the checkpoint (default: %(default)s)')
    parser.add_argument('--sheet', metavar='FILE', help='save example pictures')
    args = parser.parse_args()
    return compare(args.half, args.count, args.rows, args.model_dir, args.sheet)


if __name__ == '__main__':
    console.run(main)
