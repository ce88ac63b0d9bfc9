"""What surrounds and covers a captcha's letters: paper, lines, dots, inverted places."""
import math
import random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageOps

from support.captcha.chances import any_colour, chance, chosen, dark, mostly_small, near, noise_of


# --- paper
def background(width, height, size, paper, contrast=1):
    """Paper: plain, shaded, blotchy, grainy, striped or squared."""
    page = Image.new('RGB', (width, height), paper)
    kind = chosen({'plain': 54, 'shaded': 18, 'blotches': 8, 'grain': 8, 'stripes': 5, 'tiles': 7})

    def other(most):
        return near(paper, contrast * most)
    if kind == 'shaded':
        shade = Image.linear_gradient('L').rotate(random.choice([0, 90, 180, 270, 90, 270]))
        if chance(0.4):  # towards the middle
            shade = random.choice([ImageOps.mirror, ImageOps.flip])(shade)
            middle = Image.new('L', shade.size, random.randint(60, 200))
            shade = ImageChops.difference(shade, middle)
        elif chance(0.2):
            shade = Image.radial_gradient('L')
        page = Image.composite(Image.new('RGB', page.size, other(110)), page,
                               shade.resize(page.size))
    elif kind == 'tiles':
        draw, side = ImageDraw.Draw(page), size * random.uniform(0.15, 0.9)
        for _ in range(int(width * height / side ** 2 * random.uniform(0.1, 0.7))):
            x, y = random.uniform(-side, width), random.uniform(-side, height)
            draw.rectangle([x, y, x + side * random.uniform(0.3, 1.5), y + side],
                           other(random.choice([40, 110])))
    elif kind == 'blotches':
        rows, columns = (max(2, int(side / size * random.uniform(0.5, 4))) for side in (height,
                                                                                      width))
        mask = Image.fromarray((noise_of(rows, columns) * 255).astype(np.uint8))
        page = Image.composite(Image.new('RGB', page.size, other(70)), page,
                               mask.resize(page.size, Image.Resampling.BICUBIC))
    elif kind == 'grain':
        mask = Image.fromarray((255 * (noise_of(height, width) < random.uniform(0.02, 0.35)))
                               .astype(np.uint8))
        page.paste(other(120), (0, 0), mask)
    elif kind == 'stripes':
        draw, colour, step = ImageDraw.Draw(page), other(60), random.randint(3, 12)
        lean = random.choice([0, 0, height, -height])
        for x in range(-height, width + height, step):
            draw.line([(x, 0), (x + lean, height)], colour)
        if chance(0.5):
            for y in range(0, height, step):
                draw.line([(0, y), (width, y)], colour)
    return page


# --- clutter
def clutter(page, size, inks):
    """Draw lines, arcs, scribbles, rings, dots and specks in the ink's colours, often none."""
    draw = ImageDraw.Draw(page)
    width, height = page.size

    def place():
        return random.uniform(0, width), random.uniform(0, height)
    colour = random.choice([*inks, any_colour(), dark()])
    own = chance(0.4)  # a colour for each

    def tint():
        return any_colour() if own else colour
    thick = max(1, size // 16)
    for _ in range(chosen({0: 50, 1: 14, 2: 14, 4: 13, 8: 7, 14: 2})):
        draw.line([place(), place()], tint(), random.randint(1, thick))
    if chance(0.5 if height > 2.2 * size else 0.08):  # from border to border
        for _ in range(random.randint(2, 9)):
            draw.line([(0, random.uniform(0, height)), (width, random.uniform(0, height))]
                      if chance(0.6) else
                      [(random.uniform(0, width), 0), (random.uniform(0, width), height)],
                      any_colour() if own else colour, 1 if chance(0.7) else thick)
    if chance(0.03):  # a grid
        step = size * random.uniform(0.15, 0.6)
        for k in range(int(max(width, height) / step) + 1):
            draw.line([k * step, 0, k * step, height], colour)
            draw.line([0, k * step, width, k * step], colour)
    if chance(0.14):  # scribbles
        for _ in range(random.randint(1, 3)):
            x, y = place()
            reach = size * random.uniform(0.3, 2.5)
            points = [(x, y)]
            for _ in range(random.randint(2, 5)):
                x, y = x + random.uniform(-1, 1) * reach, y + random.uniform(-0.4, 0.4) * reach
                points.append((x, y))
            draw.line(points, tint(), random.randint(1, max(1, round(size * 0.09))), 'curve')
    if chance(0.16):  # many short lines
        reach = size * random.uniform(0.1, 0.5)
        for _ in range(random.randint(10, 60)):
            x, y = place()
            angle = random.uniform(0, 2 * math.pi)
            draw.line([x, y, x + reach * math.cos(angle), y + reach * math.sin(angle)], tint(),
                      random.randint(1, thick))
    for _ in range(chosen({0: 75, 1: 10, 2: 10, 5: 5})):
        reach_x, reach_y = random.uniform(0.1, 1.2) * width, random.uniform(0.2, 1.5) * height
        (x, y), start = place(), random.randint(0, 360)
        draw.arc([x - reach_x, y - reach_y, x + reach_x, y + reach_y], start,
                 start + random.randint(20, 180), tint(), random.randint(1, thick))
    if chance(0.03):  # a chain of rings
        (x, y), radius = place(), size * random.uniform(0.05, 0.15)
        slope = random.uniform(-0.6, 0.6)
        for k in range(int(width / radius)):
            left, top = k * 1.5 * radius, y + slope * (k * 1.5 * radius - x)
            draw.ellipse([left, top, left + 2 * radius, top + 2 * radius], None, colour)
    if chance(0.08):  # rings
        for _ in range(random.randint(3, 25)):
            (x, y), radius = place(), random.uniform(0.05, 0.4) * size
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], None, tint())
    if chance(0.2):
        most = max(1.0, size * mostly_small(0.08))
        for _ in range(int(width * height / size ** 2 * random.uniform(2, 18))):
            (x, y), radius = place(), random.uniform(0, most)
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], tint())
    if chance(0.2):
        specks(page, colour, own, mostly_small(0.1))


