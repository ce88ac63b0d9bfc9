"""Distorted training digits: still digits, still labelled rightly, each time others."""
import os
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import input_data
import mnist_augment
from conftest import ROOT

KINDS = 'TURN', 'GROW', 'SLANT', 'SHIFT', 'ELASTIC'


@pytest.fixture
def digit():
    """A ring and a bar: float32 [784]."""
    y, x = np.mgrid[:28, :28]
    ring = abs(np.hypot(y - 13, x - 12) - 6) < 1.5
    return (ring | ((x > 18) & (x < 21) & (y > 6) & (y < 22))).astype(np.float32).ravel()


def only(monkeypatch, kind=None):
    """Switch all distortions off but one."""
    for name in KINDS:
        if name != kind:
            monkeypatch.setattr(mnist_augment, name, 0)


def test_nothing_to_distort_gives_the_digit_back(monkeypatch, digit):
    only(monkeypatch)
    matrix = mnist_augment.distortion(np.random.default_rng(1))
    np.testing.assert_allclose(matrix @ digit, digit, atol=1e-6)


def test_a_shift_shifts(monkeypatch, digit):
    only(monkeypatch, 'SHIFT')
    extreme = types.SimpleNamespace(uniform=lambda low, high, size=None: (
        np.full(size, 2.) if size == [2, 1] else np.random.default_rng(1).uniform(low, high, size)))
    moved = (mnist_augment.distortion(extreme) @ digit).reshape(28, 28)
    np.testing.assert_allclose(moved[:26, :26], digit.reshape(28, 28)[2:, 2:], atol=1e-6)


@pytest.mark.parametrize('kind', KINDS)
def test_each_kind_distorts_a_little(monkeypatch, digit, kind):
    only(monkeypatch, kind)
    rng = np.random.default_rng(2)
    for _ in range(5):
        matrix = mnist_augment.distortion(rng)
        assert matrix.dtype == np.float32 and matrix.shape == (784, 784)
        sums = np.asarray(matrix.sum(1)).ravel()
        assert matrix.min() >= 0 and sums.max() < 1 + 1e-5  # a mixture of pixels, or the outside
        likeness = np.corrcoef(matrix @ digit, digit)[0, 1]
        assert 0.2 < likeness < 0.99999


def test_other_pens(digit):
    def with_amount(value):
        rng = types.SimpleNamespace(uniform=lambda low, high, size: np.full(size, value))
        return mnist_augment.other_pens(digit[np.newaxis].copy(), rng)[0]
    np.testing.assert_allclose(with_amount(0), digit)
    wide, narrow, square = with_amount(1), with_amount(-1), digit.reshape(28, 28)
    around = [np.roll(square, step, axis) for axis in (0, 1) for step in (-1, 1)] + [square]
    np.testing.assert_allclose(wide.reshape(28, 28), np.max(around, 0))  # no ink at the border
    np.testing.assert_allclose(narrow.reshape(28, 28), np.min(around, 0))
    np.testing.assert_allclose(with_amount(.5), (digit + wide) / 2)


def test_batches_are_distorted_and_the_data_is_not(monkeypatch):
    monkeypatch.setattr(mnist_augment, 'STOCK', 5)

    def read():
        return input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True, seed=3)
    untouched, first, second = read(), mnist_augment.distorted(read(), 4), read()
    second = mnist_augment.distorted(second, 4)
    for batch_size in 200, 37:  # 37: the last group of a batch is smaller
        images, labels = first.train.next_batch(batch_size)
        plain, right = untouched.train.next_batch(batch_size)
        again, _ = second.train.next_batch(batch_size)
        assert images.shape == (batch_size, 784) and images.dtype == np.float32
        assert images.min() >= 0 and images.max() < 1 + 1e-5
        np.testing.assert_array_equal(labels, right)
        np.testing.assert_array_equal(images, again)
        likeness = [np.corrcoef(one, other)[0, 1] for one, other in zip(images, plain)]
        assert 0.2 < np.mean(likeness) < 0.95
    np.testing.assert_array_equal(first.train.images, untouched.train.images)
    np.testing.assert_array_equal(first.test.images, untouched.test.images)


def test_the_command(run_script, tmp_path):
    os.symlink(os.path.join(ROOT, 'data'), tmp_path / 'data')
    done = run_script('mnist_backward.py', '--augment', '--steps', 101, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('After 1 training step(s),loss on training batch is ')
    assert (tmp_path / 'model' / 'mnist_model-101.index').exists()
    events, = (tmp_path / 'model' / 'log').glob('events*')
    rates = [value.simple_value for event in tf.train.summary_iterator(str(events))
             for value in event.summary.value if value.tag == 'learning_rate']
    assert rates == [0.5]  # larger than the post's, at step 100
