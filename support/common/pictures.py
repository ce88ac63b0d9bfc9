"""Picture files of any kind, opened as a viewer shows them."""
import collections
import concurrent.futures
import io
import os
import stat
import time
import warnings

import numpy as np
from PIL import Image, ImageChops, ImageOps

from support.common.console import UserError

NOT_READ = {'EPS'}  # Pillow would start Ghostscript on an untrusted file
ANIMATED = {'GIF', 'PNG', 'WEBP'}  # of a TIFF only the first page is read
MAX_FRAMES = 50  # of an animation
MAX_PIXELS = 50_000_000  # a larger picture is refused before it is decoded into memory
MAX_BYTES = 400_000_000  # 50 million pixels of four channels of 16 bits
MAX_SECONDS = 10  # of processor time to decode one: some files repeat a picture 10,000 times
FAINT = 16  # grey values from lightest to darkest; less is invisible
HEIC = b'ftypheic', b'ftypheix', b'ftypmif1'  # bytes 4 to 12 of its files
BASE64 = b'data:', b'iVBORw0K', b'/9j/', b'R0lGOD', b'UklGR'  # PNG, JPEG, GIF, WebP in it
IN_BASE64 = 'a picture as base64; decode it first: base64.b64decode(text.rpartition(",")[2])'


def open_picture(source):
    """Decode a picture as a viewer shows it on white, or on black if its ink is white.

    An animation's frames are overlaid; 16 bits become 8; EXIF data turns the picture.
    Args: source: a path, the bytes of a picture file, or a Pillow picture.
    Returns: a Pillow picture of mode L or RGB.
    Raises: UserError, one line naming the file, if it is not a picture, damaged or too large.
    """
    if not isinstance(source, (str, os.PathLike, bytes, Image.Image)):
        raise TypeError(f'expected a path, bytes or a Pillow picture, found {type(source)}')
    is_bytes = isinstance(source, bytes)
    name = f'{len(source)} bytes' if is_bytes else source
    try:
        if isinstance(source, Image.Image):
            return as_seen(ImageOps.exif_transpose(source))
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)  # our limit is lower
            Image.init()
            formats = [name for name in Image.ID if name not in NOT_READ]
            with (Limited(io.BytesIO(source) if is_bytes else opened(source)) as file,
                  Image.open(file, formats=formats) as picture):
                check_size(picture)
                picture.load()
                check_size(picture)  # an icon has its true size in the picture inside it
                if getattr(picture, 'is_animated', False) and picture.format in ANIMATED:
                    return composed_frames(picture)
                return as_seen(ImageOps.exif_transpose(picture))
    except Exception as error:  # Pillow's decoders raise nearly every kind
        raise UserError(f'{name}: expected a picture file, such as JPEG or PNG, '
                        f'found {what_was_found(source, error)}') from error


def is_base64(text):
    """Whether bytes are a data: URL or a picture's base64, and not a path, which is shorter."""
    return text.startswith(BASE64[0]) or text.startswith(BASE64) and len(text) > 60


def composed_frames(picture):
    """An animation as one picture: at each pixel the strongest ink of the first MAX_FRAMES."""
    first = composed = as_seen(picture).convert('RGB')
    is_light = np.median(np.asarray(first.convert('L'))) > 127
    for number in range(1, min(picture.n_frames, MAX_FRAMES)):
        picture.seek(number)
        frame = as_seen(picture).convert('RGB')
        composed = (ImageChops.darker if is_light else ImageChops.lighter)(composed, frame)
    return composed


class Limited(io.BufferedReader):
    """A picture file whose reads fail once its decoder, in this thread, has used up its time."""

    def __init__(self, raw):
        super().__init__(raw)
        self._end = time.thread_time() + MAX_SECONDS

    def read(self, size=-1):
        if time.thread_time() > self._end:
            raise TimeoutError(f'it takes more than {MAX_SECONDS} s to decode')
        return super().read(size)


def opened(path):
    """Open a file, unbuffered. Raises: OSError, also for a pipe, which might never end."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise OSError('it is a pipe or a device')
    if status.st_size > MAX_BYTES:
        raise OSError(f'it has {status.st_size} bytes, more than {MAX_BYTES}')
    return open(path, 'rb', buffering=0)


def check_size(picture):
    """Raise Image.DecompressionBombError if a picture has too many pixels."""
    if picture.width * picture.height > MAX_PIXELS:
        raise Image.DecompressionBombError


def as_seen(picture):
    """Any Pillow picture -> the same in 8 bits, opaque, mode L or RGB."""
    if picture.mode[0] in 'IF':  # more than 8 bits, which convert('L') would clip
        values = np.asarray(picture).clip(0, 65535)
        white = 255 if values.max() < 256 else 65535
        picture = Image.fromarray((values * (255 / white)).round().astype(np.uint8))
    if picture.has_transparency_data:
        picture = on_paper(picture.convert('RGBA'))
    picture.load()
    return picture if picture.mode == 'L' else picture.convert('RGB')


def on_paper(picture):
    """A picture of mode RGBA on white, or on black if it is visible only there."""
    on_white, on_black = (Image.alpha_composite(Image.new('RGBA', picture.size, paper), picture)
                          for paper in ('white', 'black'))
    return on_black if is_visible(on_black) and not is_visible(on_white) else on_white


def is_visible(picture):
    darkest, lightest = picture.convert('L').getextrema()
    return lightest - darkest >= FAINT


def what_was_found(source, error):
    """An exception of Pillow or the file system in plain words, and what fixes it."""
    if isinstance(source, str) and is_base64(os.fsencode(source)):
        return IN_BASE64
    if isinstance(error, FileNotFoundError):
        return 'no such file'
    if isinstance(source, (str, os.PathLike)) and os.path.isdir(source):
        return 'a folder'
    if isinstance(error, Image.DecompressionBombError):
        return f'more than {MAX_PIXELS} pixels; save it smaller'
    if isinstance(error, Image.UnidentifiedImageError):
        start = first_bytes(source)
        if start[4:12] in HEIC:
            return "a phone's HEIC picture; save it as JPEG"
        if b'<svg' in start:
            return 'an SVG drawing; save it as PNG'
        if is_base64(start):
            return IN_BASE64
        return 'something else' if start else 'an empty file'
    return (f'a damaged or unreadable file ({getattr(error, "strerror", None) or error}); '
            'copy it again')


def first_bytes(source):
    """The first thousand bytes of a picture file, given as for `open_picture`."""
    with io.BytesIO(source) if isinstance(source, bytes) else opened(source) as file:
        return file.read(1000)


def load_all(sources, load):
    """Yield a concurrent.futures.Future of `load(source)` for each source, in order.

    Only a few pictures are in memory at a time. Pillow decodes and resizes without Python's lock.
    """
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = collections.deque()
        try:
            for source in sources:
                waiting.append(pool.submit(load, source))
                if len(waiting) >= 32 * os.cpu_count():
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:  # if the caller asks for no more of them
            for future in waiting:
                future.cancel()
