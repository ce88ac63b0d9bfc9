"""From a picture's grey values to ink: pure black and white, whatever paper, light and pen.

`find_ink` does it all. Its steps, in order:

grey_of        grey values, as a viewer shows the picture
darkness_of    the share of the paper's light that is missing, whatever the paper, light and pen
threshold_of   Otsu's threshold between paper and ink, at full size: shrinking loses thin lines
without_frames drops frames, the boxes of forms and underlines
without_lines  drops the lines of ruled and squared paper
without_specks drops specks, and shadows at the picture's border
"""
import numpy as np
from PIL import Image
from scipy import ndimage

# --- paper and light; shares of the picture's longer side
MAX_SIDE = 2000    # pixels; larger pictures are reduced, or a photograph would take minutes
PAPER_SIDE = 128   # pixels; light changes slowly, so the paper is estimated on a small copy
BLURS = 1 / 8, 1 / 16, 1 / 32  # standard deviations of the blurs that estimate the paper
BARE = 0.85        # a pixel with at least this share of the light around it is bare paper
SMOOTH = 20        # pixels of smoothing per unit of noise; sensors have 0.01 to 0.1
MAX_SMOOTH = 3, 1 / 60   # its limits, in pixels and as a share

# --- what is ink
BORDER = 0.06      # width of the picture's border, as a share of its shorter side
CLEAR_BORDER = 0.4     # of 0.5: the border is as light, or as dark, as any of the picture
CLEAR_SKEWNESS = 2     # a thin stroke's is about 5
SOME_SKEWNESS = 0.7    # noise and shadows stay below this
NOISE_MARGIN = 5   # ink is darker than the paper by this many standard deviations of the noise
MIN_DARKNESS = 0.1     # a picture with nothing darker than this is blank
MIN_DIGIT = 0.02   # the smallest digit's longer side, as a share of the picture's

# --- printed lines
MAX_TILT = 10      # degrees
TILT_STEP = 0.25   # degrees
TILT_SIDE = 300    # pixels; the tilt is estimated on a picture of about this size
LINE_SIDE = 56     # pixels; smaller pictures have no printed lines, but strokes as thin as lines
LINE_COVER = 0.45  # a line has ink on at least this share of its way across the picture
LINE_WIDTH = 0.03  # the widest line, as a share of the picture's longer side
LINE_ENDS = 0.08   # it starts and ends within this share of the picture's edges
PEN_TO_LINE = 1.3  # a pen darker than the lines by this factor is separated by darkness alone
LINE_THICKNESS = 0.1   # a frame's sides and underlines are thinner than this share of their length
SPAN = 0.75        # a frame's sides are straight over this share of the frame, ...
EDGE = 0.25        # ... and lie within this share of its edges
UNDERLINE = 1.3    # a line and what touches it are wider than tall by this factor, and ...
UNDERLINE_ENDS = 0.05  # ... it is longer at both ends by this share, unless wider than tall by ...
LONG = 2           # ... this one

# --- specks; bulk = darkness x distance from the edge, summed over all pixels of a part
NEAR = 0.25        # distance from the main part, as a share of its longer side
NEAR_BULK = 0.04   # nearer parts are kept if they have this share of the main part's bulk,
FAR_BULK = 0.2     # all others if they have this share: they may be digits
TALL_BULK = 0.015  # or this one, if at least HALF as tall as the main part
HALF = 0.5
LOW = 0.3          # of the main part's height; a digit that is wider than tall has at least this
MIN_THICKNESS = 0.15   # of the main part's; anything thinner is a line or noise
INNER = 0.08       # the main part's least size, as a share of the picture, unless at the border


