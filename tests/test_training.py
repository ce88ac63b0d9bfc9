"""What begins, surrounds and ends the training loop."""
import dataclasses
import json
import os
import re
import shutil
import signal

import numpy as np
import pytest

import captcha_train
from helpers import (
    after_each_iteration,
    kept,
    run_in,
    saved,
    tf,
    tiny_network,
    tiny_recipe,
    train,
    use_network,
    write_arrays,
)
from support.captcha import models, training
from support.common.console import UserError


def test_bfloat16_is_asked_of_tensorflow_where_the_processor_has_it(monkeypatch):
    def asked(choice):
        rewrites = training.session_config(choice).graph_options.rewrite_options
        return rewrites.auto_mixed_precision_onednn_bfloat16 == rewrites.ON
    for has in True, False:
        monkeypatch.setattr(training, 'has_bfloat16', lambda has=has: has)
        assert asked(True) is has and not asked(False)


def test_the_processors_flags_are_read():
    if not os.path.exists('/proc/cpuinfo'):
        assert not training.has_bfloat16()
        return
    with open('/proc/cpuinfo', encoding='ascii', errors='replace') as file:
        words = file.read().split()
    assert training.has_bfloat16() is ('avx512_bf16' in words or 'amx_bf16' in words)


def test_bfloat16_trains_and_saves_float32(captchas, tmp_path, monkeypatch):
    """The first loss equals float32's except for rounding, and the saved types are the same."""
    losses = []
    after_each_iteration(monkeypatch, lambda _, loss: losses.append(loss))
    for name, bfloat16 in ('float32', False), ('bfloat16', True):
        train(captchas, tmp_path / name, 1, {'bfloat16': bfloat16})
    assert losses[0] == pytest.approx(losses[1], rel=0.01)
    exact, rounded = saved(tmp_path / 'float32', 0), saved(tmp_path / 'bfloat16', 0)
    assert {name: np.asarray(value).dtype for name, value in exact.items()} == {
        name: np.asarray(value).dtype for name, value in rounded.items()}


def test_it_is_resumed_exactly_where_it_stopped(captchas, tmp_path, capsys):
    changes = dict(divide_every=4, schedule='divided')
    train(captchas, tmp_path, 5, **changes)
    before = saved(tmp_path, 4)
    assert before['learning_rate'] == pytest.approx(0.0002 / 9)  # divided at 0 and at 4
    assert before['beta1_power'] == pytest.approx(0.9 ** 6, rel=1e-4)  # 5 steps, TensorFlow's way
    capsys.readouterr()
    train(captchas, tmp_path, 6, **changes)
    out = capsys.readouterr().out
    assert re.search('resuming from .*model-4 at the learning rate 2.22e-05$', out, re.MULTILINE)
    assert 'Iter:' not in out  # iteration 5 prints no line
    after = saved(tmp_path, 5)
    assert after['beta1_power'] == pytest.approx(0.9 ** 7, rel=1e-4)
    assert after['learning_rate'] == before['learning_rate']
    moved = np.abs(after['tiny/fc8_0/weights'] - before['tiny/fc8_0/weights']).max()
    assert 0 < moved < 2 * before['learning_rate']  # one step of Adam from the saved weights
    moments = 'tiny/fc8_0/weights/Adam_1'
    assert np.all(after[moments] >= 0.998 * before[moments])


def test_made_longer_it_has_the_rates_of_the_longer_run(captchas, tmp_path, capsys):
    train(captchas, tmp_path, 9)
    assert saved(tmp_path, 8)['learning_rate'] == pytest.approx(0, abs=1e-9)
    capsys.readouterr()
    train(captchas, tmp_path, 18)
    assert 'at the learning rate 0.0001\n' in capsys.readouterr().out  # halfway
    assert saved(tmp_path, 17)['learning_rate'] == pytest.approx(0, abs=1e-9)


def test_a_finished_training_says_how_to_resume(captchas, tiny_model, tmp_path, capsys):
    tiny_model(tmp_path, 3)
    capsys.readouterr()
    assert train(captchas, tmp_path, 3) == 0
    assert '--steps' in capsys.readouterr().out
    assert train(captchas, tmp_path, 2, {'restart': True}) == 0
    assert 'Iter:0 ' in capsys.readouterr().out
    assert models.newest(str(tmp_path)).endswith('-1')


def test_restarted_the_old_checkpoints_go_as_new_ones_come(captchas, tmp_path):
    train(captchas, tmp_path, 9, {'save_every': 2})
    train(captchas, tmp_path, 5, {'save_every': 2, 'restart': True})
    assert kept(tmp_path) == ['crack_captcha.model-2.index', 'crack_captcha.model-4.index']


