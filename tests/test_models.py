"""The trained networks of the repository read, and can be begun with, as the README says."""
import os

import pytest

import captcha_test
from helpers import ROOT, read_arrays
from support.captcha import dataset, endless, models, recipes

PICTURES = os.path.join(ROOT, 'samples', 'captchas')


def test_the_network_for_digits_reads_ten_captchas(run_script):
    names = sorted(os.listdir(PICTURES))
    ended = run_script('captcha_test.py', '--model-dir', 'models/digits',
                       *(os.path.join('samples', 'captchas', name) for name in names))
    assert (ended.returncode, ended.stderr) == (0, '')
    read = [line.split() for line in ended.stdout.splitlines()]
    assert [os.path.basename(path) for path, _, _ in read] == names and len(names) == 10
    right = sum(name.startswith(text) for name, (_, text, _) in zip(names, read))
    assert right >= 9, read


def test_the_network_for_digits_and_letters_reads_ten_captchas(run_script, tmp_path):
    drawn = run_script('gen_captcha.py', '--num', 10, '--charset', 'alnum', '--seed', 7,
                       '--out', tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    names = sorted(os.listdir(tmp_path))
    reader = captcha_test.open_reader(os.path.join(ROOT, 'models', 'alnum'))
    read = [text for text, _ in reader.read([tmp_path / name for name in names])]
    assert sum(name.startswith(text) for name, text in zip(names, read)) >= 7, (names, read)
    assert any(text.isalnum() and not text.isdigit() for text in read)


@pytest.mark.parametrize('name, alphabet', [('digits', 'digits'), ('alnum', 'alnum')])
def test_what_the_networks_say_of_themselves(name, alphabet):
    checkpoint = models.newest(os.path.join(ROOT, 'models', name))
    about = models.about(checkpoint)
    assert about.facts == dataset.Facts(dataset.CHARSETS[alphabet])
    own = recipes.to_json(recipes.make('small_cnn', 'own', method='fine_attention'))
    found = recipes.to_json(recipes.from_json(about.fields))  # without what recipes have no more
    assert {key: found[key] for key in own if key not in recipes.CHANGEABLE} == {
        key: value for key, value in own.items() if key not in recipes.CHANGEABLE}
    assert not any('Adam' in key for key in read_arrays(checkpoint))
    assert sum(os.path.getsize(os.path.join(ROOT, 'models', name, file))
               for file in os.listdir(os.path.join(ROOT, 'models', name))) < 5_500_000


@pytest.mark.parametrize('views', [3, 5])
def test_the_general_network_reads_several_times(views):
    names = sorted(os.listdir(PICTURES))
    with captcha_test.open_reader(models.GENERAL, views=views) as reader:
        read = reader.read([os.path.join(PICTURES, name) for name in names])
    assert sum(name.startswith(text) for name, (text, _) in zip(names, read)) >= 9, (names, read)


def test_the_general_network_is_what_endless_draws_for():
    checkpoint = models.newest(models.GENERAL)
    about = models.about(checkpoint)
    assert about.facts == endless.FACTS
    assert recipes.from_json(about.fields) == recipes.RECIPES['line_cnn', 'default']
    assert not any('Adam' in key for key in read_arrays(checkpoint))
    assert sum(os.path.getsize(os.path.join(models.GENERAL, name))
               for name in os.listdir(models.GENERAL)) < 20_000_000
