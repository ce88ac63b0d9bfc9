"""Accuracy on pictures of digits on forms and sheets, and the share of doubted readings.

Command:  python benchmarks/digits_on_forms.py [--half second] [--count 100] [--sheet FILE]
Reads:    data/ (MNIST's validation digits) and the newest checkpoint in model/, beside this folder
Writes:   nothing; with --sheet a PNG: the first pictures of each condition
Takes:    five minutes on two cores

MNIST's validation digits are drawn in frames and form fields, on lines, with gaps and dirt, with
thin and thick pens, pale and small, and as whole sheets. `digits` is the share of digits read
correctly, 0 if their number is wrong, on a full sheet those alone in their cell and right. A
picture is correct if all its digits are, in order; `silent` is the share misread without a doubt.
Then comes the share doubted of MNIST's test digits and of non-digits: letters and
symbols in the installed fonts and drawn with a pen, empty cells, faces, shapes and textures.

The parameters were tuned on the first half and on the even-numbered fonts; the second half and the
other fonts are for reporting.
"""
import glob
import os
import string
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import ink_on_paper
import mnist_backward
import mnist_forward
from support.captcha.fonts import lacking_characters
from support.common import console, option_types
from support.digits import input_data, photographs, report
from support.digits.reader import open_reader

COUNT = 100         # pictures per condition
SEED = 2027
DIGIT = 140         # pixels, a digit's square
CELL = 150          # pixels, height and width of a picture on the sheet
SHOWN = 8           # pictures per condition on the sheet
SHEET = 46, 25      # rows and columns of the full sheet, of which there are two
FULL_SHEET = 'grid of 1,150'
# Look like no digit in most fonts and hands.
SIGNS = 'ACEFHKMNPRTUVWXYaefhkmnrwx' + '+*#&?!@%$=<>'


def ink_of(digit, rng, side=DIGIT):
    """MNIST digit [28, 28] as a pen draws it: float32 [side, side], 0 bare ... 1 covered."""
    mark = ink_on_paper.stroke(digit, rng.uniform(.6, 1.2), rng.uniform(-5, 5))
    small = Image.fromarray(np.uint8(mark[30:226, 30:226]) * 255).resize((side, side))
    return np.asarray(small, np.float32) / 255


def page_of(rows, rng, gap=40, margin=40):
    """Rows of digits [28, 28] -> a page, float32 [height, width], 0 ... 1, and their squares."""
    step = DIGIT + gap
    width = max(len(row) for row in rows) * step - gap + 2 * margin
    page = np.zeros([len(rows) * step - gap + 2 * margin, width], np.float32)
    squares = []
    for r, row in enumerate(rows):
        for c, digit in enumerate(row):
            top, left = margin + r * step, margin + c * step
            page[top:top + DIGIT, left:left + DIGIT] = ink_of(digit, rng)
            squares.append((left, top, left + DIGIT, top + DIGIT))
    return page, squares


def with_frames(page, squares, width, around):
    """Draw a frame of `width` pixels around each square, `around` pixels from it."""
    picture = Image.fromarray(page)
    draw = ImageDraw.Draw(picture)
    for left, top, right, bottom in squares:
        draw.rectangle((left - around, top - around, right + around, bottom + around),
                       outline=1., width=width)
    return np.asarray(picture)


def turned(page, degrees):
    picture = Image.fromarray(page)
    return np.asarray(picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True)).clip(0, 1)


def frame(width, inset=0):
    def draw(digits, rng):
        page, squares = page_of([digits[:1]], rng)
        around = int(rng.uniform(2, 20)) + width - inset
        return turned(with_frames(page, squares, width, around), rng.uniform(-3, 3)), 1
    return draw


def fields(digits, rng):
    """Four adjacent form fields in a row, thinly printed."""
    page, squares = page_of([digits[:4]], rng, gap=20)
    return turned(with_frames(page, squares, int(rng.integers(2, 6)), 11), rng.uniform(-3, 3)), 4


def boxes(digits, rng):
    """Four separate boxes."""
    page, squares = page_of([digits[:4]], rng, gap=60)
    return with_frames(page, squares, int(rng.integers(2, 8)), int(rng.uniform(2, 20))), 4


