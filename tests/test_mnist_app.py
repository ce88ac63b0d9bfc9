"""Pictures are prepared as in the post, read by the latest checkpoint, and reported on."""
import csv
import importlib.util
import io
import os
import re

import numpy as np
import pytest
from PIL import Image

import mnist_app
from helpers import DATA, ROOT, SAMPLES, mnist_arrays, mnist_logits, write_mnist_checkpoint
from support.common.console import UserError
from support.digits import photographs


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A working directory with a checkpoint as the original code wrote it; returns its arrays."""
    arrays = mnist_arrays(49001)
    write_mnist_checkpoint(tmp_path / 'model', arrays, 49001)
    monkeypatch.chdir(tmp_path)
    return arrays


# --- pre_pic

def the_posts_steps(path):
    """The post's steps, pixel by pixel as in the post."""
    small = Image.open(path).resize((28, 28), Image.Resampling.LANCZOS)
    pixels = np.array(small.convert('L'))
    for i in range(28):
        for j in range(28):
            pixels[i][j] = 255 - pixels[i][j]
            pixels[i][j] = 0 if pixels[i][j] < 50 else 255
    return np.multiply(pixels.reshape([1, 784]).astype(np.float32), 1.0 / 255.0)


@pytest.mark.parametrize('mode, size, extension', [
    ('RGB', (300, 300), 'jpg'), ('L', (300, 300), 'jpg'), ('RGB', (57, 201), 'png'),
    ('L', (28, 28), 'png'), ('L', (1, 1), 'png'), ('RGB', (11, 9), 'bmp')])
def test_pre_pic_is_bit_for_bit_the_posts(tmp_path, mode, size, extension):
    shape = size[::-1] + ((3,) if mode == 'RGB' else ())
    noise = Image.fromarray(np.random.RandomState(1).randint(0, 256, shape).astype(np.uint8))
    path = tmp_path / f'a.{extension}'
    noise.resize((5, 5)).resize(size, Image.Resampling.BICUBIC).save(path)
    got = mnist_app.pre_pic(path)
    assert got.dtype == np.float32 and got.shape == (1, 784)
    assert np.array_equal(got, the_posts_steps(path))


@pytest.mark.parametrize('path', SAMPLES, ids=os.path.basename)
def test_pre_pic_of_a_sample_is_bit_for_bit_the_posts(path):
    got = mnist_app.pre_pic(path)
    assert np.array_equal(got, the_posts_steps(path))
    assert set(np.unique(got)) == {0, 1} and 20 < got.sum() < 300


def test_the_threshold_is_at_50(tmp_path):
    shades = np.full([28, 28], 255, np.uint8)
    shades[0, :4] = [205, 206, 0, 255]  # ink 50, 49, 255, 0
    Image.fromarray(shades).save(tmp_path / 'a.png')
    assert mnist_app.pre_pic(tmp_path / 'a.png')[0, :4].tolist() == [1, 0, 1, 0]


def test_transparent_paper_is_white(tmp_path):
    picture = Image.new('RGBA', (28, 28), (0, 0, 0, 0))
    picture.putpixel((3, 0), (0, 0, 0, 255))
    picture.save(tmp_path / 'a.png')
    got = mnist_app.pre_pic(tmp_path / 'a.png')
    assert got[0, 3] == 1 and got.sum() == 1


def test_a_16_bit_picture_is_read_as_its_8_bit_version(tmp_path):
    shades = np.array(Image.open(SAMPLES[5]).convert('L'))
    Image.fromarray(shades.astype(np.uint16) * 257).save(tmp_path / 'deep.png')
    Image.fromarray(shades).save(tmp_path / 'plain.png')
    assert Image.open(tmp_path / 'deep.png').mode.startswith('I;16')
    assert np.array_equal(mnist_app.pre_pic(tmp_path / 'deep.png'),
                          mnist_app.pre_pic(tmp_path / 'plain.png'))


def bad_picture(kind, folder):
    path = folder / f'{kind}.jpg'
    if kind == 'folder':
        path.mkdir()
    elif kind == 'empty':
        path.write_bytes(b'')
    elif kind == 'text':
        path.write_bytes(b'not a picture')
    elif kind == 'truncated':
        with open(SAMPLES[5], 'rb') as sample:
            path.write_bytes(sample.read()[:2000])
    elif kind == 'huge':
        Image.new('1', (20000, 20000)).save(path, 'png')
    return path


