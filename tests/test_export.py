"""A network outside the project: what an export reads is what its checkpoint reads."""
import concurrent.futures
import http.client
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from helpers import (ROOT, SAMPLES, mnist_arrays, mnist_logits, read_arrays,
                     write_mnist_checkpoint)
from support.common import console

with console.quiet_start():
    import tensorflow.compat.v1 as tf

import captcha_lite
from nets import methods, nets_factory
from support import export
from support.captcha import dataset, graph_pictures, models, reader, recipes
from support.common import checkpoints, pictures
from support.digits import photographs

CAPTCHAS = sorted(os.path.join(ROOT, 'samples', 'captchas', name)
                  for name in os.listdir(os.path.join(ROOT, 'samples', 'captchas')))
TEXTS = [os.path.basename(path)[:4] for path in CAPTCHAS]


def random_network(folder, network, method, facts):
    """Write a checkpoint with random weights and return its folder."""
    recipe = recipes.Recipe(network=network, method=method, standardize=True)
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(3)
        checkpoints.note_about({'recipe': recipes.to_json(recipe),
                                'dataset': dataset.to_json(facts)})
        nets_factory.get_network_fn(
            network, num_classes=methods.METHODS[method].num_classes(facts), method=method,
            num_heads=facts.heads, initialization='he')(tf.zeros([1, 224, 224, 1]))
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, os.path.join(folder, models.MODEL_NAME), global_step=1)
    return str(folder)


def by_saved_model(folder, signature, name, value):
    """What a SavedModel answers, {name: array}."""
    with tf.Graph().as_default(), tf.Session() as sess:
        signatures = tf.saved_model.loader.load(sess, ['serve'], str(folder)).signature_def
        return sess.run({key: info.name for key, info in signatures[signature].outputs.items()},
                        {signatures[signature].inputs[name].name: value})


@pytest.fixture(scope='module')
def lite(tmp_path_factory):
    """models/digits for captcha_lite.py."""
    folder = tmp_path_factory.mktemp('lite') / 'captchas'
    export.export(os.path.join(ROOT, 'models', 'digits'), str(folder))
    return folder


@pytest.fixture(scope='module')
def lite_digits(tmp_path_factory):
    """An MNIST network of random weights, for captcha_lite.py, and its arrays."""
    folder = tmp_path_factory.mktemp('lite_digits')
    write_mnist_checkpoint(folder / 'model', mnist_arrays(7), 7)
    export.export(str(folder / 'model'), str(folder / 'digits'))
    return folder / 'digits', mnist_arrays(7)


@pytest.mark.parametrize('network, method', [
    ('alexnet_v2', 'heads'),  # its size is slow; 'vector' is the small network's, too
    *(('small_cnn', method) for method in nets_factory.methods_of('small_cnn')),
    ('line_cnn', 'ctc')])
