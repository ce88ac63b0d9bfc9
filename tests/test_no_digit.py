"""Digits score below the limit, shapes and noise above it."""
import numpy as np

from helpers import DATA, SAMPLES
from support.digits import input_data, no_digit, photographs


def test_digits_are_not_taken_for_something_else():
    images = input_data.read_data_sets(DATA).test.images
    assert np.mean(no_digit.score(images) > no_digit.LIMIT) < .01


def test_photographed_digits_are_digits():
    images = np.concatenate([photographs.pre_digits(path) for path in SAMPLES])
    scores = no_digit.score(images)
    assert scores.shape == (10,) and np.all(scores < no_digit.LIMIT)


def test_a_filled_square_stripes_and_noise_are_not():
    images = np.zeros([3, 28, 28], np.float32)
    images[0, 4:24, 4:24] = 1
    images[1, :, ::2] = 1
    images[2] = np.random.RandomState(0).rand(28, 28)
    assert np.all(no_digit.score(images.reshape(3, 784)) > no_digit.LIMIT)
