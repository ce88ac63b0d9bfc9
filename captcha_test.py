"""Read unseen captchas with the newest checkpoint: the whole test set, or your own files.

Command:  python captcha_test.py                     the test set: accuracies and a sheet
          python captcha_test.py my.jpg other.png    each file's text and confidence; many of one
                                                     system together are read better
          python captcha_test.py my/pictures --csv read.csv    a whole folder, as a table
          python captcha_test.py --charset digits --length 4 my.jpg    what you know about the text
          python captcha_test.py --views 3           each captcha read three times, slightly shifted
Reads:    captcha/crack_captcha.model-<i>, and captcha/test.tfrecords or the named files;
          files are read with models/general if there is no such checkpoint
Writes:   captcha/test_sheet.png: 24 captchas with their readings, errors first (test set only);
          with --csv a table of file, text, confidence and each character's confidence
Takes:    a few seconds for 500 captchas on two cores without a GPU

From a program:

    from captcha_test import open_reader
    with open_reader('captcha/small_cnn') as reader:  # open_reader(): models/general
        for text, confidence in reader.read(['one.jpg', png_bytes, pillow_picture]):
            print(text, confidence)
"""
import collections
import os
import time

from support.common import console

with console.quiet_start(__name__):
    import numpy as np

    from support.captcha.network import open_reader  # with TensorFlow

from support.captcha import dataset, models, preprocessing, records, report
from support.captcha.reader import BATCH_SIZE, add_options, known, read_files

SHOWN = 10  # captchas printed one by one
SHEET_NAME = 'test_sheet.png'  # in the folder of the model


def brackets(text):
    """'5137' -> '[5] [1] [3] [7]', as the series prints it."""
    return ' '.join(f'[{character}]' for character in text)


def test(reader, test_file, sheet):
    """Read the whole test set, print the accuracies and save the sheet of pictures."""
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
    print(f'checkpoint: {reader.network.path}')
    print(f'records: {test_file}')
    lacking = report.save_sheet(
        (shown[False] + shown[True])[:report.SHEET_SIZE], sheet)
    print(f'pictures: {sheet}' + (f' (boxes stand for {lacking}, which its font lacks)'
                                  if lacking else ''))


def records_of(model_dir):
    """The held-out records in a model's folder or its parent, or the default."""
    around = os.path.dirname(os.path.normpath(model_dir)) or '.'
    near = [records.beside(folder) for folder in (model_dir, around) if os.path.isdir(folder)]
    return next(filter(os.path.isfile, near), dataset.TEST_FILE)


def check_records(reader, test_file):
    """Raise a UserError unless the records' labels are of the reader's classes."""
    facts = dataset.read_facts(test_file) or records.survey(test_file)[1]
    if not reader.facts.covers(facts):
        raise console.UserError(f'{test_file}: expected {reader.facts}, as {reader.network.path} '
                                f'was trained, found {facts}; name its own records with --test, '
                                'or train a network on these: python captcha_train.py --train FILE '
                                '--model-dir FOLDER')


def main():
    parser = console.parser(__doc__)
    parser.add_argument('files', nargs='*', metavar='FILE',
                        help='pictures or folders to read instead')
    parser.add_argument('--test', type=records.held_out, metavar='FILE',
                        help='held-out records, or their folder (default: '
                             f'{os.path.basename(dataset.TEST_FILE)} in the folder of the '
                             f'checkpoint or in the one around it, or else {dataset.TEST_FILE})')
    parser.add_argument('--model-dir', metavar='FOLDER',
                        help=f'folder of the checkpoint (default: {models.MODEL_DIR}; for files, '
                             'where it has none, models/general, which reads most captchas)')
    parser.add_argument('--views', type=int, default=1,
                        choices=range(1, len(preprocessing.VIEWS) + 1),
                        help='average this many readings of slightly shifted pictures: slightly '
                             'more accurate, at that many times the cost (default: %(default)s)')
    add_options(parser)
    args = parser.parse_args()
    if args.csv is not None and not args.files:
        raise console.UserError('--csv: expected picture files to read, found none; name them')
    if args.files and args.test:
        raise console.UserError('--test: expected no pictures beside it, found '
                                f'{args.files[0]}; leave one of them out')
    model_dir = args.model_dir or (models.default_dir() if args.files else models.MODEL_DIR)
    with open_reader(model_dir, args.views, **known(args)) as reader:
        if args.files:
            return read_files(reader, args)
        return test(reader, args.test or records_of(model_dir),
                    os.path.join(model_dir, SHEET_NAME))


if __name__ == '__main__':
    console.run(main)