def test_each_network_and_method_reads_the_same(network, method, tmp_path):
    varying = 'attention' in method or method == 'ctc'
    facts = dataset.Facts('0123456789Äß', 3 if varying else 4, 6 if varying else 4,
                          'line' if network == 'line_cnn' else 'post')
    model = random_network(tmp_path / 'model', network, method, facts)
    images = np.stack([pictures.load_captcha(path, facts.pictures) for path in CAPTCHAS[:4]])
    with reader.open_reader(model) as expected:
        classes, confidence = expected.classify(images)
    export.export(model, str(tmp_path / 'lite'))
    found = captcha_lite.open_reader(str(tmp_path / 'lite'))
    assert found.facts == facts
    for image, of_classes, sure in zip(images, classes, confidence):
        found_classes, found_sure = found.classify(image)
        assert found_classes.tolist() == of_classes.tolist()
        np.testing.assert_allclose(found_sure, sure, rtol=1e-3, atol=1e-6)
    if network != 'alexnet_v2':
        export.export(model, str(tmp_path / 'saved'), 'saved_model')
        answer = by_saved_model(tmp_path / 'saved', 'pixels', 'pixels', images)
        assert [text.decode() for text in answer['text']] == [*map(facts.text_of, classes)]
        np.testing.assert_allclose(answer['characters'], confidence, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(answer['confidence'], confidence.prod(1), rtol=1e-4, atol=1e-6)


def test_the_reader_takes_paths_bytes_and_pictures(lite):
    found = captcha_lite.open_reader(str(lite))
    with open(CAPTCHAS[1], 'rb') as file:
        texts = found.read([CAPTCHAS[0], file.read(), Image.open(CAPTCHAS[2])])
    with reader.open_reader(os.path.join(ROOT, 'models', 'digits')) as expected:
        wanted = expected.read(CAPTCHAS[:3])
    assert [text for text, _ in texts] == [text for text, _ in wanted] == TEXTS[:3]
    np.testing.assert_allclose([sure for _, sure in texts], [sure for _, sure in wanted], atol=1e-4)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # threads may share it
        together = list(pool.map(found.read_one, 3 * CAPTCHAS))
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
    assert read.returncode == 2 and len(read.stderr.splitlines()) == 1, read.stderr
    assert re.match('captcha_lite.py: .*none.png: expected a picture file', read.stderr)
    folder, arrays = lite_digits
    expected = mnist_logits(photographs.pre_digits(SAMPLES[3]), arrays, averages=True).argmax()
    assert run(folder, SAMPLES[3]).stdout.split()[1] == str(expected)


def test_digits_read_the_same(lite_digits, tmp_path):
    folder, arrays = lite_digits
    pixels = photographs.pre_digits(SAMPLES[3])  # float32 [1, 784]
    logits = mnist_logits(pixels, arrays, averages=True)[0]
    softmax = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    found = captcha_lite.open_reader(str(folder))
    blank = Image.new('L', (60, 60), 255)
    assert found.read_one(blank) == ('', 1.0, ())
    text, confidence = found.read([SAMPLES[3]])[0]
    assert text == str(logits.argmax()) and abs(confidence - softmax.max()) < 1e-4
    beside = Image.new('L', (600, 300), 255)
    with Image.open(SAMPLES[3]) as one:
        for left in 0, 300:
            beside.paste(one.resize((280, 280)), (left + 10, 10))
    assert len(found.read([beside])[0][0]) == 2
    write_mnist_checkpoint(tmp_path / 'model', arrays, 7)
    export.export(str(tmp_path / 'model'), str(tmp_path / 'saved'), 'saved_model')
    answer = by_saved_model(tmp_path / 'saved', 'pixels', 'pixels', pixels)
    assert answer['text'] == [text.encode()] and abs(answer['confidence'][0] - confidence) < 1e-4


def test_the_exports_that_come_with_the_repository(one_line_error, run_script):
    """models/general is exported again when it is trained again."""
    with reader.open_reader(os.path.join(ROOT, 'models', 'general')) as network:
        expected = network.read(CAPTCHAS)
    found = captcha_lite.open_reader()
    assert found.facts == network.facts
    texts, confidence = zip(*found.read(CAPTCHAS))
    assert texts == tuple(text for text, _ in expected)
    np.testing.assert_allclose(confidence, [sure for _, sure in expected], rtol=1e-3)
    digits = run_script('captcha_lite.py', '--model-dir', 'models/mnist', *SAMPLES)
    assert [line.split()[1] for line in digits.stdout.splitlines()] == [*'0123456789']
    assert 'network.json: expected an exported network' in one_line_error(
        'captcha_lite.py', '--model-dir', 'none', SAMPLES[0])


def test_a_row_of_the_benchmark(lite):
    sys.path.insert(0, os.path.join(ROOT, 'benchmarks'))
    import deploy
    assert deploy.labelled(os.path.dirname(CAPTCHAS[0])) == list(zip(CAPTCHAS, TEXTS))
    *figures, texts = deploy.probe('captcha_lite.py', sys.executable, str(lite), CAPTCHAS)
    assert texts == TEXTS and len(figures) == len(deploy.COLUMNS) and min(figures) > 0
    assert 20 < figures[-1] < 1000 and 20 < figures[-2] < 1000  # MB


def test_a_saved_model_takes_picture_files(tmp_path):
    export.export(os.path.join(ROOT, 'models', 'digits'), str(tmp_path / 'saved'), 'saved_model')
    encoded = [open(path, 'rb').read() for path in CAPTCHAS]
    answer = by_saved_model(tmp_path / 'saved', 'serving_default', 'pictures', encoded)
    assert [text.decode() for text in answer['text']] == TEXTS
    facts = json.loads((tmp_path / 'saved' / 'assets.extra' / 'network.json').read_text())
    assert dataset.from_json(facts) == dataset.Facts()


@pytest.mark.parametrize('kind', dataset.PICTURES)
def test_pictures_in_the_graph_are_as_pillows(kind, tmp_path):
    with Image.open(CAPTCHAS[0]) as picture:
        clear = picture.convert('RGBA')
        clear.putalpha(picture.convert('L').point(lambda value: 255 - value))
        kinds = {'a.jpg': picture, 'grey.jpg': picture.convert('L'), 'a.png': picture,
                 'clear.png': clear, 'a.gif': picture, 'a.bmp': picture,
                 'wide.png': picture.resize((301, 47)), 'small.png': picture.resize((50, 21)),
                 'blank.png': Image.new('RGB', (90, 40), 'yellow'),
                 'large.jpg': picture.resize((640, 400))}
        for name, one in kinds.items():
            one.save(tmp_path / name)
    paths = [tmp_path / name for name in kinds]
    with tf.Graph().as_default(), tf.Session() as sess:
        found = sess.run(graph_pictures.load_captchas(
            tf.constant([path.read_bytes() for path in paths]), kind))
    for path, pixels in zip(paths, found):
        apart = np.abs(pixels.astype(int) - pictures.load_captcha(path, kind))
        assert apart.max() <= 1 and apart.mean() < 0.01, path


@pytest.mark.parametrize('model, form, expected', [
    ('none', 'tflite', 'none: expected a folder with crack_captcha.model-<i> or mnist_model-<i>, '
                       'found none'),
    ('none', 'weights', 'none: expected a checkpoint or a folder with crack_captcha'),
    ('model', 'weights', 'model: expected a checkpoint or a folder with crack_captcha'),  # digits
    ('captchas', 'tflite', 'expected a captcha network, found none')])
def test_what_is_no_network_is_refused(model, form, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_mnist_checkpoint('model', {'Variable': np.zeros([784, 500], np.float32)}, 5)
    os.makedirs('captchas')
    os.rename(write_mnist_checkpoint('other', {'Variable': np.zeros(3)}, 5) + '.index',
              'captchas/crack_captcha.model-5.index')
    with pytest.raises(console.UserError, match=expected):
        export.export(model, 'out', form)
    assert not os.path.exists('out') and sorted(os.listdir()) == ['captchas', 'model', 'other']


def test_weights_go_without_the_rate_but_with_a_variable_that_has_no_name(tmp_path):
    """Older checkpoints have the rate under the name of a variable without one."""
    for folder, shape in ('old', []), ('unnamed', [3]):
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.get_variable('net/weights', [2])
            tf.Variable(tf.ones(shape))
            tf.Variable(0.1, name='learning_rate')
            checkpoints.note_about({
                'recipe': recipes.to_json(recipes.RECIPES['small_cnn', 'default']),
                'dataset': dataset.to_json(dataset.Facts())})
            sess.run(tf.global_variables_initializer())
            tf.train.Saver().save(sess, str(tmp_path / folder / models.MODEL_NAME), global_step=1)
        export.export(str(tmp_path / folder), str(tmp_path / f'{folder}_out'), 'weights')
    old, unnamed = (set(read_arrays(tmp_path / f'{folder}_out' / 'crack_captcha.model-1'))
                    for folder in ('old', 'unnamed'))
    assert (old, unnamed - old) == ({'about', 'net/weights'}, {'Variable'})


def test_what_does_not_fit_is_one_line(tmp_path):
    ended = subprocess.run([sys.executable, '-m', 'support.export', 'models/digits', '--to',
                            str(tmp_path / 'new'), '--format', 'onnx'],
                           cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1, ended
    assert re.search(r"invalid choice: 'onnx' \(choose from '?tflite", ended.stderr)
    (tmp_path / 'kept').write_text('mine')
    for target in tmp_path, tmp_path / 'kept':
        with pytest.raises(console.UserError, match='expected a folder that is new or empty'):
            export.export('models/digits', str(target))
    assert os.listdir(tmp_path) == ['kept']


@pytest.mark.parametrize('name, content', [('network.json', 'x'), ('network.json', '{}'),
                                           ('network.tflite', 'x'), ('network.tflite', None)])
def test_a_damaged_export_is_one_line(name, content, lite, tmp_path):
    for part in 'network.json', 'network.tflite':
        (tmp_path / part).write_bytes((lite / part).read_bytes())
    (tmp_path / name).write_text(content) if content else os.remove(tmp_path / name)
    with pytest.raises(console.UserError, match=f'{name}: expected an exported network, found'):
        captcha_lite.open_reader(str(tmp_path))


def test_the_web_service(lite, lite_digits):
    service = subprocess.Popen([sys.executable, os.path.join(ROOT, 'examples', 'serve.py'),
                                '--captchas', lite, '--digits', lite_digits[0], '--port', '0'],
                               stdout=subprocess.PIPE, text=True)
    try:
        address = service.stdout.readline().strip()

        def post(path, body):
            try:
                with urllib.request.urlopen(address + path, body, timeout=60) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda path: post('/captcha', open(path, 'rb').read()), CAPTCHAS))
        assert [(status, read['text']) for status, read in found] == [(200, t) for t in TEXTS]
        assert post('/digits', open(SAMPLES[3], 'rb').read())[0] == 200
        status, read = post('/captcha', b'no picture')
        assert status == 400 and 'expected a picture file' in read['error']
        large = http.client.HTTPConnection(address.removeprefix('http://'), timeout=60)
        large.request('POST', '/captcha', headers={'Content-Length': '10000001'})
        assert large.getresponse().status == 413
        assert post('/other', b'x')[0] == 404
        with urllib.request.urlopen(address) as page:
            assert b'<canvas' in page.read()
    finally:
        service.terminate()
        assert service.wait(30) == 143  # SIGTERM
