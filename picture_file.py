"""Open picture files of any kind: what reading captchas and reading digits share.

Use:      import picture_file
          picture = picture_file.open_picture(path)   # a Pillow picture, mode L or RGB
Reads:    the picture file
Writes:   nothing
Takes:    milliseconds; half a second for a telephone's photograph

Nothing here imports TensorFlow.
"""
import contextlib
import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from cli import UserError

MAX_PIXELS = 50_000_000  # a larger picture is refused before it is decoded into memory
HEIC_BRANDS = b'heic', b'heix', b'hevc', b'hevx', b'heim', b'heis', b'mif1', b'msf1'


def open_picture(path, turn=True):
    """Decode a picture file as a viewer shows it on white; of an animation the first frame.

    Transparency becomes white, 16 bits become 8 and, unless `turn` is False, the picture is
    turned as its EXIF data says.

    Returns: a Pillow picture of mode L or RGB.
    Raises: UserError, one line naming the file, if it is no picture, damaged or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)  # our limit is lower
            if is_heic(path):
                register_heic()
            with Image.open(path) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                if turn:
                    picture = ImageOps.exif_transpose(picture)
                return as_seen(picture)
    except Exception as error:  # Pillow's decoders raise nearly every kind there is
        raise UserError(f'{path}: expected a picture file, such as JPEG or PNG, '
                        f'found {what_was_found(path, error)}') from error


def as_seen(picture):
    """Any Pillow picture -> the same with 8 bits, transparency on white, mode L or RGB."""
    if picture.mode.startswith('I'):  # 16-bit grey, which convert('L') would clip
        values = np.asarray(picture).astype(np.int64).clip(0, 65535) // 257
        picture = Image.fromarray(values.astype(np.uint8))  # 0 ... 255
    if picture.has_transparency_data:
        picture = picture.convert('RGBA')
        paper = Image.new('RGBA', picture.size, 'white')
        picture = Image.alpha_composite(paper, picture)
    picture.load()
    return picture if picture.mode == 'L' else picture.convert('RGB')


def what_was_found(path, error):
    """What an exception of Pillow's or of the file system means to a person, and what mends it."""
    if isinstance(error, FileNotFoundError):
        return 'no such file'
    if isinstance(error, IsADirectoryError) or os.path.isdir(path):
        return 'a folder'
    if isinstance(error, Image.DecompressionBombError):
        return f'more than {MAX_PIXELS} pixels; save it smaller'
    if isinstance(error, Image.UnidentifiedImageError):
        if os.path.getsize(path) == 0:
            return 'an empty file'
        if is_heic(path):
            return ('a HEIC picture, for which Pillow needs a plugin; save it as JPEG or run: '
                    'pip install pillow-heif')
        return 'something else'
    return (f'a damaged or unreadable one ({getattr(error, "strerror", None) or error}); '
            'copy it once more')


def is_heic(path):
    """Tell whether a file begins as a telephone's HEIC photograph does."""
    with open(path, 'rb') as opened:
        start = opened.read(12)
    return start[4:8] == b'ftyp' and start[8:] in HEIC_BRANDS


def register_heic():
    """Teach Pillow to read HEIC, if the plugin for that is installed."""
    with contextlib.suppress(ImportError):
        import pillow_heif
        pillow_heif.register_heif_opener()
