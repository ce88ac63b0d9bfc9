"""MNIST is read as TensorFlow 1 read it, and a wrong file is named."""
import gzip
import hashlib
import os
import re
import struct

import numpy as np
import pytest

from helpers import DATA
from support.common.console import UserError
from support.digits import input_data


def idx(array):
    return struct.pack(f'>HBB{array.ndim}I', 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def small(tmp_path):
    """A folder with a set of 60 + 20 pictures, gzipped; returns the folder and the arrays."""
    random = np.random.RandomState(1)
    arrays = {}
    for part, n in (('train', 60), ('t10k', 20)):
        arrays[f'{part}-images-idx3-ubyte'] = random.randint(0, 256, [n, 28, 28]).astype(np.uint8)
        arrays[f'{part}-labels-idx1-ubyte'] = (np.arange(n) % 10).astype(np.uint8)
    for name, array in arrays.items():
        (tmp_path / f'{name}.gz').write_bytes(gzip.compress(idx(array)))
    return tmp_path, arrays


def test_the_repositorys_files_are_the_originals():
    with open(os.path.join(DATA, 'README.md'), encoding='utf-8') as file:
        sums = dict(re.findall(r'^\| (\S+) \| ([0-9a-f]{64}) \|$', file.read(), re.M))
    assert set(sums) == set(input_data.NAMES)
    for name, expected in sums.items():
        with gzip.open(os.path.join(DATA, name + '.gz')) as opened:
            assert hashlib.sha256(opened.read()).hexdigest() == expected


def test_the_real_set_is_split_and_scaled_as_in_tensorflow_1():
    mnist = input_data.read_data_sets(DATA, one_hot=True)
    assert [part.num_examples for part in mnist] == [55000, 5000, 10000]
    assert mnist.train.images.shape == (55000, 784) and mnist.train.images.dtype == np.float32
    assert mnist.train.images.min() == 0 and mnist.train.images.max() == 1
    assert mnist.train.labels.shape == (55000, 10)
    # The first digits of the files: 5 0 4 1 9 in training, of which validation takes the start.
    assert mnist.validation.labels[:5].argmax(1).tolist() == [5, 0, 4, 1, 9]
    assert mnist.test.labels[:5].argmax(1).tolist() == [7, 2, 1, 0, 4]
    assert set(mnist.train.labels.sum(1)) == {1}
    with gzip.open(os.path.join(DATA, 'train-images-idx3-ubyte.gz')) as opened:
        raw = np.frombuffer(opened.read()[16:], np.uint8).reshape(-1, 784)
    scaled = raw[5000:5100].astype(np.float32) * np.float32(1 / 255)
    assert np.array_equal(mnist.train.images[:100], scaled)


def test_values_and_labels_come_from_the_files(small):
    folder, arrays = small
    mnist = input_data.read_data_sets(folder, validation_size=7)
    raw = arrays['train-images-idx3-ubyte'].reshape(-1, 784)
    assert np.allclose(mnist.validation.images * 255, raw[:7], atol=1e-4)
    assert np.allclose(mnist.train.images * 255, raw[7:], atol=1e-4)
    assert mnist.train.labels.dtype == np.uint8
    assert np.array_equal(mnist.test.labels, arrays['t10k-labels-idx1-ubyte'])


class TensorFlow1:
    """TF1's algorithm, which copied all pictures at each epoch's start."""

    def __init__(self, images, seed):
        self.images, self.random, self.start, self.first = images, np.random.RandomState(seed), 0, 1

    def shuffle(self):
        order = np.arange(len(self.images))
        self.random.shuffle(order)
        self.images = self.images[order]

    def next_batch(self, size):
        if self.first:
            self.shuffle()
        self.first = 0
        if self.start + size <= len(self.images):
            self.start += size
            return self.images[self.start - size:self.start]
        rest = self.images[self.start:]
        self.shuffle()
        self.start = size - len(rest)
        return np.concatenate([rest, self.images[:self.start]])


@pytest.mark.parametrize('size', [7, 10, 60])
def test_batches_are_tensorflow_1s_over_three_epochs(small, size):
    folder, _ = small
    ours = input_data.read_data_sets(folder, validation_size=0, seed=5).train
    theirs = TensorFlow1(ours.images.copy(), seed=5)
    for _ in range(180 // size + 1):
        images, labels = ours.next_batch(size)
        assert np.array_equal(images, theirs.next_batch(size))
        rows = [int(np.flatnonzero((ours.images == image).all(1))[0]) for image in images]
        assert np.array_equal(labels, ours.labels[rows])
    # An epoch counts as completed when the next one begins.
    assert ours.epochs_completed == ((180 // size + 1) * size - 1) // 60


def test_600_batches_of_200_are_those_of_tensorflow_1_14():
    train = input_data.read_data_sets(DATA, one_hot=True, seed=7).train
    seen = hashlib.sha256()
    for _ in range(600):  # over two epochs' ends
        for array in train.next_batch(200):
            seen.update(array)
    # computed with tensorflow.examples.tutorials.mnist.input_data of TensorFlow 1.14, seed=7
    assert seen.hexdigest() == '7bfd6aa8078a092b310a7b54e270501369e7c7e76be1da91f387566b01070a6e'


def test_an_epoch_gives_each_picture_once_and_seeds_differ(small):
    folder, _ = small
    train = input_data.read_data_sets(folder, validation_size=0, seed=1).train
    epoch = np.concatenate([train.next_batch(20)[0] for _ in range(3)])
    assert not np.array_equal(epoch, train.images)
    assert np.array_equal(np.unique(epoch, axis=0), np.unique(train.images, axis=0))
    other = input_data.read_data_sets(folder, validation_size=0, seed=2).train
    assert not np.array_equal(epoch[:20], other.next_batch(20)[0])


def test_plain_files_serve_as_well(small):
    folder, _ = small
    before = input_data.read_data_sets(folder, one_hot=True, validation_size=10)
    for path in folder.glob('*.gz'):
        path.with_suffix('').write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    after = input_data.read_data_sets(folder, one_hot=True, validation_size=10)
    for one, two in zip(before, after):
        assert np.array_equal(one.images, two.images) and np.array_equal(one.labels, two.labels)


def test_a_plain_file_is_read_before_the_gzipped_one(small):
    folder, arrays = small
    for name, array in arrays.items():
        (folder / name).write_bytes(idx(9 - array if 'labels' in name else array))
    train = input_data.read_data_sets(folder, validation_size=0).train
    assert train.labels.tolist() == (9 - arrays['train-labels-idx1-ubyte']).tolist()


def rewrite(path, change):
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


@pytest.mark.parametrize('name, change, words', [
    ('train-images-idx3-ubyte', lambda b: b[:-5], '[2051, 60, 28, 28] and 47035 bytes'),
    ('train-images-idx3-ubyte', lambda b: b + b'x', '[2051, 60, 28, 28] and 47041 bytes'),
    ('train-images-idx3-ubyte', lambda b: b'\0\0\x08\x01' + b[4:], 'found [2049, 60, 28, 28]'),
    ('train-images-idx3-ubyte', lambda b: b[:8] + struct.pack('>II', 14, 56) + b[16:],
     "expected an IDX file, [2051, 'n', 28, 28] and as many bytes, found [2051, 60, 14, 56]"),
    ('t10k-labels-idx1-ubyte', lambda b: b'<htm' + b[4:], "expected an IDX file, [2049, 'n']"),
    ('t10k-labels-idx1-ubyte', lambda b: b'', 'found [] and 0 bytes'),
    ('t10k-labels-idx1-ubyte', lambda b: b[:9] + b'\x0a' + b[10:], 'found 20 up to 10'),
    ('t10k-labels-idx1-ubyte', lambda b: idx(np.zeros(19, np.uint8)), 'found 19 up to 0'),
])
def test_a_wrong_file_is_named_in_one_line(small, name, change, words):
    folder, _ = small
    rewrite(folder / f'{name}.gz', change)
    with pytest.raises(UserError, match=re.escape(words)) as raised:
        input_data.read_data_sets(folder, validation_size=0)
    assert name in str(raised.value) and '\n' not in str(raised.value)


@pytest.mark.parametrize('damage', [lambda b: b[:len(b) // 2], lambda b: b'PK' + b[2:],
                                    lambda b: b[:40] + bytes(40) + b[80:]])
def test_a_damaged_gzip_file_is_named(small, damage):
    folder, _ = small
    path = folder / 'train-images-idx3-ubyte.gz'
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match='train-images-idx3-ubyte.gz: expected a file of MNIST'):
        input_data.read_data_sets(folder, validation_size=0)


def test_a_missing_file_is_named(small):
    folder, _ = small
    os.remove(folder / 't10k-labels-idx1-ubyte.gz')
    with pytest.raises(UserError) as raised:
        input_data.read_data_sets(folder, validation_size=0)
    assert str(raised.value).startswith(
        f'{folder}/t10k-labels-idx1-ubyte.gz: expected a file of MNIST, found none')
    assert str(raised.value).endswith('git checkout -- data')
