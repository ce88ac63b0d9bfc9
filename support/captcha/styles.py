"""Captchas in many styles, for networks that generalise to unknown generators.

`varied` draws one picture. Each feature of captchas (fonts, colours, turned and skewed letters,
touching or apart, lines, dots, waves, grain, frames, JPEG) occurs in only some of the pictures, and
mostly weakly, so that the network does not depend on any of them. `random_text` chooses the text.
Nothing here imports TensorFlow.
"""
import functools
import io
import math
import random
import string

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

ALIKE = '0OoIl1'  # look-alikes, which most captchas with both cases omit
KINDS = {  # characters of a text: share of the pictures
    string.digits: 22, string.digits + string.ascii_uppercase: 19,
    string.digits + string.ascii_lowercase: 21, string.digits + string.ascii_letters: 15,
    string.ascii_uppercase: 5, string.ascii_lowercase: 6, string.ascii_letters: 3, 'sum': 10}
CONFUSED = ('QO0D', 'Z27z', 'T71Il', 'KRXx', '4A', '65bG', 'S5s', 'B8', 'UVvu', 'CGc', 'gq9', 'ijl',
            'EF', 'MNW', 'hnb', '3B8', 'DO', 'PRF', 'YVX', 'tf')  # shapes that readers mix up
LENGTHS = {1: 3, 2: 3, 3: 5, 4: 36, 5: 20, 6: 19, 7: 7, 8: 7}
SEGMENTS = dict(zip(string.digits, ('abcdef', 'bc', 'abdeg', 'abcdg', 'bcfg', 'acdfg', 'acdefg',
                                    'abc', 'abcdefg', 'abcdfg')))  # of a display
SMALLEST, LARGEST = 14, 60  # font heights, pixels


# --- chance
def chance(share):
    """True in a share of the calls."""
    return random.random() < share


def chosen(weights):
    """A key of {key: weight}."""
    return random.choices([*weights], weights.values())[0]


def mostly_small(most, power=2):
    """A random number from 0 to `most`; large ones are rare."""
    return most * random.random() ** power


# --- texts
def random_text(longest=8):
    """A text of one of KINDS, of up to `longest` characters."""
    kind = chosen(KINDS)
    if kind == 'sum':
        return random_sum()
    length = min(chosen(LENGTHS), longest)
    both_cases = kind.upper() != kind != kind.lower()
    if len(kind) > 10 and chance(0.7 if both_cases else 0.2):
        kind = ''.join(character for character in kind if character not in ALIKE)
    elif chance(0.3):  # side by side, so that the network learns the difference
        kind += ''.join(character for character in ALIKE if character in kind) * 4
    if chance(0.15):
        kind += ''.join(c for c in ''.join(random.sample(CONFUSED, 2)) if c in kind) * 6
    return ''.join(random.choices(kind, k=length))


def random_sum():
    """A sum as captchas ask for, of at most 8 characters: 5-3=, 12+7=?, 3×4."""
    most = random.choice([9, 9, 20, 99])
    sign, end = random.choice('++----×××*/÷x'), random.choice(['=', '=', '=', '=?', ''])
    return f'{random.randint(0, most)}{sign}{random.randint(0, most)}{end}'


# --- the picture
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
    some = [*inks, near(ink), near(paper)]
    when = chosen({'behind': 32, 'before': 45, 'never': 23})
    if when == 'behind':
        clutter(page, size, some)
    relief = chosen({flat: 74, shadowed: 6, embossed: 4, block: 9, hollow: 7})
    edge = ink if chance(0.6) else near(ink)
    depth = max(1, round(size * random.uniform(0.03, 0.2)))  # pixels
    lean = random.choice([-1, 0, 1, 1]), random.choice([-1, 1, 1])  # of the depth
    for mask, place, colour in zip(masks, places, inks):
        relief(page, mask, place, colour, paper, edge, depth, lean)
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


# --- how a letter is put on the page: its mask's place is (left, top); `lean` steps of its depth
def flat(page, mask, place, colour, *_):
    """In one colour."""
    page.paste(colour, place, mask)


def shadowed(page, mask, place, colour, paper, edge, depth, lean):
    """With a shadow."""
    del edge
    far = 1 + depth // 3
    page.paste(near(paper, 90), (place[0] + far * lean[0], place[1] + far * lean[1]), mask)
    page.paste(colour, place, mask)


def embossed(page, mask, place, colour, paper, edge, depth, lean):
    """In the paper's colour, with a light and a dark edge."""
    del colour
    far = 1 + depth // 6
    for sign, tint in (-1, (255,) * 3), (1, edge):
        page.paste(tint, (place[0] + sign * far, place[1] + sign * far * lean[1]), mask)
    page.paste(paper, place, mask)


def block(page, mask, place, colour, paper, edge, depth, lean):
    """A light face with an outline on a block with solid or hatched sides."""
    hatched = chance(0.3)
    thick, outer = outline_of(mask)
    for step in range(depth, 0, -1):
        page.paste(paper if hatched and step % 2 else edge,
                   (place[0] - thick + step * lean[0], place[1] - thick + step * lean[1]), outer)
    page.paste(edge, (place[0] - thick, place[1] - thick), outer)
    page.paste(paper if chance(0.7) else near(colour, 120), place, mask)


def hollow(page, mask, place, colour, paper, *_):
    """Only its outline."""
    thick, outer = outline_of(mask)
    page.paste(colour, (place[0] - thick, place[1] - thick), outer)
    page.paste(paper, place, mask)