def test_a_copied_folder_stands_alone(captchas, tiny_model, tmp_path):
    """Its `checkpoint` file names no other folder, so nothing there is read or deleted."""
    first, copy = tiny_model(tmp_path / 'first', 1), tmp_path / 'copy'
    train(captchas, first, 2)
    shutil.copytree(first, copy)
    before = sorted(os.listdir(first))
    assert models.newest(str(copy)) == str(copy / 'crack_captcha.model-1')
    train(captchas, copy, 5, {'save_every': 1})
    assert sorted(os.listdir(first)) == before
    assert kept(copy) == ['crack_captcha.model-3.index', 'crack_captcha.model-4.index']


def test_a_training_whose_checkpoints_are_gone_begins_anew(captchas, tiny_model, tmp_path, capsys):
    """Someone has deleted all but TensorFlow's state file."""
    tiny_model(tmp_path, 2)
    for path in tmp_path.glob('crack_captcha*'):
        path.unlink()
    assert train(captchas, tmp_path, 3) == 0
    assert 'Iter:0 ' in capsys.readouterr().out
    assert kept(tmp_path) == ['crack_captcha.model-2.index']


def test_what_a_kill_left_of_a_save_is_removed(captchas, tmp_path):
    halves = ['crack_captcha.model-1.data-00000-of-00001.tempstate1',
              'crack_captcha.model-1.meta.tmp0a', 'checkpoint.tmp0a']
    for name in [*halves, 'another.model-1.meta.tmp0a']:
        (tmp_path / name).touch()
    train(captchas, tmp_path, 1)
    left = {path.name for path in tmp_path.iterdir()}
    assert not set(halves) & left
    assert {'another.model-1.meta.tmp0a', 'crack_captcha.model-0.index'} <= left


def test_a_folder_that_is_a_pattern_is_refused(captchas, tmp_path):
    with pytest.raises(UserError, match=r'run\[1\]: expected a folder without'):
        train(captchas, tmp_path / 'run[1]', 1)


def test_rate_steps_and_batch_may_change_when_resumed(captchas, tiny_model, tmp_path):
    tiny_model(tmp_path, 2)
    assert train(captchas, tmp_path, 4, learning_rate=0.9, batch_size=7, schedule='divided') == 0
    assert saved(tmp_path, 3)['learning_rate'] == pytest.approx(0.3)


def test_an_older_checkpoint_is_resumed(captchas, tiny_model, tmp_path):
    """The rate had no name then, and its recipe has fields that no recipe has any more."""
    arrays = saved(tiny_model(tmp_path / 'new', 3), 2)
    about = json.loads(arrays['about'])
    about['recipe'].update(weight_decay=0.0005, divide_at=None)
    about['recipe']['distortion'].update(blur=0.0)
    del arrays['learning_rate'], about['recipe']['dark_ink'], about['recipe']['distortion']['lean']
    write_arrays(tmp_path / 'old' / 'crack_captcha.model-2', {
        **arrays, 'about': np.array(json.dumps(about))})
    assert train(captchas, tmp_path / 'old', 4) == 0
    moved = np.abs(saved(tmp_path / 'old', 3)['tiny/fc8_0/weights']
                   - arrays['tiny/fc8_0/weights']).max()
    assert 0 < moved < 0.001
    with pytest.raises(UserError, match='standardize False, found one of standardize True'):
        train(captchas, tmp_path / 'old', 9, standardize=False)


def test_a_checkpoint_without_adams_moments(captchas, tiny_model, tmp_path):
    arrays = {key: value for key, value in saved(tiny_model(tmp_path / 'new', 1), 0).items()
              if 'Adam' not in key}
    write_arrays(tmp_path / 'old' / 'crack_captcha.model-7', arrays)
    with pytest.raises(UserError, match='model-7: expected a whole checkpoint.*Adam.*--restart'):
        train(captchas, tmp_path / 'old', 50)


def test_records_that_do_not_belong_together(captchas, letters, tmp_path):
    run = training.RunConfig(str(captchas / 'train.tfrecords'), str(letters / 'test.tfrecords'),
                             str(tmp_path / 'm'))
    with pytest.raises(UserError, match='expected 4 characters of 0-9 as in .*, found 4 characters '
                                        'of 0-9 A-Z; make both at once'):
        captcha_train.train(tiny_recipe(), run)


def test_pictures_that_are_trained_on_are_not_held_out(captchas, tmp_path):
    run = run_in(captchas, tmp_path)
    for train_file, test_file in [(run.test_file, run.test_file),
                                  (str(captchas / '*.tfrecords'), run.test_file)]:
        with pytest.raises(UserError, match='test.tfrecords: expected pictures that are not '
                                            'trained on, found .*test.tfrecords in --train, too'):
            captcha_train.train(tiny_recipe(batch_size=5), dataclasses.replace(
                run, train_file=train_file, test_file=test_file))


