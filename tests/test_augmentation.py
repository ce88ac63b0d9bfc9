"""Distorted training digits are still digits, labelled correctly, and differ each time."""
import dataclasses
import types

import numpy as np
import pytest

from helpers import DATA, tiny_mnist
from support.digits import augmentation, input_data
from support.digits.augmentation import Strength

KINDS = 'turn', 'grow', 'slant', 'shift', 'elastic'


@pytest.fixture
def digit():
    """A ring and a bar: float32 [784]."""
    y, x = np.mgrid[:28, :28]
    ring = abs(np.hypot(y - 13, x - 12) - 6) < 1.5
    return (ring | ((x > 18) & (x < 21) & (y > 6) & (y < 22))).astype(np.float32).ravel()


def only(kind=None):
    """Strength 0 for every kind of distortion except one."""
    return dataclasses.replace(Strength(), **{name: 0 for name in KINDS if name != kind})


def test_nothing_to_distort_gives_the_digit_back(digit):
    matrix = augmentation.distortion(np.random.default_rng(1), only())
    np.testing.assert_allclose(matrix @ digit, digit, atol=1e-6)


def test_a_shift_shifts(digit):
    extreme = types.SimpleNamespace(uniform=lambda low, high, size=None: (
        np.full(size, 2.) if size == [2, 1] else np.random.default_rng(1).uniform(low, high, size)))
    moved = (augmentation.distortion(extreme, only('shift')) @ digit).reshape(28, 28)
    np.testing.assert_allclose(moved[:26, :26], digit.reshape(28, 28)[2:, 2:], atol=1e-6)


@pytest.mark.parametrize('kind', KINDS)
def test_each_kind_distorts_a_little(digit, kind):
    rng = np.random.default_rng(2)
    for _ in range(5):
        matrix = augmentation.distortion(rng, only(kind))
        assert matrix.dtype == np.float32 and matrix.shape == (784, 784)
        sums = np.asarray(matrix.sum(1)).ravel()
        assert matrix.min() >= 0 and sums.max() < 1 + 1e-5  # a mixture of pixels, or the outside
        likeness = np.corrcoef(matrix @ digit, digit)[0, 1]
        assert 0.2 < likeness < 0.99999


def test_other_pens(digit):
    def with_amount(value):
        return augmentation.other_pens(digit[np.newaxis].copy(), np.full([1, 1, 1], value))[0]
    np.testing.assert_allclose(with_amount(0), digit)
    wide, narrow, square = with_amount(1), with_amount(-1), digit.reshape(28, 28)
    around = [np.roll(square, step, axis) for axis in (0, 1) for step in (-1, 1)] + [square]
    np.testing.assert_allclose(wide.reshape(28, 28), np.max(around, 0))  # no ink at the border
    np.testing.assert_allclose(narrow.reshape(28, 28), np.min(around, 0))
    np.testing.assert_allclose(with_amount(.5), (digit + wide) / 2)


@pytest.fixture(scope='module')
def mnist():
    return input_data.read_data_sets(DATA, one_hot=True, seed=3)


def test_the_pens_share_is_its_limit(digit):
    digits = np.tile(digit, [50, 1])
    widest = augmentation.other_pens(digits, np.full([50, 1, 1], 0.3))
    assert np.array_equal(augmentation.other_pens(digits, np.zeros([50, 1, 1])), digits)
    pens = np.random.default_rng(1).uniform(-0.3, 0.3, [50, 1, 1])
    some = augmentation.other_pens(digits, pens)
    assert (some <= widest + 1e-6).all() and len(np.unique(some.sum(1))) == 50


def test_skipped_batches_are_those_that_would_have_come(mnist):
    strength = Strength(stock=5)
    first, second = (augmentation.distorted(mnist, 4, strength).train for _ in range(2))
    for _ in range(3):
        first.next_batch(100)
    second.skip_batches(3, 100)
    for mine, other in zip(first.next_batch(100), second.next_batch(100)):
        np.testing.assert_array_equal(mine, other)


def test_batches_are_distorted_and_pictures_and_labels_are_not(mnist):
    few = Strength(stock=5)
    distorted, again = (augmentation.distorted(mnist, 4, few) for _ in range(2))
    undistorted = input_data.DataSet(mnist.train.images, mnist.train.labels, 4)
    for batch_size in 200, 37:  # 37: the last group of a batch is smaller
        images, labels = distorted.train.next_batch(batch_size)
        plain, right = undistorted.next_batch(batch_size)
        assert images.shape == (batch_size, 784) and images.dtype == np.float32
        assert images.min() >= 0 and images.max() < 1 + 1e-5
        np.testing.assert_array_equal(labels, right)
        np.testing.assert_array_equal(images, again.train.next_batch(batch_size)[0])
        likeness = [np.corrcoef(one, other)[0, 1] for one, other in zip(images, plain)]
        assert 0.2 < np.mean(likeness) < 0.95
    assert distorted.train.images is mnist.train.images
    assert distorted.train.labels is mnist.train.labels
    assert distorted.train.num_examples == 55000
    assert distorted.validation is mnist.validation and distorted.test is mnist.test


@pytest.mark.parametrize('place', [[0, 0], [.5, .5], [1, 1]])
def test_an_upstroke_rises_to_the_top_of_a_1(place):
    one = np.zeros([28, 28], np.float32)
    one[4:24, 14:16] = 1
    seen = augmentation.with_upstroke(one.ravel(), np.array(place)).reshape(28, 28)
    moved = np.roll(one, round(1 + 2 * place[1]), 1)
    added = np.argwhere((seen > .5) & (moved < .5))
    assert seen.dtype == np.float32 and (seen >= moved).all() and seen.max() <= 1
    assert added[:, 0].min() <= 5 and abs(added[:, 0].max() - (10 + 9 * place[0])) < 2
    assert added[-1, 1] < moved[4].argmax() - 1  # on its left


def test_some_1s_get_an_upstroke_and_no_other_digit(mnist):
    few = dataclasses.replace(only(), stock=1, pen=0, upstroke=.5)
    images, labels = augmentation.distorted(mnist, 4, few).train.next_batch(200)
    plain, _ = input_data.DataSet(mnist.train.images, mnist.train.labels, 4).next_batch(200)
    changed = abs(images - plain).max(1) > 1e-5
    assert not changed[labels[:, 1] == 0].any() and .2 < changed[labels[:, 1] == 1].mean() < .8


@pytest.mark.parametrize('pen', [0, 1])
def test_a_batch_is_distorted_as_strongly_as_was_asked(pen):
    strength = dataclasses.replace(only(), stock=1, pen=pen, upstroke=0)
    images, _ = augmentation.distorted(tiny_mnist(), 4, strength).train.next_batch(100)
    plain, _ = tiny_mnist().train.next_batch(100)
    changes = abs(images - plain).max(1)  # of these pictures, which are noise
    assert changes.max() < 1e-5 if pen == 0 else changes.max() > 0.9


def test_the_distortions_of_a_seed_stay_those_that_were_measured(mnist):
    batches = augmentation.distorted(mnist, 4, Strength(stock=20)).train
    ink = [batches.next_batch(200)[0].sum(1)[:3] for _ in range(3)]
    np.testing.assert_allclose(ink, [[93.28967, 125.11403, 99.95416],
                                     [87.88857, 113.87341, 49.55594],
                                     [122.63741, 119.52484, 99.30082]], rtol=1e-5)
