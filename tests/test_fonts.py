"""Fonts for captchas: which are found, and which are left out and why."""
import glob
import os
import shutil

import matplotlib
import pytest
from captcha.image import DEFAULT_FONTS

from support.captcha import dataset, fonts
from support.common.console import UserError


def test_fonts_are_found_and_checked(tmp_path, capsys):
    own, = DEFAULT_FONTS
    assert fonts.find_fonts(None, '0123') == (own,)
    with pytest.raises(UserError, match=f'{tmp_path}: expected a font .* found none.*--fonts'):
        fonts.find_fonts(str(tmp_path), '0123')
    (tmp_path / 'more').mkdir()
    shutil.copy(own, tmp_path / 'more' / 'copy.TTF')
    assert fonts.find_fonts(str(tmp_path), '0123') == (own, str(tmp_path / 'more/copy.TTF'))
    with pytest.raises(UserError, match='expected a font .* with all of 0验, found none'):
        fonts.find_fonts(None, '0验')
    (tmp_path / 'bad.ttf').write_bytes(b'no font')
    (tmp_path / 'worse.ttf').write_bytes(b'no font')
    capsys.readouterr()
    assert len(fonts.find_fonts(str(tmp_path), '0123')) == 2
    assert capsys.readouterr().out.startswith(f'not used: 2 fonts, such as {tmp_path}/bad.ttf: ')


def test_fonts_of_symbols_are_left_out():
    """Matplotlib brings DejaVu, which people can read, and TeX's mathematical symbols."""
    folder = os.path.join(matplotlib.get_data_path(), 'fonts', 'ttf')
    symbols = [os.path.join(folder, name) for name in ('cmsy10.ttf', 'cmex10.ttf')]
    texts = sorted(set(glob.glob(os.path.join(folder, 'DejaVuS*.ttf')))
                   - {*glob.glob(os.path.join(folder, '*Display.ttf'))})
    assert len(texts) >= 12
    assert fonts.legible([*texts, *symbols], dataset.CHARSETS['all']) == tuple(texts)
