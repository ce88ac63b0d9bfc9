"""A network outside the project: what an export reads is what its checkpoint reads."""
import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import captcha_lite
import captcha_test
import deploy
import mnist_backward
from helpers import (
    CAPTCHAS,
    ROOT,
    SAMPLES,
    TEXTS,
    by_saved_model,
    mnist_logits,
    read_arrays,
    tf,
    write_mnist_checkpoint,
)
from nets import methods, nets_factory
from support import export
from support.captcha import dataset, loading, models, recipes
from support.common import checkpoints, console
from support.digits import photographs


def random_network(folder, network, method, facts):
    """Write a checkpoint with random weights and return its folder."""
    recipe = recipes.Recipe(network=network, method=method, standardize=True)
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(3)
        checkpoints.note_about({'recipe': dataclasses.asdict(recipe),
                                'dataset': dataset.to_json(facts)})
        nets_factory.get_network_fn(
            network, num_classes=methods.METHODS[method].num_classes(facts), method=method,
            num_heads=facts.heads, initialization='he')(tf.zeros([1, 224, 224, 1]))
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, os.path.join(folder, models.MODEL_NAME), global_step=1)
    return str(folder)


@pytest.mark.parametrize('network, method', [
    ('alexnet_v2', 'heads'),  # large and slow; small_cnn covers 'vector'
    *(('small_cnn', method) for method in nets_factory.methods_of('small_cnn')),
    ('line_cnn', 'ctc')])
def test_each_network_and_method_reads_the_same(network, method, tmp_path):
    lengths = (1, 56) if method == 'ctc' else (3, 6) if 'attention' in method else (4, 4)
    facts = dataset.Facts('0123456789Äß', *lengths, 'line' if network == 'line_cnn' else 'post')
    model = random_network(tmp_path / 'model', network, method, facts)
    images = np.stack([loading.load_captcha(path, facts.pictures) for path in CAPTCHAS[:4]])
    with captcha_test.open_reader(model) as expected:
        classes, confidence = expected.classify(images)
    export.export(model, str(tmp_path / 'lite'))
    found = captcha_lite.open_reader(str(tmp_path / 'lite'))
    assert found.facts == facts
    found_classes, found_sure = found.classify(images)
    assert found_classes.tolist() == classes.tolist()
    np.testing.assert_allclose(found_sure, confidence, rtol=1e-3, atol=1e-6)
    if network != 'alexnet_v2':
        export.export(model, str(tmp_path / 'saved'), 'saved_model')
        answer = by_saved_model(tmp_path / 'saved', 'pixels', 'pixels', images)
        assert [text.decode() for text in answer['text']] == [*map(facts.text_of, classes)]
        np.testing.assert_allclose(answer['characters'], confidence, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(answer['confidence'], confidence.prod(1), rtol=1e-4, atol=1e-6)


def test_digits_read_the_same(lite_digits, tmp_path):
    folder, arrays = lite_digits
    pixels = photographs.pre_digits(SAMPLES[3])  # float32 [1, 784]
    logits = mnist_logits(pixels, arrays, averages=True)[0]
    softmax = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    found = captcha_lite.open_reader(str(folder))
    blank = Image.new('L', (60, 60), 255)
    assert next(found.read_each([blank])) == ('', 0.0, (), None)
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


def test_a_row_of_the_benchmark(lite):
    assert deploy.labelled(os.path.dirname(CAPTCHAS[0])) == list(zip(CAPTCHAS, TEXTS))
    *figures, texts = deploy.probe('captcha_lite.py', sys.executable, str(lite), CAPTCHAS)
    assert texts == TEXTS and len(figures) == len(deploy.COLUMNS) and min(figures) > 0
    assert 20 < figures[-1] < 1000 and 20 < figures[-2] < 1000  # MB


@pytest.mark.parametrize('model, form, expected', [
    ('none', 'tflite', 'none: expected a checkpoint or a folder with crack_captcha.model-<i>, '
                       'found none; name the folder of a trained network, such as models/digits'),
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


def test_weights_go_without_what_only_training_needs(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        weights = tf.get_variable('net/weights', [2])
        tf.train.AdamOptimizer(tf.Variable(0.1, name='learning_rate')).minimize(weights ** 2)
        checkpoints.note_about({
            'recipe': dataclasses.asdict(recipes.RECIPES['small_cnn', 'default']),
            'dataset': dataset.to_json(dataset.Facts())})
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, str(tmp_path / 'model' / models.MODEL_NAME), global_step=1)
        expected = sess.run(weights)
    export.export(str(tmp_path / 'model'), str(tmp_path / 'out'), 'weights')
    os.rename(tmp_path / 'out', tmp_path / 'moved')
    found = read_arrays(models.newest(str(tmp_path / 'moved')))
    assert found.keys() == {'about', 'net/weights'}
    assert found['net/weights'].tolist() == expected.tolist()


def test_the_digits_names_are_the_training_scripts():
    assert mnist_backward.model_name == export.DIGITS_NAME


def test_what_does_not_fit_is_one_line(tmp_path):
    ended = subprocess.run([sys.executable, '-m', 'support.export', 'models/digits', '--to',
                            str(tmp_path / 'new'), '--format', 'onnx'],
                           cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1, ended
    assert re.search(r"invalid choice: 'onnx' \(choose from '?tflite", ended.stderr)
    (tmp_path / 'kept').write_text('mine')
    for target in tmp_path, tmp_path / 'kept':
        with pytest.raises(console.UserError, match='expected the name of a new folder'):
            export.export('models/digits', str(target))
    assert os.listdir(tmp_path) == ['kept']
