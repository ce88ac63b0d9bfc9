"""Captchas in many styles: what a picture is made of, and that pictures differ."""
import random

import numpy as np
import pytest
from captcha.image import DEFAULT_FONTS
from PIL import Image

from support.captcha import styles


@pytest.fixture(autouse=True)
def the_same_random_numbers():
    random.seed(0)


def test_pictures_have_many_sizes_light_and_dark_paper():
    drawn = [styles.varied('0782', DEFAULT_FONTS) for _ in range(40)]
    assert {picture.mode for picture in drawn} == {'RGB'}
    assert len({picture.size for picture in drawn}) > 30
    assert all(30 <= picture.height <= 140 and picture.width > picture.height / 2
               for picture in drawn)
    light = [np.median(np.asarray(picture.convert('L'))) > 128 for picture in drawn]
    assert 10 < sum(light) < 30


def test_a_longer_text_makes_a_wider_picture():
    def width(text):
        random.seed(1)
        return np.mean([styles.varied(text, DEFAULT_FONTS).width for _ in range(30)])
    assert width('07820782') > 1.5 * width('07')


def test_a_letter_is_its_ink():
    for character in 'A', '1':
        for _ in range(10):
            mask = np.asarray(styles.letter(character, DEFAULT_FONTS[0], 40))
            assert mask.max() > 200 and 15 < mask.shape[0] < 70
            assert mask.any(axis=0)[[0, -1]].all() and mask.any(axis=1)[[0, -1]].all()


def test_a_wave_moves_rows_and_keeps_colours():
    page = Image.new('L', (120, 60))
    page.paste(255, (0, 20, 120, 40))  # a bar
    waved = np.asarray(styles.waved(page, 8, 60)) > 127
    top = waved.argmax(axis=0)  # the first row of the bar in each column
    assert top.min() < 16 and top.max() > 24 and waved.any(axis=0).all()
    assert abs(int(waved.sum()) - 120 * 20) < 120


def test_noise_has_the_deviation_asked_for():
    page = styles.grainy(Image.new('RGB', (200, 100), (128, 128, 128)), 20)
    values = np.asarray(page).astype(float)
    assert values.std() == pytest.approx(20, rel=0.1) and abs(values.mean() - 128) < 2


def test_a_colour_near_another_is_about_as_bright():
    for _ in range(50):
        assert abs(np.mean(styles.near((120, 130, 140))) - 130) < 1
    assert len({styles.near((120, 130, 140)) for _ in range(50)}) > 40