def specks(page, colour, own, share):
    """Set a share of the pixels to a colour, or each to its own."""
    width, height = page.size
    mask = Image.fromarray((255 * (noise_of(height, width) < share)).astype(np.uint8))
    if own:
        colour = Image.fromarray((noise_of(height, width, 3) * 255).astype(np.uint8))
    page.paste(colour, (0, 0), mask)


def scratches(page, size, paper):
    """Draw lines of the paper's colour through the letters, crossing anyhow or side by side."""
    draw, (width, height) = ImageDraw.Draw(page), page.size
    thick, step = random.randint(1, max(1, size // 20)), size * random.uniform(0.15, 0.6)
    kind = chosen({'any': 60, 'level': 15, 'upright': 15, 'grid': 10})
    if kind == 'any':
        for _ in range(random.randint(1, 6)):
            y, z = (random.uniform(0, height) for _ in range(2))
            draw.line([0, y, width, z], paper, thick)
    if kind in ('level', 'grid'):
        for y in np.arange(random.uniform(0, step), height, step):
            draw.line([0, y, width, y], paper, thick)
    if kind in ('upright', 'grid'):
        for x in np.arange(random.uniform(0, step), width, step):
            draw.line([x, 0, x, height], paper, thick)


def strokes_across(page, size, ink):
    """Draw one to three curves from side to side, at most as wide as the letters' strokes."""
    draw = ImageDraw.Draw(page)
    width, height = page.size
    for _ in range(chosen({1: 75, 2: 18, 3: 7})):
        start, end = (random.uniform(-0.1, 0.3) * width, random.uniform(0.7, 1.1) * width)
        x = np.linspace(start, end, 24)
        y = (np.interp(x, np.linspace(start, end, 4),
                       [random.uniform(0.1, 0.9) * height for _ in range(4)])
             if chance(0.4) else random.uniform(0.3, 0.7) * height
             + mostly_small(0.4) * height * np.sin(
                 x / width * random.uniform(2, 12) + random.uniform(0, 6)))
        draw.line([*zip(x.tolist(), y.tolist())], ink,
                  random.randint(1, max(1, round(size * 0.11))), 'curve')


def invert(page):
    """Invert the colours within a disc, a band or an arc."""
    mask = Image.new('L', page.size)
    draw, (width, height) = ImageDraw.Draw(mask), page.size
    x, y = random.uniform(0, width), random.uniform(0, height)
    reach_x, reach_y = random.uniform(0.2, 0.8) * width, random.uniform(0.3, 1) * height
    thick = max(2, round(height * random.uniform(0.05, 0.25)))
    if chance(0.5):
        draw.arc([x - reach_x, y - reach_y, x + reach_x, y + reach_y], 0, 360, 255, thick)
    elif chance(0.5):
        draw.ellipse([x - reach_x, y - reach_y, x + reach_x, y + reach_y], 255)
    else:
        draw.line([0, y, width, random.uniform(0, height)], 255, thick)
    page.paste(ImageChops.invert(page), (0, 0), mask)