def test_checkpoints_that_vanish_before_the_session_are_one_line(captchas, tiny_model, tmp_path):
    tiny_model(tmp_path, 1)
    recipe, run = tiny_recipe(steps=3), run_in(captchas, tmp_path)
    start = training.prepare(recipe, run)
    for path in tmp_path.glob('c*'):
        path.unlink()
    graph = captcha_train.build_graph(recipe, start)
    with pytest.raises(UserError, match='model-0: expected a whole checkpoint of this network'):
        with training.supervised(graph, recipe, run, start):
            pass


# --- around the loop

def test_records_that_vanish_while_training(captchas, tmp_path, monkeypatch):
    for name in 'train.tfrecords', 'test.tfrecords':
        shutil.copy(captchas / name, tmp_path / name)
    after_each_iteration(monkeypatch, lambda i, _: i or (tmp_path / 'train.tfrecords').unlink())
    with pytest.raises(UserError, match='train.tfrecords: was whole when .* the same command'):
        train(tmp_path, tmp_path / 'm', 2000)


def test_a_loss_that_is_no_number_stops(captchas, tiny_model, tmp_path, monkeypatch):
    tiny_model(tmp_path, 2)

    def nan(i, _):  # the weights become NaN
        if i == 2:
            biases, = [v for v in tf.trainable_variables() if v.op.name == 'tiny/fc8_0/biases']
            biases.load(np.full(10, np.nan, np.float32), tf.get_default_session())
    after_each_iteration(monkeypatch, nan)
    with pytest.raises(UserError, match='iteration 3: the loss is nan; last good checkpoint: '
                                        '.*model-1; .*--restart --learning-rate 6.7e-05'):
        train(captchas, tmp_path, 50)


def test_a_step_that_breaks_the_weights_is_not_saved(captchas, tmp_path):
    with pytest.raises(UserError, match='iteration 0: .*last good checkpoint: none yet'):
        train(captchas, tmp_path, 1, learning_rate=1e38)
    assert models.newest(str(tmp_path)) is None


def test_it_warns_once_of_a_loss_that_stays_at_chance(captchas, tmp_path, capsys):
    def guessing(inputs, num_classes, is_training=True, num_heads=4):
        *heads, _ = tiny_network(inputs, num_classes, is_training, num_heads)
        return *[0 * head for head in heads], {}
    recipe = dataclasses.replace(use_network(guessing), steps=42)
    for initialization, advice in ('he', 'with another --seed'), ('post', 'without --recipe post'):
        captcha_train.train(dataclasses.replace(recipe, initialization=initialization),
                            run_in(captchas, tmp_path, plateau=40, restart=True))
        err = capsys.readouterr().err
        assert err.count('warning: after 40 iterations the loss is still at chance, 2.303') == 1
        assert advice in err


def test_no_warning_once_it_learns(letters, tmp_path, capsys):
    """All have the same text, which the biases alone can learn."""
    train(letters, tmp_path / 'm', 60, {'plateau': 50}, learning_rate=0.5)
    captured = capsys.readouterr()
    assert 'warning' not in captured.err
    assert 'whole captchas 1.0000 of 30' in captured.out


def test_a_failed_save_keeps_the_last_checkpoint(captchas, tiny_model, tmp_path):
    tiny_model(tmp_path, 3)
    for step in 8, 1:  # TensorFlow cannot replace a folder with a file
        (tmp_path / f'crack_captcha.model-{step}.index').mkdir()
    before = set(os.listdir(tmp_path))
    with pytest.raises(UserError, match='model-8: cannot be written: .*; last good checkpoint: '
                                        '.*model-2; make room .* resume with the same command$'):
        train(captchas, tmp_path, 9)
    with pytest.raises(UserError, match='model-1: cannot .*model-2; .*the same command$'):
        train(captchas, tmp_path, 2, {'restart': True})
    assert before <= set(os.listdir(tmp_path))
    assert models.newest(str(tmp_path)).endswith('-2')


@pytest.mark.parametrize('steps, status, words', [(2, 143, 'stopped after iteration 0'),
                                                  (1, 0, 'Held-out after iteration 0')])
def test_a_signal_in_the_last_iteration_stops_nothing(captchas, tmp_path, capsys, monkeypatch,
                                                      steps, status, words):
    after_each_iteration(monkeypatch, lambda *_: signal.raise_signal(signal.SIGTERM))
    assert train(captchas, tmp_path, steps) == status
    assert words in capsys.readouterr().out
    assert kept(tmp_path) == ['crack_captcha.model-0.index']
