"""Your own digits as MNIST files, so that `mnist_backward.py` trains on your hand.

Command:  python -m support.digits.own my/digits
Reads:    pictures of single digits, photographs, scans or drawings, prepared as mnist_app.py does;
          the digit is the file name up to the first _ - . or space (7_001.jpg), or --labels has it,
          as in to_tfrecord.py; and MNIST's training pictures in data/
Writes:   four IDX files into data/, which take precedence over the gzipped ones there: MNIST's
          training pictures and four fifths of yours for training, the rest of yours for testing.
          Delete them to get MNIST back
Takes:    a second for 50 pictures

Then train: python mnist_backward.py --model-dir model/own
"""
import os
import random

import numpy as np

from support.common import console, files, labelled
from support.common.console import UserError
from support.digits import input_data, photographs
from support.digits.input_data import SIDE

HELD_OUT = 5  # every fifth picture is held out


def own_digits(folder, labels_file=None):
    """The digits of a folder of pictures, in a fixed random order.

    Prints a line per unused file. Returns: images uint8 [n, 28, 28], labels uint8 [n].
    Raises: UserError if fewer than HELD_OUT are usable.
    """
    texts, bad = labelled.find_texts(folder, labels_file)
    images, digits, names = [], [], sorted(texts)
    random.Random(0).shuffle(names)
    with console.progress(len(names), 'preparing', 'picture') as bar:
        for name in names:
            bar.update()
            path = os.path.join(folder, name)
            try:
                found = photographs.pre_digits(path)  # float32 [digits, 784], 0 ... 1
            except UserError as error:
                bad.append((name, str(error).removeprefix(f'{path}: ')))
                continue
            if len(found) != 1 or texts[name] not in list('0123456789'):
                bad.append((name, f'expected one digit, found {len(found)}, and its text, found '
                                  f'{texts[name]!r}'))
                continue
            images.append(np.round(255 * found[0]).astype(np.uint8).reshape(SIDE, SIDE))
            digits.append(int(texts[name]))
    for name, why in bad:
        print(f'not used: {name}: {why}')
    if len(images) < HELD_OUT:
        raise UserError(f'{folder}: expected at least {HELD_OUT} pictures of one digit each, found '
                        f'{len(images)}; put more there, or name their digits with --labels')
    return np.stack(images), np.array(digits, np.uint8)


def idx(values):
    """The bytes of an IDX file of values uint8 [n, ...]."""
    header = bytes([0, 0, 8, values.ndim]) + b''.join(n.to_bytes(4, 'big') for n in values.shape)
    return header + values.tobytes()


def write_sets(folder, labels_file=None, data='./data/'):
    """Write the four IDX files, all or none."""
    images, digits = own_digits(folder, labels_file)
    paths = [os.path.join(data, name) for name in input_data.NAMES]
    train_images = input_data.read_idx(f'{paths[0]}.gz', [SIDE, SIDE])
    train_labels = input_data.read_idx(f'{paths[1]}.gz', [])
    held_out = np.arange(len(images)) % HELD_OUT == 0
    contents = [np.concatenate([train_images, images[~held_out]]),
                np.concatenate([train_labels, digits[~held_out]]),
                images[held_out], digits[held_out]]
    with files.whole_files(paths) as parts:
        for part, values in zip(parts, contents):
            with open(part, 'wb') as file:
                file.write(idx(values))
    print(f'{data}: {len(train_images)} pictures of MNIST and {np.sum(~held_out)} of {folder} to '
          f'train on, {np.sum(held_out)} to test on; train: python mnist_backward.py --model-dir '
          'model/own')


def main():
    parser = console.parser(__doc__)
    parser.add_argument('folder', metavar='FOLDER', help='pictures of single digits')
    parser.add_argument('--labels', metavar='FILE', help='a CSV or TSV with a file name and its '
                        'digit per line; folders: the folder is named after the digit')
    args = parser.parse_args()
    write_sets(args.folder, args.labels)


if __name__ == '__main__':
    console.run(main)
