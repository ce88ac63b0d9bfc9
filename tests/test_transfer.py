"""Transfer learning: training from the weights of another network, and networks to start from."""
import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import sys

import numpy as np
import pytest

import captcha_test
import captcha_train
from helpers import ROOT, read_arrays, record, run_in, tiny_recipe, write_arrays, write_records
from support import export
from support.captcha import dataset, models, options, recipes, transfer
from support.common.console import UserError


def train(folder, model_dir, init_from=None, steps=1, recipe=None, **run):
    recipe = recipe or tiny_recipe(steps=steps, learning_rate=1e-9)  # keeps the first weights
    assert captcha_train.train(recipe, run_in(
        folder, model_dir, init_from=init_from and str(init_from), **run)) == 0
    return read_arrays(models.newest(str(model_dir)))


SMALL = recipes.make('small_cnn', steps=1, batch_size=8, learning_rate=1e-9)


@pytest.fixture(scope='module')
def first(tiny_model, tmp_path_factory):
    """A folder with the tiny network, trained on captchas; read only."""
    return tiny_model(tmp_path_factory.mktemp('first'), 1)


@pytest.fixture(scope='module')
def small(captchas, tmp_path_factory):
    """The same with the small network, whose first weights stay."""
    folder = tmp_path_factory.mktemp('small')
    train(captchas, folder, recipe=SMALL)
    return folder


@pytest.fixture(scope='module')
def longer(small, five, tmp_path_factory):
    """A folder with the small network that goes from `small` to `five`; what was printed."""
    folder = tmp_path_factory.mktemp('longer')
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        train(five, folder, small, recipe=SMALL)
    return folder, printed.getvalue()


@pytest.fixture(scope='module')
def five(tmp_path_factory):
    """Records of five characters of 0-9 A-Z."""
    folder = tmp_path_factory.mktemp('five')
    for name in 'train.tfrecords', 'test.tfrecords':
        write_records(folder / name, 30 * [record(np.zeros([224, 224], np.uint8),
                                                  [10, 35, 0, 1, 2])])
    return folder


def test_all_weights_that_fit_are_begun_with(captchas, first, tmp_path):
    other = train(captchas, tmp_path / 'other', seed=5)
    begun = train(captchas, tmp_path / 'other', first, seed=5, restart=True)
    arrays = read_arrays(first / 'crack_captcha.model-0')
    for k in range(4):
        key = f'tiny/fc8_{k}/weights'
        np.testing.assert_allclose(begun[key], arrays[key], atol=1e-7)
        assert np.abs(other[key] - arrays[key]).max() > 0.01
    assert begun['beta1_power'] == pytest.approx(0.81)  # Adam starts afresh


def test_a_folder_a_checkpoint_and_its_index_name_the_same(first):
    prefix = str(first / 'crack_captcha.model-0')
    assert {models.find(place) for place in (str(first), prefix, f'{prefix}.index')} == {prefix}


def test_heads_that_do_not_fit_are_new_and_named(captchas, five, tmp_path, capsys):
    recipe = recipes.make('small_cnn', method='heads', steps=1, batch_size=8, learning_rate=1e-9)
    first = train(captchas, tmp_path / 'first', recipe=recipe)
    capsys.readouterr()
    begun = train(five, tmp_path / 'begun', tmp_path / 'first', recipe=recipe)
    line, = [line for line in capsys.readouterr().out.splitlines() if 'initialized' in line]
    assert line.startswith(f'initialized 24 of 34 weights from {tmp_path}/first/crack_captcha')
    assert line.count('new: ') == 10
    assert '; new: small_cnn/fc8_0/weights [3584, 36] but for 10 of 36' in line
    assert '; new: small_cnn/fc8_4/weights [3584, 36]' in line
    np.testing.assert_allclose(begun['small_cnn/fc8_0/weights'][:, :10],
                               first['small_cnn/fc8_0/weights'], atol=1e-7)
    assert begun['small_cnn/fc8_0/weights'].shape == (3584, 36)
    np.testing.assert_allclose(begun['small_cnn/conv3/weights'], first['small_cnn/conv3/weights'],
                               atol=1e-7)
    average = 'small_cnn/conv2/BatchNorm/moving_variance'
    assert np.abs(first[average] - 1).max() > 0.003  # it started at 1 and has moved
    # the pictures are blank: their variance is 0
    np.testing.assert_allclose(begun[average], 0.99 * first[average], rtol=1e-4)


def test_the_characters_that_both_alphabets_have_are_begun_with(captchas, longer, tmp_path):
    first = read_arrays(longer[0] / 'crack_captcha.model-0')
    begun = train(captchas, tmp_path, longer[0], recipe=SMALL)
    for key, many in ('small_cnn/fc8/weights', 10), ('small_cnn/fc8/biases', 10), (
            'small_cnn/attention/weights', 4):
        assert begun[key].shape[-1] == many < first[key].shape[-1]
        np.testing.assert_allclose(begun[key], first[key][..., :many], atol=1e-7)


