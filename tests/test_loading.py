"""A picture file as the captcha network's input."""
import numpy as np
import pytest
from PIL import Image

from helpers import CAPTCHAS
from support.captcha import ink_line, loading


@pytest.mark.parametrize('kind, others', [('post', 0), ('line', 7)])
def test_a_loader_prepares_captchas_as_their_network_saw_them(kind, others):
    with Image.open(CAPTCHAS[0]) as picture:
        expected = {'post': picture.resize((224, 224)).convert('L'),
                    'line': ink_line.ink_line(picture)}[kind]
    load = loading.captcha_loader(kind)
    found = load(CAPTCHAS[0])
    assert (found.shape, found.dtype) == ((1, 224, 224), np.uint8)
    np.testing.assert_array_equal(found[0], expected)
    again = load(CAPTCHAS[0], again=True)
    assert len(again) == others and all((one != expected).any() for one in again)
