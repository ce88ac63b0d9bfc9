"""The reader without TensorFlow: paths, bytes, pictures, a folder of its own."""
import concurrent.futures
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import captcha_lite
from helpers import CAPTCHAS, ROOT, SAMPLES, TEXTS, mnist_logits
from support.captcha import network
from support.common import console
from support.digits import photographs


def test_the_reader_takes_paths_bytes_and_pictures(lite):
    found = captcha_lite.open_reader(str(lite))
    with open(CAPTCHAS[1], 'rb') as file:
        texts = found.read([CAPTCHAS[0], file.read(), Image.open(CAPTCHAS[2])])
    with network.open_reader(os.path.join(ROOT, 'models', 'digits')) as expected:
        wanted = expected.read(CAPTCHAS[:3])
    assert [text for text, _ in texts] == [text for text, _ in wanted] == TEXTS[:3]
    np.testing.assert_allclose([sure for _, sure in texts], [sure for _, sure in wanted], atol=1e-3)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # threads may share it
        together = list(pool.map(lambda path: next(found.read_each([path])), 3 * CAPTCHAS))
    assert [one.text for one in together] == 3 * TEXTS and len(together[0].characters) == 4
    with pytest.raises(TypeError, match='expected a list'):
        found.read(CAPTCHAS[0])


def test_an_export_stands_alone_and_needs_no_tensorflow(lite, lite_digits, tmp_path):
    """In its own folder, with nothing of the project on the path."""
    code = ('import sys; sys.modules["tensorflow"] = None; import runpy; '
            'sys.path.insert(0, "."); sys.argv[0] = "captcha_lite.py"; '
            'runpy.run_path("captcha_lite.py", run_name="__main__")')
    (tmp_path / 'none.png').write_text('no picture')

    def run(folder, *files):
        return subprocess.run([sys.executable, '-c', code, *map(str, files)], cwd=folder,
                              capture_output=True, text=True, env={**os.environ, 'PYTHONPATH': ''})
    read = run(lite, *CAPTCHAS, tmp_path / 'none.png')
    assert [line.split()[1] for line in read.stdout.splitlines()] == TEXTS
    assert read.returncode == 2 and re.fullmatch(
        'reading with .*\ncaptcha_lite.py: .*none.png: expected a picture file.*\n', read.stderr)
    folder, arrays = lite_digits
    expected = mnist_logits(photographs.pre_digits(SAMPLES[3]), arrays, averages=True).argmax()
    assert run(folder, SAMPLES[3]).stdout.split()[1] == str(expected)


def test_the_exports_that_come_with_the_repository(one_line_error, run_script):
    """models/general is exported again when it is trained again."""
    with network.open_reader(os.path.join(ROOT, 'models', 'general')) as opened:
        expected = opened.read(CAPTCHAS)
        images = np.concatenate([opened.network.load(path) for path in CAPTCHAS[:3]])
        softmax = opened.network.softmax_of(images)
    found = captcha_lite.open_reader()
    assert found.facts == opened.facts
    assert [text for text, _ in found.read(CAPTCHAS)] == [text for text, _ in expected]
    np.testing.assert_allclose(found.network.softmax_of(images), softmax, atol=0.02)  # float16
    digits = run_script('captcha_lite.py', '--model-dir', 'models/mnist', *SAMPLES)
    assert [line.split()[1] for line in digits.stdout.splitlines()] == [*'0123456789']
    assert 'network.json: expected an exported network' in one_line_error(
        'captcha_lite.py', '--model-dir', 'none', SAMPLES[0])


@pytest.mark.parametrize('name, content', [('network.json', 'x'), ('network.json', '{}'),
                                           ('network.tflite', 'x'), ('network.tflite', None)])
def test_a_damaged_export_is_one_line(name, content, lite, tmp_path):
    for part in 'network.json', 'network.tflite':
        (tmp_path / part).write_bytes((lite / part).read_bytes())
    (tmp_path / name).write_text(content) if content else os.remove(tmp_path / name)
    with pytest.raises(console.UserError, match=f'{name}: expected an exported network, found'):
        captcha_lite.open_reader(str(tmp_path))


def test_what_is_known_counts_for_digits_too(lite_digits):
    opened = captcha_lite.open_reader(str(lite_digits[0]), alphabet='17')
    assert {text for text, _ in opened.read(SAMPLES)} <= {'1', '7'}
    with pytest.raises(console.UserError, match='expected some of 1 characters of 0-9'):
        captcha_lite.open_reader(str(lite_digits[0]), length=(2, 2))


def test_without_litert_one_line_says_what_to_install(one_line_error, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ai_edge_litert.interpreter', None)
    assert 'pip install -r requirements-lite.txt' in one_line_error('captcha_lite.py', 'one.jpg')
