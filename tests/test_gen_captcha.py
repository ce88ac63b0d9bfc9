"""The generator, run as a user runs it."""
import os
import re

import pytest
from PIL import Image


def texts(folder):
    return [name.partition('_')[0] for name in
            sorted(os.listdir(folder), key=lambda name: name.rpartition('_')[2])]


def test_every_draw_keeps_its_own_jpeg(run_script, tmp_path):
    folder = tmp_path / 'out' / 'images'
    made = run_script('gen_captcha.py', '--num', 120, '--seed', 5, '--out', folder)
    assert made.returncode == 0, made.stderr
    assert '>> Creating image' in made.stderr and '120/120' in made.stderr
    names = sorted(os.listdir(folder))
    numbers = [int(re.fullmatch(r'[0-9]{4}_(\d{6})\.jpg', name)[1]) for name in names]
    assert sorted(numbers) == list(range(120))
    for name in names[::40]:
        with Image.open(folder / name) as image:
            assert (image.format, image.size, image.mode) == ('JPEG', (160, 60), 'RGB')
            image.load()


def test_a_second_run_goes_on_with_the_numbers(run_script, tmp_path):
    first = run_script('gen_captcha.py', '--num', 7, '--seed', 5, '--out', tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / '.0000_000099.jpg.part').write_bytes(b'of a run that was killed')
    second = run_script('gen_captcha.py', '--num', 5, '--seed', 6, '--out', tmp_path)
    assert (first.returncode, second.returncode) == (0, 0)
    assert 'holds 7 pictures' in second.stdout and '000007' in second.stdout
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(after) == 12
    assert all(after[name] == content for name, content in before.items())


@pytest.mark.parametrize('there, asked, name', [
    (['0782', '0113'], 'alnum', 'digits'), (['0A82', '0113'], 'digits', 'alnum')])
def test_digits_and_letters_are_not_mixed(one_line_error, tmp_path, there, asked, name):
    for number, text in enumerate(there):
        (tmp_path / f'{text}_{number:06d}.jpg').write_bytes(b'')
    line = one_line_error('gen_captcha.py', '--num', 3, '--charset', asked, '--out', tmp_path)
    assert f'expected captchas of {asked}, found {len(there)} of {name}' in line
    assert '--out' in line and '--images' in line
    assert len(os.listdir(tmp_path)) == len(there)


def test_the_seed_fixes_the_texts(run_script, tmp_path):
    for folder, seed in ('a', 5), ('b', 5), ('c', 6):
        run_script('gen_captcha.py', '--num', 60, '--seed', seed, '--out', tmp_path / folder,
                   '--charset', 'alnum')
    assert texts(tmp_path / 'a') == texts(tmp_path / 'b') != texts(tmp_path / 'c')
    characters = set(''.join(texts(tmp_path / 'a')))
    assert characters <= set('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ')
    assert characters & set('ABCDEFGHIJKLMNOPQRSTUVWXYZ')


@pytest.mark.parametrize('arguments, words', [
    (['--num', '0'], 'at least 1'), (['--num', '-3'], 'at least 1'),
    (['--num', 'many'], 'many'), (['--charset', 'greek'], 'digits'), (['--seed', 'x'], 'seed'),
    (['--nmu', '5'], '--nmu')])
def test_bad_options_are_one_line(one_line_error, tmp_path, arguments, words):
    assert words in one_line_error('gen_captcha.py', '--out', tmp_path / 'new', *arguments)
    assert not (tmp_path / 'new').exists()


def test_a_folder_that_cannot_be_made_is_one_line(one_line_error, tmp_path):
    (tmp_path / 'file').write_text('in the way')
    assert 'file' in one_line_error('gen_captcha.py', '--num', 1, '--out', tmp_path / 'file' / 'x')