FC8, LOOKS = 'net/fc8_0/weights', 'net/attention/weights'


@pytest.mark.parametrize('name, found, wanted, old, new, expected', [
    (FC8, [9, 3], [9, 4], ('ABC',), ('CxAB',), [(0, 2), (2, 0), (3, 1)]),
    (FC8, [9, 3], [9, 3], ('ABC',), ('CBA',), [(0, 2), (1, 1), (2, 0)]),
    (FC8, [9, 4], [9, 3], ('ABC', 2, 3), ('AB', 1, 3), [(0, 0), (1, 1), (2, 3)]),  # no character
    (FC8, [9, 4], [9, 2], ('ABC', 2, 3), ('AB', 3, 3), [(0, 0), (1, 1)]),
    (LOOKS, [9, 5], [9, 6], ('ABC', 5, 5), ('ABC', 6, 6), [(k, k) for k in range(5)]),
    (LOOKS, [9, 4], [9, 5], ('ABCD', 4, 4), ('xABCD', 5, 5), [(k, k) for k in range(4)]),
    (FC8, [8, 3], [9, 4], ('ABC',), ('ABCx',), []), (FC8, [9, 7], [9, 8], ('ABC',), ('ABCx',), []),
    ('net/conv1/weights', [9, 3], [9, 4], ('ABC',), ('ABCx',), [])])
def test_what_two_heads_share(name, found, wanted, old, new, expected):
    found = transfer.shared(name, found, wanted, dataset.Facts(*old), dataset.Facts(*new))
    assert found == {place: [before] for place, before in expected}


def test_a_resumed_training_does_not_begin_again(captchas, first, tmp_path, capsys):
    train(captchas, tmp_path / 'begun', first)
    capsys.readouterr()
    train(captchas, tmp_path / 'begun', first, steps=2)
    out = capsys.readouterr().out
    assert 'resuming from' in out and 'initialized' not in out


def test_the_original_codes_checkpoint_is_begun_with(captchas, tmp_path):
    """As TensorFlow 1 wrote it: slim's names, no description, no moments."""
    recipe = recipes.make(name='post', steps=1, batch_size=1, learning_rate=1e-9)
    weights = np.random.default_rng(0).normal(0, 0.01, [11, 11, 1, 64]).astype(np.float32)
    write_arrays(tmp_path / 'tf1' / 'crack_captcha.model-6000', {
        'alexnet_v2/conv1/weights': weights,
        'alexnet_v2/fc8_0/weights': np.zeros([1, 1, 4096, 10], np.float32)})
    begun = train(captchas, tmp_path / 'begun', tmp_path / 'tf1', recipe=recipe)
    np.testing.assert_allclose(begun['alexnet_v2/conv1/weights'], weights, atol=1e-7)
    assert np.abs(begun['alexnet_v2/fc8_0/weights']).max() < 1e-7
    assert np.abs(begun['alexnet_v2/fc8_1/weights']).max() > 0.001


def test_a_damaged_checkpoint_is_one_line(captchas, small, tmp_path):
    shutil.copytree(small, tmp_path / 'first')
    data, = (tmp_path / 'first').glob('*.data*')
    data.write_bytes(data.read_bytes()[:100_000])
    for action in (lambda: train(captchas, tmp_path / 'm', tmp_path / 'first', recipe=SMALL),
                   lambda: export.export(str(tmp_path / 'first'), str(tmp_path / 'copy'),
                                         'weights')):
        with pytest.raises(UserError, match='model-0: expected a checkpoint, found damaged'):
            action()


def test_letters_of_the_original_code_are_capitals(tmp_path):
    write_arrays(tmp_path / 'crack_captcha.model-6000',
                 {'alexnet_v2/fc8_0/weights': np.zeros([1, 1, 4096, 36], np.float32)})
    assert models.about(models.newest(str(tmp_path))).facts == dataset.Facts(
        dataset.CHARSETS['alnum'])


@pytest.mark.parametrize('first, second, covered', [
    (('01A', 4, 4), ('01', 4, 4), True), (('01', 4, 4), ('01A', 4, 4), False),
    (('01A', 4, 6), ('01', 4, 6), False), (('01A', 4, 6), ('01A', 5, 6), True),
    (('01A', 4, 6), ('01', 6, 6), True), (('01', 6, 6), ('01', 4, 6), False),
    (('01', 4, 4), ('01', 5, 5), False)])
def test_which_records_a_network_can_be_measured_on(first, second, covered):
    assert dataset.Facts(*first).covers(dataset.Facts(*second)) is covered


def test_what_cannot_be_begun_with_is_one_line(captchas, tmp_path):
    with pytest.raises(UserError, match='expected a checkpoint or a folder with '
                                        'crack_captcha.model-<i>, found none.*--init-from'):
        train(captchas, tmp_path / 'm', tmp_path / 'a')
    assert models.newest(str(tmp_path / 'm')) is None


