"""Prepare a photographed or drawn digit the way MNIST's own digits were prepared.

Use:      import mnist_photo
          testPicArr = mnist_photo.pre_photo('my.jpg')   # float32 [1, 784], for the network
Reads:    the picture file
Writes:   nothing
Takes:    20 ms for a picture of 280x280, about a second for a telephone's photograph

MNIST was made from scans in pure black and white: each digit was scaled into a box of 20x20 with
its aspect kept, which gave the grey edges, and its centre of mass was put into the centre of
28x28 (http://yann.lecun.com/exdb/mnist/). The network has seen nothing else. So `find_ink` turns
any picture into pure black and white, and `as_mnist` does the rest. In the order of the steps:

grey_of        grey values, as a viewer shows the picture
darkness_of    the share of the paper's light that is missing, whatever the paper, light and pen
threshold_of   Otsu's threshold between paper and ink, at full size: shrinking would lose thin lines
without_lines  drops the lines of ruled and squared paper
without_specks drops specks, and shadows at the picture's border
even_stroke    brings the width of the stroke near MNIST's
boxed, centred the box of 20x20, the centre of mass
"""
import numpy as np
from PIL import Image
from scipy import ndimage

import input_data
import picture_file

# ---- MNIST's own measures ----
SIDE = input_data.SIDE  # pixels, height and width of the network's input
BOX = 20           # pixels, the longer side of a digit
CENTRE = 14        # pixel, row and column of the centre of mass
STROKE = 0.11, 0.18  # width of most of its strokes, as a share of the digit's longer side

# ---- paper and light; shares of the picture's longer side ----
MAX_SIDE = 2000    # pixels; a larger picture is reduced to this, or a photograph takes minutes
PAPER_SIDE = 128   # pixels; light changes slowly, so the paper is estimated on a small picture
BLURS = 1 / 8, 1 / 16, 1 / 32  # standard deviations of the blurs that estimate the paper
BARE = 0.85        # what has at least this share of its surroundings' light is bare paper
SMOOTH = 20        # pixels of smoothing for a noise of 1; sensors have 0.01 to 0.1
MAX_SMOOTH = 3, 1 / 60   # never more than so many pixels, nor than this share

# ---- what is ink ----
BORDER = 0.06      # width of the picture's border, as a share of its shorter side
CLEAR_BORDER = 0.4     # of 0.5: the border is as light, or as dark, as anything in the picture
CLEAR_SKEWNESS = 2     # a thin stroke's is about 5
SOME_SKEWNESS = 0.7    # noise and shadows stay below this
NOISE_MARGIN = 5   # ink is darker than the paper by this many standard deviations of the noise
MIN_DARKNESS = 0.1     # a picture with nothing darker than this is blank
MIN_DIGIT = 0.02   # the smallest digit's longer side, as a share of the picture's

# ---- printed lines ----
MAX_TILT = 10      # degrees
TILT_STEP = 0.25   # degrees
TILT_SIDE = 300    # pixels; the tilt is sought on a picture of about this size
LINE_SIDE = 56     # pixels; smaller pictures show no printed lines, but strokes as thin as lines
LINE_COVER = 0.45  # a line is ink on at least this share of its way across the picture
LINE_WIDTH = 0.03  # the widest line, as a share of the picture's longer side
LINE_ENDS = 0.08   # it begins and ends within this share of the picture's sides
PEN_TO_LINE = 1.3  # a pen darker than the lines by this factor is told apart by darkness alone

# ---- specks; bulk = darkness x distance from the edge, summed over all pixels of a part ----
NEAR = 0.25        # distance from the main part, as a share of its longer side
NEAR_BULK = 0.04   # parts nearer than that are kept from this share of the main part's bulk on
FAR_BULK = 0.2     # and all others from this share on: they may be digits
MIN_THICKNESS = 0.4    # of the main part's; what is thinner is a line or noise
INNER = 0.08       # the main part, unless it touches the border, has this share of the picture

