"""MNIST reader with the behaviour of TensorFlow 1's `input_data`, which TensorFlow 2 dropped.

Use:      from support.digits import input_data
          mnist = input_data.read_data_sets("./data/", one_hot=True)
Reads:    four IDX files, plain or gzipped (names in data/README.md); any set of 28x28 pictures
          under these names will do: Fashion-MNIST, Kuzushiji-MNIST, one of your own
Takes:    under a second

An IDX file is a magic number (two zero bytes, 8 for uint8, the number of dimensions), one
big-endian uint32 for each dimension, and the values.
"""
import collections
import gzip
import os
import zlib

import numpy as np

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
        self._shuffle()

    def next_batch(self, batch_size):
        """Return the next `batch_size` images [batch_size, 784] and their labels.

        A batch that crosses the end of an epoch takes the rest of it and the start of the next.
        """
        rows = self._next_rows(batch_size)
        # Gathering a batch's rows costs less than TF1's copy of all rows at each epoch's start.
        return self.images[rows], self.labels[rows]

    def skip_batches(self, count, batch_size):
        """Advance as if `next_batch` had been called `count` times: 50,000 take 0.1 s.

        So what training sees at a step depends only on the seed and the step, resumed or not.
        """
        for _ in range(count):
            self._next_rows(batch_size)

    def _next_rows(self, batch_size):
        """The rows of the next batch: int64 [batch_size]."""
        start = self._index_in_epoch
        rows = self._order[start:start + batch_size]  # fewer at an epoch's end
        self._index_in_epoch = start + batch_size
        if self._index_in_epoch > self.num_examples:
            self.epochs_completed += 1
            self._index_in_epoch -= self.num_examples
            self._shuffle()
            rows = np.concatenate([rows, self._order[:self._index_in_epoch]])
        return rows

    def _shuffle(self):
        """Begin an epoch: shuffle the order, on top of the last one, as TF1 did."""
        shuffled = np.arange(self.num_examples)
        self._random.shuffle(shuffled)
        self._order = self._order[shuffled]


def read_data_sets(train_dir, one_hot=False, validation_size=5000, seed=None):
    """Read the IDX files of `train_dir` into `Datasets(train, validation, test)`.

    The first `validation_size` training pictures become the validation set.
    Raises: UserError, one line naming the file, if one is missing, damaged or inconsistent.
    """
    images, labels = read_pair(train_dir, NAMES[:2])
    parts = [(images[validation_size:], labels[validation_size:]),
             (images[:validation_size], labels[:validation_size]),
             read_pair(train_dir, NAMES[2:])]
    return Datasets(*[DataSet(images, np.eye(CLASSES)[labels] if one_hot else labels, seed)
                      for images, labels in parts])


def read_pair(folder, names):
    """Read a file of pictures and that of their labels.

    Returns: images float32 [n, 784], 0 ... 1, and labels uint8 [n], 0 ... 9.
    """
    image_path, label_path = (os.path.join(folder, name) for name in names)
    images = read_idx(image_path, [SIDE, SIDE])  # uint8 [n, 28, 28], 0 ... 255
    labels = read_idx(label_path, [])            # uint8 [n]
    if len(images) != len(labels) or labels.max(initial=0) >= CLASSES:
        raise UserError(f'{label_path}: expected {len(images)} labels from 0 to {CLASSES - 1}, as '
                        f'many as there are pictures, found {len(labels)} up to '
                        f'{labels.max(initial=0)}; put those of the pictures there')
    images = images.reshape(-1, SIDE * SIDE).astype(np.float32)
    images *= np.float32(1 / 255)  # 0 ... 255 -> 0 ... 1; in place, a copy would be 172 MB
    return images, labels


def read_idx(path, shape):
    """The array in the IDX file `path`, or if there is none in `path`.gz: uint8 [n, *shape]."""
    if not os.path.exists(path):  # a plain one was put beside the gzipped MNIST for a reason
        path = f'{path}.gz'
    try:
        with (gzip.open if path.endswith('.gz') else open)(path, 'rb') as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f'{path}: expected a file of MNIST, found none or a damaged one ({error}); '
                        'get the one of this repository: git checkout -- data') from error
    length = 4 * (2 + len(shape))  # bytes: the magic number and the sizes
    header = np.frombuffer(content[:length // 4 * 4], '>u4').tolist()
    values = np.frombuffer(content[length:], np.uint8)
    number = header[1] if len(header) > 1 else 0
    if header != [0x801 + len(shape), number, *shape] or len(values) != number * np.prod(shape):
        raise UserError(f'{path}: expected an IDX file, {[0x801 + len(shape), "n", *shape]} and as '
                        f'many bytes, found {header} and {len(values)} bytes; put an intact copy '
                        'in its place')
    return values.reshape(-1, *shape)
