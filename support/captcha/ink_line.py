"""A captcha of any size and colours as a line of dark ink on white, proportions kept.

The post stretches each picture to 224x224 and converts it to grey. That leaves little of a wide
picture with small letters and nothing of yellow letters on white, and the width of a letter depends
on the length of the text. Here a pixel's darkness is its distance from the paper's colour in all
channels, frames and margins without letters are cut off, and letters keep their proportions.
Nothing here imports TensorFlow.
"""
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from support.captcha.dataset import IMAGE_SIZE

FULL = 3.0  # aspect ratio of the ink that fills the result; wider ink is squeezed
SAMPLES = 1500  # pixels that the paper's colour is fitted to
FITS = 6  # of the paper's colour, each with less weight on what the last one calls ink
NOISE = 6  # levels of 255 by which paper may differ from its fit
STRONGEST = 99  # percentile of the distance that becomes black; larger ones are clipped
INK = 0.3  # darkness above which a pixel of the border counts as ink ...
FRAME = 0.9  # ... and the share of such pixels in a row or column that is part of a frame
WINDOW = 8  # darkness is averaged over squares of the height / WINDOW, wider than lines ...
DENSE = 0.5  # ... and above this share of the darkest squares' it counts as letters
DARKEST = 97  # percentile of the squares' darkness
LEAST = 0.06  # least letters of a row or column, as a share of the fullest one's
MARGIN = 0.12  # of the letters' height, kept around them


class Preparation(NamedTuple):
    """One of several ways of preparing a picture."""
    darkness: str  # one of DARKNESS
    margin: float = MARGIN  # around the letters, as a share of their height
    full: float = FULL


def farthest(change):
    """The change of the channel that changes most: float32 [h, w, c] -> [h, w], 0 ... 255."""
    return np.abs(change).max(axis=2)


DARKNESS = {  # a pixel's, from its change of the paper's colour: float32 [h, w, c] -> [h, w]
    'farthest': farthest,
    'mean': lambda change: np.abs(change.mean(axis=2)),  # coloured lines become pale
    'lighter': lambda change: change.max(axis=2).clip(0),  # without dark lines ...
    'darker': lambda change: -change.min(axis=2).clip(None, 0),  # ... or light ones
    'thin': lambda change: np.asarray(Image.fromarray(farthest(change)).filter(
        ImageFilter.MinFilter(3)))}
# The first is the records'. A doubtful picture is read in the other ways, too: its letters may be
# smaller, narrower, larger or thicker than the network expects, or lines hide them.
PREPARATIONS = (Preparation('farthest'), Preparation('mean'), Preparation('farthest', margin=0.4),
                Preparation('lighter'), Preparation('farthest', full=4.0), Preparation('thin'),
                Preparation('farthest', margin=0.02), Preparation('darker'))


def ink_line(picture, preparation=PREPARATIONS[0]):
    """A Pillow picture of mode L or RGB -> uint8 [224, 224], 0 ink ... 255 paper."""
    return ink_lines(picture, [preparation])[0]


def ink_lines(picture, preparations=PREPARATIONS):
    """A picture prepared in several ways: uint8 [len(preparations), 224, 224]."""
    change = change_of_paper(np.asarray(picture))  # float32 [height, width, 1 or 3]
    pages = {}
    for kind in {preparation.darkness for preparation in preparations}:
        darkness = without_frame(scaled(DARKNESS[kind](change)))  # float32, 0 ... 1
        grey = Image.fromarray((255 - np.round(255 * darkness)).astype(np.uint8))
        alike = [preparation for preparation in preparations if preparation.darkness == kind]
        boxes = boxes_of(darkness, [preparation.margin for preparation in alike])
        pages.update((preparation, cut_out(grey, box, preparation.full))
                     for preparation, box in zip(alike, boxes))
    return np.stack([pages[preparation] for preparation in preparations])


