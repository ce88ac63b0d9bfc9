"""Any picture file opens, or one line says why not."""
import os
import subprocess

import numpy as np
import pytest
from PIL import Image

from helpers import refused
from support.captcha import loading
from support.common import pictures
from support.common.console import UserError


def test_what_is_no_picture(tmp_path):
    Image.new('L', (300, 300), 200).save(tmp_path / 'whole.jpg')
    whole = (tmp_path / 'whole.jpg').read_bytes()
    (tmp_path / 'truncated.jpg').write_bytes(whole[:len(whole) * 2 // 3])
    (tmp_path / 'empty.jpg').write_bytes(b'')
    (tmp_path / 'text.jpg').write_text('5')
    (tmp_path / 'folder').mkdir()
    for name, words in {'truncated.jpg': 'damaged', 'empty.jpg': 'an empty file',
                        'text.jpg': 'something else', 'folder': 'a folder',
                        'none.jpg': 'no such file'}.items():
        assert words in refused(tmp_path / name)


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path, monkeypatch, recwarn):
    Image.new('1', (20_000, 20_000)).save(tmp_path / 'bomb.png')  # Pillow itself refuses
    Image.new('1', (10_000, 9_500)).save(tmp_path / 'large.png')  # Pillow only warns
    Image.new('1', (6_000, 9_000)).save(tmp_path / 'ours.png')
    monkeypatch.setattr('PIL.ImageFile.ImageFile.load', lambda picture: pytest.fail('decoded'))
    for name in 'bomb.png', 'large.png', 'ours.png':
        assert 'more than 50000000 pixels' in refused(tmp_path / name)
    assert not recwarn.list


def test_a_phones_own_format_is_named(tmp_path):
    (tmp_path / 'a.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(100))
    assert "found a phone's HEIC picture; save it as JPEG" in refused(tmp_path / 'a.heic')


def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch):
    """PostScript is one: Pillow would hand it to Ghostscript."""
    Image.new('RGB', (20, 20), 'red').save(tmp_path / 'a.eps')
    monkeypatch.setattr(subprocess, 'Popen', None)
    with pytest.raises(UserError, match='a.eps: expected a picture file.*found something else'):
        pictures.open_picture(tmp_path / 'a.eps')


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16', 'F', 'CMYK', 'YCbCr'])
def test_modes(tmp_path, mode):
    path = tmp_path / ('a.tif' if mode in ('F', 'CMYK', 'YCbCr') else 'a.png')
    if mode == 'I;16':
        picture = Image.fromarray(np.full([10, 20], 0xffff, np.uint16))
    else:
        picture = Image.new('L', (20, 10), 255).convert(mode)
    picture.save(path)
    found = pictures.open_picture(path)
    assert found.mode in ('L', 'RGB') and found.size == (20, 10)
    assert np.asarray(found.convert('L')).min() >= 254


def test_a_picture_is_turned_as_its_exif_data_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('L', (20, 10)).save(tmp_path / 'a.png', exif=exif)
    assert pictures.open_picture(tmp_path / 'a.png').size == (10, 20)


def test_a_path_with_chinese_characters_and_spaces(tmp_path):
    path = os.path.join(tmp_path, '我的 图片 5.png')
    Image.new('RGB', (3, 4)).save(path)
    assert pictures.open_picture(path).size == (3, 4)


# --- as the captcha network sees them

@pytest.fixture
def picture():
    """A captcha-like RGB picture of 160x60, smooth so that JPEG hardly changes it."""
    y, x = np.mgrid[:60, :160]
    rgb = np.stack([x * 255 // 159, y * 255 // 59, (x + y) % 160], axis=-1)
    return Image.fromarray(rgb.astype(np.uint8))


def expected(picture):
    """As the post says: resized to 224x224, then converted to grey."""
    return np.asarray(picture.convert('RGB').resize((224, 224), Image.BICUBIC).convert('L'))


def test_rgb(picture, tmp_path):
    picture.save(tmp_path / '0782.png')
    found = loading.load_captcha(tmp_path / '0782.png')
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected(picture))


@pytest.mark.parametrize('mode', ['L', 'P', '1', 'CMYK'])
def test_other_modes(picture, tmp_path, mode):
    converted = picture.convert(mode)
    path = tmp_path / ('0782.jpg' if mode == 'CMYK' else '0782.png')
    converted.save(path)
    with Image.open(path) as reread:
        np.testing.assert_array_equal(loading.load_captcha(path), expected(reread))
    if mode in ('L', 'CMYK'):
        assert np.abs(expected(reread) - expected(picture).astype(int)).mean() < 4


@pytest.mark.parametrize('mode', ['RGBA', 'LA', 'P'])
def test_transparency_is_white_paper(picture, tmp_path, mode):
    path = tmp_path / '0782.png'
    clear = picture.convert('RGBA')
    alpha = np.full([60, 160], 255, np.uint8)
    alpha[:, 80:] = 0
    clear.putalpha(Image.fromarray(alpha))
    if mode == 'P':
        Image.fromarray((alpha == 0).astype(np.uint8)).save(path, transparency=1)
    else:
        clear.convert(mode).save(path)
    found = loading.load_captcha(path)
    assert np.all(found[:, 120:] == 255)
    assert found[:, :100].mean() < 200


@pytest.mark.parametrize('ink, paper', [(255, 0), (250, 0), (0, 255), (128, 255)])
def test_white_ink_on_nothing_is_seen_on_black(tmp_path, ink, paper):
    pixels = np.zeros([224, 224, 4], np.uint8)
    pixels[80:120] = [ink, ink, ink, 255]
    Image.fromarray(pixels).save(tmp_path / '0782.png')
    found = loading.load_captcha(tmp_path / '0782.png')
    assert np.all(found[80:120] == ink)
    assert np.all(found[:80] == paper) and np.all(found[120:] == paper)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 224, dtype=np.uint16)[np.newaxis].repeat(224, 0)
    Image.fromarray(values).save(tmp_path / '0782.png')
    found = loading.load_captcha(tmp_path / '0782.png')
    np.testing.assert_array_equal(found, (values / 257).round())


@pytest.mark.parametrize('kind, white', [(np.float32, 255), (np.int32, 255), (np.int32, 65535)])
def test_32_bits_have_the_range_that_their_values_have(tmp_path, kind, white):
    grey = np.linspace(0, 255, 224).astype(np.uint8)[np.newaxis].repeat(224, 0)
    Image.fromarray((grey.astype(float) * white / 255).astype(kind)).save(tmp_path / 'a.tif')
    np.testing.assert_array_equal(loading.load_captcha(tmp_path / 'a.tif'), grey)


def test_exif_rotation(picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned 90 degrees clockwise
    picture.rotate(90, expand=True).save(tmp_path / '0782.png', exif=exif)
    np.testing.assert_array_equal(loading.load_captcha(tmp_path / '0782.png'),
                                  expected(picture))


def test_unusable_pictures_name_the_file(picture, tmp_path):
    picture.save(tmp_path / 'whole.jpg')
    whole = (tmp_path / 'whole.jpg').read_bytes()
    (tmp_path / 'truncated.jpg').write_bytes(whole[:len(whole) // 2])
    (tmp_path / 'empty.jpg').write_bytes(b'')
    (tmp_path / 'text.jpg').write_text('0782')
    (tmp_path / 'folder.jpg').mkdir()
    Image.new('1', (20_000, 20_000)).save(tmp_path / 'huge.png')
    for name in 'truncated.jpg', 'empty.jpg', 'text.jpg', 'folder.jpg', 'huge.png', 'none.jpg':
        with pytest.raises(UserError, match=name):
            loading.load_captcha(tmp_path / name)


def test_bytes_and_pillow_pictures_are_read_as_files_are(picture, tmp_path):
    picture.save(tmp_path / '0782.png')
    content = (tmp_path / '0782.png').read_bytes()
    for source in content, picture:
        np.testing.assert_array_equal(loading.load_captcha(source), expected(picture))
    for source, words in (b'', 'an empty file'), (b'text', 'something else'), (
            content[:len(content) // 2], 'damaged'):
        with pytest.raises(UserError, match=f'^{len(source)} bytes: expected a picture .*{words}'):
            loading.load_captcha(source)


@pytest.mark.parametrize('beginning', ['data:image/png;base64,iVBORw0KGgo', '', '/9j/'])
def test_base64_is_named_in_a_short_line(beginning, tmp_path):
    text = beginning + 3300 * 'iVBORw0K'
    (tmp_path / 'a.png').write_text(text)
    for source in text, text[:120], text.encode(), tmp_path / 'a.png':
        with pytest.raises(UserError, match='found a picture as base64; decode it') as caught:
            pictures.open_picture(source)
        assert len(str(caught.value)) < 300


def test_a_drawing_is_named(tmp_path):
    (tmp_path / 'a.svg').write_text('<?xml version="1.0"?>\n<svg width="160" height="60"/>')
    with pytest.raises(UserError, match='a.svg: .* found an SVG drawing; save it as PNG'):
        pictures.open_picture(tmp_path / 'a.svg')


def test_many_pictures_come_in_order_with_the_bad_ones_between(tmp_path):
    paths = [tmp_path / f'{k}.png' for k in range(200)]
    for k, path in enumerate(paths):
        Image.new('L', (8, 8), k).save(path)
    paths[70].write_text('no picture')
    found = list(pictures.load_all(paths, loading.load_captcha))
    assert len(found) == 200
    with pytest.raises(UserError, match='70.png: expected a picture'):
        found.pop(70).result()
    assert [int(load.result()[0, 0]) for load in found] == [k for k in range(200) if k != 70]


@pytest.mark.parametrize('ending', ['gif', 'png', 'webp'])
@pytest.mark.parametrize('paper, ink', [('white', 'black'), ('black', 'white')])
def test_an_animation_shows_the_ink_of_all_its_frames(tmp_path, ending, paper, ink):
    frames = []
    for k in range(4):  # each shows a quarter
        frame = Image.new('RGB', (80, 20), paper)
        frame.paste(ink, (20 * k + 5, 5, 20 * k + 15, 15))
        frames.append(frame)
    path = tmp_path / f'0782.{ending}'
    options = {'lossless': True} if ending == 'webp' else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50, **options)
    seen = np.asarray(pictures.open_picture(path).convert('L'))
    is_ink = (seen > 127) == (ink == 'white')
    assert is_ink.sum() == 4 * 100 and is_ink[10, [10, 30, 50, 70]].all()
