"""Count how many digits are read rightly when they come as the pictures that people make.

Command:  python benchmarks/own_pictures.py [--half second] [--count 500] [--sheet FILE]
Reads:    data/ (MNIST's validation digits) and the newest checkpoint in model/, beside this folder
Writes:   nothing; with --sheet a PNG: the first pictures of each condition, what the network saw
Takes:    about ten minutes for 500 digits a condition on two cores

MNIST's validation digits are drawn once more as ink on paper and photographed: another paper,
size, place, pen, light, camera. A table shows for each condition the share that the same network
reads rightly after the post's `pre_pic` and after our `pre_photo`. The last row is of other
writers: scikit-learn's `load_digits` (1,797 digits, 8x8, enlarged smoothly), if it is installed.

The settings of mnist_photo.py were chosen on the first half of the validation digits. The second
half is for reporting and must not be used to choose anything.
"""
import os
import sys
import tempfile

import numpy as np
from PIL import Image
from scipy import ndimage

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
import cli  # noqa: E402
import input_data  # noqa: E402
import mnist_app  # noqa: E402
import mnist_backward  # noqa: E402
import mnist_photo  # noqa: E402

# ---- how many ----
COUNT = 500         # digits a condition
SEED = 2026
SHEET_COLUMNS = 8   # pictures a condition on the sheet
CELL = 120          # pixels, height and width of a picture on the sheet

# ---- the plain picture, as those in samples/ ----
SIDE = 280          # pixels, height and width
SMOOTH = 8          # pixels drawn for each of MNIST's, so that edges are smooth

# ---- what photographs add: (lowest, highest) of a uniform distribution ----
PAPER = 110, 255    # grey value of the paper
INK = 0.15, 0.55    # how much of the paper's light the ink returns
SIZE = 60, 2000     # pixels, height and width; uniform in its logarithm
FRAME_SHARE = 0.3, 1.0   # the digit's frame, as a share of the picture's side
TURN = -15, 15      # degrees
PEN = 0.4, 1.5      # width of the stroke, as a multiple of the writer's own
LIGHT = 0.35, 0.9   # light in the darkest corner; 1 in the brightest
NOISE = 2, 14       # standard deviation of the sensor's noise, in grey values of 255
QUALITY = 40, 95    # of the JPEG
LINES = 3, 12       # printed lines on the picture's height
LINE_TONE = 0.6, 0.9     # how much of the paper's light a printed line returns

PLAIN = dict(paper=255, ink=0.0, size=SIDE, share=1.0, turn=0, pen=1, light=None, noise=0,
             quality=None, lines='', inverted=False, clear=False)

CHANGES = {  # condition: function of a random generator that returns the settings it changes
    'clean': lambda rng: {},
    'grey paper': lambda rng: dict(paper=rng.uniform(*PAPER), ink=rng.uniform(*INK)),
    '60 to 2000 pixels': lambda rng: dict(size=int(np.exp(rng.uniform(*np.log(SIZE))))),
    'off centre': lambda rng: dict(share=rng.uniform(*FRAME_SHARE)),
    'turned to 15 degrees': lambda rng: dict(turn=rng.uniform(*TURN)),
    'pen 0.4 to 1.5': lambda rng: dict(pen=rng.uniform(*PEN)),
    'uneven light': lambda rng: dict(light=rng.uniform(*LIGHT)),
    'sensor noise': lambda rng: dict(noise=rng.uniform(*NOISE)),
    'JPEG 40 to 95': lambda rng: dict(quality=int(rng.uniform(*QUALITY))),
    'ruled paper': lambda rng: dict(lines='ruled', share=rng.uniform(*FRAME_SHARE)),
    'squared paper': lambda rng: dict(lines='squared', share=rng.uniform(*FRAME_SHARE)),
    'inverted': lambda rng: dict(inverted=True),
    'RGBA': lambda rng: dict(clear=True),
}
TOGETHER = 'all together'
ALL = [*CHANGES, TOGETHER]


def settings_of(condition, rng):
    """Draw the settings of one picture of `condition`: the arguments of `photograph`."""
    if condition != TOGETHER:
        return {**PLAIN, **CHANGES[condition](rng)}
    settings = dict(PLAIN)
    for name in ('grey paper', '60 to 2000 pixels', 'off centre', 'turned to 15 degrees',
                 'pen 0.4 to 1.5', 'uneven light', 'sensor noise', 'JPEG 40 to 95'):
        settings.update(CHANGES[name](rng))
    settings['lines'] = rng.choice(['', 'ruled', 'squared'])
    kind = rng.choice(['photograph', 'photograph', 'inverted', 'RGBA'])
    if kind == 'inverted':
        settings['inverted'] = True
    elif kind == 'RGBA':
        settings.update(clear=True, quality=None)  # JPEG knows no transparency
    return settings


