import os
import re

import numpy as np
import pytest
from PIL import Image

import cli
import mnist_app
import mnist_backward
import mnist_photo
from conftest import ROOT
from mnist_arrays import logits, random_arrays, write_checkpoint

SAMPLES = [os.path.join(ROOT, 'samples', f'{digit}.jpg') for digit in range(10)]


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist_backward, 'model_save_path', str(tmp_path / 'model'))
    return tmp_path / 'model'


@pytest.fixture
def trained(model):
    """A checkpoint as the original code wrote it, with arbitrary values; returns its arrays."""
    arrays = random_arrays(49001)
    write_checkpoint(model, arrays, 49001)
    return arrays


def the_posts_steps(path):
    """The post's steps once more, pixel by pixel as it had them."""
    small = Image.open(path).resize((28, 28), Image.Resampling.LANCZOS)
    pixels = np.array(small.convert('L'))
    for i in range(28):
        for j in range(28):
            pixels[i][j] = 255 - pixels[i][j]
            pixels[i][j] = 0 if pixels[i][j] < 50 else 255
    return np.multiply(pixels.reshape([1, 784]).astype(np.float32), 1.0 / 255.0)


@pytest.mark.parametrize('mode, size, end', [
    ('RGB', (300, 300), 'jpg'), ('L', (300, 300), 'jpg'), ('RGB', (57, 201), 'png'),
    ('L', (28, 28), 'png'), ('L', (1, 1), 'png'), ('RGB', (11, 9), 'bmp')])
def test_pre_pic_is_bit_for_bit_the_posts(tmp_path, mode, size, end):
    shape = size[::-1] + ((3,) if mode == 'RGB' else ())
    noise = Image.fromarray(np.random.RandomState(1).randint(0, 256, shape).astype(np.uint8))
    path = tmp_path / f'a.{end}'
    noise.resize((5, 5)).resize(size, Image.Resampling.BICUBIC).save(path)
    got = mnist_app.pre_pic(path)
    assert got.dtype == np.float32 and got.shape == (1, 784)
    assert np.array_equal(got, the_posts_steps(path))


@pytest.mark.parametrize('path', SAMPLES)
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


def test_the_samples_are_the_first_test_picture_of_each_digit(tmp_path):
    import importlib.util
    spec = importlib.util.spec_from_file_location(
        'make_samples', os.path.join(ROOT, 'samples', 'make_samples.py'))
    make_samples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_samples)
    make_samples.make_samples(os.path.join(ROOT, 'data'), tmp_path)
    for digit, path in enumerate(SAMPLES):
        made = np.array(Image.open(tmp_path / f'{digit}.jpg')).astype(int)
        kept = np.array(Image.open(path)).astype(int)
        assert made.shape == kept.shape == (280, 280) and abs(made - kept).max() <= 8


def test_restore_model_uses_the_averages(trained):
    ink = (np.random.RandomState(5).rand(1, 784) > 0.5).astype(np.float32)
    answer = mnist_app.restore_model(ink)
    assert answer.shape == (1,)
    assert answer[0] == logits(ink, trained, averages=True).argmax()
    assert answer[0] != logits(ink, trained).argmax()


def test_restore_model_without_a_checkpoint(model, capsys):
    assert mnist_app.restore_model(np.zeros([1, 784], np.float32)) == -1
    assert capsys.readouterr().out == 'no checkpoint file found\n'


def test_one_session_reads_what_numpy_reads(trained, capsys):
    for post, prepare in (False, mnist_photo.pre_photo), (True, mnist_app.pre_pic):
        assert mnist_app.application(SAMPLES, post=post) == 0
        expected = [logits(prepare(path), trained, averages=True).argmax() for path in SAMPLES]
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if 'prediction' in line] == [
            f'the prediction number is [{d}]' for d in expected]


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
    with pytest.raises(cli.UserError, match=words) as raised:
        mnist_app.pre_pic(path)
    assert str(path) in str(raised.value) and '\n' not in str(raised.value)


