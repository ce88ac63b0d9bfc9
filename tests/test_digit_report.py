"""What is said and drawn about a reading."""
import os

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from drawn_digits import DIGITS, plain, thumbnail
from helpers import DATA
from support.common.console import UserError
from support.digits import input_data, photographs, report

STROKES = dict(DIGITS)  # of each digit, the last way to draw it
NO_DIGIT = 'not to be trusted: perhaps no digit, or several that touch'
BLANK = 'not to be trusted: the picture is blank, no ink was found'


@pytest.fixture
def two(tmp_path):
    """A drawn two as the network sees it: float32 [1, 784]."""
    thumbnail(STROKES[2]).save(tmp_path / 'two.png')
    return photographs.pre_digits(tmp_path / 'two.png')


def probabilities_of(digit, probability=.98):
    of_digit = np.full(10, (1 - probability) / 9, np.float32)
    of_digit[digit] = probability
    return of_digit


def test_doubts(two):
    sure, close = probabilities_of(2), probabilities_of(2, .5)
    close[7] = .4
    assert report.doubts(two, sure[np.newaxis]) == []
    assert report.doubts(two, sure[np.newaxis], 3) == [
        'not to be trusted: small marks were left out: 3']
    assert report.doubts(two, close[np.newaxis]) == ['not to be trusted: perhaps a 7 (40.0%)']
    assert report.doubts(np.concatenate([two, two]), np.stack([sure, close])) == [
        'several digits: 2 stand apart, read from left to right',
        'not to be trusted: digit 2 is perhaps a 7 (40.0%)']


@pytest.mark.parametrize('axis, least', [(0, .6), (1, .85)])  # one above the other, side by side
def test_two_digits_that_touch_are_doubted(axis, least):
    digits = input_data.read_data_sets(DATA).test.images[:60].reshape(-1, 28, 28) > .5
    doubted = []
    for pair in zip(digits[::2], digits[1::2]):
        mark = np.concatenate([np.compress(one.any(1 - axis), one, axis) for one in pair], axis)
        row = photographs.as_mnist(2 * mark.astype(np.float32), mark)
        doubted.append(report.doubts(row, probabilities_of(1)[np.newaxis]) == [NO_DIGIT])
    assert np.mean(doubted) > least


@pytest.mark.parametrize('number', [0, 1])  # pre_digits finds no digit, pre_pic an empty one
def test_a_blank_picture_is_doubted(number):
    assert report.doubts(np.zeros([number, 784]), np.zeros([number, 10])) == [BLANK]


def test_what_is_no_digit_is_doubted(tmp_path):
    """Characters of the font that Matplotlib brings, which look like none of the ten."""
    font = ImageFont.truetype(os.path.join(get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf'), 140)
    doubted = []
    for sign in 'ACEFHKMNPRTVWXYafhkmnrw+*#%@=':
        picture = Image.new('L', (220, 220), 255)
        ImageDraw.Draw(picture).text((110, 110), sign, 0, font, anchor='mm')
        picture.save(tmp_path / 'a.png')
        rows = photographs.pre_digits(tmp_path / 'a.png')
        doubted.append(any('not to be trusted' in line for line in report.doubts(
            rows, np.repeat(probabilities_of(4)[np.newaxis], len(rows), 0))))
    assert np.mean(doubted) > .85


def test_boxes_around_what_was_found(two):
    page = report.drawing(plain(STROKES[2]), two, probabilities_of(2)[np.newaxis],
                          np.array([[.2, .3, .6, .8]]))
    green = (np.asarray(page)[:210, :210] == report.BEST_BAR).all(-1)
    rows, columns = (np.nonzero(green.sum(axis) > 50)[0] for axis in (1, 0))
    assert (rows.min(), rows.max()) == (68, 171) and (columns.min(), columns.max()) == (48, 131)


def test_the_drawing_shows_what_the_network_saw(two):
    page = np.asarray(report.drawing(
        plain(STROKES[2]), two, probabilities_of(2, 1.)[np.newaxis])).astype(int)
    gap, cell = report.GAP, report.PANEL + report.GAP
    assert np.array_equal(page[gap + 2:gap + 198, gap + 2:gap + 198, 0],
                          np.asarray(plain(STROKES[2]))[2:198, 2:198])
    shown = page[gap + 5:cell:10, gap + cell + 5:2 * cell:10, 0]
    assert np.array_equal(shown, np.rint(255 * two.reshape(28, 28)))
    green = (page == report.BEST_BAR).all(-1)
    rows = np.nonzero(green.any(1))[0]
    assert gap + 2 * 28 <= rows[0] and rows[-1] < gap + 3 * 28  # the third bar, of digit 2
    assert green.sum(1).max() == report.BAR + 1


def test_the_drawing_is_saved_beside_the_picture(tmp_path):
    page = Image.new('RGB', (3, 2), 'green')
    path = report.save_drawing(page, str(tmp_path / 'a.b.jpg'))
    assert path == str(tmp_path / 'a.b.read.png') and os.listdir(tmp_path) == ['a.b.read.png']
    with Image.open(path) as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(page))
    assert report.save_drawing(page, str(tmp_path / 'a.b.jpg')) == path  # once more


def test_a_drawing_that_cannot_be_saved_is_one_line(tmp_path):
    (tmp_path / 'file').write_text('no folder')
    with pytest.raises(UserError, match='a.read.png: cannot be written: .*leave out --show'):
        report.save_drawing(Image.new('RGB', (3, 2)), str(tmp_path / 'file' / 'a.jpg'))


@pytest.mark.parametrize('shape', ['square', 'triangle', 'stripes', 'checks'])
def test_shapes_and_textures_are_no_digits(tmp_path, shape):
    y, x = np.mgrid[:200, :200]
    stripes = np.sin(x / 8 + y / 20)
    mark = {'square': (abs(x - 100) < 60) & (abs(y - 100) < 60),
            'triangle': (abs(x - 100) < (y - 40) / 2) & (y < 160),
            'stripes': stripes > 0, 'checks': stripes * np.sin(y / 8) > 0}[shape]
    Image.fromarray(np.uint8(255 * ~mark)).save(tmp_path / 'a.png')
    rows, _, left_out = photographs.find_digits(tmp_path / 'a.png')
    sure = np.repeat(probabilities_of(8)[np.newaxis], len(rows), 0)
    assert any('not to be trusted' in line for line in report.doubts(rows, sure, left_out))