def stroke(digit, pen, turn):
    """MNIST digit float32 [28, 28], 0 ... 1 -> the pen's mark bool [224, 224], wider or narrower.

    The mark of an ideal pen: what lies within `pen` x half the stroke's width of its middle line.
    """
    smooth = ndimage.zoom(np.pad(digit, 2), SMOOTH, order=3, mode='grid-constant', grid_mode=True)
    smooth = ndimage.rotate(smooth, turn, reshape=False, order=1)
    mark = smooth > 0.5                              # bool [256, 256]
    inside = ndimage.distance_transform_edt(mark)    # pixels from the edge
    width = 4 * inside[mark].mean()                  # a stripe's mean distance is a quarter of it
    grow = (pen - 1) * width / 2                     # pixels
    if grow >= 0:
        return ndimage.distance_transform_edt(~mark) <= grow
    # Never thinner than 1.5 pixels, and never broken: the middle line stays.
    middle = mark & (inside >= ndimage.maximum_filter(inside, 3) - 0.5)
    return (inside > -grow) | ndimage.binary_dilation(middle)


def place(mark, size, share, rng):
    """Put the mark into a picture: float32 [size, size], share of the pixel that is inked."""
    side = max(20, round(size * share))
    whole = Image.fromarray(np.uint8(mark) * 255).resize((side, side), Image.Resampling.BOX
                                                         if side < mark.shape[0]
                                                         else Image.Resampling.BICUBIC)
    cover = np.zeros([size, size], np.float32)
    side = min(side, size)
    top, left = rng.integers(0, size - side + 1, 2)
    cover[top:top + side, left:left + side] = np.asarray(whole)[:side, :side] / 255
    return cover


def printed_lines(kind, size, rng):
    """Ruled or squared paper: float32 [size, size], the share of light the print takes away."""
    lines = np.zeros([size, size], np.float32)
    gap = size / rng.uniform(*LINES)                    # pixels
    width = max(1, round(gap * rng.uniform(0.02, 0.06)))
    strength = 1 - rng.uniform(*LINE_TONE)
    for start in np.arange(rng.uniform(0, gap), size, gap).astype(int):
        lines[start:start + width] = strength
    if kind == 'squared':
        for start in np.arange(rng.uniform(0, gap), size, gap).astype(int):
            lines[:, start:start + width] = strength
    turned = ndimage.rotate(lines, rng.uniform(-3, 3), reshape=False, order=1, mode='reflect')
    return turned


def shade(size, darkest, rng):
    """Light falling from one side, and a soft shadow: float32 [size, size], darkest ... 1."""
    y, x = np.mgrid[0:1:size * 1j, 0:1:size * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * x + np.sin(angle) * y
    slope = (slope - slope.min()) / np.ptp(slope)        # 0 ... 1
    edge = rng.uniform(0.3, 0.7)
    angle = rng.uniform(0, 2 * np.pi)
    across = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
    shadow = 1 / (1 + np.exp((across - edge + 0.5) / rng.uniform(0.03, 0.15)))
    dark = 0.5 * slope + 0.5 * shadow                    # 0 ... 1
    return 1 - (1 - darkest) * dark


def photograph(digit, rng, *, paper, ink, size, share, turn, pen, light, noise, quality, lines,
               inverted, clear):
    """Draw an MNIST digit, float32 [28, 28], 0 ... 1, as a picture; see the constants above.

    Returns: a Pillow picture, L or RGBA, and the keywords to save it with.
    """
    cover = place(stroke(digit, pen, turn), size, share, rng)  # float32 [size, size], 0 ... 1
    bare = np.full([size, size], paper, np.float32)            # 0 ... 255
    if lines:
        bare *= 1 - printed_lines(lines, size, rng)
    seen = bare * (1 - cover * (1 - ink))
    if light:
        seen *= shade(size, light, rng)
    if noise:
        seen += rng.normal(0, noise, seen.shape)
    if inverted:
        seen = 255 - seen
    pixels = np.rint(seen.clip(0, 255)).astype(np.uint8)
    if not clear:
        return Image.fromarray(pixels), (
            dict(format='JPEG', quality=quality) if quality else dict(format='PNG'))
    colour = np.zeros([size, size, 4], np.uint8)
    if paper == 255:  # a drawing on nothing: only the ink is opaque
        colour[..., :3] = rng.integers(0, 90, 3)
        colour[..., 3] = np.rint(255 * cover)
    else:             # a screenshot: opaque everywhere
        colour[..., :3] = pixels[..., np.newaxis]
        colour[..., 3] = 255
    return Image.fromarray(colour), dict(format='PNG')


def count_right(predict, condition, digits, labels, sheet_row):
    """Photograph digits, float32 [n, 784], and let the network read them both ways.

    Returns: the shares read rightly after pre_pic and after pre_photo.
    """
    seen = [], []  # float32 [1, 784] each
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'picture')
        for n, digit in enumerate(digits):
            rng = np.random.default_rng([SEED, ALL.index(condition), n])
            picture, how = photograph(digit.reshape(28, 28), rng, **settings_of(condition, rng))
            picture.save(path, **how)
            seen[0].append(mnist_app.pre_pic(path))
            seen[1].append(mnist_photo.pre_photo(path))
            if n < SHEET_COLUMNS:
                sheet_row.append((mnist_photo.picture_file.open_picture(path), seen[1][-1]))
    return [share_right(predict, np.concatenate(one), labels) for one in seen]


