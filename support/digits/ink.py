"""From a picture's grey values to ink: pure black and white, whatever paper, light and pen.

`find_ink` does it all, in the steps that docs/mnist.md explains. Lengths are measured in widths of
the stroke and heights of the usual part, not in pixels.
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
FAINT = 0.5        # ink that touches darker ink has at least this share of its darkness
NOISE_MARGIN = 5   # ink is darker than the paper by this many standard deviations of the noise
MIN_DARKNESS = 0.1     # a picture with nothing darker than this is blank
MIN_DIGIT = 0.02   # the smallest digit's longer side, as a share of the picture's

# --- printed lines
TILTS = np.arange(-10, 10.25, 0.25)   # degrees
TILT_SIDE = 300    # pixels; the tilt is estimated on a picture of about this size
BENDS = -6, -3, 0, 3, 6    # degrees; lines of a page that is not flat differ so from its tilt
STRAIGHT = 24      # a line is longer than it may wobble by this factor
LONG = 2           # a line is longer than the usual part is tall by this factor, ...
LINE_THICKNESS = 0.13   # ... and thinner than this share of its length; or ...
ACROSS = 0.9       # ... it runs across this share of the picture, ...
THIN_LINE = 0.03   # ... thinner than this share: a 4 may be as tall as its picture
LOW = 0.3          # a part lower than this share of its width is a level line, no digit
PEN_TO_LINE = 1.3  # a pen darker than the lines by this factor is separated by darkness alone
SPAN = 0.75        # a frame's sides are straight over this share of the frame, ...
EDGE = 0.25        # ... and lie within this share of its edges
TALL = 4           # widths of the stroke; what a frame holds is taller
OUTLINE = 2.3      # an outline's ink is less than this times (height + width) times its stroke

# --- specks
SPECK = 0.15       # of the usual part's height; anything smaller is dirt
THIN = 0.3         # of its length times the stroke; a part of less area is the rest of a line
TOO_LONG = 3       # times the usual part's height; anything longer is no digit, ...
SOLID = 2          # ... unless its area is this multiple of its length times the stroke
INNER = 0.08       # of the picture; if something this large is inside, ink at the border is none


def find_ink(grey):
    """Grey picture, float32 [height, width], 0 ... 255 -> what was written on it.

    Returns:
      strength: float32 [height, width], 0 paper; ink is darker than the threshold, which is 1.
      ink: bool [height, width]; all False if the picture is blank.
    """
    darkness = darkness_of(grey)
    margin = NOISE_MARGIN * noise_of(darkness)
    strength, ink = inked(darkness, max(otsu(darkness), margin))
    lines, held = printed_lines(ink)
    if lines.any():
        stronger, rest = without_lines(darkness, ink, lines, margin)
        rest = without_specks(darkness, rest)
        new = rest if held else rest & ~ink
        if new.any(1).sum() > TALL * stroke_of(ink):  # otherwise the lines were drawn
            return stronger, rest
    return strength, without_specks(darkness, ink)


def grey_of(picture):
    """Pillow picture, mode L or RGB -> float32 [height, width], 0 black ... 255 white."""
    picture = picture.convert('L')
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BOX)
    return np.asarray(picture, np.float32)


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

def otsu(darkness):
    """Otsu's threshold between paper and ink, which maximises the variance between the two."""
    count, edges = np.histogram(darkness, 256)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(count)[:-1]                # pixels up to each candidate
    above = darkness.size - below
    total = np.cumsum(count * centres)
    means = total[:-1] / below.clip(1), (total[-1] - total[:-1]) / above.clip(1)
    return float(edges[1 + np.argmax(below * above * (means[1] - means[0]) ** 2)])


def inked(darkness, threshold, least=0):
    """The ink: what is darker than `threshold`, and what is near that and not much paler.

    Where a thin stroke lies between two pixels, both are pale; a thick stroke's edge, which is
    pale, too, is no ink, nor is anything paler than `least`. Returns: the darkness as a multiple of
    the threshold there, float32 as `darkness`, and the ink, bool.
    """
    window = 2 * int(np.ceil(stroke_of(darkness > threshold))) + 1
    darkest = ndimage.maximum_filter(darkness, window)
    faint = np.clip(FAINT * darkest, max(least, FAINT * threshold), threshold)
    strength = darkness / np.where(darkest > threshold, faint, threshold).clip(1e-9)
    return strength, strength > 1


def stroke_of(ink):
    """The mean width of the strokes, in pixels: a stroke has two edges along its length."""
    return 2 * ink.sum() / max(1, (ink & ~ndimage.binary_erosion(ink)).sum())


# --- lines, frames and specks

