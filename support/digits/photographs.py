"""Prepare a photographed or drawn digit the way MNIST's own digits were prepared.

    pictures = photographs.pre_digits('my.jpg')   # float32 [n, 784], for the network

MNIST was made from scans in pure black and white: each digit was scaled to fit a 20x20 box,
keeping its aspect ratio, which gave grey edges, and its centre of mass was moved to the centre of
28x28 (http://yann.lecun.com/exdb/mnist/). The network has seen nothing else, so
support/digits/ink.py turns any picture into pure black and white, `digits_apart` separates its
digits, and `as_mnist` does the rest. docs/mnist.md explains the steps.

Takes 40 ms for a 280x280 picture, a second for a phone photo, five for a sheet of 1,150 digits.
"""
import numpy as np
from PIL import Image
from scipy import ndimage

from support.common import pictures
from support.digits import input_data
from support.digits.ink import boxes_of, find_ink, grey_of, median, stroke_of

# --- MNIST's own measures
SIDE = input_data.SIDE  # pixels, height and width of the network's input
BOX = 20           # pixels, the longer side of a digit
CENTRE = 14        # pixel, row and column of the centre of mass
STROKE = 0.16      # width of its usual stroke, as a share of the digit's longer side
SLANT = 0.5        # this share of a digit's slant is removed, ...
MAX_SHEAR = 0.25   # ... at most this many pixels sideways per pixel up: a 7 is naturally slanted
FINE_SIDE = 100    # pixels; a smaller digit is enlarged to this before its stroke is changed

# --- several digits; shares of the median height of the picture's digits
DIGIT_GAP = 0.12   # parts side by side nearer than this are one digit, unless both are tall ...
PIECE_GAP = 0.25   # ... and this for one above the other, or a part too small to be a digit
DIGIT_HEIGHT = 0.5     # a digit is at least this tall; less belongs to its neighbour, or is dirt
TALL = 0.7         # two parts at least this tall are two digits
BROKEN = 0.5       # of the stroke's width; a smaller gap is no gap
LINE_STEP = 0.5    # neighbours in a line differ less than this in height on the page


def pre_digits(picName):
    """Picture file with any number of digits -> float32 [n, 784], in reading order.

    Any paper, light, pen, size and place; dark on light or light on dark. Line by line, each from
    left to right; gaps separate both lines and digits. Blank: n is 0.
    Raises: UserError if the file is not a usable picture.
    """
    return find_digits(picName)[0]


def find_digits(picName):
    """As pre_digits, the box of each digit, and how many marks are too small to be digits, int.

    Boxes: float64 [n, 5], left, top, right, bottom, 0 ... 1, shares of the picture's sides, and the
    number of the line, 0 the first. Raises: UserError.
    """
    strength, ink = find_ink(grey_of(pictures.open_picture(picName)))
    labels, digits, left_out = digits_apart(ink)
    rows, places = [np.zeros([0, SIDE * SIDE], np.float32)], []
    in_order, lines, tilt = in_lines(digits)
    height, width = ink.shape
    for (top, bottom, left, right, numbers), line in zip(in_order, lines):
        around = slice(max(0, top - 2), bottom + 2), slice(max(0, left - 2), right + 2)
        rows.append(as_mnist(strength[around], np.isin(labels[around], numbers), tilt))
        places.append((left / width, top / height, right / width, bottom / height, line))
    return np.concatenate(rows), np.reshape(places, [-1, 5]), left_out


def digits_apart(ink):
    """Separate digits: labels of the ink's parts, int [height, width], and a list of digits.

    A digit is (top, bottom, left, right, the numbers of its parts), in pixels. Also returns how
    many marks are too small to be one.
    """
    touch = 1 + BROKEN * stroke_of(ink)  # pixels
    labels = ndimage.label(ndimage.distance_transform_edt(~ink) <= touch / 2)[0] * ink
    digits = [(rows.start, rows.stop, columns.start, columns.stop, [number])
              for number, (rows, columns) in enumerate(boxes_of(labels), 1)]
    if len(digits) < 2:
        return labels, digits, 0
    heights = np.array([bottom - top for top, bottom, *_ in digits])
    usual = median(heights, heights ** 2)  # pieces of digits count less

    def belong(one, other):
        """Whether two parts belong to one digit."""
        down = max(one[0], other[0]) - min(one[1], other[1])      # below 0: overlap
        across = max(one[2], other[2]) - min(one[3], other[3])
        height = min(one[1] - one[0], other[1] - other[0])
        width = min(one[3] - one[2], other[3] - other[2])
        if height < DIGIT_HEIGHT * usual or max(down, across) <= 0 and -across > width / 2:
            return True
        above = down > 0 and -across > width / 2
        beside = down <= 0 and across < DIGIT_GAP * usual
        return height < TALL * usual and (beside or above and down < PIECE_GAP * height)
    apart, boxes = {}, np.zeros([len(digits), 4])  # those so far, by the row of their box
    for n, digit in enumerate(sorted(digits, key=lambda digit: digit[2])):
        gaps = np.maximum(boxes[:n, ::2] - digit[1:4:2], digit[:4:2] - boxes[:n, 1::2]).max(1)
        for other in np.argsort(gaps, kind='stable')[:np.sum(gaps <= PIECE_GAP * usual)]:
            if other in apart and belong(digit, apart[other]):
                part = apart.pop(other)
                digit = (min(digit[0], part[0]), max(digit[1], part[1]),
                         min(digit[2], part[2]), max(digit[3], part[3]), digit[4] + part[4])
        apart[n], boxes[n] = digit, digit[:4]
    found = [digit for digit in apart.values() if max(
        digit[1] - digit[0], digit[3] - digit[2]) >= DIGIT_HEIGHT * usual]
    return labels, found, len(apart) - len(found)


