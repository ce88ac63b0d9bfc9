"""Folders of checkpoints, what each says about itself, and the repository's own networks."""
import dataclasses
import json
import os
import shutil

import numpy as np
import pytest

import captcha_test
import gen_captcha
from helpers import PICTURES, ROOT, read_arrays, train, write_arrays
from support.captcha import dataset, drawing, endless, models, recipes
from support.common.console import UserError


def test_the_network_for_digits_reads_ten_captchas(run_here, monkeypatch):
    monkeypatch.chdir(ROOT)
    names = sorted(os.listdir(PICTURES))
    ended = run_here('captcha_test.py', '--model-dir', 'models/digits',
                     *(os.path.join('samples', 'captchas', name) for name in names))
    assert (ended.returncode, ended.stderr) == (
        0, 'reading with models/digits/crack_captcha.model-2500\n')
    read = [line.split() for line in ended.stdout.splitlines()]
    assert [os.path.basename(path) for path, _, _ in read] == names and len(names) == 10
    right = sum(name.startswith(text) for name, (_, text, _) in zip(names, read))
    assert right >= 9, read


def test_the_general_network_reads_ten_captchas_of_letters(tmp_path):
    alnum = drawing.Drawing(dataset.Facts(dataset.CHARSETS['alnum']))
    gen_captcha.gen_captcha(str(tmp_path), 10, alnum, seed=7, workers=1)
    names = sorted(os.listdir(tmp_path))
    with captcha_test.open_reader(models.GENERAL) as reader:
        read = [text for text, _ in reader.read([tmp_path / name for name in names])]
    assert sum(name.startswith(text) for name, text in zip(names, read)) >= 7, (names, read)
    assert any(text.isalnum() and not text.isdigit() for text in read)


def test_what_the_network_for_digits_says_of_itself():
    folder = os.path.join(ROOT, 'models', 'digits')
    checkpoint = models.newest(folder)
    about = models.about(checkpoint)
    assert about.facts == dataset.Facts()
    assert about.recipe == recipes.make('small_cnn', 'own', method='fine_attention', steps=2501,
                                        learning_rate=0.001)
    assert not any('Adam' in key for key in read_arrays(checkpoint))
    assert sum(os.path.getsize(os.path.join(folder, file))
               for file in os.listdir(folder)) < 5_500_000


def test_the_general_network_reads_several_times():
    names = sorted(os.listdir(PICTURES))
    with captcha_test.open_reader(models.GENERAL, views=3) as reader:
        read = reader.read([os.path.join(PICTURES, name) for name in names])
    assert sum(name.startswith(text) for name, (text, _) in zip(names, read)) >= 9, (names, read)


def test_the_general_network_is_what_endless_draws_for():
    checkpoint = models.newest(models.GENERAL)
    about = models.about(checkpoint)
    assert about.facts == endless.FACTS
    assert about.recipe == dataclasses.replace(
        recipes.RECIPES['deep_line_cnn', 'default'], steps=11001, learning_rate=0.0015)
    assert not any('Adam' in key for key in read_arrays(checkpoint))
    assert sum(os.path.getsize(os.path.join(models.GENERAL, name))
               for name in os.listdir(models.GENERAL)) < 20_000_000


@pytest.mark.parametrize('changes, words', [
    ({'network': 'alexnet_v2'}, 'network alexnet_v2, found one of network tiny_network'),
    ({'method': 'vector'}, 'method vector, found one of method heads'),
    ({'standardize': False}, 'standardize False, found one of standardize True'),
    ({'distortion': None}, 'distortion None, found one of distortion shift 10, scale 0.08'),
    ({'keep_prob': 0.5}, 'keep_prob 0.5, found one of keep_prob None'),
    ({'initialization': 'post'}, 'initialization post, found one of initialization he')])
def test_a_checkpoint_of_another_recipe_is_refused(captchas, tiny_model, tmp_path, changes, words):
    tiny_model(tmp_path, 1)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UserError, match=f'{words}.*--restart'):
        train(captchas, tmp_path, 5, **changes)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_checkpoint_of_another_alphabet_is_refused(letters, tiny_model, tmp_path):
    model_dir = tiny_model(tmp_path / 'm', 1)
    with pytest.raises(UserError, match='data set 4 characters of 0-9 A-Z, found one of data set '
                                        '4 characters of 0-9;.*--restart'):
        train(letters, model_dir, 5)


def test_a_checkpoint_of_other_records_is_refused(captchas, tiny_model, tmp_path):
    """It may have trained on what is held out now. Copies of the same records are accepted."""
    model_dir, copy = tiny_model(tmp_path / 'm', 1), tmp_path / 'copy'
    copy.mkdir()
    for name in 'train.tfrecords', 'test.tfrecords', 'dataset.json':
        shutil.copy(captchas / name, copy)
    assert train(copy, model_dir, 2) == 0
    known = json.loads((copy / 'dataset.json').read_text())
    del known[dataset.FACTS_SUM]
    known['train'] += 1
    (copy / 'dataset.json').write_text(json.dumps(
        {**known, dataset.FACTS_SUM: dataset.checksum(known)}))
    with pytest.raises(UserError, match='m/crack_captcha.model-1: expected a checkpoint trained on '
                                        'these records, found one of others.*--init-from '):
        train(copy, model_dir, 5)
    (copy / 'dataset.json').unlink()  # older records have none, so nothing is known about them
    assert train(copy, model_dir, 3) == 0


@pytest.mark.parametrize('content', [
    b'', b'{}', b'[1]', b'{"recipe": 5, "dataset": {}}',
    b'{"recipe": {}, "dataset": {"charset": "0123456789"}}'])
def test_an_about_that_is_no_facts_is_one_line(tmp_path, content):
    write_arrays(tmp_path / 'crack_captcha.model-8', {'about': np.array(content)})
    with pytest.raises(UserError, match='model-8: expected a captcha network.*--restart'):
        captcha_test.open_reader(str(tmp_path))


def test_a_network_of_a_newer_version_is_one_line(tmp_path):
    write_arrays(tmp_path / 'crack_captcha.model-8', {'about': np.array(json.dumps({
        'recipe': {**dataclasses.asdict(recipes.make('small_cnn')), 'method': 'clairvoyance'},
        'dataset': dataset.to_json(dataset.Facts())}))})
    with pytest.raises(UserError, match='model-8: expected one of the networks .* and a method of '
                                        'it, found small_cnn, clairvoyance; train'):
        captcha_test.open_reader(str(tmp_path))
