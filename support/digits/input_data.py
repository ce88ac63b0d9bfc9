"""MNIST reader with the behaviour of TensorFlow 1's `input_data`, which TensorFlow 2 dropped.

Use:      from support.digits import input_data
          mnist = input_data.read_data_sets("./data/", one_hot=True)
Command:  python -m support.digits.input_data [folder]    checks and describes the four files
Reads:    four IDX files, plain or gzipped (names in data/README.md); any set of 28x28 pictures
          under these names will do: Fashion-MNIST, Kuzushiji-MNIST, one of your own
Writes:   nothing, unless a file is missing: then it is fetched from a public mirror
Takes:    under a second

An IDX file is a magic number (two zero bytes, 8 for uint8, the number of dimensions), one
big-endian uint32 for each dimension, and the values.
"""
import collections
import copy
import glob
import gzip
import hashlib
import http.client
import os
import sys
import urllib.request
import zlib

import numpy as np

from support.common import console, files
from support.common.console import UserError

# --- the files
SHA256 = {  # of the plain, not gzipped, files of MNIST
    'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
}
MIRRORS = ['https://storage.googleapis.com/cvdf-datasets/mnist/',
           'https://ossci-datasets.s3.amazonaws.com/mnist/']
TIMEOUT = 20  # seconds without an answer before trying the next mirror

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


def read_data_sets(train_dir, fake_data=False, one_hot=False, validation_size=5000, seed=None,
                   mirrors=MIRRORS):
    """Read the IDX files of `train_dir` into `Datasets(train, validation, test)`.

    The first `validation_size` training pictures become the validation set. `fake_data` gives
    TensorFlow 1's stand-in for tests without files: 10,000 white pictures of the digit 0. A
    missing file is fetched from the first of `mirrors` that has it.
    Raises UserError, one line naming the file, if a file is missing, damaged or inconsistent.
    """
    if fake_data:
        images, labels = np.ones([10000, SIDE * SIDE], np.float32), np.zeros(10000, np.uint8)
        parts = [(images, labels)] * 3
    else:
        check_one_set(train_dir)
        paths = {name: find(train_dir, name) or fetch(train_dir, name, mirrors)
                 for name in SHA256}
        warn_of_mixture(paths)
        train_images, train_labels = read_pair(paths, 'train')
        if not 0 <= validation_size <= len(train_images):
            raise UserError(f'{train_dir}: expected at least {validation_size} training '
                            f'pictures, the size of the validation set, found '
                            f'{len(train_images)}; put more there')
        parts = [(train_images[validation_size:], train_labels[validation_size:]),
                 (train_images[:validation_size], train_labels[:validation_size]),
                 read_pair(paths, 't10k')]
    return Datasets(*[DataSet(images, dense_to_one_hot(labels) if one_hot else labels, seed)
                      for images, labels in parts])


def check_one_set(folder):
    """Raise UserError if the files would come from two data sets.

    Plain files may hide only some of a gzipped set, and missing files are fetched from MNIST,
    although the others may be Fashion-MNIST's.
    """
    plain = [name for name in SHA256 if found_as(folder, name, '')]
    zipped = [name for name in SHA256 if found_as(folder, name, '.gz')]
    only_zipped = [name for name in zipped if name not in plain]
    if only_zipped and set(plain) & set(zipped):
        raise UserError(f'{folder}: expected one set of four files, found both plain and '
                        f'gzipped ones, but {only_zipped[0]} only gzipped; put the plain one '
                        'there too, or delete the set you do not want')
    missing = [name for name in SHA256 if name not in plain + zipped]
    for name in plain + zipped if missing else []:
        path = find(folder, name)
        try:
            check(path, name, opener(path))
        except ValueError as error:
            raise UserError(f'{path}: expected a file of MNIST, because {missing[0]} is '
                            'missing and MNIST\'s would be fetched, found another; put the '
                            'missing one beside it, or move it away') from error


