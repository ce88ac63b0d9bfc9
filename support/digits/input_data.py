"""MNIST reader with the behaviour of TensorFlow 1's `input_data`, which TensorFlow 2 dropped.

Use:      from support.digits import input_data
          mnist = input_data.read_data_sets("./data/", one_hot=True)
Command:  python -m support.digits.input_data [folder]    checks and describes the four files
Reads:    four IDX files, plain or gzipped (names in data/README.md); any set of 28x28 pictures
          under these names will do: Fashion-MNIST, Kuzushiji-MNIST, one of your own
Writes:   nothing
Takes:    under a second

An IDX file is a magic number (two zero bytes, 8 for uint8, the number of dimensions), one
big-endian uint32 for each dimension, and the values.
"""
import collections
import copy
import glob
import gzip
import os
import zlib

import numpy as np

from support.common import console
from support.common.console import UserError

# --- the files
NAMES = [f'{part}-{kind}-ubyte' for part in ('train', 't10k')
         for kind in ('images-idx3', 'labels-idx1')]

# --- their contents
SIDE = 28     # pixels, height and width of a picture
CLASSES = 10  # labels are 0 ... 9

Datasets = collections.namedtuple('Datasets', ['train', 'validation', 'test'])


class DataSet:
    """Pictures with their labels, served in batches as TensorFlow 1 did.

    images: float32 [n, 784], 0 ... 1, in the order of the file
    labels: float64 [n, 10] one-hot, or uint8 [n]
    With the same seed, `next_batch` of one set gives the batches TensorFlow 1.14 gave.
    """

    def __init__(self, images, labels, seed=None):
        self.images = images
        self.labels = labels
        self.num_examples = len(images)
        self.epochs_completed = 0
        self._random = np.random.RandomState(seed)  # the generator behind TF1's numpy.random
        self._order = np.arange(self.num_examples)  # this epoch's order
        self._index_in_epoch = 0

    def next_batch(self, batch_size, shuffle=True):
        """Return the next `batch_size` images [batch_size, 784] and their labels.

        A batch that crosses the end of an epoch takes the rest of it and the start of the next.
        """
        rows = self._next_rows(batch_size, shuffle)
        # Gathering a batch's rows costs less than TF1's copy of all rows at each epoch's start.
        return self.images[rows], self.labels[rows]

    def skip_batches(self, count, batch_size):
        """Advance as if `next_batch` had been called `count` times: 50,000 take 0.1 s.

        So what training sees at a step depends only on the seed and the step, resumed or not.
        """
        for _ in range(count):
            self._next_rows(batch_size, True)

    def _next_rows(self, batch_size, shuffle):
        """The rows of the next batch: int64 [batch_size]."""
        if not 0 < batch_size <= self.num_examples:
            raise ValueError(f'batch_size should be from 1 to num_examples, {self.num_examples}; '
                             f'found {batch_size}')
        start = self._index_in_epoch
        if start == 0 and self.epochs_completed == 0 and shuffle:
            self._shuffle()
        rows = self._order[start:start + batch_size]  # fewer at an epoch's end
        self._index_in_epoch = start + batch_size
        if self._index_in_epoch > self.num_examples:
            self.epochs_completed += 1
            self._index_in_epoch -= self.num_examples
            if shuffle:
                self._shuffle()
            rows = np.concatenate([rows, self._order[:self._index_in_epoch]])
        return rows

    def __copy__(self):
        """Another set with the same pictures; from here on each draws its own batches."""
        copied = object.__new__(type(self))
        vars(copied).update(vars(self), _random=copy.deepcopy(self._random))
        return copied

    def _shuffle(self):
        """Begin an epoch: shuffle the order, on top of the last one, as TF1 did."""
        shuffled = np.arange(self.num_examples)
        self._random.shuffle(shuffled)
        self._order = self._order[shuffled]


def read_data_sets(train_dir, fake_data=False, one_hot=False, validation_size=5000, seed=None):
    """Read the IDX files of `train_dir` into `Datasets(train, validation, test)`.

    The first `validation_size` training pictures become the validation set. `fake_data` gives
    TensorFlow 1's stand-in for tests without files: 10,000 white pictures of the digit 0.
    Raises UserError, one line naming the file, if a file is missing, damaged or inconsistent.
    """
    if fake_data:
        images, labels = np.ones([10000, SIDE * SIDE], np.float32), np.zeros(10000, np.uint8)
        parts = [(images, labels)] * 3
    else:
        train_images, train_labels = read_pair(train_dir, 'train')
        if not 0 <= validation_size <= len(train_images):
            raise UserError(f'{train_dir}: expected at least {validation_size} training '
                            f'pictures, the size of the validation set, found '
                            f'{len(train_images)}; put more there')
        parts = [(train_images[validation_size:], train_labels[validation_size:]),
                 (train_images[:validation_size], train_labels[:validation_size]),
                 read_pair(train_dir, 't10k')]
    return Datasets(*[DataSet(images, dense_to_one_hot(labels) if one_hot else labels, seed)
                      for images, labels in parts])