def outline_of(mask):
    """The width of an outline in pixels, and the mask that is wider by it on each side."""
    thick = max(1, mask.height // 24)
    return thick, ImageOps.expand(mask, thick).filter(ImageFilter.MaxFilter(2 * thick + 1))


# --- colours
def colours():
    """The colours of paper and ink, which differ by 60 of 255 or more in some channel."""
    while True:
        paper = chosen({white: 45, pastel: 27, any_colour: 16, dark: 12})()
        ink = chosen({dark: 52, any_colour: 34, pastel: 10, white: 4})()
        if max(abs(a - b) for a, b in zip(paper, ink)) >= 60:
            return paper, ink


def white():
    """White, or nearly."""
    return (random.choice([255, 255, random.randint(235, 254)]),) * 3


def pastel():
    """A light colour."""
    return tuple(random.randint(160, 255) for _ in range(3))


def any_colour():
    """Any colour."""
    return tuple(random.randint(0, 255) for _ in range(3))


def dark():
    """A dark colour, often black."""
    return (0, 0, 0) if chance(0.35) else tuple(random.randint(0, 130) for _ in range(3))


def near(colour, most=50):
    """A colour that differs by at most `most` in each channel."""
    return tuple(min(255, max(0, value + random.randint(-most, most))) for value in colour)


def inks_of(text, ink, paper):
    """A colour for each character: the same, similar or unrelated ones."""
    kind = chosen({'one': 55, 'near': 12, 'own': 33})
    if kind == 'one':
        return [ink] * len(text)
    inks = []
    while len(inks) < len(text):
        one = near(ink) if kind == 'near' else random.choice([any_colour, dark])()
        if max(abs(a - b) for a, b in zip(paper, one)) >= 32:
            inks.append(one)
    return inks


# --- letters
@functools.lru_cache(2000)
def font_of(path, size):
    """A font of a size in pixels."""
    return ImageFont.truetype(path, size)


def letters(text, fonts, size):
    """A mask for each character, cropped to its ink: one style, with small variations."""
    one_font, mixed = random.choice(fonts), chance(0.2)
    stretch = math.exp(random.gauss(0, 0.18))  # width of all
    slant = random.choice([0, 0, 0, random.gauss(0, 0.18)])  # sideways per pixel down
    turn = mostly_small(30)  # degrees, of most letters
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
    elif chance(0.06):  # small letters on a large page
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


# --- paper
def background(width, height, size, paper):
    """Paper: plain, shaded, blotchy, grainy, striped or squared."""
    page = Image.new('RGB', (width, height), paper)
    kind = chosen({'plain': 56, 'shaded': 17, 'blotches': 8, 'grain': 8, 'stripes': 6, 'tiles': 5})
    if kind == 'shaded':
        shade = Image.linear_gradient('L').rotate(random.choice([0, 90, 180, 270, 90, 270]))
        if chance(0.4):  # towards the middle
            shade = random.choice([ImageOps.mirror, ImageOps.flip])(shade)
            shade = ImageChops.difference(shade, Image.new('L', shade.size, random.randint(60, 200)))
        elif chance(0.2):
            shade = Image.radial_gradient('L')
        page = Image.composite(Image.new('RGB', page.size, near(paper, 110)), page,
                               shade.resize(page.size))
    elif kind == 'tiles':
        draw, side = ImageDraw.Draw(page), size * random.uniform(0.15, 0.9)
        for _ in range(int(width * height / side ** 2 * random.uniform(0.1, 0.7))):
            x, y = random.uniform(-side, width), random.uniform(-side, height)
            draw.rectangle([x, y, x + side * random.uniform(0.3, 1.5), y + side],
                           near(paper, random.choice([40, 110])))
    elif kind == 'blotches':
        rows, columns = (max(2, int(side / size * random.uniform(0.5, 4))) for side in (height,
                                                                                      width))
        mask = Image.fromarray((noise_of(rows, columns) * 255).astype(np.uint8))
        page = Image.composite(Image.new('RGB', page.size, near(paper, 70)), page,
                               mask.resize(page.size, Image.Resampling.BICUBIC))
    elif kind == 'grain':
        mask = Image.fromarray((255 * (noise_of(height, width) < random.uniform(0.02, 0.35)))
                               .astype(np.uint8))
        page.paste(near(paper, 120), (0, 0), mask)
    elif kind == 'stripes':
        draw, colour, step = ImageDraw.Draw(page), near(paper, 60), random.randint(3, 12)
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
    if chance(0.06):  # from border to border
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
    if chance(0.12):  # many short lines
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
    """Draw lines of the paper's colour through the letters."""
    draw = ImageDraw.Draw(page)
    for _ in range(random.randint(1, 6)):
        y, z = (random.uniform(0, page.height) for _ in range(2))
        draw.line([0, y, page.width, z], paper, random.randint(1, max(1, size // 20)))


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


# --- the whole picture
def noise_of(*shape):
    """Random numbers 0 ... 1 from this process's generator."""
    return np.frombuffer(random.randbytes(math.prod(shape)), np.uint8).reshape(shape) / 255


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
        noise = Image.effect_noise(page.size, random.uniform(3, 40))  # around 128
        page = ImageChops.add(page, Image.merge('RGB', [noise] * 3), offset=-128)
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
