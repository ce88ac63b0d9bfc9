"""A captcha as a line of ink: colours, margins, proportions."""
import numpy as np
import pytest
from PIL import Image, ImageDraw

from support.captcha.dataset import IMAGE_SIZE
from support.captcha.ink_line import box_of, distance_from_paper, ink_line


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
    pixels = np.full([2, 5, 3], 255, np.uint8)
    pixels[0, 0], pixels[0, 1] = (255, 255, 105), (205, 205, 205)
    distance = distance_from_paper(pixels)
    largest = np.percentile([150, 50] + [0] * 8, 99)
    np.testing.assert_allclose(distance[0, :3], [1, 50 / largest, 0], rtol=1e-6)


def test_margins_go_but_for_a_little():
    darkness = distance_from_paper(np.asarray(drawn('white', 'black')))
    assert box_of(darkness) == (97, 7, 164, 53)  # 8 % of 40 rows is 3


def test_letters_keep_their_proportions():
    """A rectangle of 61 by 40 is 67 by 46 with margins; three times as wide as high, it fills."""
    ink = ink_line(drawn('white', 'black')) < 128
    rows, columns = ink.any(axis=1).sum(), ink.any(axis=0).sum()
    assert columns / rows == pytest.approx(61 / 40 / 3, rel=0.03)
    assert ink_line(drawn('white', 'black', box=(2, 20, 297, 40)))[112, [20, -20]].max() == 0


def test_a_picture_without_ink_is_white():
    assert (ink_line(Image.new('L', (40, 30), 77)) == 255).all()