def without_lines(darkness, ink, lines, margin):
    """The strength and the ink, as find_ink returns them, once printed `lines` are gone."""
    pen = ink & ~lines
    near = ndimage.binary_dilation(lines, np.ones([5, 5])) & ~pen  # soft edges, too
    threshold, faint = max(otsu(darkness[~near]), margin), 0  # without the print, of a pencil
    if pen.any():
        of_lines, of_pen = (np.percentile(darkness[each], 80) for each in (lines, pen))
        if of_pen > PEN_TO_LINE * of_lines:         # drops the lines that were missed, too
            threshold, faint = (of_lines + of_pen) / 2, (3 * of_lines + of_pen) / 4
            beside = ndimage.maximum_filter(pen, 2 * int(np.ceil(stroke_of(pen))) + 1)
            near &= ~(beside & (darkness > threshold))  # a stroke along a line
    return inked(np.where(near, 0, darkness), threshold, faint)


def printed_lines(ink):
    """The pixels of frames and other printed lines, which may be tilted or bent: bool as `ink`.

    A frame holds something. Any other line is longer than the usual part is tall, or runs across
    the picture. Also returns whether the frames hold anything; it may be too pale to be seen yet.
    """
    if not ink.any():
        return ink, True
    stroke = stroke_of(ink)
    cell = max(1, int(stroke / 4))  # pixels; a line may wobble by it
    slope = slope_of(ink, 1 + 1.5 * stroke)
    level, upright = level_runs(ink, slope, cell), level_runs(ink.T, -slope, cell)
    labels, _ = ndimage.label(ink, np.ones([3, 3]))
    lines, held = frame_lines(labels, level, upright, slope, TALL * stroke)
    usual = usual_height(ndimage.label(ink & ~lines, np.ones([3, 3]))[0])
    for marks, found, runs in (ink, lines, level), (ink.T, lines.T, upright):
        found |= lines_of(marks, runs, LONG * usual)
        found |= lines_of(marks, runs, ACROSS * marks.shape[1], THIN_LINE)
    return lines, held


def usual_height(labels):
    """The median height of the parts, in pixels, each counted by its area times its stroke.

    So neither specks nor the thin rest of a grid weigh much, nor, as both are limited, a blot or
    the whole grid. Level lines do not count.
    """
    height, width = np.array([[extent.stop - extent.start for extent in box]
                              for box in boxes_of(labels)] or [(0, 0)]).T
    edge = (labels > 0) & ~ndimage.binary_erosion(labels > 0)
    area, edges = (np.bincount(each.ravel(), minlength=2)[1:] for each in (labels, labels * edge))
    digits = height > LOW * width
    stroke = 2 * area.sum() / edges.sum().clip(1)
    weights = (np.minimum(area, 4 * height * stroke)
               * np.minimum(2 * area / edges.clip(1), stroke))
    return median(height[digits], weights[digits]) if digits.any() else height.max()