@pytest.mark.parametrize('kind, words', [
    ('missing', 'no such file'), ('folder', 'a folder'), ('empty', 'an empty file'),
    ('text', 'something else'), ('truncated', 'damaged'), ('huge', 'more than')])
def test_a_bad_picture_is_named_in_one_line(tmp_path, kind, words):
    path = bad_picture(kind, tmp_path)
    with pytest.raises(UserError, match=words) as raised:
        mnist_app.pre_pic(path)
    assert str(path) in str(raised.value) and '\n' not in str(raised.value)


def test_the_samples_are_the_first_test_picture_of_each_digit(tmp_path):
    spec = importlib.util.spec_from_file_location(
        'make_samples', os.path.join(ROOT, 'samples', 'make_samples.py'))
    make_samples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_samples)
    make_samples.make_samples(DATA, tmp_path)
    for digit, path in enumerate(SAMPLES):
        made = np.array(Image.open(tmp_path / f'{digit}.jpg')).astype(int)
        kept = np.array(Image.open(path)).astype(int)
        assert made.shape == kept.shape == (280, 280) and abs(made - kept).max() <= 8


# --- restore_model

def test_restore_model_uses_the_averages(trained):
    ink = (np.random.RandomState(5).rand(1, 784) > 0.5).astype(np.float32)
    answer = mnist_app.restore_model(ink)
    assert answer.shape == (1,) and answer.dtype == np.int64
    assert answer[0] == mnist_logits(ink, trained, averages=True).argmax()
    assert answer[0] != mnist_logits(ink, trained).argmax()


def test_restore_model_without_a_checkpoint(tmp_path, capsys):
    assert mnist_app.restore_model(np.zeros([1, 784], np.float32), str(tmp_path)) == -1
    assert capsys.readouterr().out == 'no checkpoint file found\n'


# --- the program

def predictions(out):
    return re.findall(r'the prediction number is (.*)\n', out)


def sure(pictures, arrays):
    """The digits and the probability of each, as NumPy finds them."""
    logits = mnist_logits(pictures, arrays, averages=True)
    share = np.exp(logits - logits.max(1, keepdims=True))
    return logits.argmax(1), (share / share.sum(1, keepdims=True)).max(1)


@pytest.mark.parametrize('post, prepare', [([], photographs.pre_digits),
                                           (['--post'], mnist_app.pre_pic)])
def test_the_program_prints_digits_and_probabilities(trained, run_here, post, prepare):
    ended = run_here('mnist_app.py', *post, *SAMPLES)
    assert (ended.returncode, ended.stderr) == (0, 'reading with ./model/mnist_model-49001\n')
    digits, probabilities = sure(np.concatenate([prepare(path) for path in SAMPLES]), trained)
    lines = [line for line in ended.stdout.splitlines() if not line.startswith('not to be')]
    assert lines[::2] == [f'the prediction number is [{digit}]' for digit in digits]
    assert [float(line[6:-1]) for line in lines[1::2]] == pytest.approx(100 * probabilities, abs=.1)


def test_the_command_asks_and_asks_again(run_script, tmp_path, trained):
    ended = run_script('mnist_app.py', cwd=tmp_path,
                       stdin=f'two\n0\n2\nnone.jpg\n"{SAMPLES[2]}"\n {SAMPLES[5]} \n')
    assert ended.returncode == 0
    assert ended.stdout.count('input the number of test pictures:') == 3
    assert ended.stdout.count('the path of test picture:') == 3
    assert len(re.findall(r'the prediction number is \[\d\]\n', ended.stdout)) == 2
    assert ended.stderr.splitlines() == [
        'reading with ./model/mnist_model-49001',
        "mnist_app.py: expected a whole number of at least 1, found 'two'",
        "mnist_app.py: expected a whole number of at least 1, found '0'",
        'mnist_app.py: none.jpg: expected a picture file, such as JPEG or PNG, found no such file']


@pytest.mark.parametrize('stdin', ['', '2\n', f'2\n{SAMPLES[1]}\n'])
def test_the_end_of_input_ends_it_quietly(monkeypatch, capsys, stdin):
    monkeypatch.setattr('sys.stdin', io.StringIO(stdin))
    read = []
    assert mnist_app.application(read.append) == 0
    assert read == [SAMPLES[1]] * (SAMPLES[1] in stdin)
    out, err = capsys.readouterr()
    assert out.endswith(':\n') and err == ''


