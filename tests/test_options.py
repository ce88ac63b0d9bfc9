"""captcha_train.py's options."""
import dataclasses
import glob
import os
import re
import sys
import types

import pytest

import captcha_train
from helpers import ROOT, run_in
from support.captcha import models, options, recipes
from support.common.console import UserError


def test_a_resume_needs_the_folder_alone(captchas, tmp_path, monkeypatch):
    """Recipe and records are the checkpoint's; the command line may change the rest."""
    recipe = recipes.make('small_cnn', 'own', method='heads', distort=False, steps=7, batch_size=8,
                          learning_rate=0.5)
    run = run_in(captchas, tmp_path / 'm')
    captcha_train.train(recipe, run)

    def parsed(*arguments):
        monkeypatch.setattr(sys, 'argv', ['captcha_train.py', '--model-dir', str(tmp_path / 'm'),
                                          *arguments])
        return options.parse('')
    found, resumed = parsed()
    assert found == recipe
    assert (resumed.train_file, resumed.test_file) == (run.train_file, run.test_file)
    found, resumed = parsed('--steps', '9', '--train', 'other/train.tfrecords')
    assert found == dataclasses.replace(recipe, steps=9)
    assert (resumed.train_file, resumed.test_file) == ('other/train.tfrecords',
                                                       'other/test.tfrecords')
    found, _ = parsed('--restart')
    assert found == recipes.make()
    found, _ = parsed('--network', 'alexnet_v2')
    assert found == recipes.make()  # which `prepare` refuses
    about = models.about(models.newest(str(tmp_path / 'm')))
    with pytest.raises(UserError, match='network alexnet_v2, found one of network small_cnn'):
        models.check_resumable(about, found, about.facts)


@pytest.mark.parametrize('pictures, steps', [(10, 251), (160, 500), (100_000, 3001)])
def test_a_fine_tuning_sees_each_picture_100_times_within_bounds(pictures, steps):
    args = types.SimpleNamespace(
        init_from=os.path.join(ROOT, 'models', 'general'), network=None, recipe=None, method=None,
        distort=None, steps=None, batch_size=None, learning_rate=None)
    assert options.recipe_of(args, None, pictures) == dataclasses.replace(
        recipes.RECIPES['deep_line_cnn', 'fine_tune'], steps=steps)


@pytest.mark.parametrize('arguments, words', [
    (['--steps', '0'], "'0'"), (['--steps', '-5'], 'at least 1'), (['--batch-size', '2.5'], '2.5'),
    (['--learning-rate', 'nan'], 'above 0'), (['--learning-rate', '-1'], 'above 0'),
    (['--network', 'vgg'], 'small_cnn'), (['--method', '3'], 'vector'),
    (['--recipe', 'mine'], 'post'), (['--seed', 'x'], "found 'x'")])
def test_bad_options(monkeypatch, arguments, words):
    monkeypatch.setattr(sys, 'argv', ['captcha_train.py', *arguments])
    with pytest.raises(UserError, match=re.escape(words)):
        captcha_train.main()


def test_bad_options_and_files_are_one_line(one_line_error, captchas, tmp_path):
    files = ['--train', captchas / 'train.tfrecords', '--test', captchas / 'test.tfrecords',
             '--model-dir', tmp_path / 'm']
    assert "found '0'" in one_line_error('captcha_train.py', *files, '--steps', '0')
    assert 'batch of 64 records, found' in one_line_error('captcha_train.py', *files,
                                                          '--batch-size', '64')
    assert 'to_tfrecord.py' in one_line_error('captcha_train.py', *files,
                                              '--test', tmp_path / 'none')
    (tmp_path / 'file').write_text('in the way')
    assert f'{tmp_path / "file"}: File exists' in one_line_error(
        'captcha_train.py', *files, '--model-dir', tmp_path / 'file')
    assert not glob.glob(str(tmp_path / 'm' / '*.index'))


def test_the_help_shows_the_recipes_defaults(run_here):
    shown = re.sub(r'\s+', ' ', run_here('captcha_train.py', '--help').stdout)
    assert ('alexnet_v2 6001, small_cnn 3001, --recipe post 6001, with --init-from 2001, of '
            'models/general 251 to 3001, enough to see each picture 100 times)') in shown
    assert '(default: alexnet_v2 25, small_cnn 64, --recipe post 25)' in shown
    assert '(default: alexnet_v2 0.0002, small_cnn 0.003, --recipe post 0.003)' in shown
