"""Any picture file opens, or one line says why not."""
import os

import numpy as np
import pytest
from PIL import Image

import cli
import picture_file


def refused(path):
    with pytest.raises(cli.UserError) as raised:
        picture_file.open_picture(path)
    line = str(raised.value)
    assert line.startswith(f'{path}: expected a picture file') and '\n' not in line
    return line


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


def test_heic_without_the_plugin(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'pillow_heif', None)  # not installed
    (tmp_path / 'a.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(100))
    assert 'pip install pillow-heif' in refused(tmp_path / 'a.heic')


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new('L', (20, 10), value) for value in (40, 200)]
    frames[0].save(tmp_path / 'a.gif', save_all=True, append_images=frames[1:])
    assert np.asarray(picture_file.open_picture(tmp_path / 'a.gif').convert('L')).max() == 40


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16', 'F', 'CMYK', 'YCbCr'])
def test_modes(tmp_path, mode):
    path = tmp_path / ('a.tif' if mode in ('F', 'CMYK', 'YCbCr') else 'a.png')
    if mode == 'I;16':
        picture = Image.fromarray(np.full([10, 20], 0xffff, np.uint16))
    else:
        picture = Image.new('L', (20, 10), 255).convert(mode)
    picture.save(path)
    found = picture_file.open_picture(path)
    assert found.mode in ('L', 'RGB') and found.size == (20, 10)
    assert np.asarray(found.convert('L')).min() >= 254


def test_turning_is_optional(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('L', (20, 10)).save(tmp_path / 'a.png', exif=exif)
    assert picture_file.open_picture(tmp_path / 'a.png').size == (10, 20)
    assert picture_file.open_picture(tmp_path / 'a.png', turn=False).size == (20, 10)


def test_a_path_with_chinese_characters_and_spaces(tmp_path):
    path = os.path.join(tmp_path, '我的 图片 5.png')
    Image.new('RGB', (3, 4)).save(path)
    assert picture_file.open_picture(path).size == (3, 4)