def test_a_bad_picture_does_not_keep_the_others_from_being_read(tmp_path, trained, run_here):
    ended = run_here('mnist_app.py', SAMPLES[1], bad_picture('text', tmp_path), SAMPLES[2])
    assert ended.returncode == 2 and len(predictions(ended.stdout)) == 2
    assert len(ended.stderr.splitlines()) == 2 and 'text.jpg' in ended.stderr


def test_without_a_checkpoint_the_included_network_reads(run_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run_here('mnist_app.py', SAMPLES[5])
    assert ended.returncode == 0 and predictions(ended.stdout) == ['[5]']
    assert re.fullmatch(r'reading with \S*models.mnist.mnist_model-73000\n', ended.stderr)
    ended = run_here('mnist_app.py', '--model-dir', 'model', SAMPLES[5])  # named, so it is meant
    assert (ended.returncode, ended.stdout) == (2, '')
    assert ended.stderr == ('mnist_app.py: model: expected a trained network, found no checkpoint '
                            'file; train first: python mnist_backward.py\n')


def test_show(tmp_path, trained, run_here):
    picture, blank = tmp_path / '我的 图片.png', tmp_path / 'blank.png'
    Image.open(SAMPLES[3]).save(picture)
    Image.new('L', (90, 60), 230).save(blank)
    lines = run_here('mnist_app.py', '--show', picture, blank).stdout.splitlines()
    assert re.fullmatch(r'the prediction number is \[\d\]', lines[0])
    assert re.fullmatch(r'sure: \d+\.\d%', lines[1])
    assert f"saved: {tmp_path / '我的 图片.read.png'}" in lines
    assert lines[lines.index('the prediction number is []') + 1].endswith('no ink was found')
    for name in '我的 图片.read.png', 'blank.read.png':
        with Image.open(tmp_path / name) as drawing:
            assert drawing.size == (3 * 290 + 10, 300)
    again = sorted(str(path) for path in tmp_path.glob('blank*.png'))
    ended = run_here('mnist_app.py', '--show', *again)
    assert f'{tmp_path}/blank.read.png: not read: a drawing of --show' in ended.stdout
    assert sorted(str(path) for path in tmp_path.glob('blank*.png')) == again


def test_a_table_of_many_files(tmp_path, trained, run_here):
    bad = str(bad_picture('text', tmp_path))
    files = [SAMPLES[1], bad, SAMPLES[2]]
    ended = run_here('mnist_app.py', *files, '--csv', 'read.csv')
    assert (ended.returncode, ended.stdout) == (2, 'read.csv: 2 of 3 pictures read\n')
    assert 'text.jpg' in ended.stderr
    with open('read.csv', encoding='utf-8', newline='') as opened:
        rows = list(csv.reader(opened))
    assert rows[0] == ['file', 'digits', 'confidence', 'doubts', 'lines', 'boxes']
    assert [row[0] for row in rows[1:]] == files and rows[2][1:] == [
        '', '', 'not read', '', '']
    for row, path in zip(rows[1::2], files[::2]):
        digits, probabilities = sure(photographs.pre_digits(path), trained)
        assert row[1] == str(digits[0])
        assert float(row[2]) == pytest.approx(probabilities[0], abs=1e-4)
        left, top, right, bottom = map(float, row[5].split(','))
        assert row[4] == '1' and 0 < left < right < 1 and 0 < top < bottom < 1


def test_a_table_of_nothing(one_line_error):
    assert 'expected picture files' in one_line_error('mnist_app.py', '--csv', 'read.csv')


def test_many_digits_stand_on_one_line(tmp_path, trained, run_here):
    page = Image.new('L', (45 * 40, 100), 'white')
    for k in range(45):
        page.paste(0, (40 * k + 15, 20, 40 * k + 24, 80))
    page.save(tmp_path / 'page.png')
    assert re.match(r'the prediction number is \[\d( \d){44}\]\nsure: ',
                    run_here('mnist_app.py', 'page.png').stdout)


def test_the_posts_way_reads_a_blank_picture_too(tmp_path, trained, run_here):
    Image.new('L', (90, 60), 230).save(tmp_path / 'blank.png')
    assert re.fullmatch(r'the prediction number is \[\d\]\nsure: \S+\n'
                        r'not to be trusted: the picture is blank.*\n',
                        run_here('mnist_app.py', '--post', 'blank.png').stdout)
