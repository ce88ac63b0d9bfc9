"""Each benchmark starts, and its smallest row has the right figures."""
import dataclasses
import glob
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from captcha.image import DEFAULT_FONTS
from PIL import Image

from helpers import (
    ROOT,
    mnist_arrays,
    mnist_logits,
    run_in,
    tiny_mnist,
    write_mnist_checkpoint,
)
from support.captcha import dataset, labels, recipes, records
from support.common import console
from support.digits import input_data

with console.quiet_start():
    import tensorflow.compat.v1 as tf

import captcha_accuracy
import draw_foreign
import exchange
import ink_on_paper
import mnist_speed
import own_pictures
import step_timing
import train_step
import train_step_tf2
from nets import nets_factory
from on_tf1 import on_tf1

BENCHMARKS = os.path.join(ROOT, 'benchmarks')

pytestmark = pytest.mark.slow


def is_script(path):
    with open(path, encoding='utf-8') as file:
        return "__name__ == '__main__'" in file.read()


SCRIPTS = [os.path.basename(path) for path in sorted(glob.glob(os.path.join(BENCHMARKS, '*.py')))
           if is_script(path)]

# --- all of them, as they are started

START = '''
import contextlib, io, json, os, runpy, sys
folder, started = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
found = []
for script, *arguments in started:
    sys.argv = [script, *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, \\
         contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            runpy.run_path(os.path.join(folder, script), run_name='__main__')
            status = 'no exit'
        except SystemExit as end:
            status = end.code
    found.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(found))
'''
STARTED = [*([script, '--help'] for script in SCRIPTS),
           ['train_step_tf1.py', '--batch', '1'], ['mnist_tf1_step.py', '1']]


