"""Random choices and colours for drawing, with the random numbers of this process."""
import math
import random

import numpy as np


def chance(share):
    """True in a share of the calls."""
    return random.random() < share


def chosen(weights):
    """A key of {key: weight}."""
    return random.choices([*weights], weights.values())[0]


def mostly_small(most, power=2):
    """A random number from 0 to `most`; large ones are rare."""
    return most * random.random() ** power


def noise_of(*shape):
    """Random numbers 0 ... 1 from this process's generator."""
    return np.frombuffer(random.randbytes(math.prod(shape)), np.uint8).reshape(shape) / 255


# --- colours
def colours():
    """The colours of paper and ink, which differ by 60 of 255 or more in some channel."""
    while True:
        paper = chosen({white: 45, pastel: 27, any_colour: 16, dark: 12})()
        ink = chosen({dark: 52, any_colour: 34, pastel: 10, white: 4})()
        if max(abs(a - b) for a, b in zip(paper, ink)) >= 60:
            return paper, ink


def white():
    """White, or nearly."""
    return (random.choice([255, 255, random.randint(235, 254)]),) * 3


def pastel():
    """A light colour."""
    return tuple(random.randint(160, 255) for _ in range(3))


def any_colour():
    """Any colour."""
    return tuple(random.randint(0, 255) for _ in range(3))


def dark():
    """A dark colour, often black."""
    return (0, 0, 0) if chance(0.35) else tuple(random.randint(0, 130) for _ in range(3))


def near(colour, most=50):
    """A colour that differs by at most `most` in each channel."""
    return tuple(min(255, max(0, value + random.randint(-most, most))) for value in colour)


def inks_of(text, ink, paper):
    """A colour for each character: the same, similar or unrelated ones."""
    kind = chosen({'one': 55, 'near': 12, 'own': 33})
    if kind == 'one':
        return [ink] * len(text)
    inks = []
    while len(inks) < len(text):
        one = near(ink) if kind == 'near' else random.choice([any_colour, dark])()
        if max(abs(a - b) for a, b in zip(paper, one)) >= 32:
            inks.append(one)
    return inks
