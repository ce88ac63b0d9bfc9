"""Pictures of handwriting become what MNIST's own digits are."""
import os

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import input_data
import mnist_app
import mnist_photo
from conftest import ROOT
from drawn_digits import DIGITS, KINDS, cover, grey, plain, thumbnail

STROKES = [strokes for _, strokes in DIGITS]


@pytest.fixture
def prepared(tmp_path):
    """A function of a Pillow picture that returns what pre_photo makes of its file, [28, 28]."""
    def prepare(picture, **how):
        picture.save(tmp_path / 'a.png', **how)
        return mnist_photo.pre_photo(tmp_path / 'a.png').reshape(28, 28)
    return prepare


def likeness(one, other):
    """Correlation of two pictures, allowing for a shift by one pixel."""
    shifted = [np.roll(other, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(np.corrcoef(one.ravel(), picture.ravel())[0, 1] for picture in shifted)


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_of_picture_looks_like_mnist(prepared, kind):
    for strokes in STROKES:
        seen, clean = prepared(kind(strokes)), prepared(plain(strokes))
        assert seen.dtype == np.float32 and 0 <= seen.min() and seen.max() <= 1
        rows, columns = (np.ptp(np.nonzero(seen.any(axis))) + 1 for axis in (1, 0))
        assert max(rows, columns) == 20
        assert np.allclose(ndimage.center_of_mass(seen), 14, atol=0.51)
        assert likeness(seen, clean) > 0.8
        others = [prepared(plain(other)) for other in (STROKES[2], STROKES[16])]
        if strokes not in (STROKES[2], STROKES[3], STROKES[16], STROKES[17]):
            assert likeness(seen, clean) > max(likeness(seen, other) for other in others) + 0.05


def test_shape_and_range(tmp_path):
    plain(STROKES[0]).save(tmp_path / 'a.png')
    found = mnist_photo.pre_photo(tmp_path / 'a.png')
    assert (found.shape, found.dtype, found.min()) == ((1, 784), np.float32, 0)
    assert found.max() > 0.99
    assert np.array_equal(mnist_photo.pre_digits(tmp_path / 'a.png'), found)


@pytest.mark.parametrize('inverted', [False, True])
def test_mnists_own_pictures_stay_what_they_are(prepared, inverted):
    digits = input_data.read_data_sets(os.path.join(ROOT, 'data')).test.images[:40]
    for digit in digits.reshape(-1, 28, 28):
        seen = prepared(grey(255 * (1 - digit if inverted else digit) + .5))
        assert likeness(seen, digit) > 0.9
    assert len(digits) == 40


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
    assert mnist_photo.pre_digits(tmp_path / 'a.png').shape == (0, 784)


@pytest.mark.parametrize('size', [(1, 1), (1, 50), (2, 2), (50, 1), (3, 900)])
def test_odd_sizes_do_no_harm(prepared, size):
    rng = np.random.default_rng(4)
    assert prepared(grey(rng.uniform(0, 255, size[::-1]))).shape == (28, 28)


def test_several_digits_from_left_to_right(prepared, tmp_path):
    numbers = [4, 0, 5, 12]  # 2, 0, 2, 6
    page = np.concatenate([np.asarray(plain(STROKES[n])) for n in numbers], axis=1)
    Image.fromarray(page).save(tmp_path / 'several.png')
    found = mnist_photo.pre_digits(tmp_path / 'several.png')
    assert found.shape == (4, 784)
    for one, n in zip(found, numbers):
        assert likeness(one.reshape(28, 28), prepared(plain(STROKES[n]))) > 0.95


def test_one_digit_in_two_parts_is_one_digit(tmp_path):
    for n in (8, 10, 15):  # drawn with two strokes
        plain(STROKES[n]).save(tmp_path / 'a.png')
        assert len(mnist_photo.pre_digits(tmp_path / 'a.png')) == 1
    five = grey(255 - 255 * np.maximum(  # the bar beside the body
        cover([[(.1, .2), (.1, .45), (.4, .5), (.4, .9), (0, .95)]], (200, 200), 20, 20, 160, 9),
        cover([[(.55, .12), (.95, .1)]], (200, 200), 20, 20, 160, 9)))
    five.save(tmp_path / 'a.png')
    assert len(mnist_photo.pre_digits(tmp_path / 'a.png')) == 1


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


def test_otsus_threshold_lies_between_two_heaps():
    values = np.r_[np.full(900, .1), np.full(100, .7)].astype(np.float32).reshape(20, 50)
    assert .1 <= mnist_photo.threshold_of(values) < .7


def test_noise_is_measured_and_a_slope_is_none():
    y, x = np.mgrid[:200, :200]
    slope = (.001 * x + .002 * y).astype(np.float32)
    assert mnist_photo.noise_of(slope) < 1e-6
    noisy = slope + np.random.default_rng(5).normal(0, .03, slope.shape)
    assert abs(mnist_photo.noise_of(noisy) - .03) < .002


def test_a_wide_picture_is_reduced():
    picture = plain(STROKES[6]).resize((4100, 4100))
    assert mnist_photo.grey_of(picture).shape == (1367, 1367)


# ---- doubts ----

def sure_of(digit, share=.98):
    one = np.full(10, (1 - share) / 9, np.float32)
    one[digit] = share
    return one


def test_doubts(prepared):
    two, dash = prepared(plain(STROKES[4])), np.zeros([28, 28], np.float32)
    dash[10:16, 4:24] = 1
    none = np.zeros([0, 784], np.float32)
    assert mnist_app.doubts(none, np.zeros([0, 10])) == [
        'not to be trusted: the picture is blank, no ink was found']
    two, dash = two.reshape(1, 784), dash.reshape(1, 784)
    assert mnist_app.doubts(two, sure_of(2)[np.newaxis]) == []
    close = sure_of(2, .5)
    close[7] = .4
    assert mnist_app.doubts(two, close[np.newaxis]) == [
        'not to be trusted: perhaps a 7 (40.0%)']
    assert 'touch' in mnist_app.doubts(dash, sure_of(1)[np.newaxis])[0]
    lines = mnist_app.doubts(np.concatenate([two, two]), np.stack([sure_of(2), close]))
    assert lines == ['several digits: 2 stand apart, read from left to right',
                     'not to be trusted: digit 2 is perhaps a 7 (40.0%)']


def test_the_drawing_shows_what_the_network_saw(prepared):
    seen = prepared(thumbnail(STROKES[4]))
    page = np.asarray(mnist_app.drawing(plain(STROKES[4]), seen.reshape(1, 784),
                                        sure_of(2, 1.)[np.newaxis])).astype(int)
    cell = mnist_app.PANEL + mnist_app.GAP
    shown = page[mnist_app.GAP + 5:cell:10, mnist_app.GAP + cell + 5:2 * cell:10, 0]
    assert np.array_equal(shown, np.rint(255 * seen))
    green = (page == mnist_app.BEST).all(-1)
    rows = np.nonzero(green.any(1))[0]
    assert mnist_app.GAP + 2 * 28 <= rows[0] and rows[-1] < mnist_app.GAP + 3 * 28
    assert green.sum(1).max() == 181