def cut_out(grey, box, full):
    """A part of a Pillow picture as uint8 [224, 224], its proportions kept up to a ratio `full`."""
    left, top, right, bottom = box
    height, width = bottom - top, right - left
    columns = min(IMAGE_SIZE, max(1, round(IMAGE_SIZE * width / (full * height))))
    line = grey.resize((columns, IMAGE_SIZE), Image.Resampling.BICUBIC, box)
    page = np.full([IMAGE_SIZE, IMAGE_SIZE], 255, np.uint8)
    start = (IMAGE_SIZE - columns) // 2
    page[:, start:start + columns] = line
    return page


def change_of_paper(pixels):
    """Each pixel's difference from the paper: uint8 [h, w] or [h, w, c] -> float32 [h, w, c]."""
    pixels = pixels.reshape([*pixels.shape[:2], -1]).astype(np.float32)
    return pixels - paper_of(pixels)


def scaled(distance):
    """Distances of 0 ... 255 -> 0 ... 1."""
    return np.minimum(distance / max(1.0, np.percentile(distance, STRONGEST)), 1)


def paper_of(pixels):
    """The paper's colour at each pixel, a quadratic function of its place: float32 [h, w, c].

    Least squares, fitted repeatedly: pixels far from the last fit are ink and weigh less. The first
    fit is each channel's median, because ink covers less than half; the others are added to it.
    """
    height, width, channels = pixels.shape
    step = max(1, int((height * width / SAMPLES) ** 0.5))
    samples = pixels[::step, ::step].reshape(-1, channels)
    terms = quadratic(height, width, step)  # [samples, 6]
    median, change = np.median(samples, axis=0), 0
    samples = samples - median
    for _ in range(FITS):
        distance = np.abs(samples - change).max(axis=1)
        weight = (1 + (distance / max(NOISE, 1.5 * np.median(distance))) ** 2) ** -2  # 0 ... 1
        weighted = (terms * weight[:, None]).T  # [6, samples]
        square = weighted @ terms + 1e-4 * weight.sum() * np.eye(6, dtype=np.float32)
        factors = np.linalg.solve(square, weighted @ samples)  # [6, channels]
        change = terms @ factors
    return (median + quadratic(height, width, 1) @ factors).reshape(pixels.shape)


def quadratic(height, width, step):
    """1, x, y, x², xy and y² of every `step`-th pixel, -1 ... 1: float32 [pixels, 6]."""
    y, x = (np.linspace(-1, 1, side, dtype=np.float32)[::step] for side in (height, width))
    y, x = (side.ravel() for side in np.meshgrid(y, x, indexing='ij'))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def without_frame(darkness):
    """A picture without the rows and columns of its border that are ink from end to end."""
    for _ in range(4):  # sides
        ink = (darkness > INK).mean(axis=1) > FRAME  # bool [height]
        frame = ink[:max(1, len(ink) // 10)].argmin()  # of these at most all but one
        darkness = np.rot90(darkness[frame:])
    return darkness


def boxes_of(darkness, margins):
    """(left, top, right, bottom) of the letters with each margin, in pixels; without any, of all.

    Letters are dense; lines across the picture, which may be long, are not.
    """
    height, width = darkness.shape
    radius = max(1, round(height / WINDOW / 2))
    density = averaged(averaged(darkness, radius).T, radius).T  # [height, width], 0 ... 1
    dense = density > DENSE * np.percentile(density, DARKEST)
    (top, bottom), (left, right) = (ends(dense.sum(axis)) for axis in (1, 0))
    around = [max(1, round(margin * (bottom - top))) for margin in margins]  # pixels
    return [(max(0, left - margin), max(0, top - margin),
             min(width, right + margin), min(height, bottom + margin)) for margin in around]


def averaged(values, radius):
    """The mean of each value and `radius` neighbours on either side, along the first axis."""
    full = 2 * radius + 1
    sums = np.pad(values, [(radius + 1, radius), (0, 0)], 'edge').cumsum(axis=0, dtype=np.float64)
    return (sums[full:] - sums[:-full]) / full


def ends(counts):
    """The first large enough one of `counts` (ink of rows or columns), and one after the last."""
    enough = np.flatnonzero(counts > LEAST * counts.max())
    return (enough[0], enough[-1] + 1) if len(enough) else (0, len(counts))