def find_ink(grey):
    """Grey picture, float32 [height, width], 0 ... 255 -> what was written on it.

    Returns:
      darkness: float32 [height, width], 0 paper ... 1 black.
      ink: bool [height, width]; all False if the picture is blank.
      threshold: the darkness above which a pixel is ink.
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


# --- from grey values to darkness

def darkness_of(grey):
    """Grey [height, width], 0 ... 255 -> float32 of that shape, 0 paper ... 1 black.

    Light ink on dark paper becomes dark on light. Dividing by the paper removes paper colour and
    uneven light at once: ink absorbs the same share of the light everywhere.
    """
    if is_light_on_dark(grey):
        grey = 255 - grey
    darkness = 1 - (grey + 1) / (paper_of(grey) + 1)  # + 1: no division by 0 on black paper
    smooth = min(SMOOTH * noise_of(darkness), MAX_SMOOTH[0], MAX_SMOOTH[1] * max(grey.shape))
    return blur(darkness, smooth).clip(0, 1)  # blur first: clipping shifts the noise's mean


def is_light_on_dark(grey):
    """Tell whether the ink is lighter than the paper.

    Ink is far from the paper in value, and rare: once slow changes of the light are removed, the
    values are skewed towards the ink. If they are not, because the stroke is thick or shadows
    are strong, the picture's border, taken for paper, decides if it is clearly light or dark.
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
    return skewness > SOME_SKEWNESS  # in doubt dark ink, which is far more common


def paper_of(grey):
    """The paper under dark ink: float32 [height, width], 0 ... 255.

    A blur that ignores the ink. Telling ink from paper requires an estimate of the paper, so the
    blur starts large and is repeated, each time following the shadows more closely.
    """
    small = small_copy(grey) + 1  # 1 ... 256
    side = max(small.shape)
    paper = blur(small, side * BLURS[0])
    for share in BLURS:
        bare = (small > BARE * paper).astype(np.float32)
        bare = ndimage.minimum_filter(bare, 3)  # not the soft edges of the ink
        # Where no bare paper is in reach, keep the last estimate.
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
    """Gaussian blur by `deviation` pixels; the border's values extend outwards."""
    return ndimage.gaussian_filter(values, deviation, mode='nearest', truncate=3)


def noise_of(darkness):
    """The standard deviation of the noise, if most of the picture is smooth.

    From the differences of four neighbours, which cancel any slope; the median ignores the ink.
    """
    if min(darkness.shape) < 2:
        return 0.0
    difference = (darkness[:-1, :-1] - darkness[1:, :-1] - darkness[:-1, 1:] + darkness[1:, 1:])
    return float(np.median(np.abs(difference))) / 0.6745 / 2  # 0.6745 of a normal distribution


# --- from darkness to ink

