"""A captcha as a line of ink: colours, margins, proportions."""
import numpy as np
import pytest
from PIL import Image, ImageDraw

from support.captcha.dataset import IMAGE_SIZE
from support.captcha.ink_line import (
    DARKNESS,
    MARGIN,
    boxes_of,
    change_of_paper,
    ink_line,
    ink_lines,
    scaled,
    without_frame,
)


def darkness_of(picture, kind='farthest'):
    return scaled(DARKNESS[kind](change_of_paper(np.asarray(picture))))


def drawn(paper, ink, size=(300, 60), box=(100, 10, 160, 49)):
    picture = Image.new('RGB', size, paper)
    ImageDraw.Draw(picture).rectangle(box, ink)
    return picture


@pytest.mark.parametrize('paper, ink', [
    ('white', 'black'), ('black', 'white'), ('white', (255, 255, 200)), ((90, 90, 90), 'green')])
def test_ink_of_any_colour_becomes_black_on_white(paper, ink):
    page = ink_line(drawn(paper, ink))
    assert page.shape == (IMAGE_SIZE, IMAGE_SIZE) and page.dtype == np.uint8
    assert page[IMAGE_SIZE // 2, IMAGE_SIZE // 2] == 0 and (page[:, [0, -1]] == 255).all()


def test_yellow_and_grey_are_as_far_from_white_as_their_farthest_channel():
    pixels = np.full([60, 300, 3], 255, np.uint8)
    pixels[20:40, 50:80], pixels[20:40, 220:250] = (255, 255, 105), (205, 205, 205)
    distance = darkness_of(pixels)
    np.testing.assert_allclose(distance[30, [60, 230, 5]], [1, 50 / 150, 0], atol=0.02)


def test_margins_go_but_for_a_little():
    darkness = darkness_of(drawn('white', 'black'))
    assert boxes_of(darkness, [MARGIN]) == [(95, 5, 166, 55)]  # 12 % of 40 rows is 5


@pytest.mark.parametrize('frame', [1, 3])
def test_a_frame_goes(frame):
    page = drawn('white', 'black')
    framed = page.copy()
    ImageDraw.Draw(framed).rectangle([0, 0, 299, 59], None, 'black', frame)
    assert without_frame(darkness_of(framed)).shape == (
        60 - 2 * frame, 300 - 2 * frame)
    assert np.abs(ink_line(framed).astype(int) - ink_line(page)).mean() < 3


def test_paper_may_change_its_colour_smoothly():
    shade = np.linspace(0, 150, 300)[None, :, None] + np.linspace(0, 40, 60)[:, None, None]
    pixels = np.broadcast_to(shade, [60, 300, 3]).astype(np.uint8).copy()
    pixels[20:40, 100:160] = 255
    distance = darkness_of(pixels)
    assert distance[20:40, 100:160].min() > 0.7
    distance[20:40, 100:160] = 0
    assert distance.max() < 0.1


def test_long_thin_lines_do_not_enlarge_the_box():
    page = drawn('white', 'black')
    [box] = boxes_of(darkness_of(page), [MARGIN])
    for line in ((0, 0, 299, 59), (0, 59, 299, 0)):
        ImageDraw.Draw(page).line(line, 'black')
    [found] = boxes_of(darkness_of(page), [MARGIN])
    assert found == pytest.approx(box, abs=4)


def test_letters_keep_their_proportions():
    """A rectangle of 61 by 40 is 71 by 50 with margins; three times as wide as high, it fills."""
    ink = ink_line(drawn('white', 'black')) < 128
    rows, columns = ink.any(axis=1).sum(), ink.any(axis=0).sum()
    assert columns / rows == pytest.approx(61 / 40 / 3, rel=0.03)
    assert ink_line(drawn('white', 'black', box=(2, 20, 297, 40)))[112, [20, -20]].max() == 0


def test_a_picture_without_ink_is_white():
    assert (ink_line(Image.new('L', (40, 30), 77)) == 255).all()


def test_other_preparations_have_more_or_less_around_the_letters():
    usual, _, wide, _, narrow, _, close, _ = ink_lines(drawn('white', 'black')) < 128
    rows = [page.any(axis=1).sum() for page in (close, usual, wide)]
    assert rows == sorted(rows, reverse=True) and rows[0] > 1.2 * rows[2]
    columns = [page.any(axis=0).sum() for page in (narrow, usual)]
    assert columns[0] / columns[1] == pytest.approx(3 / 4, rel=0.03)
    assert (usual == (ink_line(drawn('white', 'black')) < 128)).all()


def test_lines_of_another_lightness_or_colour_go():
    page = drawn((128, 128, 128), 'white')
    ImageDraw.Draw(page).line((0, 30, 299, 30), 'black', 5)
    line, letter = (30, 20), (20, 130)  # places
    for kind, expected in ('farthest', (1, 1)), ('lighter', (0, 1)), ('darker', (1, 0)):
        darkness = darkness_of(page, kind)
        assert (darkness[line], darkness[letter]) == pytest.approx(expected, abs=0.02), kind
    page = drawn('white', 'black')
    ImageDraw.Draw(page).line((0, 30, 299, 30), 'yellow', 5)
    assert darkness_of(page, 'mean')[30, 20] == pytest.approx(1 / 3, abs=0.02)
    ImageDraw.Draw(page).line((0, 55, 299, 55), 'black')
    thin = darkness_of(page, 'thin')
    assert (thin[55, 20], thin[12, 130]) == pytest.approx((0, 1), abs=0.02)
