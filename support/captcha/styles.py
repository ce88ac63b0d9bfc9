"""Captchas in many styles, for networks that are to read, or to begin with, what nobody has drawn.

`varied` draws one picture: any size, font, colours, light on dark or dark on light, letters turned
and pulled askew, lines, arcs, dots, waves, blur. Each of these is there in a part of the pictures
only, so that a network learns to do without any of them. Nothing here needs TensorFlow.
"""
import math
import random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

STEPS = 12  # strips into which a wave cuts a picture


def varied(text, fonts):
    """A picture of `text`, RGB, drawn with the process's own random numbers.

    Args: text: characters. fonts: paths, each of which has all of the characters.
    """
    size = random.randint(24, 64)  # pixels, height of a font
    light, dark = colours(150, 255), colours(0, 130)
    (_, paper), (ink, _) = (light, dark) if random.random() < 0.5 else (dark, light)
    one_font, one_ink = random.choice(fonts), random.random() < 0.6
    letters = [letter(character, one_font if random.random() < 0.8 else random.choice(fonts), size)
               for character in text]
    gap = random.uniform(-0.12, 0.35) * size  # between letters; below 0 they touch
    margin = random.randint(2, size)
    width = int(sum(one.width + gap for one in letters) - gap) + 2 * margin
    height = int(size * random.uniform(1.1, 2.0)) + 4
    page = background(max(width, size), height, paper)
    draw = ImageDraw.Draw(page)
    inks = [ink if one_ink else near(ink) for _ in text]
    behind = random.random() < 0.3  # lines and dots behind the text
    if behind:
        clutter(draw, page.size, size, [*inks, near(paper)])
    left = margin
    for one, colour in zip(letters, inks):
        play = max(0, height - one.height) // 2
        top = play + random.randint(-play, play) // 2
        page.paste(colour, (int(left), top), one)
        left += one.width + gap
    if not behind:
        clutter(draw, page.size, size, inks)
    if random.random() < 0.4:
        page = waved(page, random.uniform(0, 0.12) * size, random.uniform(1, 4) * size)
    if random.random() < 0.3:
        page = page.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.035 * size)))
    if random.random() < 0.3:
        page = grainy(page, random.uniform(4, 40))
    return page


def colours(low, high):
    """Two random colours between two brightnesses: ink, paper."""
    return tuple(tuple(random.randint(low, high) for _ in range(3)) for _ in range(2))


def near(colour):
    """Another colour of about the same brightness."""
    change = [random.randint(-50, 50) for _ in range(3)]
    return tuple(min(255, max(0, value + more - sum(change) // 3))
                 for value, more in zip(colour, change))


def letter(character, font, size):
    """A character as a mask, cropped to its ink: turned, pulled askew, filled or an outline."""
    font = ImageFont.truetype(font, int(size * random.uniform(0.85, 1.15)))
    side = 2 * size
    mask = Image.new('L', (side, side))
    draw = ImageDraw.Draw(mask)
    if random.random() < 0.07:
        draw.text((size, size), character, 0, font, anchor='mm', stroke_width=max(1, size // 20),
                  stroke_fill=255)
    else:
        bold = random.random() < 0.1
        draw.text((size, size), character, 255, font, anchor='mm', stroke_width=int(bold))
    if random.random() < 0.5:  # the four corners, each to another place
        most = random.uniform(0, 0.2) * size
        corners = [(0, 0), (0, side), (side, side), (side, 0)]
        quad = [place + random.uniform(-most, most) for corner in corners for place in corner]
        mask = mask.transform(mask.size, Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)
    if random.random() < 0.7:
        mask = mask.rotate(random.gauss(0, 12), Image.Resampling.BILINEAR)
    return mask.crop(mask.getbbox() or (0, 0, 1, 1))


def background(width, height, paper):
    """Paper of one colour, or of one that changes from a side to the other."""
    page = Image.new('RGB', (width, height), paper)
    if random.random() < 0.25:
        shade = Image.linear_gradient('L').rotate(random.choice([0, 90, 180, 270]))
        page = Image.composite(Image.new('RGB', page.size, near(near(paper))), page,
                               shade.resize(page.size))
    return page


def clutter(draw, page_size, size, inks):
    """Lines, arcs and dots in the colours of the ink, none of them in many pictures."""
    width, height = page_size

    def place():
        return random.uniform(0, width), random.uniform(0, height)
    for _ in range(random.choice([0, 0, 1, 2, 4])):
        draw.line([place(), place()], random.choice(inks), random.randint(1, max(1, size // 16)))
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        reach_x, reach_y = random.uniform(0.3, 1.2) * width, random.uniform(0.3, 1.5) * height
        x, y = place()
        start = random.randint(0, 360)
        draw.arc([x - reach_x, y - reach_y, x + reach_x, y + reach_y], start,
                 start + random.randint(20, 180), random.choice(inks),
                 random.randint(1, max(1, size // 14)))
    most = max(1, size // 24)
    for _ in range(random.choice([0, 0, 0, 30, 100]) * width // 160):
        (x, y), radius = place(), random.uniform(0, most)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], random.choice(inks))


def waved(page, amplitude, length):
    """The picture as a flag in the wind: shifted up and down, by strips; lengths in pixels."""
    phase = random.uniform(0, 2 * math.pi)
    strips = []
    edges = np.linspace(0, page.width, STEPS + 1).astype(int)
    rise = amplitude * np.sin(2 * math.pi * edges / length + phase)  # pixels, at each edge
    for left, right, rise_left, rise_right in zip(edges, edges[1:], rise, rise[1:]):
        strips.append(((left, 0, right, page.height),
                       (left, rise_left, left, page.height + rise_left,
                        right, page.height + rise_right, right, rise_right)))
    return page.transform(page.size, Image.Transform.MESH, strips, Image.Resampling.BILINEAR,
                          fillcolor=page.getpixel((0, 0)))


def grainy(page, deviation):
    """The picture with noise of a standard deviation, of values 0 ... 255."""
    noise = Image.effect_noise(page.size, deviation)  # around 128
    return ImageChops.add(page, Image.merge('RGB', [noise] * 3), offset=-128)