# ---- several digits; shares of the tallest digit's height ----
DIGIT_GAP = 0.12   # digits stand apart by at least this
DIGIT_HEIGHT = 0.5     # and are at least so tall; less belongs to its neighbour

FINE_SIDE = 200    # pixels; a smaller digit is enlarged to this before its stroke is changed


def pre_photo(picName):
    """Picture file with one digit -> float32 [1, 784], 0 paper ... 1 ink, as MNIST's pictures.

    Any paper, light, pen, size and place; dark on light or light on dark. All zeros if the
    picture is blank. Raises cli.UserError if the file is no usable picture.
    """
    darkness, ink, threshold = find_ink(grey_of(picture_file.open_picture(picName)))
    if not ink.any():
        return np.zeros([1, SIDE * SIDE], np.float32)
    return as_mnist(darkness, ink, threshold)


def pre_digits(picName):
    """Picture file with any number of digits -> float32 [n, 784], left to right.

    One digit: as pre_photo. Blank: n is 0. Digits are told apart by the gaps between them.
    """
    darkness, ink, threshold = find_ink(grey_of(picture_file.open_picture(picName)))
    digits = [as_mnist(darkness, digit, threshold) for digit in digits_apart(ink)]
    return np.concatenate(digits or [np.zeros([0, SIDE * SIDE], np.float32)])


# ---- from a picture to ink ----

def find_ink(grey):
    """Grey picture, float32 [height, width], 0 ... 255 -> what was written on it.

    Returns:
      darkness: float32 [height, width], 0 paper ... 1 black.
      ink: bool [height, width]; nowhere True if the picture is blank.
      threshold: the darkness from which on it is ink.
    """
    darkness = darkness_of(grey)
    threshold = threshold_of(darkness)
    ink, threshold = without_lines(darkness, threshold)
    ink = without_specks(darkness, ink)
    if ink.any():
        longest = max(ink[boxes_of(ink)[0]].shape)
        if np.median(darkness[ink]) < MIN_DARKNESS or longest < MIN_DIGIT * max(ink.shape):
            ink = np.zeros_like(ink)
    return darkness, ink, threshold