def warn_of_mixture(paths):
    """Warn on stderr of plain files that are not MNIST's if others are; `paths` are by name.

    Gzip files have a checksum, plain ones do not: a changed pixel or label would go unnoticed.
    """
    plain = [name for name, path in paths.items() if not path.endswith('.gz')]
    others = []
    for name in paths if plain else []:
        try:
            check(paths[name], name, opener(paths[name]))
        except ValueError as error:
            others.append((name, error))
    for name, error in others if len(others) < len(paths) else []:
        if name in plain:
            print(f'warning: {paths[name]}: {error}, while other files here are MNIST\'s; it is '
                  'damaged or of another set; delete it and run again to fetch MNIST\'s',
                  file=sys.stderr)


def dense_to_one_hot(labels):
    """Labels 0 ... 9, [n] -> float64 [n, 10], 1 at the label and 0 elsewhere."""
    return np.eye(CLASSES)[labels]


def read_pair(paths, part):
    """Read the pictures and labels of `part`, 'train' or 't10k'; `paths` are by name.

    Returns images float32 [n, 784], 0 ... 1, and labels uint8 [n], 0 ... 9.
    """
    image_path, label_path = paths[f'{part}-images-idx3-ubyte'], paths[f'{part}-labels-idx1-ubyte']
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
    fix = 'put an intact copy in its place, or delete it and run again to fetch MNIST\'s'
    try:
        with opener(path)(path, 'rb') as opened:
            content = opened.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f'{path}: expected a gzip file, found a damaged one ({error}); {fix}')
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


def opener(path):
    """The function that opens an IDX file, plain or gzipped."""
    return gzip.open if path.endswith('.gz') else open


def find(folder, name):
    """Return the path of `name` or `name`.gz in `folder`, or None.

    The plain one first: it was put beside the repository's gzipped MNIST for a reason.
    """
    return found_as(folder, name, '') or found_as(folder, name, '.gz')


def found_as(folder, name, ending):
    """The path of a file under MNIST's name, as 7-Zip unpacks it (train-images.idx3-ubyte) or as
    in EMNIST (emnist-digits-train-images-idx3-ubyte), followed by `ending`; or None.

    Raises: UserError if there are several sets of EMNIST.
    """
    emnist = f'emnist-*-{name.replace("t10k", "test")}'
    for pattern in name, name.replace('-idx', '.idx'), emnist:
        found = sorted(glob.glob(os.path.join(glob.escape(folder), pattern + ending)))
        if len(found) > 1:
            raise UserError(f'{found[0]}: expected one set of EMNIST, found {found[1]} too; '
                            'keep only one set there')
        if found:
            return found[0]
    return None


def fetch(folder, name, mirrors):
    """Fetch MNIST's file `name` from the first mirror that has it; returns its path.

    The file is checked before it takes its name, so a broken download leaves nothing behind.
    """
    path = os.path.join(folder, name + '.gz')
    problems = []
    for mirror in mirrors:
        try:
            with files.whole_file(path) as part:
                download(f'{mirror}{name}.gz', part)
                check(part, name)
            return path
        except (OSError, ValueError, http.client.HTTPException) as error:  # URLError: OSError
            problems.append(f'{mirror}: {getattr(error, "reason", None) or error}')
    raise UserError(f'{path}: expected this file of MNIST, found none, and it could not be '
                    f'fetched ({"; ".join(problems)}); put {name}.gz into {folder}')


def download(url, path):
    """Download `url` to the file `path`, with a progress bar."""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, open(path, 'wb') as out:
        size = int(answer.headers.get('Content-Length') or 0)
        with console.progress(size or None, os.path.basename(url), 'B') as bar:
            while block := answer.read(1 << 16):
                out.write(block)
                bar.update(len(block))


def check(path, name, open_file=gzip.open):
    """Raise ValueError unless the file `path` holds MNIST's file `name`."""
    try:
        with open_file(path, 'rb') as opened:
            found = hashlib.sha256(opened.read()).hexdigest()
    except (EOFError, gzip.BadGzipFile, zlib.error):
        found = 'no whole gzip file'
    if found != SHA256[name]:
        raise ValueError(f'expected SHA-256 {SHA256[name]}, found {found}')


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
