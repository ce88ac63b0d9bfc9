"""A picture file as the captcha network's input."""
import numpy as np
from PIL import Image

from helpers import CAPTCHAS
from support.captcha import ink_line, loading


def test_a_loader_prepares_captchas_as_their_network_saw_them():
    with Image.open(CAPTCHAS[0]) as picture:
        for kind, expected, count in (('post', picture.resize((224, 224)).convert('L'), 1),
                                      ('line', ink_line.ink_line(picture), 4)):
            found = loading.captcha_loader(kind)(CAPTCHAS[0])
            assert (found.shape, found.dtype) == ((count, 224, 224), np.uint8)
            np.testing.assert_array_equal(found[0], expected)
