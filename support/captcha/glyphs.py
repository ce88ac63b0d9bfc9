"""The letters of a captcha: masks in one style, and how a mask is put on the page."""
import dataclasses
import functools
import math
import random
import string

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from support.captcha.chances import chance, chosen, mostly_small, near, noise_of

SEGMENTS = dict(zip(string.digits, ('abcdef', 'bc', 'abdeg', 'abcdg', 'bcfg', 'acdfg', 'acdefg',
                                    'abc', 'abcdefg', 'abcdfg')))  # of a display


# --- masks
@functools.lru_cache(2000)
def font_of(path, size):
    """A font of a size in pixels."""
    return ImageFont.truetype(path, size)


def letters(text, fonts, size):
    """A mask for each character, cropped to its ink: one style, with small variations."""
    one_font, mixed = random.choice(fonts), chance(0.2)
    stretch = math.exp(random.gauss(0, 0.18))  # width of all
    slant = random.choice([0, 0, 0, random.gauss(0, 0.18)])  # sideways per pixel down
    turn = 45 if chance(0.07) else mostly_small(30)  # degrees, of most letters
    skew, grow = mostly_small(0.25), mostly_small(0.35)
    bold = chosen({0: 78, 1: 14, 2: 3}) * max(1, size // 32)
    kind = chosen({'filled': 84, 'outline': 4, 'thin': 4, 'beads': 3, 'dotted': 2, 'striped': 3})
    segments = size > 18 and not set(text) - set(SEGMENTS) and chance(0.04)
    masks = []
    for character in text:
        font = font_of(random.choice(fonts) if mixed else one_font,
                       round(size * (1 + random.uniform(-grow, grow))))
        mask = (seven_segments(character, size) if segments else
                glyph(character, font, size, bold, kind == 'outline'))
        if kind == 'thin' and size > 24:
            mask = mask.filter(ImageFilter.MinFilter(3))
            mask = mask.point(lambda value: min(255, value * 2)) if mask.getbbox() else mask
        mask = pulled(mask, math.radians(random.gauss(0, turn / 2)),
                      slant + random.gauss(0, skew / 2), stretch * (1 + random.gauss(0, grow / 3)))
        if kind in ('beads', 'dotted', 'striped'):
            mask = ImageChops.multiply(mask, pattern(mask.size, kind))
        masks.append(mask)
    return masks


def glyph(character, font, size, bold, outline):
    """A character's mask from the font, its strokes `bold` pixels wider on either side."""
    side = 2 * size + 8
    mask = Image.new('L', (side, side))
    draw = ImageDraw.Draw(mask)
    middle = (side / 2, side / 2)
    if outline:
        width = max(1, size // 20)
        draw.text(middle, character, 255, font, 'mm', stroke_width=width)
        draw.text(middle, character, 0, font, 'mm')
    else:
        draw.text(middle, character, 255, font, 'mm', stroke_width=bold)
    return mask.crop(mask.getbbox() or (0, 0, 1, 1))


def seven_segments(character, size):
    """A digit's mask as a display shows it."""
    width, thick = round(size * random.uniform(0.45, 0.6)), max(2, size // random.randint(7, 11))
    mask = Image.new('L', (width, size))
    draw = ImageDraw.Draw(mask)
    middle, right, bottom = size // 2, width - 1, size - 1
    lines = {'a': (0, 0, right, 0), 'b': (right, 0, right, middle), 'c': (right, middle, right,
             bottom), 'd': (0, bottom, right, bottom), 'e': (0, middle, 0, bottom),
             'f': (0, 0, 0, middle), 'g': (0, middle, right, middle)}
    for segment in SEGMENTS[character]:
        draw.line(lines[segment], 255, 2 * thick if segment != 'g' else thick)
    return mask


def pulled(mask, angle, slant, stretch):
    """A mask turned by an angle in radians, slanted and stretched horizontally."""
    cosine, sine = math.cos(angle), math.sin(angle)
    forward = np.array([[cosine, -sine], [sine, cosine]]) @ [[stretch, slant], [0, 1]]
    reach = np.abs(forward) @ mask.size  # pixels, of the result
    width, height = (max(1, math.ceil(value)) for value in reach)
    back = np.linalg.inv(forward)
    offset = np.array(mask.size) / 2 - back @ (width / 2, height / 2)
    pulled = mask.transform((width, height), Image.Transform.AFFINE,
                            (*back[0], offset[0], *back[1], offset[1]),
                            Image.Resampling.BILINEAR)
    return pulled.crop(pulled.getbbox() or (0, 0, 1, 1))


def pattern(size, kind):
    """A mask of a picture's size that keeps dots or stripes."""
    width, height = size
    if kind == 'beads':  # separate dots
        step = random.uniform(2.5, 5) * max(1, height / 40)
        x, y = (np.cos(2 * math.pi * np.arange(side) / step) for side in size)
        return Image.fromarray(np.where(y[:, None] + x > -0.5, 255, 0).astype(np.uint8))
    if kind == 'striped':
        y, step = np.arange(height)[:, None], random.randint(2, 4)
        return Image.fromarray(np.broadcast_to(np.where(y % step, 255, 60), (height, width))
                               .astype(np.uint8))
    return Image.fromarray((255 * (noise_of(height, width) < random.uniform(0.5, 0.8)))
                           .astype(np.uint8))


# --- how a letter is put on the page: its mask's place is (left, top)
@dataclasses.dataclass(frozen=True)
class Look:
    """What the letters of a picture share. A colour may be a picture of the page's size."""
    paper: tuple  # a colour
    face: tuple  # a colour, of blocks
    edge: tuple | Image.Image  # of outlines and sides
    depth: int  # pixels, of shadows and sides
    lean: tuple  # steps to the right and down by which these are seen


def paste(page, colour, place, mask):
    """Put a colour, or what lies there of a picture of the page's size, on the page."""
    if isinstance(colour, Image.Image):
        (left, top), (width, height) = place, mask.size
        colour = colour.crop((left, top, left + width, top + height))
    page.paste(colour, place, mask)


def flat(page, mask, place, colour, look):
    """In one colour."""
    del look
    paste(page, colour, place, mask)


def veiled(page, mask, place, colour, look):
    """As if the ink were transparent."""
    del look
    paste(page, colour, place, mask.point(lambda value: value * 2 // 3))


def tiled(page, mask, place, colour, look):
    """In the paper's colour on a tile or disc of the letter's."""
    margin = 1 + look.depth // 3
    tile = Image.new('L', (mask.width + 2 * margin, mask.height + 2 * margin))
    draw = ImageDraw.Draw(tile)
    (draw.ellipse if look.lean[0] < 0 else draw.rectangle)([0, 0, *tile.size], 255)
    paste(page, colour, (place[0] - margin, place[1] - margin), tile)
    paste(page, look.paper, place, mask)


def shadowed(page, mask, place, colour, look):
    """With a shadow."""
    far = 1 + look.depth // 3
    shadow = place[0] + far * look.lean[0], place[1] + far * look.lean[1]
    paste(page, near(look.paper, 90), shadow, mask)
    paste(page, colour, place, mask)


def embossed(page, mask, place, colour, look):
    """In the paper's colour, with a light and a dark edge."""
    del colour
    far = 1 + look.depth // 6
    for sign, tint in (-1, (255,) * 3), (1, look.edge):
        paste(page, tint, (place[0] + sign * far, place[1] + sign * far * look.lean[1]), mask)
    paste(page, look.paper, place, mask)


def block(page, mask, place, colour, look):
    """A face, often outlined, on a block whose sides are seen."""
    del colour
    thick, outer = outline_of(mask) if chance(0.6) else (0, mask)
    for step in range(look.depth, -1, -1):
        paste(page, look.edge, (place[0] - thick + step * look.lean[0],
                                place[1] - thick + step * look.lean[1]), outer)
    paste(page, look.face, place, mask)


def outlined(page, mask, place, colour, look):
    """In the letter's colour, with an outline in another."""
    thick, outer = outline_of(mask)
    paste(page, look.edge, (place[0] - thick, place[1] - thick), outer)
    paste(page, colour, place, mask)


def hollow(page, mask, place, colour, look):
    """Only its outline."""
    thick, outer = outline_of(mask)
    paste(page, colour, (place[0] - thick, place[1] - thick), outer)
    paste(page, look.paper, place, mask)


def outline_of(mask):
    """The width of an outline in pixels, and the mask that is wider by it on each side."""
    thick = max(1, mask.height // random.randint(12, 28))
    return thick, ImageOps.expand(mask, thick).filter(ImageFilter.MaxFilter(2 * thick + 1))
