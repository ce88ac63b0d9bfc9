"""Own digits in MNIST's form: pixels as mnist_app.py prepares them, labels, the split."""
import gzip
import os
import shutil

import numpy as np
import pytest

from helpers import DATA, SAMPLES
from support.common.console import UserError
from support.digits import input_data, own, photographs


def test_own_digits_are_read_back_as_they_are_prepared(tmp_path, capsys):
    data, mine = tmp_path / 'data', tmp_path / 'mine'
    data.mkdir()
    mine.mkdir()
    few = input_data.read_idx(os.path.join(DATA, 't10k-images-idx3-ubyte.gz'), [28, 28])[:20]
    labels = input_data.read_idx(os.path.join(DATA, 't10k-labels-idx1-ubyte.gz'), [])[:20]
    for part, values in ('images-idx3', few), ('labels-idx1', labels):  # a small MNIST
        (data / f'train-{part}-ubyte.gz').write_bytes(gzip.compress(own.idx(values)))
    for digit, path in enumerate(SAMPLES):
        shutil.copy(path, mine / f'{digit}_mine.jpg')
    (mine / '3_bad.jpg').write_text('no picture')
    own.write_sets(str(mine), data=str(data))
    found = input_data.read_data_sets(str(data), validation_size=0)
    assert (found.train.num_examples, found.test.num_examples) == (28, 2)
    np.testing.assert_array_equal(found.train.labels[:20], labels)
    for images, digits in ((found.train.images[20:], found.train.labels[20:]),
                           (found.test.images, found.test.labels)):
        for image, digit in zip(images, digits):
            np.testing.assert_allclose(image, photographs.pre_digits(SAMPLES[digit])[0],
                                       atol=1 / 255)
    unused, said = capsys.readouterr().out.splitlines()
    assert unused == ('not used: 3_bad.jpg: expected a picture file, such as JPEG or PNG, '
                      'found something else')
    assert '20 pictures of MNIST and 8 of' in said


def test_too_few_digits_are_one_line_and_each_unused_file(tmp_path, capsys):
    (tmp_path / 'readme.txt').write_text('no picture')
    with pytest.raises(UserError, match='expected at least 5 pictures of one digit each, found 0'):
        own.own_digits(str(tmp_path))
    assert capsys.readouterr().out.startswith('not used: readme.txt: ')


def test_a_stop_while_the_four_files_are_written_leaves_none(tmp_path, monkeypatch):
    idx, written = own.idx, []

    def stopped(values):
        written.append(values)
        if len(written) == 2:
            raise KeyboardInterrupt
        return idx(values)
    for part, values in ('images-idx3', np.zeros([5, 28, 28], np.uint8)), ('labels-idx1', np.zeros(
            5, np.uint8)):
        (tmp_path / f'train-{part}-ubyte.gz').write_bytes(gzip.compress(idx(values)))
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr(own, 'own_digits', lambda *_: (np.zeros([5, 28, 28], np.uint8),
                                                       np.arange(5, dtype=np.uint8)))
    monkeypatch.setattr(own, 'idx', stopped)
    with pytest.raises(KeyboardInterrupt):
        own.write_sets('mine', data=str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == before and len(written) == 2
