"""Captchas in many styles: how a picture is composed, and that pictures differ."""
import math
import random
import re

import numpy as np
import pytest
from captcha.image import DEFAULT_FONTS
from PIL import Image

from support.captcha import chances, glyphs, random_texts, styles


@pytest.fixture(autouse=True)
def the_same_random_numbers():
    random.seed(0)


def test_pictures_have_many_sizes_light_and_dark_paper():
    drawn = [styles.varied('0782', DEFAULT_FONTS) for _ in range(60)]
    assert {picture.mode for picture in drawn} == {'RGB'}
    assert len({picture.size for picture in drawn}) > 50
    assert all(8 <= picture.height <= 250 for picture in drawn)
    light = [np.median(np.asarray(picture.convert('L'))) > 128 for picture in drawn]
    assert 20 < sum(light) < 55


def test_the_same_seed_draws_the_same_picture():
    def draw():
        random.seed(5)
        return styles.varied('aB7', DEFAULT_FONTS).tobytes()
    assert draw() == draw()


def test_a_longer_text_makes_a_wider_picture():
    def width(text):
        random.seed(1)
        return np.mean([styles.varied(text, DEFAULT_FONTS).width for _ in range(30)])
    assert width('07820782') > 1.5 * width('07')


def test_paper_and_ink_differ():
    for _ in range(200):
        paper, ink = chances.colours()
        assert max(abs(a - b) for a, b in zip(paper, ink)) >= 60
        assert all(max(abs(a - b) for a, b in zip(paper, one)) >= 32
                   for one in chances.inks_of('0782', ink, paper))


def test_a_letter_is_cropped_to_its_ink():
    for mask in glyphs.letters('A1gQ', DEFAULT_FONTS, 40):
        ink = np.asarray(mask)
        assert ink.max() > 40 and ink.any(axis=0)[[0, -1]].all() and ink.any(axis=1)[[0, -1]].all()


def test_a_mask_turned_by_a_right_angle_is_as_wide_as_it_was_high():
    mask = Image.new('L', (10, 30), 255)
    turned = glyphs.pulled(mask, math.pi / 2, 0, 1)
    assert abs(turned.width - 30) <= 2 and abs(turned.height - 10) <= 2
    wide = glyphs.pulled(mask, 0, 0, 2)
    assert abs(wide.width - 20) <= 2 and abs(wide.height - 30) <= 2


def test_letters_stand_side_by_side_on_the_page():
    masks = [Image.new('L', (20, 30), 255)] * 4
    for _ in range(50):
        places, width, height = styles.layout(masks, 30)
        lefts = [left for left, _ in places]
        assert lefts == sorted(lefts) and lefts[-1] + 20 <= width
        assert all(-11 <= top and top + 30 <= height + 11 for _, top in places)


def test_a_bend_moves_pixels():
    page = Image.new('RGB', (40, 20))
    page.paste((200, 100, 50), (0, 10, 40, 20))
    x, y = np.arange(40), np.arange(20)[:, None]
    assert styles.bent(page, x, y).getpixel((5, 12)) == pytest.approx((200, 100, 50), abs=1)
    lower = styles.bent(page, x, y - 5.0)  # each pixel comes from 5 above: the edge is 5 lower
    assert lower.getpixel((5, 12)) == (0, 0, 0)
    assert lower.getpixel((5, 17)) == pytest.approx((200, 100, 50), abs=1)


def test_texts_are_of_one_kind_and_of_1_to_8_characters():
    texts = [random_texts.random_text() for _ in range(1000)]
    assert {len(text) for text in texts} == set(range(1, 9))
    sums = [text for text in texts if re.fullmatch(r'\d+[-+×*/÷x]\d+=?\??', text)]
    assert 40 < len(sums) < 160
    assert all(text.isalnum() for text in texts if text not in sums)
    assert 100 < sum(text.isdigit() for text in texts) < 400


@pytest.mark.parametrize('relief, face, corner', [  # colours of a letter, and one pixel beside it
    (glyphs.flat, 'ink', 'paper'), (glyphs.shadowed, 'ink', None), (glyphs.block, 'face', 'edge'),
    (glyphs.embossed, 'paper', 'edge'), (glyphs.outlined, 'ink', 'edge'),
    (glyphs.hollow, 'paper', 'ink'), (glyphs.tiled, 'paper', 'ink'),
    (glyphs.veiled, None, 'paper')])
def test_how_letters_stand_on_the_page(relief, face, corner):
    colours = {'paper': (250, 250, 250), 'ink': (200, 0, 0), 'edge': (0, 0, 99), 'face': (0, 99, 0)}
    page = Image.new('RGB', (80, 80), colours['paper'])
    look = glyphs.Look(colours['paper'], colours['face'], colours['edge'], 3, (1, 1))
    relief(page, Image.new('L', (20, 30), 255), (20, 20), colours['ink'], look)
    found = page.getpixel((30, 35)), page.getpixel((40, 50))
    assert found[0] == colours.get(face, found[0]) and found[1] == colours.get(corner, found[1])
    assert found[0] != found[1]


def test_ink_may_be_a_picture():
    page, ink = Image.new('RGB', (40, 40), 'white'), Image.new('RGB', (40, 40), 'white')
    ink.paste('blue', (0, 20, 40, 40))
    glyphs.paste(page, ink, (10, 10), Image.new('L', (20, 20), 255))
    assert page.getpixel((15, 15)) == (255, 255, 255) and page.getpixel((15, 25)) == (0, 0, 255)
