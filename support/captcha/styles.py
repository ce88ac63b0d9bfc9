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
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

ALIKE = '0OoIl1'  # look-alikes, which most captchas with both cases omit
KINDS = {  # characters of a text: share of the pictures
    string.digits: 22, string.digits + string.ascii_uppercase: 19,
    string.digits + string.ascii_lowercase: 21, string.digits + string.ascii_letters: 15,
    string.ascii_uppercase: 5, string.ascii_lowercase: 6, string.ascii_letters: 3, 'sum': 10}
LENGTHS = {1: 3, 2: 3, 3: 5, 4: 36, 5: 20, 6: 19, 7: 7, 8: 7}
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
    shadow = chance(0.06) and (random.randint(-3, 3), random.randint(1, 3), near(paper, 90))
    for mask, (left, top), colour in zip(masks, places, inks):
        if shadow:
            page.paste(shadow[2], (left + shadow[0], top + shadow[1]), mask)
        page.paste(colour, (left, top), mask)
    if chance(0.07):
        scratches(page, size, paper)
    if when == 'before':
        clutter(page, size, some)
    if chance(0.4):
        page = warped(page, size)
    if chance(0.28):
        strokes_across(page, size, ink if chance(0.7) else random.choice(some))
    return worn(page, size, some)


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
    kind = chosen({'filled': 90, 'outline': 6, 'dotted': 2, 'striped': 2})
    masks = []
    for character in text:
        font = font_of(random.choice(fonts) if mixed else one_font,
                       round(size * (1 + random.uniform(-grow, grow))))
        mask = glyph(character, font, size, bold, kind == 'outline')
        mask = pulled(mask, math.radians(random.gauss(0, turn / 2)),
                      slant + random.gauss(0, skew / 2), stretch * (1 + random.gauss(0, grow / 3)))
        if kind in ('dotted', 'striped'):
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
    if kind == 'striped':
        y, step = np.arange(height)[:, None], random.randint(2, 4)
        return Image.fromarray(np.broadcast_to(np.where(y % step, 255, 60), (height, width))
                               .astype(np.uint8))
    return Image.fromarray((255 * (noise_of(height, width) < random.uniform(0.5, 0.8)))
                           .astype(np.uint8))


def layout(masks, size):
    """The position (left, top) of each mask, and the width and height of the page."""
    gap = size * (random.uniform(-0.12, 0.12) if chance(0.6) else random.uniform(-0.2, 0.6))
    uneven = size * mostly_small(0.12)
    rise = size * mostly_small(0.35)  # of the letters above and below the line
    line = max(mask.height for mask in masks)
    margin_x, margin_y = (int(size * mostly_small(most)) for most in (1.2, 0.7))
    if chance(0.08):  # a wide page with a little text
        margin_x += int(size * random.uniform(0.5, 3))
    on_baseline = chance(0.6)
    left, places = float(margin_x + max(0, -gap)), []
    for mask in masks:
        room = line - mask.height
        top = margin_y + rise + (room if on_baseline and mask.height > 0.35 * line else room / 2)
        places.append((int(left), int(top + random.uniform(-rise, rise))))
        left += max(3, mask.width + gap + random.uniform(-uneven, uneven))
    right = max(place + mask.width for mask, (place, _) in zip(masks, places))
    width = right + margin_x if chance(0.7) else right + int(size * mostly_small(2))
    return places, max(8, width), max(8, int(line + 2 * (margin_y + rise)))


# --- paper
def background(width, height, size, paper):
    """Paper: plain, shaded, blotchy, grainy, striped or squared."""
    page = Image.new('RGB', (width, height), paper)
    kind = chosen({'plain': 66, 'shaded': 12, 'blotches': 9, 'grain': 8, 'stripes': 5})
    if kind == 'shaded':
        shade = Image.linear_gradient('L').rotate(random.choice([0, 90, 180, 270]))
        page = Image.composite(Image.new('RGB', page.size, near(paper, 70)), page,
                               shade.resize(page.size))
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
