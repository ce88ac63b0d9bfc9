"""Ink is found, and nothing else, on any paper."""
import numpy as np
import pytest

from drawn_digits import DIGITS, board, cover, pencil, plain, squared
from support.digits import ink

STROKES = [strokes for _, strokes in DIGITS]


@pytest.mark.parametrize('kind, size, place', [
    (plain, (200, 200), (30, 30, 140, 14)), (pencil, (400, 300), (60, 70, 150, 6)),
    (board, (200, 200), (70, 20, 120, 12)), (squared, (300, 300), (80, 60, 170, 10))],
    ids=lambda value: getattr(value, '__name__', ''))
def test_the_ink_is_what_was_drawn(kind, size, place):
    for strokes in STROKES[::4]:
        strength, found = ink.find_ink(ink.grey_of(kind(strokes)))
        assert strength.dtype == np.float32 and strength.min() == 0
        assert found.dtype == bool and found.shape == strength.shape == size[::-1]
        assert (strength[found] > 1).all()
        drawn = cover(strokes, size, *place) > .5
        assert (found & drawn).sum() / (found | drawn).sum() > .75


def test_otsus_threshold_lies_between_two_heaps():
    values = np.r_[np.full(900, .1), np.full(100, .7)].astype(np.float32).reshape(20, 50)
    assert .1 <= ink.otsu(values) < .7


def test_pale_ink_beside_ink_is_ink_and_elsewhere_none():
    darkness = np.zeros([20, 40], np.float32)
    darkness[10, 4:20] = .5
    darkness[10, 12] = darkness[10, 30] = .3  # below the threshold
    strength, found = ink.inked(darkness, .4)
    assert found.sum() == 16 and found[10, 12] and not found[10, 30]
    assert (strength[found] > 1).all() and strength[10, 30] < 1


def test_noise_is_measured_and_a_slope_is_none():
    y, x = np.mgrid[:200, :200]
    slope = (.001 * x + .002 * y).astype(np.float32)
    assert ink.noise_of(slope) < 1e-6
    noisy = slope + np.random.default_rng(5).normal(0, .03, slope.shape)
    assert abs(ink.noise_of(noisy) - .03) < .002


def test_a_wide_picture_is_reduced():
    picture = plain(STROKES[6]).resize((4100, 4100))
    assert ink.grey_of(picture).shape == (2000, 2000)
