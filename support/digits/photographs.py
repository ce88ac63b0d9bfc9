"""Prepare a photographed or drawn digit the way MNIST's own digits were prepared.

    testPicArr = photographs.pre_photo('my.jpg')   # float32 [1, 784], for the network

MNIST was made from scans in pure black and white: each digit was scaled to fit a 20x20 box,
keeping its aspect ratio, which gave grey edges, and its centre of mass was moved to the centre of
28x28 (http://yann.lecun.com/exdb/mnist/). The network has seen nothing else, so
support/digits/ink.py turns any picture into pure black and white, and `as_mnist` does the rest.
The steps, in order:

find_ink       of support/digits/ink.py: which pixels are ink
digits_apart, in_lines  several digits, separated by the gaps between them; not in pre_photo
upright        removes half of the slant
even_stroke    brings the width of the stroke close to MNIST's
boxed, centred the 20x20 box, the centre of mass

Takes 20 ms for a 280x280 picture, about a second for a phone photo.
"""
import numpy as np
from PIL import Image
from scipy import ndimage

from support.common import pictures
from support.digits import input_data
from support.digits.ink import boxes_of, distance, find_ink, grey_of

# --- MNIST's own measures
SIDE = input_data.SIDE  # pixels, height and width of the network's input
BOX = 20           # pixels, the longer side of a digit
CENTRE = 14        # pixel, row and column of the centre of mass
STROKE = 0.15, 0.165  # width of its usual stroke, as a share of the digit's longer side
SLANT = 0.5        # this share of a digit's slant is removed, ...
MAX_SHEAR = 0.25   # ... at most this many pixels sideways per pixel up: a 7 is naturally slanted
FINE_SIDE = 200    # pixels; a smaller digit is enlarged to this before its stroke is changed

# --- several digits; shares of the median height of the picture's digits
DIGIT_GAP = 0.12   # parts side by side nearer than this are one digit, unless both are tall ...
PIECE_GAP = 0.25   # ... and this for one above the other, or a part too small to be a digit
DIGIT_HEIGHT = 0.5     # a digit is at least this tall; less belongs to its neighbour, or is dirt
TALL = 0.7         # two parts at least this tall are two digits, ...
BROKEN = 0.5       # ... unless the gap is less than this share of the stroke's width
LINE_STEP = 0.6    # a digit that lies lower than the rest of its line by this starts a new line


def pre_photo(picName):
    """Picture file with one digit -> float32 [1, 784], 0 paper ... 1 ink, as in MNIST.

    Any paper, light, pen, size and place; dark on light or light on dark. All zeros if the
    picture is blank. Raises UserError if the file is not a usable picture.
    """
    darkness, ink, threshold = find_ink(grey_of(pictures.open_picture(picName)))
    if not ink.any():
        return np.zeros([1, SIDE * SIDE], np.float32)
    return as_mnist(darkness, ink, threshold)


def pre_digits(picName):
    """Picture file with any number of digits -> float32 [n, 784], in reading order.

    Line by line, each from left to right; gaps separate both lines and digits. One digit: as
    pre_photo. Blank: n is 0.
    """
    return find_digits(picName)[0]


def find_digits(picName):
    """As pre_digits, the box of each digit, and how many marks are too small to be digits, int.

    Boxes: float64 [n, 4], left, top, right, bottom, 0 ... 1, shares of the picture's sides.
    """
    darkness, ink, threshold = find_ink(grey_of(pictures.open_picture(picName)))
    labels, digits, left_out = digits_apart(ink)
    rows, places = [np.zeros([0, SIDE * SIDE], np.float32)], []
    in_order, tilt = in_lines(digits)
    for top, bottom, left, right, numbers in in_order:
        around = slice(max(0, top - 2), bottom + 2), slice(max(0, left - 2), right + 2)
        rows.append(as_mnist(darkness[around], np.isin(labels[around], numbers), threshold, tilt))
        places.append((left, top, right, bottom))
    height, width = ink.shape
    return (np.concatenate(rows), np.reshape(places, [-1, 4]) / (width, height, width, height),
            left_out)


