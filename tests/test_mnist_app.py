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
from support.digits import photographs, report
from support.common.console import UserError


@pytest.fixture
def model(tmp_path):
    """A folder without a checkpoint."""
    return str(tmp_path / 'model')


@pytest.fixture
def trained(model):
    """A checkpoint as the original code wrote it, with arbitrary values; returns its arrays."""
    arrays = mnist_arrays(49001)
    write_mnist_checkpoint(model, arrays, 49001)
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

def test_restore_model_uses_the_averages(model, trained):
    ink = (np.random.RandomState(5).rand(1, 784) > 0.5).astype(np.float32)
    answer = mnist_app.restore_model(ink, model)
    assert answer.shape == (1,) and answer.dtype == np.int64
    assert answer[0] == mnist_logits(ink, trained, averages=True).argmax()
    assert answer[0] != mnist_logits(ink, trained).argmax()


@pytest.mark.parametrize('number', [0, 1, 7])
def test_restore_model_gives_probabilities_as_well(model, trained, number):
    ink = np.random.RandomState(5).rand(number, 784).astype(np.float32)
    digits, probabilities = mnist_app.restore_model(ink, model, with_probabilities=True)
    logits = mnist_logits(ink, trained, averages=True)
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    assert digits.tolist() == logits.argmax(1).tolist()
    assert probabilities.shape == (number, 10) and probabilities.dtype == np.float32
    assert np.allclose(probabilities, expected, atol=1e-4)


def test_restore_model_reads_the_latest_checkpoint(model, trained):
    """Built and restored once per checkpoint, but never from the previous one."""
    ink = np.random.RandomState(5).rand(40, 784).astype(np.float32)
    for _ in range(2):
        before = mnist_app.restore_model(ink, model)
    newer = mnist_arrays(50000, seed=9)
    write_mnist_checkpoint(model, newer, 50000)
    answer = mnist_app.restore_model(ink, model)
    assert answer.tolist() == mnist_logits(ink, newer, averages=True).argmax(1).tolist()
    assert answer.tolist() != before.tolist()


def test_restore_model_without_a_checkpoint(model, capsys):
    assert mnist_app.restore_model(np.zeros([1, 784], np.float32), model) == -1
    assert capsys.readouterr().out == 'no checkpoint file found\n'
    answer = mnist_app.restore_model(np.zeros([1, 784], np.float32), model, with_probabilities=True)
    assert answer == (-1, None)


def test_a_damaged_checkpoint_is_one_line(model, trained):
    with open(os.path.join(model, 'mnist_model-49001.index'), 'wb') as opened:
        opened.write(b'nothing')
    with pytest.raises(UserError, match='mnist_model-49001: expected a whole checkpoint') as raised:
        mnist_app.application(SAMPLES, model_folder=model)
    assert '\n' not in str(raised.value) and 'python mnist_backward.py' in str(raised.value)


# --- the program

def predictions(out):
    return re.findall(r'the prediction number is (.*)\n', out)


@pytest.mark.parametrize('post, prepare', [(False, photographs.pre_photo),
                                           (True, mnist_app.pre_pic)])
def test_the_program_prints_what_restore_model_returns(model, trained, capsys, post, prepare):
    assert mnist_app.application(SAMPLES, post=post, model_folder=model) == 0
    captured = capsys.readouterr()
    expected = []
    for path in SAMPLES:
        testPicArr = prepare(path)
        digits, probabilities = mnist_app.restore_model(testPicArr, model, with_probabilities=True)
        assert digits[0] == mnist_logits(testPicArr, trained, averages=True).argmax()
        expected += [f'the prediction number is {digits}', f'sure: {probabilities.max():.1%}',
                     *report.doubts(testPicArr, probabilities)]
    assert captured.out.splitlines() == expected and captured.err == ''


def test_the_command_asks_and_asks_again(run_script, tmp_path, model, trained):
    ended = run_script('mnist_app.py', cwd=tmp_path,
                       stdin=f'two\n0\n2\nnone.jpg\n"{SAMPLES[2]}"\n {SAMPLES[5]} \n')
    assert ended.returncode == 0
    assert ended.stdout.count('input the number of test pictures:') == 3
    assert ended.stdout.count('the path of test picture:') == 3
    assert len(re.findall(r'the prediction number is \[\d\]\n', ended.stdout)) == 2
    assert ended.stderr.splitlines() == [
        "mnist_app.py: expected a whole number of at least 1, found 'two'",
        "mnist_app.py: expected a whole number of at least 1, found '0'",
        'mnist_app.py: none.jpg: expected a picture file, such as JPEG or PNG, found no such file']