@pytest.fixture(scope='module')
def started(tmp_path_factory):
    """{(script, argument): (exit status, stdout, stderr)}, from one process to save time."""
    folder = tmp_path_factory.mktemp('elsewhere')
    ended = subprocess.run([sys.executable, '-c', START, BENCHMARKS, json.dumps(STARTED)],
                           cwd=folder, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert os.listdir(folder) == []
    return {tuple(command[:2]): found
            for command, found in zip(STARTED, json.loads(ended.stdout))}


@pytest.mark.parametrize('script', SCRIPTS)
def test_help(started, script):
    status, out, _ = started[script, '--help']
    assert status in (0, None)
    assert out.startswith(f'usage: {script}')
    for heading in 'Command:', 'Reads:', 'Writes:', 'Takes:':
        assert heading in out


@pytest.mark.parametrize('command', [('train_step_tf1.py', '--batch'), ('mnist_tf1_step.py', '1')])
def test_what_needs_tensorflow_1_refuses_another(started, command):
    status, out, err = started[command]
    assert (status, out) == (2, '')
    assert 'expected TensorFlow 1.14.0, found 2' in err.splitlines()[-1]


# --- captcha_accuracy.py

def test_a_training_and_its_figures(captchas, capsys):
    recipe = dataclasses.replace(recipes.RECIPES['small_cnn', 'default'], steps=4, batch_size=10,
                                 method='heads')
    found = captcha_accuracy.one_training(recipe, run_in(captchas, 'unused', save_every=2))
    assert [iteration for _, iteration, _, _ in found.points] == [2, 3]
    (earlier, *_), (minutes, _, characters, whole) = found.points
    assert 0 < earlier < minutes
    assert 0 <= whole <= characters <= 0.5 and found.whole == whole
    assert (10 * whole).is_integer()  # of the 10 held-out captchas
    assert found.known * 50 == pytest.approx(round(found.known * 50))  # of all 50 to train on
    assert found.pictures_per_second == pytest.approx(10 * 3 / (60 * minutes))
    assert 6 < found.megabytes < 7.5
    assert capsys.readouterr().out == '' and not os.path.exists('unused')


def test_the_first_records_know_their_alphabet(captchas):
    run = run_in(captchas, 'unused')
    whole = captcha_accuracy.Data(run, 50, dataset.Facts())
    with captcha_accuracy.first_records(whole, 7) as part:
        assert part.pictures == 7 and part.run.test_file == run.test_file
        assert records.survey(part.run.train_file)[:2] == (7, whole.facts)
    assert not os.path.exists(part.run.train_file)


RESULT = captcha_accuracy.Result([(1.0, 2, 0.8, 0.5), (2.0, 3, 0.99, 0.975)], 100.0, 7.0, 0.25)
SMALL = dataclasses.replace(recipes.RECIPES['small_cnn', 'default'], steps=1001)
METHODS = nets_factory.methods_of('small_cnn')
AS_THEY_ARE = dataclasses.replace(SMALL, distortion=None)


@pytest.mark.parametrize('command, trained, rows', [
    ('networks --networks small_cnn', [dataclasses.replace(SMALL, steps=3001)],
     ['| small_cnn, seed 0 | 1,292,334 | 60 million | 100 | 2.0 | 2.0 | never | never | 97.5 % '
      '| 2.0 | 7.0 MB |']),
    ('methods', [dataclasses.replace(AS_THEY_ARE, method=method) for method in METHODS],
     [f'| {method} | 97.5 % | 97.5 % |' for method in METHODS]),
    ('methods --distort --steps 7',
     [dataclasses.replace(SMALL, steps=7, method=method) for method in METHODS],
     [f'| {method} | 97.5 % | 97.5 % |' for method in METHODS]),
    ('pictures --seeds 0 1', [AS_THEY_ARE] * 2, ['| 50 | 240.0 | 25.0 % | 97.5 % |'] * 2),
    ('pictures --method heads', [dataclasses.replace(AS_THEY_ARE, method='heads')],
     ['| 50 | 240.0 | 25.0 % | 97.5 % |']),
])
def test_a_table_and_the_recipes_behind_it(captchas, capsys, command, trained, rows):
    found = []

    def train(recipe, run):
        found.append((recipe, run.seed, run.save_every))
        return RESULT
    args = captcha_accuracy.parse(command.split())
    data = captcha_accuracy.Data(run_in(captchas, 'unused'), 50, dataset.Facts(), train)
    captcha_accuracy.TABLES[args.table](args, data)
    seeds = args.seeds * (len(trained) // len(args.seeds))
    assert found == [(recipe, seed, 200) for recipe, seed in zip(trained, seeds)]
    assert capsys.readouterr().out.splitlines()[2:] == rows


def test_minutes_to():
    points = [(1.0, 200, 0.9, 0.5), (2.0, 400, 1.0, 0.91), (3.0, 600, 1.0, 0.9)]
    assert captcha_accuracy.minutes_to(points, 0.9) == '2.0'
    assert captcha_accuracy.minutes_to(points, 0.97) == 'never'


# --- draw_foreign.py

def test_captchas_of_another_generator_can_be_converted(tmp_path):
    draw_foreign.draw('mixed', 6, DEFAULT_FONTS, str(tmp_path / 'images'), '0123456789', (4, 6))
    found, bad, facts = labels.find_pictures(str(tmp_path / 'images'))
    assert (len(found), bad, facts.alphabet) == (6, [], '0123456789')
    for path, text in found:
        assert 4 <= len(text) <= 6
        with Image.open(path) as picture:
            assert picture.mode == 'RGB' and 140 <= picture.width <= 770
            assert np.ptp(np.asarray(picture)) > 50


# --- TensorFlow 1.14

def test_another_interpreter_is_refused_in_one_line():
    with pytest.raises(console.UserError, match='expected Python 3.6 .* found: .*arguments are'):
        on_tf1(sys.executable, 'draw_foreign.py')  # fails, as the scripts for 1.14 would


def test_no_interpreter_is_refused():
    with pytest.raises(console.UserError, match='expected Python 3.6 .* found: No such file'):
        on_tf1('/no/such/python', 'mnist_tf1_step.py')


def test_exchanged_logits(tmp_path):
    prefix = str(tmp_path / 'model')
    saved = exchange.our_logits(save_to=prefix)
    assert saved.shape == (4, 4, 10)
    assert exchange.difference(exchange.our_logits(prefix), saved) == 0
    assert exchange.difference(np.array([1.0, -4.0]), np.array([2.0, -4.0])) == 0.25


# --- train_step.py

@pytest.mark.parametrize('products', [False, True])
def test_the_posts_graph_has_the_posts_parameters(products):
    with tf.Graph().as_default():
        heads = train_step_tf2.plain_alexnet(tf.zeros([2, 224, 224, 1]), products)
        assert [head.shape.as_list() for head in heads] == [[2, 10]] * 4
        count = sum(v.shape.num_elements() for v in tf.trainable_variables())
        kinds = [op.type for op in tf.get_default_graph().get_operations()]
    assert count == step_timing.PARAMETERS
    assert (kinds.count('Conv2D'), kinds.count('MatMul')) == ((5, 6) if products else (11, 0))


def test_a_row_of_the_training_step(capsys, monkeypatch):
    monkeypatch.setattr(train_step, 'STEPS', 1)
    train_step.table(['ours'], 1, 1, tf1_python=None)
    name, median, least, most, of_floor, of_ours, ms, peak = (
        cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].strip('|').split('|'))
    assert (name, of_floor, of_ours) == ('ours', '', '1.00')
    assert 0 < float(least) <= float(median) <= float(most)
    assert float(ms) == pytest.approx(1000 * float(median), abs=1)
    assert 0.5 < float(peak) < 4  # GiB; the weights and Adam's moments take 0.52


def test_operations_of_a_step():
    assert step_timing.step_flops(25) == 25 * step_timing.step_flops(1)
    assert step_timing.step_flops(1) / 1e9 == pytest.approx(4.1, abs=0.05)


# --- mnist_speed.py

def test_a_step_is_timed_without_touching_the_data_set():
    mnist = tiny_mnist()
    assert mnist_speed.our_step(mnist, 3) > 0
    assert 'next_batch' not in vars(mnist.train)


# --- own_pictures.py

def test_a_table_of_own_pictures(tmp_path, capsys):
    arrays = mnist_arrays(5)
    write_mnist_checkpoint(tmp_path / 'model', arrays, 5)
    own_pictures.compare('second', 2, ['clean', 'all combined'], str(tmp_path / 'model'),
                         str(tmp_path / 'sheet.png'))
    first, second, _, *rows = capsys.readouterr().out.splitlines()
    test = input_data.read_data_sets(os.path.join(ROOT, 'data')).test
    right = mnist_logits(test.images, arrays, averages=True).argmax(axis=1) == test.labels
    assert first.startswith('MNIST unchanged: train ')
    assert first.endswith(f'test {right.mean():.2%}')
    assert second.startswith('2 digits per condition, second half of the validation digits')
    assert [row[:24].strip() for row in rows] == ['clean', 'all combined']
    for row in rows:
        assert {*row[24:].split()} <= {'0.0%', '50.0%', '100.0%'}
    assert sorted(os.listdir(tmp_path)) == ['model', 'sheet.png']
    with Image.open(tmp_path / 'sheet.png') as sheet:
        assert sheet.size == (2 * 8 * 120, 2 * 120)


def test_own_pictures_need_a_model(tmp_path):
    with pytest.raises(console.UserError, match='train first: python mnist_backward.py'):
        own_pictures.compare('first', 1, ['clean'], str(tmp_path))


def test_a_row_counts_what_is_read_rightly():
    def read(images):  # the number of inked pixels
        return images.sum(axis=1).astype(int)
    prepared = np.zeros([4, 2, 784], np.float32)
    prepared[1:, 0, 0] = prepared[3, 1, :2] = 1  # reads 0 1 1 1 after pre_pic, 0 0 0 2 after ours
    assert own_pictures.row('name', read, prepared, [0, 1, 1, 2]).split() == [
        'name', '75.0%', '50.0%']


def test_digits_by_other_writers_are_dark_on_light():
    images = np.zeros([2, 8, 8])
    images[0, 1:7, 3:5] = 16  # a 1
    seen = own_pictures.by_other_writers(images)
    assert seen.shape == (2, 2, 784)
    assert seen[0].any(axis=1).all() and not seen[1].any()


@pytest.mark.parametrize('condition', ink_on_paper.CONDITIONS)
def test_a_condition_is_the_same_again_and_differs_from_a_plain_picture(condition):
    digit = np.zeros([28, 28], np.float32)
    digit[4:24, 12:16] = 1

    def picture(name):
        rng = np.random.default_rng(3)
        return ink_on_paper.photograph(digit, rng, ink_on_paper.settings_of(name, rng))
    (drawn, options), (again, _), (plain, _) = map(picture, [condition, condition, 'clean'])
    assert drawn.tobytes() == again.tobytes()
    assert options['format'] in ('JPEG', 'PNG')
    changed = drawn.mode != plain.mode or drawn.tobytes() != plain.tobytes()
    assert changed == (condition not in ('clean', 'JPEG 40 to 95'))  # JPEG changes the file