def digits_apart(ink):
    """Separate digits: labels of the ink's parts, int [height, width], and a list of digits.

    A digit is (top, bottom, left, right, the numbers of its parts), in pixels. Also returns how
    many marks are too small to be one.
    """
    labels, _ = ndimage.label(ink, np.ones([3, 3]))
    digits = [(rows.start, rows.stop, columns.start, columns.stop, [number])
              for number, (rows, columns) in enumerate(boxes_of(labels), 1)]
    heights = np.array([bottom - top for top, bottom, *_ in digits])
    if len(digits) < 2:
        return labels, digits, 0
    usual = np.median(heights[heights >= DIGIT_HEIGHT * heights.max()])
    inside = ndimage.distance_transform_edt(ink)
    stroke = 4 * inside[ink].mean()  # pixels, its width

    def gap(one, other):
        """How far apart two parts are, in pixels."""
        top, left = (max(0, min(one[k], other[k]) - 1) for k in (0, 2))
        area = labels[top:max(one[1], other[1]) + 1, left:max(one[3], other[3]) + 1]
        away = ndimage.distance_transform_edt(~np.isin(area, one[4]))
        return away[np.isin(area, other[4])].min() - 1

    def belong(one, other):
        """Whether two parts belong to one digit."""
        down = max(one[0], other[0]) - min(one[1], other[1])      # below 0: overlap
        across = max(one[2], other[2]) - min(one[3], other[3])
        if max(down, across) > PIECE_GAP * usual:
            return False
        height = min(one[1] - one[0], other[1] - other[0])
        width = min(one[3] - one[2], other[3] - other[2])
        if height < DIGIT_HEIGHT * usual or max(down, across) <= 0 and -across > width / 2:
            return True
        if height < TALL * usual and down > 0 and -across > width / 2:
            return down < PIECE_GAP * height
        if height < TALL * usual and across < DIGIT_GAP * usual and down <= 0:
            return True
        return gap(one, other) <= max(2, BROKEN * stroke)
    apart = []
    for digit in sorted(digits, key=lambda digit: digit[2]):
        for other in sorted(apart, key=lambda other: distance(digit, other)):
            if belong(digit, other):
                apart.remove(other)
                digit = (min(digit[0], other[0]), max(digit[1], other[1]),
                         min(digit[2], other[2]), max(digit[3], other[3]), digit[4] + other[4])
        apart.append(digit)
    found = [digit for digit in apart if max(
        digit[1] - digit[0], digit[3] - digit[2]) >= DIGIT_HEIGHT * usual]
    return labels, found, len(apart) - len(found)


def in_lines(digits):
    """Digits, as digits_apart returns them, in reading order; lines may be tilted.

    Also returns the lines' tilt, in degrees, positive if they descend to the right.
    """
    if len(digits) < 2:
        return digits, 0
    boxes = np.array([digit[:4] for digit in digits])
    y, x = boxes[:, :2].mean(1), boxes[:, 2:].mean(1)
    usual = np.median(boxes[:, 1] - boxes[:, 0])

    def spread(slope):  # how far each digit lies from the middle of its line
        level = np.sort(y - slope * x)
        lines = np.split(level, np.flatnonzero(np.diff(level) > LINE_STEP * usual) + 1)
        return sum(np.ptp(line) for line in lines) + usual * len(lines)
    tilts = sorted(np.arange(-12, 12.5, 0.5), key=abs)
    tilt = min(tilts, key=lambda tilt: spread(np.tan(np.radians(tilt)))) if len(digits) > 3 else 0
    level = y - np.tan(np.radians(tilt)) * x
    order = np.argsort(level)
    number = np.zeros(len(digits), int)
    number[order[1:]] = np.cumsum(np.diff(level[order]) > LINE_STEP * usual)
    return [digits[n] for n in np.lexsort([x, number])], tilt


# --- from ink to MNIST

def as_mnist(darkness, ink, threshold, tilt=0):
    """One digit's ink, bool [height, width], on a line that descends `tilt` degrees to the right.

    Returns: float32 [1, 784], 0 ... 1.
    """
    mark = fine_mark(darkness, ink, threshold)
    if tilt:
        mark = ndimage.rotate(mark.astype(np.float32), tilt, order=1) > .5
    mark = even_stroke(upright(mark))
    return centred(boxed(mark)).reshape(1, SIDE * SIDE)


def fine_mark(darkness, ink, threshold):
    """The digit cropped, and enlarged if it is small: bool, the longer side at least 200.

    Enlarging grey values, not black-and-white pixels, makes use of a small picture's soft edges.
    """
    box = boxes_of(ink)[0]
    scale = FINE_SIDE / max(ink[box].shape)
    if scale <= 1:
        return ink[box]
    ink = np.pad(ink, 2)
    box = tuple(slice(extent.start, extent.stop + 4) for extent in box)
    around = ndimage.binary_dilation(ink[box], iterations=2)  # but none of what was dropped
    soft = Image.fromarray(np.where(around, np.pad(darkness, 2)[box], 0))
    size = round(soft.width * scale), round(soft.height * scale)
    return np.asarray(soft.resize(size, Image.Resampling.BICUBIC)) > threshold


def upright(mark):
    """Remove half of a digit's slant, taken from its second moments: bool, of another width."""
    y, x = (place - place.mean() for place in np.nonzero(mark))
    shear = np.clip(SLANT * (x * y).sum() / max(1, (y * y).sum()), -MAX_SHEAR, MAX_SHEAR)
    middle = mark.shape[0] / 2
    wide = np.pad(mark.astype(np.float32), [(0, 0), [int(abs(shear) * middle) + 2] * 2])
    return ndimage.affine_transform(wide, [[1, 0], [shear, 1]], [0, -shear * middle], order=1) > .5


def even_stroke(mark):
    """Widen or narrow a digit's stroke to MNIST's usual width: bool, of another size."""
    inside = ndimage.distance_transform_edt(np.pad(mark, 1))[1:-1, 1:-1]  # pixels to the edge
    width = 4 * inside[mark].mean()  # a stripe's mean distance is a quarter of its width
    usual = np.clip(width, *np.multiply(STROKE, max(mark.shape)))
    grow = (usual - width) / 2       # pixels on either side
    if grow > 0:
        around = np.pad(mark, int(np.ceil(grow)) + 1)
        return ndimage.distance_transform_edt(~around) <= grow
    if grow < 0:
        # Keep the centre line, so that the stroke does not break where it is thin.
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