def form(digits, rng):
    """Two rows of fields, the last of each empty."""
    page, squares = page_of([digits[:3], digits[3:6]], rng, gap=20)
    page = np.pad(page, [(0, 0), (0, DIGIT + 20)])
    squares += [(right + 20, top, right + 20 + DIGIT, bottom)
                for _, top, right, bottom in squares[2::3]]
    return turned(with_frames(page, squares, int(rng.integers(2, 6)), 11), rng.uniform(-5, 5)), 6


def underlined(digits, rng):
    page, squares = page_of([digits[:3]], rng, gap=20)
    bottom = squares[0][3] + int(rng.uniform(-12, 20))
    page[bottom:bottom + int(rng.integers(2, 8)), 20:-20] = 1
    return turned(page, rng.uniform(-5, 5)), 3


def paper(kind):
    def draw(digits, rng):
        page, _ = page_of([digits[:2]], rng)
        lines = ink_on_paper.printed_lines(kind, max(page.shape), rng)[:page.shape[0]]
        return np.maximum(page, 2 * lines[:, :page.shape[1]]).clip(0, 1), 2
    return draw


def sheet(degrees):
    def draw(digits, rng):
        page, _ = page_of(digits[:20].reshape(4, 5, 28, 28), rng)
        return turned(page, rng.choice([-1, 1]) * degrees), 20
    return draw


def gap(pixels):
    """A cut through the digit, vertical, horizontal or oblique."""
    def draw(digits, rng):
        page, _ = page_of([digits[:1]], rng)
        y, x = np.mgrid[:page.shape[0], :page.shape[1]] - 110 - rng.uniform(-25, 25)
        angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
        page[np.abs(np.cos(angle) * x + np.sin(angle) * y) < pixels / 2] = 0
        return page, 1
    return draw


def dirt(digits, rng):
    page, _ = page_of([digits[:1]], rng, margin=70)
    picture = Image.fromarray(page)
    for x, y, r in zip(*rng.uniform(5, 270, (2, 4)), rng.uniform(1, 6, 4)):
        ImageDraw.Draw(picture).ellipse((x - r, y - r, x + r, y + r), fill=1.)
    return np.asarray(picture), 1


