"""Figures and contact sheet of the whole test set."""
import numpy as np
from PIL import Image

from support.captcha import report


def test_figures(capsys):
    report.print_figures([('0782', '0782'), ('0782', '1782'), ('5137', '5037'),
                                ('5137', '5137'), ('0000', '1111')])
    assert capsys.readouterr().out.splitlines() == [
        'character 1: 0.6000', 'character 2: 0.6000', 'character 3: 0.8000', 'character 4: 0.8000',
        'whole captchas: 0.4000 (2 of 5)',
        'confused: 0 read as 1, 5 times', 'confused: 1 read as 0, 1 times']


def test_sheet(tmp_path):
    image = np.full([224, 224], 200, np.uint8)
    report.save_sheet([(image, '0782', '1782'), (image, '5137', '5137')],
                            str(tmp_path / 'sheet.png'))
    with Image.open(tmp_path / 'sheet.png') as sheet:
        assert sheet.format == 'PNG'
        pixels = np.asarray(sheet).astype(int)
    cell = report.CAPTCHA_SIZE[0] + report.GAP
    colours = [{tuple(pixel) for pixel in pixels[70:100, left:left + cell].reshape(-1, 3)}
               for left in (report.GAP, report.GAP + cell)]
    assert report.WRONG in colours[0] and report.RIGHT not in colours[0]
    assert report.RIGHT in colours[1] and report.WRONG not in colours[1]
    assert np.all(pixels[20:60, 20:160] == 200)
    report.save_sheet([(image, 'ABCDEFGH中', 'ABCDEFGW中')] * 4, str(tmp_path / 'wide.png'))
    with Image.open(tmp_path / 'wide.png') as wide:
        assert wide.width > pixels.shape[1]  # so that no caption runs into the next


def test_varying_lengths_are_printed_and_drawn_without_the_filling(tmp_path, capsys):
    report.print_figures([('078', '078'), ('0782', '078'), ('9', '97'), ('0782', '0782')])
    assert capsys.readouterr().out.splitlines() == [
        'character 1: 1.0000', 'character 2: 0.7500', 'character 3: 1.0000', 'character 4: 0.5000',
        'whole captchas: 0.5000 (2 of 4)', 'of 1 characters: 0.0000 (0 of 1)',
        'of 3 characters: 1.0000 (1 of 1)', 'of 4 characters: 0.5000 (1 of 2)']
