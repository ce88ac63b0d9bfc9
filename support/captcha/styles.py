"""Captchas in many styles, for networks that generalise to unknown generators.

`varied` draws one picture. Each feature of captchas (fonts, colours, turned and skewed letters,
touching or apart, lines, dots, waves, grain, frames, JPEG) occurs in only some of the pictures, and
mostly weakly, so that the network does not depend on any of them. Nothing here imports TensorFlow.
"""
import io
import math
import random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from support.captcha.chances import (
    any_colour,
    chance,
    chosen,
    colours,
    dark,
    inks_of,
    mostly_small,
    near,
    noise_of,
)
from support.captcha.glyphs import (
    Look,
    block,
    embossed,
    flat,
    hollow,
    letters,
    outlined,
    paste,
    shadowed,
    tiled,
    veiled,
)
from support.captcha.scenery import background, clutter, invert, scratches, strokes_across

SMALLEST, LARGEST = 14, 60  # font heights, pixels


def varied(text, fonts):
    """An RGB picture of `text`, drawn with the random numbers of this process.

    Args: text: characters. fonts: paths of fonts that have all of them.
    """
    size = round(SMALLEST * (LARGEST / SMALLEST) ** random.random())  # pixels, height of a font
    paper, ink = colours()
    masks = letters(text, fonts, size)
    places, width, height = layout(masks, size)
    page = background(width, height, size, paper)
    inks = inks_of(text, ink, paper)
    some = [*inks, near(ink), near(paper), any_colour()]
    when = chosen({'behind': 32, 'before': 45, 'never': 23})
    if when == 'behind':
        clutter(page, size, some)
    if chance(0.06):  # small faint letters
        for mask in letters(text * random.randint(1, 6), fonts, max(8, round(size * 0.4))):
            paste(page, near(paper, 80), (random.randrange(width), random.randrange(height)), mask)
    if chance(0.06):
        inks = [background(width, height, size, ink)] * len(text)
    relief = chosen({flat: 58, veiled: 3, shadowed: 5, embossed: 3, block: 15, outlined: 5,
                     hollow: 8, tiled: 3})
    edge = random.choice([ink, ink, near(ink), any_colour()])
    look = Look(paper, paper if chance(0.7) else near(ink, 120),
                background(width, height, size, edge, 2) if chance(0.5) else edge,
                max(1, round(size * random.uniform(0.03, 0.4))),
                (random.choice([-1, 0, 1, 1]), random.choice([-1, 1, 1])))
    for mask, place, colour in zip(masks, places, inks):
        relief(page, mask, place, colour, look)
    if chance(0.04):
        invert(page)
    if chance(0.07):
        scratches(page, size, paper)
    if when == 'before':
        clutter(page, size, some)
    if chance(0.4):
        page = warped(page, size)
    if chance(0.28):
        strokes_across(page, size, ink if chance(0.7) else random.choice(some))
    return worn(page, size, some)


def layout(masks, size):
    """The position (left, top) of each mask, and the width and height of the page."""
    gap = size * random.uniform(*chosen({(-0.12, 0.12): 58, (-0.3, 0): 10, (-0.2, 0.6): 26,
                                         (0.4, 1.5): 6}))
    uneven = size * mostly_small(0.12)
    rise = size * mostly_small(0.35)  # of the letters above and below the line
    line = max(mask.height for mask in masks)
    margin_x, margin_y = (int(size * mostly_small(most)) for most in (1.2, 0.7))
    if chance(0.1):  # up to the border
        margin_x = margin_y = rise = 0
    elif chance(0.09):  # small letters on a large page
        margin_y = int(size * random.uniform(0.5, 1.5))
    wave, phase = size * mostly_small(0.5) * chance(0.15), random.uniform(0, 6)
    if chance(0.08):  # a wide page with a little text
        margin_x += int(size * random.uniform(0.5, 3))
    on_baseline = chance(0.6)
    left, places = float(margin_x + max(0, -gap)), []
    for mask in masks:
        room = line - mask.height
        top = margin_y + rise + (room if on_baseline and mask.height > 0.35 * line else room / 2)
        top += wave * (1 + math.sin(phase + left / (1.5 * size)))
        places.append((int(left), int(top + random.uniform(-rise, rise))))
        left += max(3, mask.width + gap + random.uniform(-uneven, uneven))
    right = max(place + mask.width for mask, (place, _) in zip(masks, places))
    width = right + margin_x if chance(0.7) else right + int(size * mostly_small(2))
    return places, max(8, width), max(8, int(line + 2 * (margin_y + rise + wave)))


