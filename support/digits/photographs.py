"""Prepare a photographed or drawn digit the way MNIST's own digits were prepared.

    testPicArr = photographs.pre_photo('my.jpg')   # float32 [1, 784], for the network

MNIST was made from scans in pure black and white: each digit was scaled into a box of 20x20 with
its aspect kept, which gave the grey edges, and its centre of mass was put into the centre of
28x28 (http://yann.lecun.com/exdb/mnist/). The network has seen nothing else. So support/digits/ink.py
turns any picture into pure black and white, and `as_mnist` does the rest. In the order of the
steps:

find_ink       of support/digits/ink.py: which pixels were written on
lines_apart, digits_apart  several digits, told apart by the gaps between them; pre_digits only
even_stroke    brings the width of the stroke near MNIST's
boxed, centred the box of 20x20, the centre of mass

Takes 20 ms for a picture of 280x280, about a second for a telephone's photograph.
"""
import numpy as np
from PIL import Image
from scipy import ndimage

from support.common import pictures
from support.digits import input_data
from support.digits.ink import boxes_of, find_ink, grey_of

# --- MNIST's own measures
SIDE = input_data.SIDE  # pixels, height and width of the network's input
BOX = 20           # pixels, the longer side of a digit
CENTRE = 14        # pixel, row and column of the centre of mass
STROKE = 0.11, 0.18  # width of most of its strokes, as a share of the digit's longer side
FINE_SIDE = 200    # pixels; a smaller digit is enlarged to this before its stroke is changed

# --- several digits; shares of the height of the tallest digit, or of the tallest line
DIGIT_GAP = 0.12   # digits stand apart by at least this ...
LINE_GAP = 0.25    # ... and lines by this
DIGIT_HEIGHT = 0.5     # and are at least so tall; less belongs to its neighbour


def pre_photo(picName):
    """Picture file with one digit -> float32 [1, 784], 0 paper ... 1 ink, as MNIST's pictures.

    Any paper, light, pen, size and place; dark on light or light on dark. All zeros if the
    picture is blank. Raises UserError if the file is no usable picture.
    """
    darkness, ink, threshold = find_ink(grey_of(pictures.open_picture(picName)))
    if not ink.any():
        return np.zeros([1, SIDE * SIDE], np.float32)
    return as_mnist(darkness, ink, threshold)


def pre_digits(picName):
    """Picture file with any number of digits -> float32 [n, 784], as one reads them.

    Line by line, each from left to right; both are told apart by the gaps between them. One digit:
    as pre_photo. Blank: n is 0.
    """
    darkness, ink, threshold = find_ink(grey_of(pictures.open_picture(picName)))
    digits = [as_mnist(darkness, digit, threshold)
              for line in lines_apart(ink) for digit in digits_apart(line)]
    return np.concatenate(digits or [np.zeros([0, SIDE * SIDE], np.float32)])


def lines_apart(ink):
    """Split ink at the empty rows between lines: a list of bool [height, width], from the top."""
    labels, _ = ndimage.label(ink.any(axis=1))
    lines = [(rows.start, rows.stop) for rows, in boxes_of(labels)]
    tallest = max((bottom - top for top, bottom in lines), default=0)
    apart = []
    for top, bottom in lines:
        if apart and top - apart[-1][1] < LINE_GAP * tallest:
            apart[-1][1] = bottom
        else:
            apart.append([top, bottom])
    tallest = max((bottom - top for top, bottom in apart), default=0)
    if any(bottom - top < DIGIT_HEIGHT * tallest for top, bottom in apart):
        return [ink]  # a part that stands apart but is no line
    rows = np.arange(len(ink))[:, np.newaxis]
    return [ink & (top <= rows) & (rows < bottom) for top, bottom in apart]