def in_lines(digits):
    """Digits, as digits_apart returns them, in reading order; lines may be tilted or bent.

    Also returns the number of each one's line, and the lines' tilt, in degrees, positive if they
    descend to the right.
    """
    if not digits:
        return digits, [], 0
    boxes = np.array([digit[:4] for digit in digits])
    y, x = boxes[:, :2].mean(1), boxes[:, 2:].mean(1)
    usual = np.median(boxes[:, 1] - boxes[:, 0])
    line, slopes = np.arange(len(digits)), []
    for n in np.argsort(-x):  # a digit is in the line of the next one on its right
        right = np.flatnonzero((x > x[n]) & (abs(y - y[n]) < LINE_STEP * usual))
        if len(right):
            following = right[x[right].argmin()]
            line[n] = line[following]
            slopes.append((y[following] - y[n]) / (x[following] - x[n]))
    slope = np.median(slopes) if len(slopes) > 2 else 0
    height = np.bincount(line, y - slope * x) / np.bincount(line).clip(1)
    order = np.lexsort([x, height[line]])
    numbers = np.r_[0, np.cumsum(np.diff(line[order]) != 0)]
    return [digits[n] for n in order], numbers, np.degrees(np.arctan(slope))


# --- from ink to MNIST

def as_mnist(strength, ink, tilt=0):
    """One digit's ink, bool [height, width], on a line that descends `tilt` degrees to the right.

    Args: strength: as find_ink returns it. Returns: float32 [1, 784], 0 ... 1.
    """
    mark = even_stroke(upright(fine_mark(strength, ink), tilt))
    return centred(boxed(mark)).reshape(1, SIDE * SIDE)


def fine_mark(strength, ink):
    """The digit cropped, and enlarged if it is small: bool, the longer side at least 100.

    Enlarging grey values, not black-and-white pixels, makes use of a small picture's soft edges.
    """
    box = boxes_of(ink)[0]
    scale = FINE_SIDE / max(ink[box].shape)
    if scale <= 1:
        return ink[box]
    ink = np.pad(ink, 2)
    box = tuple(slice(extent.start, extent.stop + 4) for extent in box)
    around = ndimage.binary_dilation(ink[box], iterations=2)  # but none of what was dropped
    soft = Image.fromarray(np.where(around, np.pad(strength, 2)[box], 0))
    size = round(soft.width * scale), round(soft.height * scale)
    return np.asarray(soft.resize(size, Image.Resampling.BICUBIC)) > 1  # the threshold


def upright(mark, tilt=0):
    """Turn a digit by `tilt` degrees and remove half of its slant: bool, of another size.

    The slant is from its second moments.
    """
    turn = np.radians(tilt)
    turn = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    y, x = turn.T @ [place - place.mean() for place in np.nonzero(mark)]
    shear = np.clip(SLANT * (x * y).sum() / max(1, (y * y).sum()), -MAX_SHEAR, MAX_SHEAR)
    wide = np.pad(mark.astype(np.float32), int(.3 * max(mark.shape)) + 2)
    matrix, middle = turn @ [[1, 0], [shear, 1]], (np.array(wide.shape) - 1) / 2
    mark = ndimage.affine_transform(wide, matrix, middle - matrix @ middle, order=1) > .5
    return mark[boxes_of(mark)[0]]


def even_stroke(mark):
    """Widen or narrow a digit's stroke to MNIST's usual width: bool, of another size."""
    inside = ndimage.distance_transform_edt(np.pad(mark, 1))[1:-1, 1:-1]  # pixels to the edge
    width = 4 * inside[mark].mean() - 2  # a stripe's mean distance is a quarter of that, and 1/2
    usual = STROKE * max(mark.shape)
    grow = (usual - width) / 2       # pixels on either side
    if grow > 0:
        away = ndimage.distance_transform_edt(~np.pad(mark, int(np.ceil(grow)) + 1))
        # A gap in the stroke may close, but no opening.
        openings = regions(away > grow / 4, usual)
        return away <= next((share for share in (grow, .8 * grow, .6 * grow)
                             if regions(away > share, usual) == openings), grow / 2)
    if grow < 0:
        # Keep the centre line, so that the stroke does not break where it is thin.
        middle = mark & (inside >= ndimage.maximum_filter(inside, 3) - 0.5)
        return mark & ((inside > -grow) | ndimage.binary_dilation(middle))
    return mark


def regions(paper, stroke):
    """How many regions the paper has, outside and in loops, that are no smaller than a stroke."""
    return np.sum(np.bincount(ndimage.label(paper)[0].ravel())[1:] > stroke ** 2 / 2)


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