def grey_of(picture):
    """Pillow picture, mode L or RGB -> float32 [height, width], 0 black ... 255 white."""
    factor = -(-max(picture.size) // MAX_SIDE)  # rounded up
    return np.asarray(picture.reduce(factor).convert('L'), np.float32)


def darkness_of(grey):
    """Grey [height, width], 0 ... 255 -> float32 of that shape, 0 paper ... 1 black.

    Light ink on dark paper becomes dark on light. Dividing by the paper undoes paper colour and
    uneven light at once: a pen takes away the same share of the light everywhere.
    """
    if is_light_on_dark(grey):
        grey = 255 - grey
    darkness = 1 - (grey + 1) / (paper_of(grey) + 1)  # + 1, or black paper would be divided by 0
    smooth = min(SMOOTH * noise_of(darkness), MAX_SMOOTH[0], MAX_SMOOTH[1] * max(grey.shape))
    return blur(darkness, smooth).clip(0, 1)  # in this order: clipped noise has another mean


def is_light_on_dark(grey):
    """Tell whether the ink is lighter than the paper.

    Thin ink lies far from the paper, and little of it: once slow changes of the light are taken
    away, the values are skewed towards the ink. Where they are not, because the stroke is thick
    or shadows are strong, the picture's border decides: it is paper, if it is clearly light or
    dark.
    """
    small = small_copy(grey)
    detail = small - blur(small, max(small.shape) * BLURS[0])
    detail -= np.median(detail)
    skewness = (detail ** 3).mean() / ((detail ** 2).mean() ** 1.5 + 1e-9)
    edge = max(1, round(BORDER * min(small.shape)))
    border = np.ones(small.shape, bool)
    border[edge:-edge, edge:-edge] = False
    # from -0.5, as dark as anything in the picture, to 0.5, as light as anything
    lightness = (np.median(small[border]) - (small.min() + small.max()) / 2) / (np.ptp(small) + 1)
    if abs(skewness) < CLEAR_SKEWNESS and abs(lightness) > CLEAR_BORDER:
        return lightness < 0
    return skewness > SOME_SKEWNESS  # in doubt dark ink, which is far more usual


def paper_of(grey):
    """The paper below dark ink: float32 [height, width], 0 ... 255.

    A blur that leaves the ink out. What is ink shows only once the paper is known, so the blur
    starts large and is repeated: each time the shadows are followed more closely.
    """
    small = small_copy(grey) + 1  # 1 ... 256
    side = max(small.shape)
    paper = blur(small, side * BLURS[0])
    for share in BLURS:
        bare = (small > BARE * paper).astype(np.float32)
        bare = ndimage.minimum_filter(bare, 3)  # not the soft edges of the ink
        # Where nothing bare is in reach, the last estimate stays.
        paper = ((blur(small * bare, side * share) + 0.01 * paper)
                 / (blur(bare, side * share) + 0.01))
    height, width = grey.shape
    return np.asarray(Image.fromarray(paper - 1).resize((width, height), Image.Resampling.BICUBIC))


def small_copy(grey):
    """Grey [height, width] -> the same reduced by area averaging to PAPER_SIDE, if larger."""
    picture = Image.fromarray(grey)
    picture.thumbnail((PAPER_SIDE, PAPER_SIDE), Image.Resampling.BOX)
    return np.asarray(picture)


def blur(values, deviation):
    """Gaussian blur by `deviation` pixels; the border's values continue outside."""
    return ndimage.gaussian_filter(values, deviation, mode='nearest', truncate=3)


def noise_of(darkness):
    """The standard deviation of the noise, where most of the picture is smooth.

    From the differences of four neighbours, which cancel any slope; the median ignores the ink.
    """
    if min(darkness.shape) < 2:
        return 0.0
    difference = (darkness[:-1, :-1] - darkness[1:, :-1] - darkness[:-1, 1:] + darkness[1:, 1:])
    return float(np.median(np.abs(difference))) / 0.6745 / 2  # 0.6745 of a normal distribution


def threshold_of(darkness):
    """Otsu's threshold between paper and ink, but not within the paper's noise.

    It maximises the variance between the two classes (Otsu 1979). Where there is hardly any ink,
    that would split the noise.
    """
    count, edges = np.histogram(darkness, 256)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(count)[:-1]                # pixels up to each candidate
    above = darkness.size - below
    total = np.cumsum(count * centres)
    means = total[:-1] / below.clip(1), (total[-1] - total[:-1]) / above.clip(1)
    otsu = edges[1 + np.argmax(below * above * (means[1] - means[0]) ** 2)]
    return max(float(otsu), NOISE_MARGIN * noise_of(darkness))


# ---- what is not the digit ----

def without_lines(darkness, threshold):
    """The ink without the lines of ruled or squared paper: bool [height, width].

    Returns also the threshold, which rises where the pen is darker than the print.
    """
    ink = darkness > threshold
    lines = level_lines(ink) | level_lines(ink.T).T
    rest = ink & ~lines
    if not lines.any() or not rest.any():
        return ink, threshold
    print_darkness, pen_darkness = np.median(darkness[lines]), np.percentile(darkness[rest], 80)
    if pen_darkness > PEN_TO_LINE * print_darkness:
        threshold = (print_darkness + pen_darkness) / 2  # drops the lines that were missed, too
        return darkness > threshold, threshold
    return rest, threshold


def level_lines(ink):
    """The pixels of printed lines that run from left to right, tilted a little: bool as `ink`.

    All lines have one tilt: the one at which the ink, projected along it, piles up highest. A
    line is a pile that reaches across the picture. Where the digit crosses it, the ink is taller
    than the line, and is left.
    """
    height, width = ink.shape
    lines = np.zeros_like(ink)
    if min(ink.shape) < LINE_SIDE:
        return lines
    tall = column_runs(ink)                                       # int [height, width]
    y, x = np.nonzero(ink & (tall <= 2 + LINE_WIDTH * max(ink.shape)))
    if len(y) < LINE_COVER * width:
        return lines
    step = max(1, max(ink.shape) / TILT_SIDE)                     # pixels in a bin

    def bins(slope, every=1):  # the bin of each pixel, when looking along `slope`
        return ((y[::every] - x[::every] * slope + width) / step).astype(int)
    slopes = np.tan(np.radians(np.arange(-MAX_TILT, MAX_TILT + TILT_STEP, TILT_STEP)))
    slope = max(slopes, key=lambda slope: (np.bincount(bins(slope, int(step))) ** 2.).sum())

    row = bins(slope)
    count = np.bincount(row) / step                               # pixels along each bin
    left = np.bincount(row[x < LINE_ENDS * width], minlength=len(count)) > 0
    right = np.bincount(row[x > (1 - LINE_ENDS) * width], minlength=len(count)) > 0
    is_line = ((count >= LINE_COVER * width)
               & ndimage.maximum_filter(left, 3) & ndimage.maximum_filter(right, 3))
    on_line = ndimage.maximum_filter(is_line, 3)[row]
    if on_line.any():
        thickness = np.median(tall[y[on_line], x[on_line]])
        on_line &= tall[y, x] <= 1.5 * thickness + 1
        lines[y[on_line], x[on_line]] = True
    return lines


def column_runs(ink):
    """For each inked pixel the length of the unbroken vertical run it lies in, for others 0."""
    labels, _ = ndimage.label(ink, [[0, 1, 0], [0, 1, 0], [0, 1, 0]])  # only up and down
    return np.bincount(labels.ravel())[labels] * ink


def without_specks(darkness, ink):
    """The main part of the ink and what may belong to it, or be another digit: bool as `ink`."""
    labels, number = ndimage.label(ink, np.ones([3, 3]))  # int [height, width], 0 paper, 1 ...
    if number < 2:
        return ink
    area = np.bincount(labels.ravel()).clip(1)            # pixels of each part; [0] is the paper
    inside = ndimage.distance_transform_edt(ink)
    bulk = np.bincount(labels.ravel(), (inside * darkness).ravel())
    thickness = bulk / area
    at_border = np.zeros(number + 1, bool)
    for edge in labels[0], labels[-1], labels[:, 0], labels[:, -1]:
        at_border[edge] = True

    boxes = boxes_of(labels)
    extent = np.array([0] + [max(side.stop - side.start for side in box) for box in boxes])
    inner = ~at_border & (extent >= INNER * max(ink.shape))
    # What touches the border is a shadow or the table, if anything else may be the digit.
    main = np.argmax(np.where(inner if inner.any() else extent > 0, bulk, 0))
    reach = NEAR * extent[main]
    near = np.array([False] + [distance(box, boxes[main - 1]) <= reach for box in boxes])
    keep = ((bulk >= np.where(near, NEAR_BULK, FAR_BULK) * bulk[main])
            & (thickness >= MIN_THICKNESS * thickness[main]))
    if not at_border[main]:
        keep &= ~at_border
    keep[0] = False
    return keep[labels]


def boxes_of(labels):
    """The bounding box, a pair of slices, of each label from 1 on (True counts as 1)."""
    return ndimage.find_objects(labels.astype(np.int32))


def distance(box, other):
    """The gap between two boxes in pixels, along the axis where it is wider; below 0: overlap."""
    return max(max(a.start, b.start) - min(a.stop, b.stop) for a, b in zip(box, other))


def digits_apart(ink):
    """Split ink at the gaps between digits: a list of bool [height, width], left to right."""
    labels, _ = ndimage.label(ink, np.ones([3, 3]))
    parts = sorted(((columns.start, columns.stop, rows.start, rows.stop, {number})
                    for number, (rows, columns) in enumerate(boxes_of(labels), 1)))
    tallest = max((bottom - top for _, _, top, bottom, _ in parts), default=0)

    def joined(one, other):
        return (min(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]),
                max(one[3], other[3]), one[4] | other[4])
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


# ---- from ink to MNIST ----

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