def digits_apart(ink):
    """Split ink at the gaps between digits: a list of bool [height, width], left to right."""
    labels, _ = ndimage.label(ink, np.ones([3, 3]))
    # Of each part of the ink: left, right, top, bottom and its labels.
    parts = sorted((columns.start, columns.stop, rows.start, rows.stop, {number})
                   for number, (rows, columns) in enumerate(boxes_of(labels), 1))
    tallest = max((bottom - top for _, _, top, bottom, _ in parts), default=0)

    def joined(part, other):
        return (min(part[0], other[0]), max(part[1], other[1]), min(part[2], other[2]),
                max(part[3], other[3]), part[4] | other[4])
    digits = []
    for part in parts:
        if digits and part[0] - digits[-1][1] < DIGIT_GAP * tallest:
            part = joined(digits.pop(), part)
        digits.append(part)
    low = [n for n, (_, _, top, bottom, _) in enumerate(digits)
           if bottom - top < DIGIT_HEIGHT * tallest]
    if low and len(digits) > 1:  # a part that stands apart but is no digit: give up splitting
        digits = [(0, 0, 0, 0, set.union(*(digit[4] for digit in digits)))]
    return [np.isin(labels, list(numbers)) for *_, numbers in digits]


# --- from ink to MNIST

def as_mnist(darkness, ink, threshold):
    """One digit's ink, bool [height, width] -> float32 [1, 784], 0 ... 1."""
    mark = even_stroke(fine_mark(darkness, ink, threshold))
    return centred(boxed(mark)).reshape(1, SIDE * SIDE)


def fine_mark(darkness, ink, threshold):
    """The digit cropped, and enlarged if it is small: bool, the longer side at least 200.

    Enlarging the greys and not the pixels makes use of the soft edges that a small picture has.
    """
    box = boxes_of(ink)[0]
    scale = FINE_SIDE / max(ink[box].shape)
    if scale <= 1:
        return ink[box]
    ink = np.pad(ink, 2)
    box = tuple(slice(extent.start, extent.stop + 4) for extent in box)
    around = ndimage.binary_dilation(ink[box], iterations=2)  # but nothing of what was dropped
    soft = Image.fromarray(np.where(around, np.pad(darkness, 2)[box], 0))
    size = round(soft.width * scale), round(soft.height * scale)
    return np.asarray(soft.resize(size, Image.Resampling.BICUBIC)) > threshold


def even_stroke(mark):
    """Widen or narrow a digit's stroke to what is usual in MNIST: bool, of another size.

    Strokes that are usual there stay as they are.
    """
    inside = ndimage.distance_transform_edt(np.pad(mark, 1))[1:-1, 1:-1]  # pixels to the edge
    width = 4 * inside[mark].mean()  # a stripe's mean distance is a quarter of its width
    usual = np.clip(width, *np.multiply(STROKE, max(mark.shape)))
    grow = (usual - width) / 2       # pixels on either side
    if grow > 0:
        around = np.pad(mark, int(np.ceil(grow)) + 1)
        return ndimage.distance_transform_edt(~around) <= grow
    if grow < 0:
        # The middle line stays, so that the stroke does not break where it is thin.
        middle = mark & (inside >= ndimage.maximum_filter(inside, 3) - 0.5)
        return mark & ((inside > -grow) | ndimage.binary_dilation(middle, iterations=2))
    return mark


def boxed(mark):
    """Mark, bool -> cropped and scaled to a longer side of 20, float32 [h, w], 0 ... 1."""
    mark = mark[boxes_of(mark)[0]]
    height, width = (max(1, round(side * BOX / max(mark.shape))) for side in mark.shape)
    picture = Image.fromarray(mark.astype(np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX))  # area averaging


def centred(digit):
    """Digit, float32 [h, w], at most 20x20 -> float32 [28, 28], centre of mass in the centre."""
    picture = np.zeros([SIDE, SIDE], np.float32)
    top, left = (int(np.clip(round(CENTRE - mass), 0, SIDE - side))
                 for mass, side in zip(ndimage.center_of_mass(digit), digit.shape))
    picture[top:top + digit.shape[0], left:left + digit.shape[1]] = digit
    return picture
