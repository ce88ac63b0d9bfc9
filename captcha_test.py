"""Read captchas nobody has seen, with the newest checkpoint: the whole test set, or your files.

Command:  python captcha_test.py                     the test set: figures and a sheet of pictures
          python captcha_test.py my.jpg other.png    each file: its text and how sure that is
          python captcha_test.py my/*.png --csv read.csv    the same into a table
          python captcha_test.py --views 5           each captcha read five times, a little moved
Reads:    captcha/crack_captcha.model-<i>, and captcha/test.tfrecords or the files named
Writes:   captcha/test_sheet.png: 24 captchas with what was read, wrong ones first (test set
          only); with --csv a table of file, text and confidence
Takes:    a few seconds for 500 captchas on two cores without a GPU

From a program:

    from captcha_test import open_reader
    reader = open_reader('captcha/small_cnn')
    for text, confidence in reader.read(['one.jpg', png_bytes, pillow_picture]):
        print(text, confidence)
"""
import collections
import contextlib
import csv
import dataclasses
import itertools
import os
import time
from typing import Callable

from support.common import console

with console.quiet_start(__name__):
    import numpy as np
    import tensorflow.compat.v1 as tf

from nets import nets_factory
from support.captcha import dataset, models, preprocessing, recipes, records, report
from support.common import checkpoints, files, pictures

BATCH_SIZE = 50  # pictures read at a time: only memory and speed depend on it
SHOWN = 10  # captchas printed one by one
SHEET_NAME = 'test_sheet.png'  # in the folder of the model


@dataclasses.dataclass(frozen=True)
class Reader:
    """A restored network. `classify` takes images uint8 [n, 224, 224] and returns classes
    [n, heads] and confidence [n] in NumPy: the product of the heads' largest softmax values."""
    classify: Callable
    facts: dataset.Facts
    checkpoint: str  # its prefix

    def read(self, sources):
        """Read pictures.

        Args: sources: paths, the bytes of picture files or Pillow pictures, as many as you like.
        Returns: [(text, confidence 0 ... 1), ...].
        Raises: console.UserError for what is no picture.
        """
        if isinstance(sources, (str, bytes)):
            raise TypeError(f'expected a list of pictures, found one: [{sources[:40]!r}]')
        found = list(read_in_batches(self, pictures.load_all(sources)))
        for problem in found:
            if isinstance(problem, console.UserError):
                raise problem
        return found


def build_reader(about, views=1):
    """The graph that reads captchas.

    Args: about: of the checkpoint, see models.About. views: how often each picture is read, a
      little moved, 1 ... len(preprocessing.VIEWS).
    Returns:
      x: placeholder float32 [None, 224, 224], -1 ... 1.
      predictions: int64 [batch, heads], classes.
      confidence: float32 [batch], the product of the heads' largest softmax values, which are
        the views' mean.
    """
    x = tf.placeholder(tf.float32, [None, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])
    network_fn = nets_factory.get_network_fn(
        about.fields['network'], num_classes=about.facts.num_classes, is_training=False,
        method=about.fields['method'], num_heads=about.facts.heads)
    images = preprocessing.network_input(x, *(about.fields[field] for field in recipes.INPUT))
    softmax = []
    for view in preprocessing.views(images, views):
        with tf.variable_scope(tf.get_variable_scope(), reuse=bool(softmax)):
            *logits, _ = network_fn(view)
        softmax.append(tf.nn.softmax(tf.stack(logits, axis=1)))  # [batch, heads, num_classes]
    softmax = tf.add_n(softmax) / views
    predictions = tf.argmax(softmax, axis=2)
    confidence = tf.reduce_prod(tf.reduce_max(softmax, axis=2), axis=1)
    return x, predictions, confidence


