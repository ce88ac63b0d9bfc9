"""A captcha of any size and colours as a line of dark ink on white, proportions kept.

The post stretches each picture to 224x224 and converts it to grey. That leaves little of a wide
picture with small letters and nothing of yellow letters on white, and the width of a letter depends
on the length of the text. Here a pixel's darkness is its distance from the paper's colour in all
channels, margins without ink are cut off, and letters keep their proportions. Nothing here imports
TensorFlow.
"""
import numpy as np
from PIL import Image

from support.captcha.dataset import IMAGE_SIZE

FULL = 3.0  # aspect ratio of the ink that fills the result; wider ink is squeezed
STRONGEST = 99  # percentile of the distance that becomes black; larger ones are clipped
INK = 0.3  # darkness above which a pixel counts as ink when margins are cut
LEAST = 0.06  # least ink of a row or column, as a share of the fullest one's
MARGIN = 0.08  # of the ink's height, kept around it


def ink_line(picture):
    """A Pillow picture of mode L or RGB -> uint8 [224, 224], 0 ink ... 255 paper."""
    darkness = distance_from_paper(np.asarray(picture))  # float32 [height, width], 0 ... 1
    left, top, right, bottom = box_of(darkness)
    grey = Image.fromarray((255 - 255 * darkness).astype(np.uint8))
    height, width = bottom - top, right - left
    columns = min(IMAGE_SIZE, max(1, round(IMAGE_SIZE * width / (FULL * height))))
    line = grey.resize((columns, IMAGE_SIZE), Image.Resampling.BICUBIC, (left, top, right, bottom))
    page = np.full([IMAGE_SIZE, IMAGE_SIZE], 255, np.uint8)
    start = (IMAGE_SIZE - columns) // 2
    page[:, start:start + columns] = line
    return page


def distance_from_paper(pixels):
    """How far each pixel's colour is from the paper's: uint8 [h, w] or [h, w, 3] -> 0 ... 1.

    The paper's colour is each channel's median, because ink covers less than half.
    """
    pixels = pixels.reshape([*pixels.shape[:2], -1])  # [height, width, 1 or 3]
    paper = np.median(pixels, axis=(0, 1))
    distance = np.abs(pixels - paper.astype(np.float32)).max(axis=2)  # [height, width], 0 ... 255
    return np.minimum(distance / max(1.0, np.percentile(distance, STRONGEST)), 1)


def box_of(darkness):
    """(left, top, right, bottom) of the ink with its margin, in pixels; without ink, of all."""
    ink = darkness > INK
    height, width = ink.shape
    (top, bottom), (left, right) = (ends(ink.sum(axis)) for axis in (1, 0))
    margin = max(1, round(MARGIN * (bottom - top)))
    return (max(0, left - margin), max(0, top - margin),
            min(width, right + margin), min(height, bottom + margin))


def ends(counts):
    """The first large enough one of `counts` (ink of rows or columns), and one after the last."""
    enough = np.flatnonzero(counts > LEAST * counts.max())
    return (enough[0], enough[-1] + 1) if len(enough) else (0, len(counts))
