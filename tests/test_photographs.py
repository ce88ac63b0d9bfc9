"""Pictures of handwriting become digits like MNIST's."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from drawn_digits import DIGITS, KINDS, cover, grey, mouse, plain
from helpers import DATA
from support.common.pictures import open_picture
from support.digits import ink, input_data, photographs

STROKES = [strokes for _, strokes in DIGITS]


def as_one_digit(path):
    """All ink of a picture file as one digit, float32 [28, 28]; zeros if there is none."""
    strength, mark = ink.find_ink(ink.grey_of(open_picture(path)))
    if not mark.any():
        return np.zeros([28, 28], np.float32)
    return photographs.as_mnist(strength, mark).reshape(28, 28)


@pytest.fixture
def prepared(tmp_path):
    """A function of a Pillow picture that returns what its file becomes as one digit, [28, 28]."""
    def prepare(picture, **how):
        picture.save(tmp_path / 'a.png', **how)
        return as_one_digit(tmp_path / 'a.png')
    return prepare


def likeness(one, other):
    """Correlation of two pictures, allowing for a shift by one pixel."""
    shifted = [np.roll(other, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(np.corrcoef(one.ravel(), picture.ravel())[0, 1] for picture in shifted)


@pytest.fixture(scope='module')
def clean(tmp_path_factory):
    """Each digit in black on white, prepared: a list of [28, 28]."""
    path = tmp_path_factory.mktemp('clean') / 'a.png'

    def prepare(strokes):
        plain(strokes).save(path)
        return as_one_digit(path)
    return [prepare(strokes) for strokes in STROKES]


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_of_picture_looks_like_mnist(prepared, clean, kind):
    for number, strokes in enumerate(STROKES):
        seen = prepared(kind(strokes))
        assert seen.dtype == np.float32 and 0 <= seen.min() and seen.max() <= 1
        rows, columns = (np.ptp(np.nonzero(seen.any(axis))) + 1 for axis in (1, 0))
        assert max(rows, columns) == 20
        assert np.allclose(ndimage.center_of_mass(seen), 14, atol=0.51)
        assert likeness(seen, clean[number]) > (0.75 if kind is mouse else 0.8)  # open 8s stay open
        if number not in (2, 3, 16, 17):
            others = max(likeness(seen, clean[other]) for other in (2, 16))
            assert likeness(seen, clean[number]) > others + 0.05


def test_shape_and_range(tmp_path):
    plain(STROKES[0]).save(tmp_path / 'a.png')
    found = photographs.pre_digits(tmp_path / 'a.png')
    assert (found.shape, found.dtype, found.min()) == ((1, 784), np.float32, 0)
    assert found.max() > 0.99
    assert np.array_equal(as_one_digit(tmp_path / 'a.png').reshape(1, 784), found)


@pytest.mark.parametrize('inverted', [False, True])
def test_mnists_own_pictures_change_little(prepared, inverted):
    digits = input_data.read_data_sets(DATA).test.images[:40].reshape(-1, 28, 28)
    alike = [likeness(prepared(grey(255 * (1 - digit if inverted else digit) + .5)), digit)
             for digit in digits]
    assert min(alike) > .6 and np.median(alike) > .85  # half of the slant is gone


def test_the_widths_of_pens_become_alike(prepared):
    inks = [prepared(grey(255 - 255 * cover(STROKES[4], (400, 400), 50, 50, 300, pen))).sum()
            for pen in (2, 10, 40, 60)]
    assert max(inks) < 1.9 * min(inks)  # before, the widest pen left more than ten times the ink
    thin = ndimage.distance_transform_edt(prepared(
        grey(255 - 255 * cover(STROKES[2], (1200, 800), 700, 100, 400, 1))) > .4)
    assert thin.max() >= 1 and np.median(thin[thin > 0]) >= 1


def test_exif_rotation_transparency_and_16_bits(prepared):
    upright = prepared(plain(STROKES[6]))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned 90 degrees clockwise
    assert np.array_equal(prepared(plain(STROKES[6]).rotate(90, expand=True), exif=exif), upright)
    clear = Image.new('RGBA', (200, 200))
    clear.putalpha(Image.fromarray(255 - np.asarray(plain(STROKES[6]))))
    assert np.array_equal(prepared(clear), upright)
    deep = Image.fromarray(np.asarray(plain(STROKES[6])).astype(np.uint16) * 257)
    assert np.array_equal(prepared(deep), upright)


def blank(kind):
    rng, size = np.random.default_rng(3), (200, 300)
    y, x = np.mgrid[:200, :300]
    return grey({'white': np.full(size, 255.), 'black': np.zeros(size),
                 'grey': 140 + rng.normal(0, 4, size),
                 'shade': (240 - .5 * x) + rng.normal(0, 2, size)}[kind])


@pytest.mark.parametrize('kind', ['white', 'black', 'grey', 'shade'])
def test_blank_pictures(prepared, tmp_path, kind):
    assert not prepared(blank(kind)).any()
    assert photographs.pre_digits(tmp_path / 'a.png').shape == (0, 784)


@pytest.mark.parametrize('size', [(1, 1), (1, 50), (2, 2), (50, 1), (3, 900)])
def test_odd_sizes_do_no_harm(prepared, size):
    rng = np.random.default_rng(4)
    assert prepared(grey(rng.uniform(0, 255, size[::-1]))).shape == (28, 28)


def test_several_digits_from_left_to_right(prepared, tmp_path):
    numbers = [4, 0, 5, 12]  # 2, 0, 2, 6
    page = np.concatenate([np.asarray(plain(STROKES[n])) for n in numbers], axis=1)
    Image.fromarray(page).save(tmp_path / 'several.png')
    found = photographs.pre_digits(tmp_path / 'several.png')
    assert found.shape == (4, 784)
    for one, n in zip(found, numbers):
        assert likeness(one.reshape(28, 28), prepared(plain(STROKES[n]))) > 0.95


def test_lines_are_read_one_after_the_other(prepared, tmp_path):
    numbers = [[4, 0], [5, 12, 4]]  # 2 0 above 2 6 2
    lines = [np.concatenate([np.asarray(plain(STROKES[n])) for n in line], axis=1)
             for line in numbers]
    width = max(line.shape[1] for line in lines)
    page = np.concatenate([np.pad(line, [(0, 0), (0, width - line.shape[1])], constant_values=255)
                           for line in lines])
    Image.fromarray(page).save(tmp_path / 'lines.png')
    found = photographs.pre_digits(tmp_path / 'lines.png')
    assert found.shape == (5, 784)
    for one, n in zip(found, sum(numbers, [])):
        assert likeness(one.reshape(28, 28), prepared(plain(STROKES[n]))) > 0.95


def test_one_digit_in_two_parts_is_one_digit(tmp_path):
    for n in (8, 10, 15):  # drawn with two strokes
        plain(STROKES[n]).save(tmp_path / 'a.png')
        assert len(photographs.pre_digits(tmp_path / 'a.png')) == 1
    five = grey(255 - 255 * np.maximum(  # the bar beside the body
        cover([[(.1, .2), (.1, .45), (.4, .5), (.4, .9), (0, .95)]], (200, 200), 20, 20, 160, 9),
        cover([[(.55, .12), (.95, .1)]], (200, 200), 20, 20, 160, 9)))
    five.save(tmp_path / 'a.png')
    assert len(photographs.pre_digits(tmp_path / 'a.png')) == 1


def test_printed_lines_as_dark_as_the_pen(prepared):
    page = np.asarray(plain(STROKES[16])).copy()
    expected = prepared(Image.fromarray(page))
    for row in range(5, 200, 24):
        page[row:row + 2] = 0
    assert likeness(prepared(Image.fromarray(page)), expected) > 0.9


def test_specks_and_a_dark_edge(prepared):
    expected = prepared(plain(STROKES[8]))
    page = np.asarray(plain(STROKES[8])).copy()
    page[10:13, 170:173] = 0   # a speck
    page[:, :6] = 30           # the table beside the paper
    assert likeness(prepared(Image.fromarray(page)), expected) > 0.98


def framed(page, width, around=12):
    """A page, uint8 [200, 200], with a frame around the digit, `width` pixels wide."""
    page = np.array(page)
    low, high = 30 - around, 170 + around
    inside = page[low + width:high - width, low + width:high - width].copy()
    page[low:high, low:high] = 0
    page[low + width:high - width, low + width:high - width] = inside
    return page


@pytest.mark.parametrize('width', [3, 8])
@pytest.mark.parametrize('n', [0, 2, 3, 8, 14])  # 0, two ways to draw 1, 4, 7
def test_a_frame_is_no_ink(prepared, width, n):
    page = framed(plain(STROKES[n]), width)
    assert likeness(prepared(Image.fromarray(page)), prepared(plain(STROKES[n]))) > 0.9


def test_a_digit_that_touches_its_frame(prepared):
    page = framed(plain(STROKES[6]), 4, around=-8)
    assert likeness(prepared(Image.fromarray(page)), prepared(plain(STROKES[6]))) > 0.7


def test_boxes_in_a_row_and_an_underline(prepared, tmp_path):
    numbers = [4, 2, 8, 12]
    row = np.concatenate([framed(plain(STROKES[n]), 4, around=30) for n in numbers], axis=1)
    page = np.pad(row, 40, constant_values=255)
    page[-20:-15, 60:-60] = 0
    Image.fromarray(page).save(tmp_path / 'a.png')
    found, places, _ = photographs.find_digits(tmp_path / 'a.png')
    assert found.shape == (4, 784) and places.shape == (4, 5)
    for k, (one, n) in enumerate(zip(found, numbers)):
        assert likeness(one.reshape(28, 28), prepared(plain(STROKES[n]))) > 0.9
        left, top, right, bottom = places[k, :4] * np.tile(page.shape[::-1], 2)
        assert 200 * k + 40 < left < right < 200 * k + 240 and 40 < top < bottom < 240


@pytest.mark.parametrize('n', [0, 3, 8, 9, 14])
def test_a_digit_that_fills_its_picture_is_no_line(prepared, n):
    page = plain(STROKES[n])
    rows, columns = np.nonzero(np.asarray(page) < 128)
    crop = page.crop((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    assert likeness(prepared(crop), prepared(page)) > 0.9


def test_a_bent_outline_is_a_frame(prepared):
    page = plain(STROKES[6])
    ImageDraw.Draw(page).ellipse((4, 4, 196, 196), outline=0, width=3)
    assert likeness(prepared(page), prepared(plain(STROKES[6]))) > 0.95


@pytest.mark.parametrize('height', [52, 110])
def test_a_strip_of_fields_of_any_height(tmp_path, height):
    row = np.concatenate([framed(plain(STROKES[n]), 4)[16:184, 16:184] for n in (4, 2, 8, 12)], 1)
    Image.fromarray(row).resize((4 * height, height), Image.Resampling.BOX).save(tmp_path / 'a.png')
    places = photographs.find_digits(tmp_path / 'a.png')[1]
    assert [int(left * 4) for left in places[:, 0]] == list(range(4))


def test_the_rest_of_a_cells_lines_is_blank(prepared):
    page = np.full([120, 100], 230, np.uint8)
    page[4:7] = page[:, 2:4] = 60
    assert not prepared(Image.fromarray(page)).any()


def test_a_pale_pencil_in_a_dark_frame(prepared):
    page = 255 - (255 - np.array(plain(STROKES[4]))) // 4
    expected = prepared(Image.fromarray(page))
    frame = framed(np.full([200, 200], 255, np.uint8), 4)
    assert likeness(prepared(Image.fromarray(np.minimum(page, frame))), expected) > .95


def test_widening_closes_no_opening():
    y, x = np.mgrid[-50:50, -50:50]
    ring = (abs(np.hypot(y, x) - 45) < 2) & ~((abs(y) < 5) & (x > 0))  # open on the right
    wide = photographs.even_stroke(ring)
    assert wide.sum() > 1.5 * ring.sum()
    assert ndimage.label(~np.pad(wide, 1))[1] == 1  # a ring has paper inside and outside


def test_a_frame_with_nothing_in_it_stays(prepared):
    assert prepared(Image.fromarray(framed(np.full([200, 200], 255, np.uint8), 6))).any()


@pytest.mark.parametrize('n', [0, 5, 10, 12, 16])
@pytest.mark.parametrize('level', [False, True])
def test_a_stroke_with_a_gap_of_one_pixel_is_one_digit(tmp_path, n, level):
    page = np.array(plain(STROKES[n]))
    page[(100, slice(None)) if level else (slice(None), 100)] = 255
    Image.fromarray(page).save(tmp_path / 'a.png')
    assert len(photographs.pre_digits(tmp_path / 'a.png')) == 1


def test_a_tilted_sheet_is_read_line_by_line(prepared, tmp_path):
    numbers = [[4, 0, 12, 8, 10], [2, 14, 4, 6, 0], [5, 12, 3, 8, 18]]
    page = np.concatenate([np.concatenate([np.asarray(plain(STROKES[n])) for n in line], axis=1)
                           for line in numbers])
    for degrees in -10, 10:
        tilted = Image.fromarray(page).rotate(degrees, Image.Resampling.BICUBIC, expand=True,
                                              fillcolor=255)
        tilted.save(tmp_path / 'a.png')
        found, places, _ = photographs.find_digits(tmp_path / 'a.png')
        assert places[:, 4].tolist() == [0] * 5 + [1] * 5 + [2] * 5  # the lines
        for one, n in zip(found, sum(numbers, [])):  # the digits are set upright
            assert likeness(one.reshape(28, 28), prepared(plain(STROKES[n]))) > 0.8


def test_thin_digits_beside_a_thick_one_are_not_specks(tmp_path):
    numbers, pens = [4, 0, 12, 8, 10, 14], [5, 20, 5, 7, 6, 8]
    wide = [[(1.4 * x - .2, .3 + .5 * y) for x, y in stroke] for stroke in STROKES[10]]
    inks = [cover(wide if n == 10 else STROKES[n], (200, 200), 30, 30, 140, pen)
            for n, pen in zip(numbers, pens)]
    grey(255 - 255 * np.concatenate(inks, axis=1)).save(tmp_path / 'a.png')
    places = photographs.find_digits(tmp_path / 'a.png')[1]
    assert [int(left * 6) for left in places[:, 0]] == list(range(6))


def test_the_bar_of_a_wide_digit_is_no_underline():
    for n in 5, 10:  # a 2 with a foot, a 5 with a bar
        wide = [[(1.4 * x - .2, .25 + .5 * y) for x, y in stroke] for stroke in STROKES[n]]
        drawn = cover(wide, (200, 200), 30, 30, 140, 8) > .5
        assert not ink.printed_lines(drawn)[0].any()


def test_small_marks_are_counted(tmp_path):
    page = np.pad(np.asarray(plain(STROKES[8])), [(0, 0), (0, 200)], constant_values=255)
    page[100:150, 280:330] = 0  # a block of a third of the digit's height
    Image.fromarray(page).save(tmp_path / 'a.png')
    found, places, left_out = photographs.find_digits(tmp_path / 'a.png')
    assert (len(found), len(places), left_out) == (1, 1, 1)


@pytest.mark.parametrize('slant, left', [(.3, .15), (-.3, -.15), (.8, .55), (0, 0)])
def test_half_of_the_slant_is_taken_away(slant, left):
    y, x = np.mgrid[:200, :300]
    mark = abs(x - 150 - slant * (y - 100)) < 12  # x grows by `slant` a row
    y, x = np.nonzero(photographs.upright(mark))
    assert np.polyfit(y, x, 1)[0] == pytest.approx(left, abs=.02)
    assert len(x) == pytest.approx(mark.sum(), rel=.02)


@pytest.mark.parametrize('pen', [4, 12, 40])
def test_every_pen_becomes_mnists(prepared, pen):
    seen = prepared(grey(255 - 255 * cover(STROKES[2], (400, 400), 50, 50, 300, pen)))
    assert seen.sum() / 20 == pytest.approx(20 * .157, abs=.6)  # pixels, a 1 is 20 tall


def test_fields_that_lie_close_together_hold_a_digit_each(tmp_path):
    """Lines of fields 14 pixels apart, a pen 5 and a pen 18 pixels wide, a 5 in two strokes."""
    five = [[(.1, .2), (.1, .5), (.6, .6), (.6, .95), (.1, 1)], [(.3, .15), (.9, .1)]]
    thick = cover(STROKES[10], (150, 154), 5, 7, 140, 18)
    thin = cover(five, (150, 154), 5, 7, 140, 5)
    page = 255 - 255 * np.block([[thick, thin], [thin, thick], [thick, thin]])
    page = np.pad(page, 40, constant_values=255)
    for row in range(40, 503, 154):
        page[row - 2:row + 2, 38:342] = 0
    for column in 40, 190, 340:
        page[38:504, column - 2:column + 2] = 0
    grey(page).save(tmp_path / 'a.png')
    found, places, _ = photographs.find_digits(tmp_path / 'a.png')
    assert len(found) == 6
    middles = (places[:, :2] + places[:, 2:4]) / 2 * page.shape[::-1] - 40
    assert (middles // [150, 154]).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]]


def test_an_open_four_in_a_box_is_no_box():
    """Two upright lines and a level one, like a box that is open above."""
    four = cover([[(.1, .1), (.1, .85), (.8, .85)], [(.8, .1), (.8, 1)]],
                 (200, 200), 30, 30, 140, 6) > .5
    box = np.zeros([200, 200], bool)
    box[10:190, 10:190] = True
    box[14:186, 14:186] = False
    rest = (box | four) & ~ink.printed_lines(box | four)[0]
    assert rest[four].all() and rest[box].sum() <= 64  # the box's corners
