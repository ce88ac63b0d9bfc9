"""Digits score below the limit, other ink above it."""
import numpy as np
from PIL import Image, ImageDraw

from helpers import DATA, SAMPLES
from support.digits import input_data, no_digit, photographs


def test_digits_are_not_taken_for_something_else():
    images = input_data.read_data_sets(DATA).test.images
    assert np.mean(no_digit.score(images) > no_digit.LIMIT) < .015


def test_photographed_digits_are_digits():
    images = np.concatenate([photographs.pre_digits(path) for path in SAMPLES])
    scores = no_digit.score(images)
    assert scores.shape == (10,) and np.all(scores < no_digit.LIMIT)


def test_squares_crosses_and_faces_are_not():
    square, cross, face = (Image.new('L', (200, 200), 255) for _ in range(3))
    ImageDraw.Draw(square).rectangle((60, 60, 140, 140), fill=0)
    for line in (100, 40, 100, 160), (40, 100, 160, 100), (50, 50, 150, 150), (50, 150, 150, 50):
        ImageDraw.Draw(cross).line(line, 0, 12)
    draw = ImageDraw.Draw(face)
    draw.ellipse((30, 30, 170, 170), outline=0, width=10)
    draw.ellipse((65, 70, 85, 90), fill=0)
    draw.ellipse((115, 70, 135, 90), fill=0)
    draw.arc((65, 85, 135, 140), 20, 160, 0, 10)
    for picture in square, cross, face:
        scores = no_digit.score(photographs.pre_digits(picture))
        assert len(scores) and scores.max() > no_digit.LIMIT