def median(values, weights):
    """The weighted median of values, float [n]."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return values[order][np.searchsorted(total, total[-1] / 2)]


def slope_of(ink, widest):
    """The tilt of the page: the slope along which projected strokes have the highest peaks.

    Args: widest: in pixels, of a stroke that counts.
    """
    step = max(1, max(ink.shape) / TILT_SIDE)  # pixels per bin
    few = slice(None, None, int(step))
    y, x = (axis[few] for axis in np.nonzero(ink & (column_runs(ink) <= widest)))       # level
    v, u = (axis[few] for axis in np.nonzero(ink & (column_runs(ink.T).T <= widest)))   # upright

    def peaks(slope):
        return sum((np.bincount((places / step).astype(int)) ** 2.).sum()
                   for places in (y - x * slope + ink.shape[1], u + v * slope + ink.shape[0]))
    return max(np.tan(np.radians(TILTS)), key=peaks)


def level_runs(ink, slope, cell):
    """The length of the run of ink through each pixel, level but for `slope`: int as `ink`.

    A run may be bent, and wobble by `cell` pixels; shorter ones than STRAIGHT times that are 0.
    """
    small = np.maximum.reduceat(np.maximum.reduceat(
        ink, range(0, ink.shape[0], cell), 0), range(0, ink.shape[1], cell), 1)
    columns, longest = np.arange(small.shape[1]), np.zeros(small.shape, int)
    for bend in np.radians(BENDS):
        shift = np.rint(-(slope + bend) * columns).astype(int)
        rows = np.arange(small.shape[0])[:, np.newaxis] + shift - shift.min()
        levelled = np.zeros([small.shape[0] + np.ptp(shift), small.shape[1]], bool)
        levelled[rows, columns] = small
        thicker = ndimage.binary_dilation(levelled, np.ones([3, 1]))
        np.maximum(longest, column_runs(thicker.T).T[rows, columns], out=longest)
    longest *= longest >= STRAIGHT
    longest = np.repeat(np.repeat(cell * longest, cell, 0), cell, 1)
    return longest[:ink.shape[0], :ink.shape[1]] * ink


def lines_of(ink, runs, length, widest=LINE_THICKNESS):
    """The level lines of at least `length` pixels, at most a share `widest` of it thick.

    Where a stroke crosses a line, the ink is taller, and is no line.
    Args: runs: as level_runs returns them. length: one for all pixels, or one for each.
    Returns: bool as `ink`.
    """
    return ink & (runs >= length) & (column_runs(ink) <= 1 + widest * length)


def frame_lines(labels, level, upright, slope, least):
    """The lines of frames, bool as `labels`, the parts of the ink, and whether they hold anything.

    A frame is a connected part that straight lines span on the left, on the right, and above or
    below, and that holds something taller than `least` pixels; or it has one hole, which holds
    that, and no more ink than its outline, which may be bent.
    Args: level, upright: as level_runs returns them.
    """
    boxes = boxes_of(labels)
    low, high = np.array([((0, 0), (0, 0))] + [
        ((rows.start, columns.start), (rows.stop, columns.stop))
        for rows, columns in boxes]).swapaxes(0, 1)
    size = high - low                                             # int [n, 2], of each part
    across, down = (lines_of(of > 0, runs, SPAN * np.maximum(  # of the side of a tilted frame
        wide - abs(slope) * tall, wide / 2)[of]) for of, runs, (tall, wide) in (
            (labels, level, size.T), (labels.T, upright, size.T[::-1])))
    lines = across | down.T
    frame, holds, bent = np.zeros([3, len(size)], bool)
    for part, box in enumerate(boxes, 1):
        own, (height, width) = labels[box] == part, size[part]
        inside = (low > low[part]).all(1) & (high < high[part]).all(1) & (size[:, 0] > least)
        y = np.flatnonzero((own & across[box]).any(1)) / height
        x = np.flatnonzero((own & down.T[box]).any(0)) / width
        if min(height, width) > least and len(x) and len(y):
            frame[part] = ((y[0] < EDGE or y[-1] > 1 - EDGE) and x[0] < EDGE and x[-1] > 1 - EDGE)
            rest, _ = ndimage.label(own & ~lines[box], np.ones([3, 3]))
            holds[part] = frame[part] and (inside.any() or any(
                rows.stop - rows.start > least for rows, _ in boxes_of(rest)))
        if inside.any() and own.sum() < OUTLINE * (height + width) * stroke_of(own):
            paper, number = ndimage.label(~np.pad(own, 1))
            bent[part] = number == 2 and inside[labels[box][paper[1:-1, 1:-1] == 2]].any()
    if holds.any():
        frame = holds
    return lines & frame[labels] | bent[labels], holds.any() or not frame.any()


def column_runs(ink):
    """The length of the vertical run of ink through each pixel, 0 where there is none."""
    labels, _ = ndimage.label(ink, [[0, 1, 0], [0, 1, 0], [0, 1, 0]])  # only up and down
    return np.bincount(labels.ravel())[labels] * ink


def without_specks(darkness, ink):
    """The parts of the ink that may be digits or belong to one: bool as `ink`."""
    labels, number = ndimage.label(ink, np.ones([3, 3]))  # int [height, width], 0 paper, 1 ...
    if not number:
        return ink
    at_border, central = np.zeros([2, number + 1], bool)
    for edge in labels[0], labels[-1], labels[:, 0], labels[:, -1]:
        at_border[edge] = True
    central[labels[tuple(slice(side // 8, side - side // 8) for side in ink.shape)]] = True
    area = np.bincount(labels.ravel())                    # pixels of each part; [0] is the paper
    height, width = np.array([(0, 0)] + [[extent.stop - extent.start for extent in box]
                                         for box in boxes_of(labels)]).T
    extent = np.maximum(height, width)
    stroke = stroke_of(ink)
    usual = max(usual_height(labels), TALL * stroke)
    # The rest of a grid is thin, and much longer than a digit.
    digit = ((extent < TOO_LONG * usual) | (area > SOLID * extent * stroke)) & (
        area > THIN * extent * stroke) & (extent >= SPECK * usual)
    # Ink at the border is a shadow or the table, if anything else may be the digit; if it leaves
    # the middle of the picture bare, it is none.
    inner = digit & ~at_border
    large = extent[inner].max(initial=0) >= INNER * max(ink.shape)
    ink = (inner if large else digit & (~at_border | central))[labels]
    if not ink.any() or np.median(darkness[ink]) < MIN_DARKNESS or (
            extent[np.unique(labels[ink])].max() < MIN_DIGIT * max(ink.shape)):
        return np.zeros_like(ink)
    return ink


def boxes_of(labels):
    """The bounding box, a pair of slices, of each label from 1 on (True counts as 1)."""
    return ndimage.find_objects(labels.astype(np.int32))
