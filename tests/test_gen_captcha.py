"""The generator, run as a user runs it."""
import os
import random
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import gen_captcha
from helpers import ROOT
from support.captcha import dataset, drawing
from support.common import files
from support.common.console import UserError


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


def test_a_second_run_continues_the_numbers(run_script, tmp_path):
    first = run_script('gen_captcha.py', '--num', 7, '--seed', 5, '--out', tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / '.0000_000099.jpg.part').write_bytes(b'of a run that was killed')
    second = run_script('gen_captcha.py', '--num', 5, '--seed', 6, '--out', tmp_path)
    assert (first.returncode, second.returncode) == (0, 0)
    assert 'holds 7 pictures' in second.stdout and '000007' in second.stdout
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(after) == 12
    assert all(after[name] == content for name, content in before.items())


@pytest.mark.parametrize('drawn, asked, found', [
    (['0782', '0113'], dataset.Facts(dataset.CHARSETS['alnum']), '2 of 4 characters of 0-9;'),
    (['0A82', '0113'], dataset.Facts(), '2 of 4 characters of 0-9 A-Z;'),
    (['0782', '01133'], dataset.Facts(), '2 of 4-5 characters of 0-9;')])
def test_other_characters_and_lengths_are_not_mixed(tmp_path, drawn, asked, found):
    for number, text in enumerate(drawn):
        (tmp_path / f'{text}_{number:06d}.jpg').write_bytes(b'')
    with pytest.raises(UserError, match=f'expected captchas of {asked}, found {found}.*--out.*'
                                        '--images'):
        gen_captcha.gen_captcha(str(tmp_path), 3, drawing.Drawing(asked))
    assert len(os.listdir(tmp_path)) == len(drawn)


def test_any_length_alphabet_and_size(run_script, tmp_path):
    made = run_script('gen_captcha.py', '--num', 60, '--seed', 1, '--out', tmp_path, '--length',
                      '3-5', '--alphabet', '01abcdef', '--width', 200, '--height', 80)
    assert made.returncode == 0, made.stderr
    drawn = texts(tmp_path)
    assert {len(text) for text in drawn} == {3, 4, 5}
    assert set(''.join(drawn)) == set('01abcdef')
    with Image.open(next(tmp_path.iterdir())) as image:
        assert image.size == (200, 80)


@pytest.mark.parametrize('height', [30, 120])
def test_characters_are_as_tall_as_the_picture_lets_them(tmp_path, height):
    """The package's font sizes are for 60 pixels and would be cut off in lower pictures."""
    how = drawing.Drawing(width=100, height=height)
    for k in range(40):
        gen_captcha.draw(('8888', str(tmp_path / f'{k}.jpg'), how))
    inked = []
    for path in tmp_path.iterdir():
        grey = np.asarray(Image.open(path).convert('L')).astype(int)
        inked.append((abs(grey - np.median(grey)) > 25).sum(axis=1))  # pixels of each row
    rows = np.mean(inked, axis=0)
    edge = (rows[:2].mean() + rows[-2:].mean()) / 2
    assert edge < 0.6 * rows.max()  # measured: 0.3 to 0.5, and above 0.8 where they are cut off
    assert (rows > rows.max() / 2).mean() > 0.6  # measured: 0.75 to 0.9


def test_few_captchas_of_a_large_alphabet_may_be_added_to(tmp_path):
    for drawn, alphabet in (['0782', '0113'], '0123456789é'), (['abc0'], '0123456789abcdef'):
        drawing.check_same_kind(str(tmp_path), drawn, dataset.Facts(alphabet))
    with pytest.raises(UserError, match='found 1 of 4 characters of 0-9 a-z'):
        drawing.check_same_kind(str(tmp_path), ['abcz'], dataset.Facts('0123456789abcdef'))


def test_the_same_seed_adds_other_texts(tmp_path):
    for _ in range(2):
        gen_captcha.gen_captcha(str(tmp_path), 5, seed=3, workers=1)
    rng = random.Random(3)
    first = [gen_captcha.random_captcha_text(rng, dataset.Facts()) for _ in range(5)]
    drawn = texts(tmp_path)
    assert len(drawn) == 10 and drawn[:5] == first and not {*drawn[5:]} & {*first}


def test_two_generators_do_not_draw_into_one_folder(one_line_error, tmp_path):
    with files.alone(str(tmp_path), 'drawing'):
        assert 'expected a folder without another drawing' in one_line_error(
            'gen_captcha.py', '--num', 3, '--out', tmp_path)


def test_the_seed_fixes_the_texts(run_script, tmp_path):
    for folder, seed in ('a', 5), ('b', 5), ('c', 6):
        run_script('gen_captcha.py', '--num', 20, '--seed', seed, '--out', tmp_path / folder,
                   '--charset', 'alnum')
    assert texts(tmp_path / 'a') == texts(tmp_path / 'b') != texts(tmp_path / 'c')
    characters = set(''.join(texts(tmp_path / 'a')))
    assert characters <= set('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ')
    assert characters & set('ABCDEFGHIJKLMNOPQRSTUVWXYZ')


@pytest.mark.parametrize('arguments, words', [
    (['--num', '0'], 'at least 1'), (['--num', '-3'], 'at least 1'),
    (['--num', 'many'], 'many'), (['--charset', 'greek'], 'digits'), (['--seed', 'x'], 'seed'),
    (['--nmu', '5'], '--nmu'), (['--length', '5-4'], 'expected a length'),
    (['--length', '0'], 'expected a length'), (['--alphabet', ''], 'expected an alphabet'),
    (['--alphabet', 'aba'], "found 'aba'"), (['--alphabet', 'a_b'], "found '_'"),
    (['--alphabet', 'ab/'], "found '/'"),
    (['--height', '15'], 'at least 24 and 16 pixels, found 160x15'),
    (['--width', '23'], 'at least 24 and 16 pixels, found 23x60')])
def test_bad_options_are_one_line(one_line_error, tmp_path, arguments, words):
    assert words in one_line_error('gen_captcha.py', '--out', tmp_path / 'new', *arguments)
    assert not (tmp_path / 'new').exists()


def test_a_folder_that_cannot_be_made_is_one_line(one_line_error, tmp_path):
    (tmp_path / 'file').write_text('in the way')
    assert 'file' in one_line_error('gen_captcha.py', '--num', 1, '--out', tmp_path / 'file' / 'x')


def test_varied_captchas_are_jpegs_of_many_sizes(run_script, tmp_path):
    made = run_script('gen_captcha.py', '--num', 30, '--seed', 5, '--varied', '--length', '3-5',
                      '--out', tmp_path)
    assert made.returncode == 0, made.stderr
    sizes = set()
    for name in os.listdir(tmp_path):
        assert re.fullmatch(r'[0-9]{3,5}_(\d{6})\.jpg', name)
        with Image.open(tmp_path / name) as image:
            assert (image.format, image.mode) == ('JPEG', 'RGB')
            sizes.add(image.size)
    assert len(sizes) > 10


@pytest.mark.skipif(os.name == 'nt', reason='kill -9 is of POSIX systems')
def test_no_worker_outlives_a_killed_generator(tmp_path):
    """Each worker keeps the pipe open, so reading from it ends with the last worker."""
    process = subprocess.Popen([sys.executable, os.path.join(ROOT, 'gen_captcha.py'),
                                '--num', '100000', '--out', str(tmp_path / 'images')],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob('images/*.jpg')):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=30)  # TimeoutExpired while a worker lives
