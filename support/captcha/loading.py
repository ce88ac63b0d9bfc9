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
    """The function `load` of a reader.Network of captchas; its inputs are uint8 [n, 224, 224].

    Args: kind: as for `load_captcha`; only 'line' has other preparations.
    """
    def load(source, again=False):
        if not again:
            return load_captcha(source, kind)[np.newaxis]
        if kind != 'line':
            return ()
        return ink_line.ink_lines(pictures.open_picture(source), ink_line.PREPARATIONS[1:])
    return load
