"""Tell what is no digit: a network of ten classes has no answer for it.

A network 784-100-1 beside the one that reads, trained by benchmarks/no_digits.py on digits against
letters, signs, shapes and textures.
"""
import functools
import os

import numpy as np

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'no_digit.npz')
LIMIT = 0.3  # what scores more is doubted; by the curve that benchmarks/no_digits.py prints


def score(pictures):
    """How little prepared pictures, float32 [n, 784], look like digits: float32 [n], log odds."""
    w1, b1, w2, b2 = weights()
    return (np.maximum(pictures @ w1 + b1, 0) @ w2 + b2)[:, 0]


@functools.lru_cache(maxsize=1)
def weights():
    with np.load(FILE) as arrays:
        return [arrays[name].astype(np.float32) for name in ('w1', 'b1', 'w2', 'b2')]