def open_reader(model_dir=models.MODEL_DIR, views=1):
    """Restore the newest checkpoint of a folder.

    Args: views: as for `build_reader`.
    Returns: Reader.
    Raises: UserError if there is no checkpoint or it does not fit the network.
    """
    train = models.command('captcha_train.py', model_dir)
    checkpoint = models.newest(model_dir)
    if checkpoint is None:
        if model_dir != models.MODEL_DIR:
            train += ', with the --network and the --train that you want'
        below = models.folders_below(model_dir)
        found = f'found one in {below[0]}; use that folder, or' if below else 'found none;'
        raise console.UserError(f'{model_dir}: expected a checkpoint {models.MODEL_NAME}-<i>, '
                                f'{found} make it with: {train}')
    about = models.about(checkpoint)
    network, method = about.fields['network'], about.fields['method']
    if network not in nets_factory.names() or method not in nets_factory.methods(network):
        raise console.UserError(f'{checkpoint}: expected one of the networks '
                                f'{", ".join(nets_factory.names())} and a method of it, found '
                                f'{network}, {method}; train one of them with: {train} --restart')
    with tf.Graph().as_default():
        x, predictions, confidence = build_reader(about, views)
        sess = tf.Session()
        checkpoints.restore(tf.train.Saver(), sess, checkpoint,
                            models.train_again_command(model_dir))

    def classify(images):
        return sess.run([predictions, confidence], {x: records.scale(images)})
    return Reader(classify, about.facts, checkpoint)


def read_in_batches(reader, images):
    """Yield (text, confidence) for each image uint8 [224, 224]; a UserError stays what it is."""
    images = iter(images)
    while batch := list(itertools.islice(images, BATCH_SIZE)):
        good = [image for image in batch if not isinstance(image, console.UserError)]
        if good:
            predictions, confidence = reader.classify(np.stack(good))
            found = iter([(reader.facts.text_of(one), float(sure))
                          for one, sure in zip(predictions, confidence)])
        yield from (image if isinstance(image, console.UserError) else next(found)
                    for image in batch)


def brackets(text):
    """'5137' -> '[5] [1] [3] [7]', as the series prints it."""
    return ' '.join(f'[{character}]' for character in text)


def test(model_dir, test_file, sheet, views=1):
    """Read the whole test set, print how well that went and save the sheet of pictures."""
    reader = open_reader(model_dir, views)
    facts = reader.facts
    check_records(reader, test_file)
    results = []  # (label, predicted text)
    shown = collections.defaultdict(list)  # right or wrong: the first that fit on the sheet
    seconds = 0.0
    reader.classify(np.zeros([1, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE]))  # not timed: set-up
    for images, labels in records.read_batches(test_file, BATCH_SIZE):
        start = time.perf_counter()
        predictions, _ = reader.classify(images)
        seconds += time.perf_counter() - start
        for image, label, prediction in zip(images, labels, predictions):
            label, prediction = facts.text_of(label), facts.text_of(prediction)
            if len(results) < SHOWN:
                print(f'label: {brackets(label)}')
                print(f'predict: {brackets(prediction)}')
            results.append((label, prediction))
            kept = shown[label == prediction]
            if len(kept) < report.SHEET_SIZE:
                kept.append((image, label, prediction))

    report.print_figures(results)
    print(f'time: {1000 * seconds / len(results):.1f} ms a picture, {BATCH_SIZE} at a time')
    print(f'checkpoint: {reader.checkpoint}')
    print(f'records: {test_file}')
    lacking = report.save_sheet(
        (shown[False] + shown[True])[:report.SHEET_SIZE], sheet)
    print(f'pictures: {sheet}' + (f' (boxes stand for {lacking}, which its font lacks)'
                                  if lacking else ''))


def records_of(model_dir):
    """The held-out records that lie in a model's folder or in the one around it, or the default."""
    around = os.path.dirname(os.path.normpath(model_dir)) or '.'
    near = [records.beside(folder) for folder in (model_dir, around) if os.path.isdir(folder)]
    return next(filter(os.path.isfile, near), dataset.TEST_FILE)


