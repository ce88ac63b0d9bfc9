"""Fonts to draw captchas with: complete and legible ones."""
import glob
import os

import numpy as np
from captcha.image import DEFAULT_FONTS
from PIL import Image, ImageDraw, ImageFont

from support.common.console import UserError, progress

SIDE = 24  # pixels of a glyph when fonts are compared
LEGIBLE = 0.85  # share of a font's characters that resemble the other fonts'


def find_fonts(folder, alphabet):
    """Paths of the package's own font and those below a folder, if they have all characters.

    Raises: UserError if there is none.
    """
    found = [] if folder is None else sorted(
        path for path in glob.glob(os.path.join(glob.escape(folder), '**', '*'), recursive=True)
        if path.lower().endswith(('.ttf', '.otf', '.ttc')))
    unused = {}  # path: why
    for path in [*DEFAULT_FONTS, *found]:
        try:
            if lacking := lacking_characters(ImageFont.truetype(path, 32), alphabet):
                unused[path] = f'lacks {"".join(lacking[:10])}'
        except OSError as error:
            unused[path] = error
    if not {*(DEFAULT_FONTS if folder is None else found)} - {*unused}:
        raise UserError(f'{folder or DEFAULT_FONTS[0]}: expected a font (.ttf, .otf, .ttc) with '
                        f'all of {alphabet}, found none; name a folder that has one with --fonts')
    if unused:
        print(f'not used: {len(unused)} fonts, such as {": ".join(map(str, [*unused.items()][0]))}')
    return tuple(path for path in [*DEFAULT_FONTS, *found] if path not in unused)


def legible(paths, characters):
    """The fonts whose characters resemble the other fonts'; decorated initials and symbols fail.

    A character passes if its own letter's mean over all fonts, in either case, is among the three
    means closest to it.
    """
    with progress(len(paths), 'comparing fonts', 'font') as bar:
        glyphs = []
        for path in paths:
            font = ImageFont.truetype(path, 2 * SIDE)
            glyphs.append([shape(character, font) for character in characters])
            bar.update()
    glyphs = unit(np.array(glyphs))  # [fonts, characters, pixels]
    likeness = glyphs @ unit(glyphs.mean(axis=0)).T  # [fonts, characters, means]
    best = np.argsort(-likeness, axis=2)[:, :, :3]
    letters = np.array([ord(character.upper()) for character in characters])
    share = (letters[best] == letters[:, None]).any(axis=2).mean(axis=1)
    return tuple(path for path, one in zip(paths, share) if one >= LEGIBLE)


def shape(character, font):
    """A character as float32 [SIDE * SIDE], 0 ... 255: its ink, as large as fits."""
    page = Image.new('L', (6 * SIDE, 6 * SIDE))
    ImageDraw.Draw(page).text((3 * SIDE, 3 * SIDE), character, 255, font, 'mm')
    left, top, right, bottom = page.getbbox() or (0, 0, 1, 1)
    scale = SIDE / max(right - left, bottom - top)
    size = [max(1, round(side * scale)) for side in (right - left, bottom - top)]
    square = Image.new('L', (SIDE, SIDE))
    square.paste(page.crop((left, top, right, bottom)).resize(size, Image.Resampling.BILINEAR),
                 ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(square, np.float32).ravel()


def unit(vectors):
    """Vectors along the last axis, normalised to mean 0 and length 1."""
    vectors = vectors - vectors.mean(axis=-1, keepdims=True)
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-6)


def lacking_characters(font, characters):
    """The characters that a Pillow font lacks: it draws them like one that no font has."""
    missing = bytes(font.getmask('\uffff'))
    return [character for character in characters
            if bytes(font.getmask(character)) in (missing, b'')]
