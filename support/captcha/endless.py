"""Draw captchas in many styles endlessly, so that training rarely sees one twice.

Command:  python -m support.captcha.endless general --fonts /usr/share/fonts --pools pools
Reads:    fonts; pools/*/labels.csv (rows of a picture's name and its text) and the pictures beside
          it, which other generators drew: benchmarks/generators/README.md
Writes:   general/test.tfrecords, general/dataset.json and general/train-00000-of-00048.tfrecords
          ..., of 1,000 pictures each, redrawn in turn until Ctrl-C
Takes:    7 ms a picture: on one core training can start after six minutes

In a second shell: python captcha_train.py --network deep_line_cnn --train general --model-dir MODEL

A file gets its name once complete, so training never waits and never reads a partial file. How
often a picture is seen depends on the slower of the two. A second drawing process helps.
"""
import contextlib
import csv
import glob
import os
import random
import tempfile

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf
    from captcha.image import DEFAULT_FONTS, ImageCaptcha

from support.captcha import (
    conversion,
    dataset,
    fonts,
    ink_line,
    random_texts,
    records,
    styles,
)
from support.captcha.chances import chance
from support.common import pictures

SHARDS, PICTURES = 48, 1000  # training files, pictures in each
FACTS = dataset.Facts(dataset.CHARSETS['all'] + random_texts.SIGNS, 1, 8, 'line')
DRAWN_AS = {'x': '×', '/': '÷'}  # other signs of a class, in sums
POOLED = 0.4  # share of the pictures that come from the pools, if there are any
PACKAGE = 0.3  # share of the others that the package `captcha` draws, as gen_captcha.py does
CAPITALS = 0.6  # share of these with digits and capitals, including O and 0, I and 1
WIDTHS = 100, 160, 200, 240  # pixels of these, by the length of the text
OTHERWISE = 0.3  # share of all pictures that are prepared as a doubtful one is read again
# Preparations in which the letters of every picture can be seen
FIRST, *OTHERS = (one for one in ink_line.PREPARATIONS if one.darkness in ('farthest', 'mean'))


def draw(paths, pooled=()):
    """A captcha of random style and text, uint8 [224, 224], and its labels.

    Args: paths: of fonts. pooled: [(path of a picture, its text), ...].
    """
    if pooled and chance(POOLED):
        path, text = random.choice(pooled)
        return prepared(pictures.open_picture(path)), FACTS.labels_of(label_of(text))
    text = random_texts.random_text(FACTS.longest)
    if text.isascii() and chance(PACKAGE):
        if chance(CAPITALS):
            text = ''.join(random.choices(dataset.CHARSETS['alnum'], k=len(text)))
        width = WIDTHS[min((len(text) - 1) // 2, len(WIDTHS) - 1)]
        picture = ImageCaptcha(width, 60, list(DEFAULT_FONTS)).generate_image(text)
    else:
        picture = styles.varied(text, paths)
    return prepared(picture), FACTS.labels_of(label_of(text))


def prepared(picture):
    """A picture as the network's input, uint8 [224, 224], in a random preparation."""
    return ink_line.ink_line(picture, random.choice(OTHERS) if chance(OTHERWISE) else FIRST)


def label_of(text):
    """The label of a drawn `text`: for × the letter that it resembles."""
    for label, sign in DRAWN_AS.items():
        text = text.replace(sign, label)
    return text


@contextlib.contextmanager
def drawn_beside(path):
    """Yield a path that gets the name `path` at the end: another process may draw the same file."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path), prefix='.drawing.') as folder:
        part = os.path.join(folder, os.path.basename(path))
        yield part
        os.replace(part, path)


def find_pooled(folder):
    """[(path of a picture, its text), ...] of all pools in a folder, as long as FACTS allow."""
    found = []
    for labels in glob.glob(os.path.join(glob.escape(folder), '*', 'labels.csv')):
        with open(labels, encoding='utf-8', newline='') as file:
            found += [(os.path.join(os.path.dirname(labels), name), text)
                      for name, text in csv.reader(file)
                      if len(text) <= FACTS.longest and not {*label_of(text)} - {*FACTS.alphabet}]
    return found


def draw_file(path, count, paths, pools=None):
    """Write a TFRecord file of `count` captchas, completely or not at all."""
    pooled = find_pooled(pools) if pools else ()
    with drawn_beside(path) as part, tf.python_io.TFRecordWriter(part) as writer:
        for _ in range(count):
            image, labels = draw(paths, pooled)
            writer.write(records.example(image, labels))


def draw_endlessly(folder, paths, pools=None, shards=SHARDS, count=PICTURES, rounds=None):
    """Draw all files of a data set, then redraw the training files in random order.

    Args:
      paths: of fonts. pools: a folder of pools, which may grow meanwhile; or None.
      shards: training files. count: pictures in each of them.
      rounds: how often each training file is drawn; None: until stopped.
    """
    os.makedirs(folder, exist_ok=True)
    wanted = conversion.record_paths(folder, shards)
    [test], train = wanted['test'], wanted['train']
    with drawn_beside(dataset.facts_path(folder)) as part:
        dataset.write_facts(part, FACTS, {})
    missing = [path for path in train if not os.path.exists(path)]
    with console.progress(len(missing) + 1, 'drawing', 'file') as bar:
        if not os.path.exists(test):
            draw_file(test, 2 * count, paths, pools)
        bar.update()
        for path in missing:
            draw_file(path, count, paths, pools)
            bar.update()
    print(f'{folder}: {shards * count} training pictures, {2 * count} held-out pictures; '
          'redrawing them until Ctrl-C')
    done = 1
    while rounds is None or done < rounds:
        for path in random.sample(train, len(train)):
            draw_file(path, count, paths, pools)
        done += 1


def main():
    parser = console.parser(__doc__)
    parser.add_argument('folder', metavar='FOLDER', help='folder for the records')
    parser.add_argument('--fonts', metavar='FOLDER', required=True,
                        help='draw with every legible font found there')
    parser.add_argument('--pools', metavar='FOLDER',
                        help=f'take {100 * POOLED:.0f} %% of the pictures from the folders in it')
    args = parser.parse_args()
    if args.pools and not os.path.isdir(args.pools):
        raise console.UserError(f'--pools {args.pools}: expected a folder of pools, found none; '
                                'leave --pools out, or draw them: benchmarks/generators/README.md')
    characters = dataset.CHARSETS['all']
    signs = random_texts.SIGNS + ''.join(DRAWN_AS.values())
    found = fonts.find_fonts(args.fonts, characters + signs)
    paths = fonts.legible(found, characters)
    print(f'{args.fonts}: {len(paths)} of {len(found)} fonts are legible')
    draw_endlessly(args.folder, paths, args.pools)


if __name__ == '__main__':
    console.run(main)