@pytest.mark.parametrize('stdin', ['', '2\n', f'2\n{SAMPLES[1]}\n'])
def test_the_end_of_input_ends_it_quietly(model, trained, monkeypatch, capsys, stdin):
    monkeypatch.setattr('sys.stdin', io.StringIO(stdin))
    assert mnist_app.application(model_folder=model) == 0
    out, err = capsys.readouterr()
    assert len(predictions(out)) == (1 if SAMPLES[1] in stdin else 0)
    assert out.endswith(':\n') and err == ''


def test_a_bad_picture_does_not_keep_the_others_from_being_read(tmp_path, model, trained, capsys):
    bad = bad_picture('text', tmp_path)
    assert mnist_app.application([SAMPLES[1], str(bad), SAMPLES[2]], model_folder=model) == 2
    out, err = capsys.readouterr()
    assert len(predictions(out)) == 2
    assert len(err.splitlines()) == 1 and 'text.jpg' in err


def test_the_command_without_a_checkpoint(run_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run_here('mnist_app.py', '--post', SAMPLES[1])
    assert (ended.returncode, ended.stdout) == (2, 'no checkpoint file found\n')
    assert ended.stderr == 'mnist_app.py: train first: python mnist_backward.py\n'


def test_without_a_checkpoint_nothing_is_asked(model, capsys):
    with pytest.raises(UserError, match='python mnist_backward.py'):
        mnist_app.application(model_folder=model)
    assert capsys.readouterr().out == 'no checkpoint file found\n'


def test_show_and_pasted_paths(tmp_path, model, trained, capsys):
    picture, blank = tmp_path / '我的 图片.png', tmp_path / 'blank.png'
    Image.open(SAMPLES[3]).save(picture)
    Image.new('L', (90, 60), 230).save(blank)
    assert mnist_app.application([f'"{picture}"', str(blank)], show=True, model_folder=model) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r'the prediction number is \[\d\]', lines[0])
    assert re.fullmatch(r'sure: \d+\.\d%', lines[1])
    assert f"saved: {tmp_path / '我的 图片.read.png'}" in lines
    assert lines[lines.index('the prediction number is []') + 1].endswith('no ink was found')
    for name in '我的 图片.read.png', 'blank.read.png':
        with Image.open(tmp_path / name) as drawing:
            assert drawing.size == (3 * 290 + 10, 300)
    again = sorted(str(path) for path in tmp_path.glob('blank*.png'))
    assert mnist_app.application(again, show=True, model_folder=model) == 0
    assert f'{tmp_path}/blank.read.png: not read: a drawing of --show' in capsys.readouterr().out
    assert sorted(str(path) for path in tmp_path.glob('blank*.png')) == again


def test_a_table_of_many_files(tmp_path, model, trained, capsys):
    bad, table = str(bad_picture('text', tmp_path)), str(tmp_path / 'read.csv')
    files = [SAMPLES[1], bad, SAMPLES[2]]
    assert mnist_app.application(files, model_folder=model, csv_file=table) == 2
    out, err = capsys.readouterr()
    assert out == f'{table}: 2 of 3 pictures read\n' and 'text.jpg' in err
    with open(table, encoding='utf-8', newline='') as opened:
        rows = list(csv.reader(opened))
    assert rows[0] == ['file', 'digits', 'confidence', 'doubts']
    assert [row[0] for row in rows[1:]] == files and rows[2][1:] == ['', '', 'not read']
    for row, path in zip(rows[1::2], files[::2]):
        digits, probabilities = mnist_app.restore_model(photographs.pre_photo(path), model,
                                                        with_probabilities=True)
        assert row[1:3] == [str(digits[0]), f'{probabilities.max():.4f}']


def test_a_table_of_nothing(one_line_error):
    assert 'expected picture files' in one_line_error('mnist_app.py', '--csv', 'read.csv')


def test_many_digits_stand_on_one_line(tmp_path, model, trained, capsys):
    page = Image.new('L', (45 * 40, 100), 'white')
    for k in range(45):
        page.paste(0, (40 * k + 15, 20, 40 * k + 24, 80))
    page.save(tmp_path / 'page.png')
    assert mnist_app.application([str(tmp_path / 'page.png')], model_folder=model) == 0
    assert re.match(r'the prediction number is \[\d( \d){44}\]\nsure: ', capsys.readouterr().out)


def test_the_posts_way_reads_a_blank_picture_too(tmp_path, model, trained, capsys):
    Image.new('L', (90, 60), 230).save(tmp_path / 'blank.png')
    assert mnist_app.application([str(tmp_path / 'blank.png')], post=True, model_folder=model) == 0
    assert re.fullmatch(r'the prediction number is \[\d\]\nsure: \S+\n'
                        r'not to be trusted: the picture is blank.*\n', capsys.readouterr().out)