@pytest.mark.parametrize('answer, path', [
    ('a b.jpg', 'a b.jpg'), (' "a b.jpg" ', 'a b.jpg'), ("'a.jpg'\t", 'a.jpg'),
    ('a\\ b.jpg', 'a b.jpg' if os.name != 'nt' else 'a\\ b.jpg'),
    ('~/a.jpg', os.path.join(os.path.expanduser('~'), 'a.jpg'))])
def test_pasted_paths(answer, path):
    assert mnist_app.clean_path(answer) == path


@pytest.fixture
def folder(tmp_path):
    """A folder to run the command in, with a checkpoint of arbitrary values."""
    write_checkpoint(tmp_path / 'model', random_arrays(7), 7)
    return tmp_path


def test_the_command_asks_and_asks_again(run_script, folder):
    done = run_script('mnist_app.py',
                  stdin=f'two\n0\n2\nnone.jpg\n"{SAMPLES[2]}"\n {SAMPLES[5]} \n', cwd=folder)
    assert done.returncode == 0
    assert done.stdout.count('input the number of test pictures:') == 3
    assert done.stdout.count('the path of test picture:') == 3
    assert len(re.findall(r'the prediction number is \[\d\]\n', done.stdout)) == 2
    assert done.stderr.splitlines() == [
        "mnist_app.py: expected a whole number of at least 1, found 'two'",
        "mnist_app.py: expected a whole number of at least 1, found '0'",
        'mnist_app.py: none.jpg: expected a picture file, such as JPEG or PNG, found no such file']


@pytest.mark.parametrize('stdin', ['', '2\n', f'2\n{SAMPLES[1]}\n'])
def test_the_end_of_input_ends_it_quietly(run_script, folder, stdin):
    done = run_script('mnist_app.py', stdin=stdin, cwd=folder)
    assert done.returncode == 0 and done.stderr == ''
    assert done.stdout.count('prediction') == (1 if SAMPLES[1] in stdin else 0)


def test_the_command_reads_arguments_and_names_the_bad_one(run_script, folder):
    bad = bad_picture('text', folder)
    done = run_script('mnist_app.py', SAMPLES[1], bad, SAMPLES[2], cwd=folder)
    assert done.returncode == 2
    assert done.stdout.count('the prediction number is [') == 2
    assert len(done.stderr.splitlines()) == 1 and 'text.jpg' in done.stderr


def test_the_command_without_a_checkpoint(run_script, tmp_path):
    done = run_script('mnist_app.py', SAMPLES[1], cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, 'no checkpoint file found\n')
    assert done.stderr == 'mnist_app.py: train first: python mnist_backward.py\n'


def test_show_and_post_and_pasted_paths(run_script, folder):
    picture = folder / '我的 图片.png'
    Image.open(SAMPLES[3]).save(picture)
    blank = folder / 'blank.png'
    Image.new('L', (90, 60), 230).save(blank)
    done = run_script('mnist_app.py', '--show', f'"{picture}"', blank, cwd=folder)
    assert (done.returncode, done.stderr) == (0, '')
    lines = done.stdout.splitlines()
    assert re.fullmatch(r'the prediction number is \[\d\]', lines[0])
    assert re.fullmatch(r'sure: \d+\.\d%', lines[1])
    assert f"saved: {folder / '我的 图片.read.png'}" in lines
    assert lines[lines.index('the prediction number is []') + 1].endswith('no ink was found')
    for name in '我的 图片.read.png', 'blank.read.png':
        with Image.open(folder / name) as drawing:
            assert drawing.size == (3 * 290 + 10, 300)

    done = run_script('mnist_app.py', '--post', blank, cwd=folder)
    assert re.match(r'the prediction number is \[\d\]\nsure: ', done.stdout)
    assert 'blank' in done.stdout