def dense_to_one_hot(labels):
    """Labels 0 ... 9, [n] -> float64 [n, 10], 1 at the label and 0 elsewhere."""
    return np.eye(CLASSES)[labels]


def read_pair(folder, part):
    """Read the pictures and labels of `part`, 'train' or 't10k'.

    Returns images float32 [n, 784], 0 ... 1, and labels uint8 [n], 0 ... 9.
    """
    image_path, label_path = (find(folder, name) for name in NAMES if name.startswith(part))
    images = read_idx(image_path, [SIDE, SIDE])  # uint8 [n, 28, 28], 0 ... 255
    labels = read_idx(label_path, [])            # uint8 [n]
    if len(images) != len(labels):
        raise UserError(f'{label_path}: expected a label for each of the {len(images)} '
                        f'pictures of {image_path}, found {len(labels)} labels')
    if labels.size and labels.max() >= CLASSES:
        position = int(np.argmax(labels >= CLASSES))
        raise UserError(f'{label_path}: expected labels from 0 to {CLASSES - 1}, '
                        f'found {labels[position]} at position {position}')
    if os.path.basename(image_path).startswith('emnist-'):  # its rows are MNIST's columns
        images = images.transpose(0, 2, 1)
    images = images.reshape(-1, SIDE * SIDE).astype(np.float32)
    images *= np.float32(1 / 255)  # 0 ... 255 -> 0 ... 1; in place, a copy would be 172 MB
    return images, labels


def read_idx(path, shape):
    """The array in the IDX file `path`, plain or gzipped: uint8 [n, *shape]."""
    fix = 'put an intact copy in its place'
    try:
        with (gzip.open if path.endswith('.gz') else open)(path, 'rb') as opened:
            content = opened.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f'{path}: expected a gzip file, found a damaged one ({error}); {fix}'
                        ) from error
    dimensions = 1 + len(shape)
    magic = bytes([0, 0, 8, dimensions])
    if content[:4] != magic:
        raise UserError(f'{path}: expected the magic number {int.from_bytes(magic, "big")} '
                        f'of an IDX file, found {int.from_bytes(content[:4], "big")}; {fix}')
    header, values = content[4:4 + 4 * dimensions], content[4 + 4 * dimensions:]
    found = [int.from_bytes(header[i:i + 4], 'big') for i in range(0, 4 * dimensions, 4)]  # sizes
    if found[1:] != shape:
        raise UserError(f'{path}: expected pictures of {SIDE}x{SIDE} pixels, '
                        f'found {"x".join(map(str, found[1:]))}; {fix}')
    expected = int(np.prod(found))
    if len(values) != expected:
        raise UserError(f'{path}: its header promises {expected} bytes of values, '
                        f'found {len(values)}; {fix}')
    return np.frombuffer(values, np.uint8).reshape(found)


def find(folder, name):
    """The path of MNIST's file `name` in a folder, plain or gzipped, under any of its names.

    As 7-Zip unpacks it: train-images.idx3-ubyte; EMNIST's: emnist-digits-train-images-idx3-ubyte.
    The plain one first: it was put beside the repository's gzipped MNIST for a reason.
    Raises: UserError if there is none, or several sets of EMNIST.
    """
    emnist = f'emnist-*-{name.replace("t10k", "test")}'
    for ending in '', '.gz':
        for pattern in name, name.replace('-idx', '.idx'), emnist:
            found = sorted(glob.glob(os.path.join(glob.escape(folder), pattern + ending)))
            if len(found) > 1:
                raise UserError(f'{found[0]}: expected one set of EMNIST, found {found[1]} too; '
                                'keep only one set there')
            if found:
                return found[0]
    raise UserError(f'{os.path.join(folder, name)}.gz: expected a file of MNIST, found none; get '
                    'the one in data/ of this repository: git checkout -- data')


def main():
    parser = console.parser(__doc__)
    parser.prog = 'python -m support.digits.input_data'
    parser.add_argument('folder', nargs='?', default='./data/', help='default: %(default)s')
    mnist = read_data_sets(parser.parse_args().folder, validation_size=0)
    for part, data in (('train', mnist.train), ('test', mnist.test)):
        counts = ' '.join(f'{d}:{n}' for d, n in enumerate(np.bincount(data.labels, minlength=10)))
        console.say(f'{part}: {data.num_examples} pictures, labels {counts}')


if __name__ == '__main__':
    console.run(main)