def share_right(predict, pictures, labels):
    """The share of `pictures`, float32 [n, 784], that the network reads as `labels`, [n]."""
    return float(np.mean(predict(pictures)[0] == labels))


def other_writers(predict):
    """The two shares for scikit-learn's load_digits, or None if that is not installed."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        return None
    digits = load_digits()
    seen = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'digit.png')
        for image in digits.images:                          # float64 [8, 8], 0 paper ... 16 ink
            ink = Image.fromarray(np.pad(image / 16, 1).astype(np.float32))
            ink = np.asarray(ink.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            Image.fromarray(np.uint8(255 * (1 - ink.clip(0, 1)))).save(path)
            seen[0].append(mnist_app.pre_pic(path))
            seen[1].append(mnist_photo.pre_photo(path))
    return [share_right(predict, np.concatenate(one), digits.target) for one in seen]


def save_sheet(rows, path):
    """Save pictures beside what the network saw. rows: [[(picture, float32 [1, 784]), ...], ...]"""
    page = Image.new('L', (2 * SHEET_COLUMNS * CELL, len(rows) * CELL), 128)
    for r, row in enumerate(rows):
        for c, (picture, seen) in enumerate(row):
            picture = picture.convert('L').resize((CELL - 4, CELL - 4))
            grey = Image.fromarray(np.uint8(255 * seen.reshape(28, 28)))
            page.paste(picture, (2 * c * CELL, r * CELL))
            page.paste(grey.resize((CELL - 4, CELL - 4)), ((2 * c + 1) * CELL, r * CELL))
    with cli.whole_file(path) as part:
        page.save(part, 'PNG')


def compare(half, count, sheet):
    """Print the table."""
    mnist_backward.model_save_path = os.path.join(ROOT, 'model')
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'))
    validation = mnist.validation
    middle = validation.num_examples // 2
    part = slice(0, middle) if half == 'first' else slice(middle, None)
    digits, labels = validation.images[part][:count], validation.labels[part][:count]
    with mnist_app.open_model() as predict:
        if predict is None:
            return cli.complain('train first: python mnist_backward.py', 1)
        shares = [f'{name} {share_right(predict, data.images, data.labels):.2%}'
                  for name, data in mnist._asdict().items()]
        cli.say(f'of MNIST as it is: {", ".join(shares)}')
        cli.say(f'{len(digits)} digits a condition, {half} half of the validation digits; '
                f'as they are: {share_right(predict, digits, labels):.1%}')
        cli.say(f'{"condition":24}{"pre_pic":>9}{"pre_photo":>11}')
        rows = []
        for condition in ALL:
            rows.append([])
            post, ours = count_right(predict, condition, digits, labels, rows[-1])
            cli.say(f'{condition:24}{post:9.1%}{ours:11.1%}')
        others = other_writers(predict)
        cli.say('load_digits: pip install scikit-learn' if others is None else
                f'{"load_digits":24}{others[0]:9.1%}{others[1]:11.1%}')
    if sheet:
        save_sheet(rows, sheet)


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--half', choices=['first', 'second'], default='first',
                        help='of the validation digits (default: %(default)s)')
    parser.add_argument('--count', type=cli.positive_int, default=COUNT,
                        help='digits a condition, at most 2500 (default: %(default)s)')
    parser.add_argument('--sheet', metavar='FILE', help='save pictures to look at')
    args = parser.parse_args()
    return compare(args.half, args.count, args.sheet)


if __name__ == '__main__':
    cli.run(main)
