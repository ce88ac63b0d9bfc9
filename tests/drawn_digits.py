"""Twenty digits as an unsteady hand draws them, and the pictures that people take of them.

Command:  python tests/drawn_digits.py FOLDER    saves what the network would see, to look at
"""
import os
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def arc(x, y, width, height, start, end):
    """Points on an ellipse around (x, y), from angle `start` to `end` in degrees, clockwise."""
    angle = np.radians(np.linspace(start, end, 14))
    return list(zip(x + width * np.cos(angle), y + height * np.sin(angle)))


# (digit, strokes); a stroke is a list of points (x, y) in a square from 0 to 1, y downwards
DIGITS = [
    (0, [arc(.5, .5, .3, .45, -80, 285)]),
    (0, [arc(.5, .5, .38, .42, -120, 250)]),
    (1, [[(.5, .05), (.48, .95)]]),
    (1, [[(.3, .25), (.55, .05), (.53, .95)]]),
    (2, [arc(.45, .28, .27, .23, -170, 30) + [(.2, .93), (.8, .9)]]),
    (2, [arc(.5, .3, .3, .25, -160, 50)
         + [(.35, .85), (.22, .9), (.3, .78), (.45, .85), (.85, .92)]]),
    (3, [arc(.45, .27, .25, .22, -150, 80) + arc(.45, .72, .3, .24, -80, 150)]),
    (3, [[(.2, .08), (.75, .08), (.45, .42)] + arc(.45, .68, .28, .26, -80, 150)]),
    (4, [[(.3, .05), (.15, .6), (.85, .58)], [(.65, .1), (.6, .97)]]),
    (4, [[(.65, .95), (.68, .05), (.1, .68), (.9, .66)]]),
    (5, [[(.3, .08), (.25, .45)] + arc(.45, .68, .3, .26, -110, 150), [(.3, .08), (.8, .06)]]),
    (5, [[(.8, .06), (.3, .08), (.26, .45)] + arc(.42, .68, .32, .27, -120, 140)]),
    (6, [[(.7, .04), (.4, .25), (.22, .6)] + arc(.48, .72, .26, .22, 180, -185)]),
    (6, [[(.45, .03), (.25, .4)] + arc(.5, .7, .3, .25, 190, -170)]),
    (7, [[(.15, .1), (.85, .08), (.4, .95)]]),
    (7, [[(.15, .15), (.8, .1), (.45, .95)], [(.3, .52), (.75, .5)]]),
    (8, [arc(.5, .27, .22, .2, 90, -270) + arc(.5, .72, .28, .25, -90, 270)]),
    (8, [arc(.55, .27, .2, .2, -20, -250) + [(.6, .55)] + arc(.48, .74, .24, .22, -20, 220)
         + [(.5, .48), (.72, .25)]]),
    (9, [arc(.48, .3, .25, .24, -10, -370) + [(.72, .5), (.65, .95)]]),
    (9, [arc(.5, .28, .27, .23, 10, -330) + [(.76, .2), (.74, .6)]
         + arc(.5, .72, .25, .23, 0, 120)]),
]


def by_hand(stroke, rng, jitter=.015):
    """Points of a stroke -> float64 [60, 2]: the same, unsteady and with rounded corners."""
    points = np.array(stroke) + rng.normal(0, jitter, (len(stroke), 2))
    way = np.r_[0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
    even = np.linspace(0, way[-1], 60)
    line = np.stack([np.interp(even, way, axis) for axis in points.T], axis=1)
    line[2:-2] = np.mean([line[k:len(line) - 4 + k] for k in range(5)], axis=0)
    return line + np.cumsum(rng.normal(0, jitter / 12, line.shape), axis=0)


def cover(strokes, size, left, top, side, pen, seed=0):
    """The ink of a digit: float32 [height, width], 0 bare to 1 covered.

    Args: size: (width, height). left, top, side: its square, in pixels. pen: width in pixels.
    """
    rng, fine = np.random.default_rng(seed), 4  # drawn at four times the size, for soft edges
    page = Image.new('L', (size[0] * fine, size[1] * fine))
    draw = ImageDraw.Draw(page)
    for stroke in strokes:
        line = [tuple(point) for point in fine * (by_hand(stroke, rng) * side + [left, top])]
        draw.line(line, fill=255, width=max(1, round(pen * fine)), joint='curve')
        for x, y in line[0], line[-1]:
            r = pen * fine / 2
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    return np.asarray(page.resize(size, Image.Resampling.BOX), np.float32) / 255


def grey(values):
    """Values, 0 ... 255, clipped -> a Pillow picture, mode L."""
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def plain(strokes):
    """Black pen on white, 200x200."""
    return grey(255 - 255 * cover(strokes, (200, 200), 30, 30, 140, 14))


def pencil(strokes):
    """Pencil on paper, photographed by a window with a shadow across."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:1:300j, 0:1:400j]
    light = (1 - .3 * x) * (.6 + .4 / (1 + np.exp((x + y - 1) / .05)))
    ink = cover(strokes, (400, 300), 60, 70, 150, 6)
    paper = 200 * light * (1 - .45 * ink)
    return grey(paper + rng.normal(0, 4, ink.shape)).filter(ImageFilter.GaussianBlur(.7))


def mouse(strokes):
    """A thin line on a wide canvas."""
    return grey(255 - 255 * cover(strokes, (640, 360), 400, 40, 250, 1.5)).convert('RGB')


def board(strokes):
    """Chalk, or a drawing program with a black page."""
    return grey(255 * cover(strokes, (200, 200), 70, 20, 120, 12))


def squared(strokes):
    """Pen on grey squared paper, tilted a little, in the shade."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:300, :300]
    lines = ((y - .03 * x) % 37 < 2) | ((x + .03 * y) % 37 < 2)
    ink = cover(strokes, (300, 300), 80, 60, 170, 10)
    paper = 170 * (1 - .25 * lines) * (1 - .65 * ink) * (.5 + .5 * x / 300)
    return grey(paper + rng.normal(0, 4, ink.shape))


def screenshot(strokes):
    """Opaque ink on transparent paper."""
    ink = cover(strokes, (240, 200), 60, 20, 150, 9)
    colour = np.zeros([200, 240, 4], np.uint8)
    colour[..., :3] = 40, 20, 90
    colour[..., 3] = 255 * ink
    return Image.fromarray(colour)


def thumbnail(strokes):
    """White on black, 28x28, like MNIST itself."""
    return grey(255 * cover(strokes, (28, 28), 4, 4, 20, 2.2))


KINDS = [plain, pencil, mouse, board, squared, screenshot, thumbnail]

if __name__ == '__main__':
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from support.digits import photographs
    for kind in KINDS:
        sheet = Image.new('L', (1200, 360), 128)
        for n, (_, strokes) in enumerate(DIGITS):
            path = os.path.join(sys.argv[1], 'picture.png')
            kind(strokes).save(path)
            seen = photographs.pre_digits(path)[0].reshape(28, 28)
            sheet.paste(Image.fromarray(np.uint8(255 * seen)).resize((112, 112)),
                        (n % 10 * 120, n // 10 * 120))
        sheet.crop((0, 0, 1200, 240)).save(os.path.join(sys.argv[1], f'{kind.__name__}.png'))