def drawn(strokes, rng, side=DIGIT, pen=8):
    """Strokes, lists of points (x, y) in a square from 0 to 1, drawn by an unsteady hand.

    Returns: float32 [side + 60, side + 60], 0 bare ... 1 covered. Args: side, pen: pixels.
    """
    fine = 2                                    # drawn at twice the size, for soft edges
    page = Image.new('L', [fine * (side + 60)] * 2)
    draw, r = ImageDraw.Draw(page), fine * pen / 2
    tilt = np.radians(rng.normal(0, 5))
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    for stroke in strokes:
        points = np.array(stroke) + rng.normal(0, .025, [len(stroke), 2])
        way = np.r_[0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
        line = np.stack([np.interp(np.linspace(0, way[-1], 80), way, axis) for axis in points.T], 1)
        line = ndimage.gaussian_filter1d(line, rng.uniform(.5, 2), axis=0, mode='nearest')
        line += ndimage.gaussian_filter1d(rng.normal(0, .04, line.shape), 8, axis=0)
        line = fine * (((line - .5) @ turn + .5) * side + 30)
        draw.line([tuple(point) for point in line], 255, round(2 * r), 'curve')
        for x, y in line[0], line[-1]:
            draw.ellipse((x - r, y - r, x + r, y + r), 255)
    return np.asarray(page.reduce(fine), np.float32) / 255


def upstroke(digits, rng):
    """A 1 with a long upstroke."""
    top, foot = rng.uniform(.45, .6), rng.uniform(.35, .6)
    return drawn([[(rng.uniform(.1, .3), rng.uniform(.35, .7)), (top, .02), (foot, .98)]], rng,
                 pen=rng.uniform(5, 14)), [1]


def cell(digits, rng):
    """A cell cut from a grid: remains of the printed lines along two edges."""
    page, _ = page_of([digits[:1]], rng, margin=int(rng.uniform(15, 50)))
    return np.maximum(page, edges(len(page), rng)), 1


def edges(side, rng):
    """Printed lines along the left and the upper edge of a square: float32 [side, side]."""
    page = Image.new('L', (side, side))
    for turn in 0, 1:
        place, far = rng.uniform(0, .07, 2) * side
        end = side * rng.choice([1, 1, rng.uniform(.5, 1)])
        line = [(0, place), (end, far)]
        ImageDraw.Draw(page).line([point[::-1] if turn else point for point in line], 255,
                                  int(rng.integers(1, 6)))
    page = np.asarray(page, np.float32) / 255 * rng.uniform(.4, 1)
    return np.rot90(page, rng.integers(4))


def strip(digits, rng):
    """A row of fields, cut out closely and small: 52 pixels high."""
    number = int(rng.integers(4, 9))
    page, squares = page_of([digits[:number]], rng, gap=20, margin=20)
    page = with_frames(page, squares, int(rng.integers(3, 9)), 10)
    return resized(page, 52 / page.shape[0]), number


def resized(page, factor):
    size = [round(side * factor) for side in page.shape[::-1]]
    return np.asarray(Image.fromarray(page).resize(size, Image.Resampling.BOX))


def thin(digits, rng):
    """A drawing of 28x28 pixels with a thin pen and pale ink."""
    mark = ink_on_paper.stroke(digits[0], rng.uniform(.25, .5), rng.uniform(-5, 5))
    return resized(mark[16:240, 16:240].astype(np.float32), 1 / 8) * rng.uniform(.4, 1), 1


def small_gap(digits, rng):
    """A cut of a pixel through a digit of 28x28 pixels."""
    page, _ = gap(8)(digits, rng)
    return resized(page, 28 / page.shape[0]), 1


def pencil(digits, rng):
    """Four adjacent fields, dark print and a pale pencil."""
    page, squares = page_of([digits[:4]], rng, gap=20)
    page = np.maximum(page * rng.uniform(.25, .45), with_frames(
        np.zeros_like(page), squares, int(rng.integers(2, 6)), 11))
    return turned(page, rng.uniform(-3, 3)), 4


def bent_form(digits, rng):
    """Two rows of separate boxes on a page with a bent outline."""
    page, squares = page_of([digits[:4], digits[4:8]], rng, gap=60, margin=120)
    page = with_frames(page, squares, int(rng.integers(2, 6)), int(rng.uniform(5, 20)))
    draw = ImageDraw.Draw(outline := Image.fromarray(page))
    draw.rectangle((30, 30, page.shape[1] - 30, page.shape[0] - 30), outline=1., width=3)
    return bent(np.asarray(outline), rng, 12, 1)[0], 8


def bent(page, rng, height, waves):
    """The page bent by waves `height` pixels high, and whence a point, float [2, ...], comes."""
    y, x = np.mgrid[:page.shape[0], :page.shape[1]].astype(np.float32)
    phase, high = rng.uniform(0, 2 * np.pi, 2), rng.uniform(.3, 1, 2) * height

    def source(y, x):
        return (y + high[0] * np.sin(phase[0] + 2 * np.pi * waves * x / page.shape[1]),
                x + high[1] * np.sin(phase[1] + 2 * np.pi * waves * y / page.shape[0]))
    return ndimage.map_coordinates(page, source(y, x), order=1), source


def full_sheet(digits, rng):
    """1,150 digits in a printed grid, a few of them touching it, on a page that is not flat."""
    (rows, columns), side = SHEET, int(rng.integers(30, 46))  # pixels, of a cell
    page = np.zeros([(rows + 2) * side, (columns + 2) * side], np.float32)
    for number, digit in enumerate(digits):
        mark = resized(ink_of(digit, rng), .85 * side / DIGIT)
        top, left = (side * (1 + np.array(divmod(number, columns)))
                     + (side - len(mark)) / 2 + rng.uniform(-.14, .14, 2) * side).astype(int)
        area = page[top:top + len(mark), left:left + len(mark)]
        np.maximum(area, mark, out=area)
    lines, width = np.zeros_like(page), int(rng.integers(1, 3))
    for k in range(1, rows + 2):
        lines[k * side:k * side + width, side:-side] = 1
    for k in range(1, columns + 2):
        lines[side:-side, k * side:k * side + width] = 1
    page, source = bent(np.maximum(page, lines * rng.uniform(.4, .9)), rng, .4 * side, 1.5)

    def cell_of(top, left, bottom, right):
        y, x = source((top + bottom) / 2, (left + right) / 2)
        down, across = int(y / side) - 1, int(x / side) - 1
        return down * columns + across if 0 <= across < columns and 0 <= down < rows else -1
    return page, cell_of


def pen(width):
    """One digit whose stroke is `width` times as wide as its writer's."""
    def draw(digits, rng):
        return np.float32(ink_on_paper.stroke(digits[0], width, rng.uniform(-8, 8))), 1
    return draw


CONDITIONS = {
    'plain': lambda digits, rng: (page_of([digits[:1]], rng)[0], 1),
    'frame of 3 pixels': frame(3), 'frame of 8 pixels': frame(8),
    'frame touched by ink': frame(4, inset=24), 'row of fields': fields, 'separate boxes': boxes,
    'form, some empty': form, 'underlined': underlined, 'ruled': paper('ruled'),
    'squared': paper('squared'), 'sheet of 20': sheet(0), 'sheet, 5 degrees': sheet(5),
    'sheet, 10 degrees': sheet(10), 'gap of 1 pixel': gap(1), 'gap of 3 pixels': gap(3),
    'four specks of dirt': dirt, '1 with an upstroke': upstroke, 'cell of a grid': cell,
    'strip 52 pixels high': strip, 'thin, 28x28': thin, 'gap, 28x28': small_gap,
    'pencil beside print': pencil, 'boxes on a bent page': bent_form,
    FULL_SHEET: full_sheet, 'pen 0.2': pen(.2), 'pen 0.45': pen(.45), 'pen 2': pen(2)}


# --- non-digits

def arc(x, y, width, height, start, end):
    """Points on an ellipse around (x, y), from angle `start` to `end` in degrees, clockwise."""
    angle = np.radians(np.linspace(start, end, 14))
    return list(zip(x + width * np.cos(angle), y + height * np.sin(angle)))


# Letters and symbols as strokes; L, V and the like look like no digit to most readers.
HAND = {
    'A': [[(.1, 1), (.5, 0), (.9, 1)], [(.25, .6), (.75, .6)]],
    'C': [arc(.5, .5, .38, .48, -40, -320)],
    'E': [[(.8, 0), (.2, 0), (.2, 1), (.8, 1)], [(.2, .5), (.7, .5)]],
    'F': [[(.8, 0), (.2, 0), (.2, 1)], [(.2, .5), (.7, .5)]],
    'H': [[(.2, 0), (.2, 1)], [(.8, 0), (.8, 1)], [(.2, .5), (.8, .5)]],
    'K': [[(.2, 0), (.2, 1)], [(.8, 0), (.2, .55), (.8, 1)]],
    'L': [[(.25, 0), (.25, 1), (.8, 1)]],
    'M': [[(.1, 1), (.2, 0), (.5, .7), (.8, 0), (.9, 1)]],
    'N': [[(.2, 1), (.2, 0), (.8, 1), (.8, 0)]],
    'P': [[(.25, 1), (.25, 0)] + arc(.4, .25, .4, .25, -90, 90) + [(.25, .5)]],
    'R': [[(.2, 1), (.2, 0)] + arc(.4, .25, .35, .25, -90, 90) + [(.3, .5), (.85, 1)]],
    'T': [[(.1, 0), (.9, 0)], [(.5, 0), (.5, 1)]],
    'U': [[(.15, 0), (.15, .6)] + arc(.5, .65, .35, .33, 180, 0) + [(.85, 0)]],
    'V': [[(.1, 0), (.5, 1), (.9, 0)]],
    'W': [[(0, 0), (.25, 1), (.5, .3), (.75, 1), (1, 0)]],
    'X': [[(.15, 0), (.85, 1)], [(.85, 0), (.15, 1)]],
    'Y': [[(.1, 0), (.5, .5), (.9, 0)], [(.5, .5), (.5, 1)]],
    'a': [arc(.45, .6, .3, .35, -30, -330) + [(.75, .3), (.75, .9), (.95, .95)]],
    'e': [[(.2, .5), (.8, .5)] + arc(.5, .55, .32, .42, -10, -310)],
    'f': [arc(.6, .25, .25, .24, -20, -180) + [(.35, 1)], [(.1, .45), (.75, .45)]],
    'h': [[(.2, 0), (.2, 1), (.2, .6)] + arc(.5, .7, .3, .25, -180, 0) + [(.8, 1)]],
    'k': [[(.25, 0), (.25, 1)], [(.75, .35), (.25, .7), (.8, 1)]],
    'm': [[(.1, 1), (.1, .4)] + arc(.3, .6, .2, .25, -180, 0) + [(.5, 1), (.5, .6)]
          + arc(.7, .6, .2, .25, -180, 0) + [(.9, 1)]],
    'n': [[(.2, 1), (.2, .3), (.2, .6)] + arc(.5, .6, .3, .3, -180, 0) + [(.8, 1)]],
    'r': [[(.3, 1), (.3, .3), (.3, .55)] + arc(.55, .5, .25, .2, -180, -40)],
    't': [[(.45, 0), (.45, .8)] + arc(.65, .8, .2, .18, 180, 30), [(.15, .3), (.8, .3)]],
    'x': [[(.2, .3), (.8, 1)], [(.8, .3), (.2, 1)]],
    '?': [arc(.5, .28, .32, .28, -170, 80) + [(.5, .75)], [(.5, .95), (.5, .98)]],
    '+': [[(.1, .5), (.9, .5)], [(.5, .1), (.5, .9)]],
    '#': [[(.35, 0), (.25, 1)], [(.75, 0), (.65, 1)], [(.05, .35), (.95, .35)],
          [(.05, .65), (.95, .65)]],
    '*': [[(.5, .1), (.5, .9)], [(.15, .3), (.85, .7)], [(.85, .3), (.15, .7)]],
    '=': [[(.1, .35), (.9, .35)], [(.1, .65), (.9, .65)]],
    'tick': [[(.05, .6), (.35, .95), (.95, .05)]],
    'triangle': [[(.5, .05), (.95, .95), (.05, .95), (.5, .05)]],
    'square': [[(.1, .1), (.9, .1), (.9, .9), (.1, .9), (.1, .1)]],
    'heart': [[(.5, 1), (.05, .4)] + arc(.28, .3, .22, .22, -180, 0)
              + arc(.72, .3, .22, .22, -180, 0) + [(.95, .4), (.5, 1)]],
    'arrow': [[(.05, .5), (.95, .5)], [(.6, .15), (.95, .5), (.6, .85)]]}


def font_paths(part):
    """The even-numbered (part 0) or odd-numbered (part 1) installed fonts."""
    return sorted(glob.glob('/usr/share/fonts/**/*.[to]tf', recursive=True))[part::2]


def signs(part, count, rng):
    """Letters and symbols, each in a random font of part 0 or 1."""
    fonts = font_paths(part)
    found = []
    while len(found) < count:
        sign = rng.choice(list(SIGNS))
        try:
            font = ImageFont.truetype(str(rng.choice(fonts)), 140)
            box = font.getbbox(sign)
            lacking = lacking_characters(font, sign)
        except OSError:
            continue
        if lacking or min(box[2] - box[0], box[3] - box[1]) < 20:
            continue
        if any(np.asarray(font.getmask(sign)).tobytes() == np.asarray(font.getmask(digit)).tobytes()
               for digit in string.digits):
            continue
        picture = Image.new('L', (box[2] - box[0] + 60, box[3] - box[1] + 60), 255)
        ImageDraw.Draw(picture).text((30 - box[0], 30 - box[1]), sign, 0, font)
        found.append(picture)
    return found


def by_hand(count, rng):
    """Letters and symbols drawn with a pen."""
    return [photographed(drawn(HAND[rng.choice(list(HAND))], rng, pen=rng.uniform(5, 14)), rng)
            for _ in range(count)]


def empty_cells(count, rng):
    """Cells cut from a grid, with nothing but remains of its lines along two edges."""
    return [photographed(edges(int(rng.uniform(40, 200)), rng), rng) for _ in range(count)]


def faces(count, rng):
    found = []
    for _ in range(count):
        picture = Image.new('L', (200, 200), 255)
        draw, pen = ImageDraw.Draw(picture), int(rng.integers(4, 14))
        draw.ellipse((25, 25, 175, 175), outline=0, width=pen)
        for x in rng.uniform(60, 75), rng.uniform(125, 140):
            r = rng.uniform(6, 12)
            draw.ellipse((x - r, 75 - r, x + r, 75 + r), fill=0)
        draw.arc((60, 80, 140, rng.uniform(120, 150)), 20, 160, fill=0, width=pen)
        found.append(picture)
    return found


def shapes(count, rng):
    """Polygons and stars, filled or outlined."""
    found = []
    for _ in range(count):
        picture = Image.new('L', (220, 220), 255)
        draw, corners = ImageDraw.Draw(picture), int(rng.integers(3, 11))
        star, first = rng.random() < .5 and corners > 4, rng.uniform(0, 6)
        points = []
        for k in range(corners * 2 if star else corners):
            r = 85 if not star or k % 2 else rng.uniform(30, 45)
            angle = first + 2 * np.pi * k / (corners * 2 if star else corners)
            points.append((110 + r * np.cos(angle), 110 + r * np.sin(angle)))
        if rng.random() < .5:
            draw.polygon(points, fill=0)
        elif corners < 6 or star:
            draw.polygon(points, outline=0, width=int(rng.integers(4, 14)))
        else:
            draw.line(points[::2] + points[1::2], fill=0, width=int(rng.integers(4, 14)))
        found.append(picture)
    return found


def textures(count, rng):
    """Blobs, stripes, checks and dots, cropped by the picture's border or surrounded by white."""
    found = []
    for _ in range(count):
        values = blobs(rng, rng.uniform(3, 25)) if rng.random() < .5 else waves(rng)
        light = values > np.quantile(values, rng.uniform(.4, .7))
        picture = Image.fromarray(np.uint8(255 * light))
        margin = int(rng.choice([0, 30]))
        whole = Image.new('L', (200 + 2 * margin, 200 + 2 * margin), 255)
        whole.paste(picture, (margin, margin))
        found.append(whole)
    return found


def waves(rng):
    """One wave, or two that cross: float64 [200, 200]."""
    y, x = np.mgrid[:200, :200]
    angle, share = rng.uniform(0, np.pi), rng.choice([0, 1])
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    length = rng.uniform(2, 12, 2)
    return np.sin(along / length[0]) + share * np.sin(across / length[1])


def blobs(rng, grain):
    noise = Image.fromarray(np.uint8(rng.uniform(0, 255, (200, 200))))
    return np.asarray(noise.filter(ImageFilter.GaussianBlur(grain)), np.float32)


NO_DIGITS = {'letters and symbols': None, 'drawn with a pen': by_hand,
             'empty cells': empty_cells, 'faces': faces, 'shapes': shapes, 'textures': textures}


# --- the tables

def read_picture(picture, read):
    """The digits read from a Pillow picture, their places, and whether they are doubted."""
    rows, places, left_out = photographs.find_digits(picture)
    digits, probabilities = read(rows)
    doubted = any('not to be trusted' in line
                  for line in report.doubts(rows, probabilities, left_out))
    return [int(digit) for digit in digits], places, doubted


def in_cells(digits, places, cell_of, shape):
    """The digits in order of the cells they are in, with -1 where there is not just one."""
    found = np.full(SHEET[0] * SHEET[1] + 1, -1)  # the last is outside the grid
    cells = [cell_of(*box) for box in places[:, [1, 0, 3, 2]] * (shape * 2)]
    for cell, digit in zip(cells, digits):
        found[cell] = digit if cells.count(cell) == 1 else -1
    return found[:-1].tolist()


def photographed(page, rng):
    """Cover, float32 [height, width] -> a Pillow picture: ink on light paper, a little noise."""
    seen = rng.uniform(200, 255) * (1 - page * rng.uniform(.7, .95)) + rng.normal(0, 3, page.shape)
    return Image.fromarray(np.rint(seen.clip(0, 255)).astype(np.uint8))


def compare(half, count, rows, model_folder, sheet_file=None):
    """Print the tables. Raises: UserError if there is no model."""
    read = open_reader([model_folder], mnist_backward.model_name, mnist_forward.forward).classify
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'))
    middle = mnist.validation.num_examples // 2
    part = slice(0, middle) if half == 'first' else slice(middle, None)
    images = mnist.validation.images[part].reshape(-1, 28, 28)
    labels = mnist.validation.labels[part]
    shown = Image.new('L', (SHOWN * CELL, (len(rows) + len(NO_DIGITS)) * CELL), 128)

    def show(picture, row, column):
        picture = picture.convert('L')
        picture.thumbnail((CELL - 6, CELL - 6))
        shown.paste(picture, (column * CELL, row * CELL))
    console.say(f'{"condition":24}{"digits":>8}{"correct":>9}{"doubted":>9}{"silent":>9}')
    for r, name in enumerate(rows):
        each = right = doubts = silent = 0
        of_row = 2 if name == FULL_SHEET else count
        for n in range(of_row):
            rng = np.random.default_rng([SEED, list(CONDITIONS).index(name), n])
            chosen = rng.integers(0, len(images), np.prod(SHEET) if name == FULL_SHEET else 20)
            page, wanted = CONDITIONS[name](images[chosen], rng)  # how many, which, or their cells
            picture = photographed(page, rng)
            if n < SHOWN:
                show(picture, r, n)
            digits, places, doubted = read_picture(picture, read)
            if callable(wanted):
                digits, wanted = in_cells(digits, places, wanted, page.shape), len(chosen)
            if isinstance(wanted, int):
                wanted = labels[chosen[:wanted]].tolist()
            good = digits == wanted
            if len(digits) == len(wanted):  # otherwise which one is missing is unknown
                each += np.mean(np.equal(digits, wanted))
            right, doubts = right + good, doubts + doubted
            silent += not good and not doubted
        console.say(f'{name:24}{each / of_row:8.1%}' + ''.join(
            f'{number / of_row:9.1%}' for number in (right, doubts, silent)))

    console.say(f'{"":24}{"doubted":>8}')
    test = mnist.test.images
    _, probabilities = read(test)
    doubted = [any('not to' in line for line in report.doubts(image[None], of_digit[None]))
               for image, of_digit in zip(test, probabilities)]
    console.say(f"{'MNIST, test':24}{np.mean(doubted):8.1%}")
    for r, (name, make) in enumerate(NO_DIGITS.items(), len(rows)):
        rng = np.random.default_rng(SEED)
        made = make(count, rng) if make else signs(half == 'second', 3 * count, rng)
        doubted = []
        for n, picture in enumerate(made):
            doubted.append(read_picture(picture, read)[2])
            if n < SHOWN:
                show(picture, r, n)
        console.say(f'{name:24}{np.mean(doubted):8.1%}')
    if sheet_file:
        shown.save(sheet_file)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--half', choices=['first', 'second'], default='first',
                        help='of the validation digits (default: %(default)s)')
    parser.add_argument('--count', type=option_types.positive_int, default=COUNT,
                        help='pictures per condition (default: %(default)s)')
    parser.add_argument('--rows', nargs='*', choices=CONDITIONS, default=list(CONDITIONS),
                        metavar='ROW', help=f'some of: {"; ".join(CONDITIONS)} (default: all)')
    parser.add_argument('--model-dir', default=os.path.join(ROOT, 'model'), metavar='FOLDER',
                        help='folder of the checkpoint (default: %(default)s)')
    parser.add_argument('--sheet', metavar='FILE', help='save example pictures')
    args = parser.parse_args()
    return compare(args.half, args.count, args.rows, args.model_dir, args.sheet)


if __name__ == '__main__':
    console.run(main)
