"""Around the training loop: saving, evaluation, warnings and signals."""
import dataclasses
import os
import shutil
import signal

import numpy as np
import pytest

import captcha_train
from helpers import kept, run_in, tf, tiny_network, train, use_network
from support.captcha import models, supervision, training
from support.common.console import UserError


def test_records_that_vanish_while_training(captchas, tmp_path):
    for name in 'train.tfrecords', 'test.tfrecords':
        shutil.copy(captchas / name, tmp_path / name)
    with pytest.raises(UserError, match='train.tfrecords: was whole when .* the same command'):
        train(tmp_path, tmp_path / 'm', 2000, {
            'until': lambda i, _: (tmp_path / 'train.tfrecords').unlink() if i == 0 else None})


def test_a_loss_that_is_no_number_stops(captchas, tiny_model, tmp_path):
    tiny_model(tmp_path, 2)

    def nan(i, _):  # the weights become NaN
        if i == 2:
            biases, = [v for v in tf.trainable_variables() if v.op.name == 'tiny/fc8_0/biases']
            biases.load(np.full(10, np.nan, np.float32), tf.get_default_session())
    with pytest.raises(UserError, match='iteration 3: the loss is nan; last good checkpoint: '
                                        '.*model-1; .*--restart --learning-rate 6.7e-05'):
        train(captchas, tmp_path, 50, {'until': nan})


def test_a_step_that_breaks_the_weights_is_not_saved(captchas, tmp_path):
    with pytest.raises(UserError, match='iteration 0: .*last good checkpoint: none yet'):
        train(captchas, tmp_path, 1, learning_rate=1e38)
    assert models.newest(str(tmp_path)) is None


def test_it_warns_once_of_a_loss_that_stays_at_chance(captchas, tmp_path, capsys):
    def guessing(inputs, num_classes, is_training=True, num_heads=4):
        *heads, _ = tiny_network(inputs, num_classes, is_training, num_heads)
        return *[0 * head for head in heads], {}
    recipe = dataclasses.replace(use_network(guessing), steps=42)
    run = run_in(captchas, tmp_path, plateau=40)
    captcha_train.train(recipe, run)
    err = capsys.readouterr().err
    assert err.count('warning: after 40 iterations') == 1
    assert '2.303' in err and 'with another --seed' in err
    supervision.warn_of_plateau(40, dataclasses.replace(recipe, initialization='post'),
                                training.prepare(recipe, dataclasses.replace(run, restart=True)))
    assert 'without --recipe post' in capsys.readouterr().err


def test_no_warning_once_it_learns(letters, tmp_path, capsys):
    """All have the same text, which the biases alone can learn."""
    train(letters, tmp_path / 'm', 60, {'plateau': 50}, learning_rate=0.5, schedule='constant')
    captured = capsys.readouterr()
    assert 'warning' not in captured.err
    assert 'whole captchas 1.0000 of 30' in captured.out


def test_a_failed_save_keeps_the_last_checkpoint(captchas, tiny_model, tmp_path):
    tiny_model(tmp_path, 3)
    for step in 8, 1:  # TensorFlow cannot replace a folder with a file
        (tmp_path / f'crack_captcha.model-{step}.index').mkdir()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UserError, match='model-8: cannot be written: .*; last good checkpoint: '
                                        '.*model-2; make room .* resume with the same command$'):
        train(captchas, tmp_path, 9)
    with pytest.raises(UserError, match='model-1: cannot .*model-2; .*the same command$'):
        train(captchas, tmp_path, 2, {'restart': True})
    assert sorted(os.listdir(tmp_path)) == before
    assert models.newest(str(tmp_path)).endswith('-2')


@pytest.mark.parametrize('steps, status, words', [(2, 143, 'stopped after iteration 0'),
                                                  (1, 0, 'Held-out after iteration 0')])
def test_a_signal_in_the_last_iteration_stops_nothing(captchas, tmp_path, capsys, steps, status,
                                                      words):
    def stop(*_):
        signal.raise_signal(signal.SIGTERM)
    assert train(captchas, tmp_path, steps, {'until': stop}) == status
    assert words in capsys.readouterr().out
    assert kept(tmp_path) == ['crack_captcha.model-0.index']