def threshold_of(darkness):
    """Otsu's threshold between paper and ink, but above the paper's noise.

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


# --- lines, frames and specks

def without_lines(darkness, threshold):
    """The ink without the lines of ruled or squared paper: bool [height, width].

    Also returns the threshold, which rises if the pen is darker than the print.
    """
    ink = without_frames(darkness > threshold)
    lines = level_lines(ink) | level_lines(ink.T).T
    rest = ink & ~lines
    if not lines.any() or not rest.any():
        return ink, threshold
    print_darkness, pen_darkness = np.median(darkness[lines]), np.percentile(darkness[rest], 80)
    if pen_darkness > PEN_TO_LINE * print_darkness:
        threshold = (print_darkness + pen_darkness) / 2  # drops the lines that were missed, too
        return ink & (darkness > threshold), threshold
    return rest, threshold


def level_lines(ink):
    """The pixels of printed lines that run from left to right, slightly tilted: bool as `ink`.

    All lines share one tilt: the one at which the projection of the ink has the highest peaks. A
    line is a peak that reaches across the picture. Where a digit crosses it, the ink is taller
    than the line, and is kept.
    """
    height, width = ink.shape
    lines = np.zeros_like(ink)
    if min(ink.shape) < LINE_SIDE:
        return lines
    tall = column_runs(ink)                                       # int [height, width]
    y, x = thin_pixels(ink, tall)
    if len(y) < LINE_COVER * width:
        return lines
    step = max(1, max(ink.shape) / TILT_SIDE)                     # pixels per bin
    slope = slope_of(y, x, step)

    row = bins_along(slope, y, x, step)
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


def thin_pixels(ink, tall):
    """Rows and columns, int [n] each, of the ink that is no taller than a printed line."""
    return np.nonzero(ink & (tall <= 2 + LINE_WIDTH * max(ink.shape)))


def slope_of(y, x, step):
    """The slope along which projected pixels have the highest peaks, in bins of `step` pixels."""
    slopes = np.tan(np.radians(np.arange(-MAX_TILT, MAX_TILT + TILT_STEP, TILT_STEP)))
    few = slice(None, None, int(step))
    return max(slopes, key=lambda slope: (
        np.bincount(bins_along(slope, y[few], x[few], step)) ** 2.).sum())


def bins_along(slope, y, x, step):
    """The bin of each pixel, projected along `slope`, which is at most 45 degrees."""
    return ((y - x * slope + x.max(initial=0)) / step).astype(int)


def without_frames(ink):
    """The ink without frames, the boxes of forms and underlines: bool as `ink`.

    A frame is a connected part that straight lines span on the left, on the right, and above or
    below, whatever else touches it; an underline is level and spans a part wider than tall. Both
    are larger than the digits. A picture with nothing else is unchanged.
    """
    labels, number = ndimage.label(ink, np.ones([3, 3]))
    if not number or min(ink.shape) < LINE_SIDE:
        return ink
    boxes = boxes_of(labels)
    low, high = np.array([((0, 0), (0, 0))] + [
        ((rows.start, columns.start), (rows.stop, columns.stop))
        for rows, columns in boxes]).swapaxes(0, 1)
    size = high - low                                             # [n, 2], of each part
    level, (top, bottom) = straight(ink, labels, size)
    upright, (left, right) = straight(ink.T, labels.T, size[:, ::-1])
    frame = ((top < EDGE) | (bottom > 1 - EDGE)) & (left < EDGE) & (right > 1 - EDGE)
    under = (bottom >= 0) & (size[:, 1] > UNDERLINE * size[:, 0])
    for part in np.flatnonzero(frame):  # an open 4 in a frame is not one
        frame &= ~((low > low[part]) & (high < high[part])).all(1)
    larger = size.max(1) > size[~frame & ~under, 0].max(initial=0)
    frame, under = frame & larger, under & larger
    for part in np.flatnonzero(under & (size[:, 1] < LONG * size[:, 0])):
        box = boxes[part - 1]
        above = np.flatnonzero(((labels[box] == part) & ~level[box]).any(0))
        # The bar of a wide 5 and the foot of a wide 2 end where the digit ends.
        ends = size[part, 1] * UNDERLINE_ENDS
        under[part] = not len(above) or ends <= above[0] and above[-1] < size[part, 1] - ends
    rest = ink & ~((level & (frame | under)[labels]) | (upright.T & frame[labels]))
    left = boxes_of(ndimage.label(rest, np.ones([3, 3]))[0])
    tallest = max((rows.stop - rows.start for rows, _ in left), default=0)
    return rest if tallest >= MIN_DIGIT * max(ink.shape) and tallest >= 10 else ink


def straight(ink, labels, size):
    """Straight lines, level or slightly tilted, that span the part of the ink they are in.

    Args: labels: int as `ink`, the parts. size: int [n, 2], height and width of each part.
    Returns: the lines' pixels, bool as `ink`, and the places of each part's first and last line,
      float [2, n], 0 at the top of the part ... 1 at its bottom; 2 and -1 if it has no line.
    """
    tall = column_runs(ink)
    y, x = thin_pixels(ink, tall)
    lines, places = np.zeros_like(ink), np.tile([[2.], [-1.]], len(size))
    if not len(y):
        return lines, places
    slope = slope_of(y, x, max(1, max(ink.shape) / TILT_SIDE))
    shift = np.rint(slope * np.arange(ink.shape[1])).astype(int)
    shift -= shift.min()
    rows = np.arange(ink.shape[0])[:, np.newaxis] - shift + shift.max()
    columns = np.broadcast_to(np.arange(ink.shape[1]), ink.shape)
    levelled = np.zeros([len(ink) + shift.max(), ink.shape[1]], labels.dtype)
    levelled[rows, columns] = labels
    # A pixel more above and below: thin lines are ragged, and the slope is quantized.
    thicker = ndimage.binary_dilation(levelled > 0, np.ones([3, 1]))
    runs = column_runs(thicker.T).T[rows, columns]                # as `ink`, along the slope
    length = size[:, 1] - abs(slope) * size[:, 0]                 # of a tilted frame's side
    core = (ink & (runs >= SPAN * length[labels]) & (length[labels] >= LINE_SIDE / 2)
            & (tall <= 2 + LINE_THICKNESS * length[labels]))
    if not core.any():
        return lines, places
    thickness, boxes = np.zeros(len(size)), boxes_of(levelled)
    for part in np.unique(labels[core]):
        own = core & (labels == part)
        # Each line counts by its length, so that a thick 1 in a frame hardly does.
        across = np.sort(tall[own])
        thickness[part] = across[np.searchsorted(np.cumsum(1 / across), (1 / across).sum() / 2)]
        place = rows[own & (tall <= 1.5 * thickness[part] + 2)]
        extent = boxes[part - 1][0]
        places[:, part] = (np.array([place.min(), place.max()]) - extent.start) / (
            extent.stop - extent.start)
    # Around its core a line is ragged; where a stroke crosses it, the ink is taller.
    around = ndimage.binary_dilation(core, np.ones([3, 1]), iterations=3)
    lines = ink & around & (tall <= 1.5 * thickness[labels] + 2)
    return lines, places


def column_runs(ink):
    """The length of the vertical run of ink through each pixel, 0 where there is none."""
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

    boxes = np.array([(0, 0, 0, 0)] + [(rows.start, rows.stop, columns.start, columns.stop)
                                       for rows, columns in boxes_of(labels)])
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    extent = np.maximum(height, width)
    inner = ~at_border & (extent >= INNER * max(ink.shape))
    # Ink at the border is a shadow or the table, if anything else may be the digit.
    main = np.argmax(np.where(inner if inner.any() else extent > 0, bulk, 0))
    # The main part of many digits may be by far the thickest, so compare with the usual one: the
    # median of the tall parts, weighted by bulk. It is the main part if the others are specks.
    possible = (extent > 0) & (at_border <= at_border[main])
    tall = np.flatnonzero(possible & (extent >= HALF * height[main])
                          & (height >= LOW * height[main]))
    tall = tall[np.argsort(bulk[tall])]
    usual = tall[np.searchsorted(np.cumsum(bulk[tall]), bulk[tall].sum() / 2)]
    thick = possible & (thickness >= MIN_THICKNESS * thickness[usual])
    tall = tall[thick[tall] & (bulk[tall] >= TALL_BULK * bulk[usual])]
    keep = thick & (bulk >= FAR_BULK * bulk[usual])
    keep[tall] = True
    for digit in tall:
        near = distance(boxes.T, boxes[digit]) <= NEAR * extent[digit]
        keep |= thick & near & (bulk >= NEAR_BULK * bulk[digit])
    return keep[labels]


def distance(box, other):
    """The gap between two boxes in pixels, along the axis where it is wider; negative: overlap.

    A box is its top, bottom, left and right, which may be arrays.
    """
    down, across = (np.maximum(box[k], other[k]) - np.minimum(box[k + 1], other[k + 1])
                    for k in (0, 2))
    return np.maximum(down, across)


def boxes_of(labels):
    """The bounding box, a pair of slices, of each label from 1 on (True counts as 1)."""
    return ndimage.find_objects(labels.astype(np.int32))
