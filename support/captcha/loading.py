"""A picture file as the captcha network's input."""
import numpy as np
from PIL import Image

from support.captcha import dataset, ink_line
from support.common import pictures


def load_captcha(source, kind='post'):
    """Any picture as the captcha network's input: uint8 [224, 224].

    Opened by `pictures.open_picture`, then, as in the post, resized to 224x224 and made grey.
    Args: kind: one of dataset.PICTURES; 'line': ink_line.ink_line does the rest instead.
    """
    size = dataset.IMAGE_SIZE
    picture = pictures.open_picture(source)
    if kind == 'line':
        return ink_line.ink_line(picture)  # uint8 [224, 224], 0 ink ... 255 paper
    picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture.convert('L'))  # uint8 [224, 224], 0 black ... 255 white


def captcha_loader(kind):
    """A function of a source that returns a captcha network's inputs, uint8 [n, 224, 224].

    The first is the record's; there are others for doubtful pictures if `kind` is 'line'.
    Args: kind: as for `load_captcha`.
    """
    if kind == 'line':
        return lambda source: ink_line.ink_lines(pictures.open_picture(source))
    return lambda source: load_captcha(source, kind)[np.newaxis]