def check_records(reader, test_file):
    """Raise a UserError unless the records' labels are of the reader's classes."""
    facts = dataset.read_facts(test_file) or records.survey(test_file)[1]
    if not reader.facts.covers(facts):
        raise console.UserError(f'{test_file}: expected {reader.facts}, as {reader.checkpoint} was '
                                f'trained, found {facts}; name its own records with --test, make '
                                'these again with the --length and --alphabet of the network and '
                                '--overwrite, or train a network on these: python '
                                'captcha_train.py --train FILE --model-dir FOLDER')


def read_files(model_dir, paths, csv_file=None, views=1):
    """Print `<file> <text> <confidence>` for each picture; a bad one does not stop the others.

    Args: csv_file: write it there as a table instead; a bad picture has an empty text.
    Returns: exit status, 2 if any file could not be read.
    """
    if csv_file:
        files.writable_folder(os.path.dirname(csv_file) or '.')
    reader = open_reader(model_dir, views)
    rows, good, status = [], 0, 0
    with contextlib.ExitStack() as stack:
        if csv_file:
            part = stack.enter_context(files.whole_file(csv_file))
            bar = stack.enter_context(console.progress(len(paths), 'reading', 'picture'))
        found_of = read_in_batches(reader, pictures.load_all(paths))
        for path, found in zip(paths, found_of):
            if isinstance(found, console.UserError):
                status, found = console.complain(found), ('', 0.0)
            else:
                good += 1
                if not csv_file:
                    console.say(f'{path} {found[0]} {found[1]:.2f}')
            rows.append((path, found[0], f'{found[1]:.4f}'))
            if csv_file:
                bar.update()
        if csv_file:
            with open(part, 'w', encoding='utf-8', errors='backslashreplace', newline='') as file:
                csv.writer(file).writerows([('file', 'text', 'confidence'), *rows])
    if csv_file:
        print(f'{csv_file}: {good} of {len(paths)} pictures read')
    return status


def main():
    parser = console.parser(__doc__)
    parser.add_argument('files', nargs='*', metavar='FILE', help='pictures to read instead')
    parser.add_argument('--test', type=records.held_out, metavar='FILE',
                        help='held-out records, or their folder (default: '
                             f'{os.path.basename(dataset.TEST_FILE)} in the folder of the '
                             f'checkpoint or in the one around it, or else {dataset.TEST_FILE})')
    parser.add_argument('--model-dir', default=models.MODEL_DIR, metavar='FOLDER',
                        help='folder of the checkpoint (default: %(default)s)')
    parser.add_argument('--sheet', metavar='FILE',
                        help=f'where to save the sheet, a PNG (default: {SHEET_NAME} beside the '
                             'model)')
    parser.add_argument('--csv', metavar='FILE',
                        help='write file, text and confidence of each FILE there')
    parser.add_argument('--views', type=int, choices=range(1, len(preprocessing.VIEWS) + 1), default=1,
                        help='how often each picture is read, a little moved, and averaged: a '
                             'little surer, for so many times the work (default: %(default)s)')
    args = parser.parse_args()
    if args.csv is not None and not args.files:
        raise console.UserError('--csv: expected picture files to read, found none; name them')
    if args.csv is not None and not args.csv.lower().endswith('.csv'):  # a picture, by mistake
        raise console.UserError(f'--csv: expected a file name that ends in .csv, found {args.csv}; '
                                'name the table first, then the pictures')
    for option, value in ('--test', args.test), ('--sheet', args.sheet):
        if args.files and value is not None:
            raise console.UserError(f'{option}: expected no pictures beside it, found '
                                    f'{args.files[0]}; leave one of them out')
    if args.sheet is not None and not args.sheet.lower().endswith('.png'):
        raise console.UserError('--sheet: expected a file name that ends in .png, found '
                                f'{args.sheet}; name it so')
    if args.files:
        return read_files(args.model_dir, console.file_names(args.files), args.csv, args.views)
    return test(args.model_dir, args.test or records_of(args.model_dir),
                args.sheet or os.path.join(args.model_dir, SHEET_NAME), args.views)


if __name__ == '__main__':
    console.run(main)