def test_heads_that_look_are_begun_with_whatever_the_length(longer):
    line, = [line for line in longer[1].splitlines() if 'initialized' in line]
    assert line.startswith('initialized 44 of 48 weights') and line.endswith(
        '; new: small_cnn/attention/weights [1, 1, 128, 5] but for 4 of 5; '
        'new: small_cnn/attention/biases [5] but for 4 of 5; '
        'new: small_cnn/fc8/weights [384, 36] but for 10 of 36; '
        'new: small_cnn/fc8/biases [36] but for 10 of 36')


def test_the_command_takes_network_and_input_from_what_it_begins_with(tmp_path, monkeypatch):
    write_arrays(tmp_path / 'first' / 'crack_captcha.model-0', {'about': np.array(json.dumps({
        'recipe': dataclasses.asdict(recipes.make('small_cnn', 'post')),
        'dataset': dataset.to_json(dataset.Facts())}))})
    for name, arguments, expected in [
            ('a', [], dataclasses.replace(recipes.RECIPES['small_cnn', 'fine_tune'],
                                          standardize=False, dark_ink=False, method='heads')),
            ('b', ['--recipe', 'default', '--method', 'attention'], dataclasses.replace(
                recipes.RECIPES['small_cnn', 'default'], standardize=False))]:
        monkeypatch.setattr(sys, 'argv', ['captcha_train.py', '--init-from',
                                          str(tmp_path / 'first'), *arguments])
        found, run = options.parse('')
        assert found == expected and run.init_from == str(tmp_path / 'first')


def test_a_network_of_the_repository_gets_more_context(captchas, tmp_path, monkeypatch, capsys):
    """models/ has fine_attention; what that lacks for long texts is initialised anew."""
    begin_with = os.path.join(ROOT, 'models', 'digits')
    monkeypatch.setattr(sys, 'argv', ['captcha_train.py', '--init-from', begin_with])
    recipe, _ = options.parse('')
    assert (recipe.method, recipe.dark_ink) == ('wide_attention', True)
    train(captchas, tmp_path, recipe=dataclasses.replace(recipe, steps=1, batch_size=4),
          init_from=begin_with)
    told = ' '.join(capsys.readouterr().out.split())
    assert re.search(r'initialized 48 of 60 weights from .*models/digits/.*; '
                     r'new: small_cnn/context4/', told), told


def test_an_exported_network_reads_the_same_and_can_be_begun_with(captchas, small, tmp_path):
    copy = tmp_path / 'copy'
    export.export(str(small), str(copy), 'weights')
    prefix = copy / 'crack_captcha.model-0'
    keys = set(read_arrays(prefix))
    assert 'about' in keys and 'small_cnn/conv1/BatchNorm/moving_mean' in keys
    assert not any('Adam' in key or key in export.ONLY_TRAINING for key in keys)
    size = {folder: sum(os.path.getsize(path) for path in folder.glob('*-0.data*'))
            for folder in (small, copy)}
    assert size[copy] < 0.4 * size[small]
    paths = sorted((captchas / 'images').iterdir())[:5]
    found = [captcha_test.open_reader(str(folder)).read(paths) for folder in (small, copy)]
    assert found[0] == found[1]
    train(captchas, tmp_path / 'begun', copy, recipe=SMALL)
    with pytest.raises(UserError, match='model-0: expected a whole checkpoint.*found: no '
                                        'beta1_power; .*--restart.*--init-from'):
        train(captchas, copy, recipe=recipes.make('small_cnn', steps=3, batch_size=8))


def test_records_of_other_pictures_are_refused(captchas, tmp_path):
    with pytest.raises(UserError, match='expected records as it was trained on.*--pictures line'):
        train(captchas, tmp_path, models.GENERAL)


def test_a_network_of_ctc_begins_with_the_classes_that_both_have():
    """The blank is the last class of both; a lowercase letter starts from its capital."""
    old, new = dataset.Facts('01AB+', 1, 8, 'line'), dataset.Facts('1bAx', 4, 4, 'line')
    both = transfer.shared('line_cnn/fc8/weights', [1, 1, 192, 6], [1, 1, 192, 5], old, new)
    assert both == {0: [1], 1: [3], 2: [2], 4: [5]}
    assert transfer.shared('line_cnn/fc8/weights', [1, 1, 192, 6], [1, 1, 192, 6], old, old) == {
        place: [place] for place in range(6)}


def test_a_letter_that_stands_for_both_cases_begins_with_their_mean():
    old, new = dataset.Facts('1aAb', 1, 8, 'line'), dataset.Facts('1AB', 1, 8, 'line')
    assert transfer.shared('line_cnn/fc8/weights', [1, 1, 192, 5], [1, 1, 192, 4], old, new) == {
        0: [0], 1: [2, 1], 2: [3], 3: [4]}
