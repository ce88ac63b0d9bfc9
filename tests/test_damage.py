"""Damaged files: one line that names the file, or the right contents where a checksum tells."""
import glob
import os
import random
import shutil

import numpy as np
import pytest

from helpers import CAPTCHAS, DATA, mnist_arrays, write_mnist_checkpoint
from support.captcha import dataset, loading, records
from support.common import checkpoints
from support.common.console import UserError
from support.digits import input_data

pytestmark = pytest.mark.slow

COPIES = 20  # damaged in each way


def cut(content, rng):
    """Truncated, as after a broken download."""
    return content[:rng.randrange(len(content))]


def turn_bits(content, rng):
    """One to eight bits flipped."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def put_in(content, rng):
    """One to a hundred random bytes inserted."""
    place = rng.randrange(len(content))
    return content[:place] + rng.randbytes(rng.randint(1, 100)) + content[place:]


def zero(content, rng):
    """A block of zeros, as if never written to disk."""
    place, size = rng.randrange(len(content)), rng.randint(1, 4096)
    return content[:place] + bytes(len(content[place:place + size])) + content[place + size:]


def change_header(content, rng):
    """One to four of the first 64 bytes random."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(min(64, len(changed)))] = rng.randrange(256)
    return bytes(changed)


def arrays_of(path):
    shapes, value = checkpoints.contents(path.rpartition('.')[0], 'train again')
    return {key: np.asarray(value(key)).tobytes() for key in shapes}


READ = {'test.tfrecords': lambda path: [(image.tobytes(), [*classes])
                                        for image, classes in records.read_records(path)],
        'dataset.json': dataset.read_facts,
        't10k-labels-idx1-ubyte.gz': lambda path: input_data.read_idx(path, []).tobytes(),
        'mnist_model-5.index': arrays_of,
        'mnist_model-5.data-00000-of-00001': arrays_of,
        'captcha.jpg': loading.load_captcha}


@pytest.fixture(scope='module')
def files(captchas, tmp_path_factory):
    """A folder with one undamaged file of each kind."""
    folder = tmp_path_factory.mktemp('files')
    write_mnist_checkpoint(folder, mnist_arrays(5), 5)
    shutil.copy(os.path.join(DATA, 't10k-labels-idx1-ubyte.gz'), folder)
    shutil.copy(CAPTCHAS[0], folder / 'captcha.jpg')
    for path in glob.glob(str(captchas / '[td]*.*')):
        shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize('way', [cut, turn_bits, put_in, zero, change_header])
@pytest.mark.parametrize('name', READ)
def test_a_damaged_file_is_named_or_read_rightly(files, name, way):
    path, read = files / name, READ[name]
    content, right = path.read_bytes(), read(str(path))
    refused = 0
    try:
        for seed in range(COPIES):
            path.write_bytes(way(content, random.Random(seed)))
            try:
                found = read(str(path))
            except UserError as error:
                refused += 1
                assert name.partition('.')[0] in str(error) and '\n' not in str(error)
            else:  # a picture has no checksum
                assert name == 'captcha.jpg' or found == right, f'{way.__name__}, seed {seed}'
    finally:
        path.write_bytes(content)
    assert refused or way is zero or name == 'captcha.jpg'