def warped(page, size):
    """The picture with waves: long ones that bend the line, short ones that ripple its strokes."""
    width, height = page.size
    x, y = np.arange(width), np.arange(height)[:, None]

    def wave(along, lowest, highest, most):
        length = size * random.uniform(lowest, highest)
        return mostly_small(most) * size * np.sin(
            2 * math.pi * along / length + random.uniform(0, 2 * math.pi))
    down = wave(x, 1, 5, 0.22) + wave(y, 1, 4, 0.12)
    right = wave(y, 1, 4, 0.25) + wave(x, 1, 4, 0.12)
    if chance(0.35):  # ripples
        down = down + wave(x + y * random.uniform(-1, 1), 0.1, 0.5, 0.07)
        right = right + wave(y + x * random.uniform(-1, 1), 0.1, 0.5, 0.07)
    if chance(0.1):  # a lens
        across, along = x - random.uniform(0, width), y - random.uniform(0, height)
        force = random.uniform(-0.5, 0.4) * np.exp(-(across ** 2 + along ** 2) / size ** 2)
        right, down = right + force * across, down + force * along
    if chance(0.1):  # rows that slipped
        right = right + mostly_small(0.15) * size * (noise_of(height, 1) - 0.5)
    return bent(page, x + right, y + down)


def bent(page, x, y):
    """A picture whose pixels come from x, y, broadcast to its size; bilinear."""
    pixels = np.asarray(page).astype(np.float32)
    height, width = pixels.shape[:2]
    x, y = np.broadcast_arrays(np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001))
    left, top = x.astype(int), y.astype(int)
    right, down = (x - left)[..., None], (y - top)[..., None]
    upper = pixels[top, left] * (1 - right) + pixels[top, left + 1] * right
    lower = pixels[top + 1, left] * (1 - right) + pixels[top + 1, left + 1] * right
    return Image.fromarray((upper * (1 - down) + lower * down).astype(np.uint8))


def worn(page, size, inks):
    """The picture with a generator's artefacts: small, blurred, grainy, framed, compressed."""
    if chance(0.3) and size > 20:
        shrink = max(13 / size, random.uniform(0.4, 0.9))
        small = [max(8, round(side * shrink)) for side in page.size]
        page = page.resize(small, random.choice([Image.Resampling.BILINEAR,
                                                 Image.Resampling.NEAREST,
                                                 Image.Resampling.LANCZOS]))
    if chance(0.22):
        page = page.filter(ImageFilter.GaussianBlur(mostly_small(0.04 * size, 1)))
    if chance(0.2):
        noise = 128 + random.uniform(10, 120) * (noise_of(page.height, page.width) - 0.5)
        noise = Image.fromarray(noise.astype(np.uint8))
        page = ImageChops.add(page, Image.merge('RGB', [noise] * 3), offset=-128)
    if chance(0.04):
        page = page.filter(random.choice([ImageFilter.EMBOSS, ImageFilter.CONTOUR,
                                          ImageFilter.FIND_EDGES]))
    if chance(0.05):
        page = page.convert('L')
        middle = sum(page.getextrema()) / 2
        page = page.point(lambda value: 255 * (value > middle)).convert('RGB')
    if chance(0.12):
        ImageDraw.Draw(page).rectangle([0, 0, page.width - 1, page.height - 1], None,
                                       random.choice([*inks, dark()]), random.randint(1, 3))
    if chance(0.35):
        with io.BytesIO() as file:
            page.save(file, 'jpeg', quality=random.randint(25, 95))
            page = Image.open(file).convert('RGB')
    return page
