import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import cli
import input_data
import mnist_backward
from conftest import ROOT
from mnist_arrays import (TF1_KEYS, logits, random_arrays, read_checkpoint,
                          write_checkpoint)


def tiny(examples=400):
    """A data set of random pictures."""
    random = np.random.RandomState(2)
    images = random.rand(examples, 784).astype(np.float32)
    labels = np.eye(10)[random.randint(0, 10, examples)]
    part = input_data.DataSet(images, labels, seed=4)
    return input_data.Datasets(part, part, part)


@pytest.fixture(autouse=True)
def model(tmp_path, monkeypatch):
    """A model folder of its own for every test."""
    monkeypatch.setattr(mnist_backward, 'model_save_path', str(tmp_path / 'model'))
    return tmp_path / 'model'


def step_by_numpy(arrays, images, labels, rate):
    """One training step written down from the formulas; returns loss and arrays afterwards."""
    old = {key: value.astype(np.float64) for key, value in arrays.items()}
    w1, b1, w2 = old['Variable'], old['Variable_1'], old['Variable_2']
    hidden = images @ w1 + b1
    out = logits(images, arrays)
    share = np.exp(out - out.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    loss = -np.log((share * labels).sum(1)).mean() + 0.0001 / 2 * ((w1 ** 2).sum()
                                                                   + (w2 ** 2).sum())
    d_out = (share - labels) / len(images)
    d_hidden = (d_out @ w2.T) * (hidden > 0)
    new = dict(old)
    new['Variable'] = w1 - rate * (images.T @ d_hidden + 0.0001 * w1)
    new['Variable_1'] = b1 - rate * d_hidden.sum(0)
    new['Variable_2'] = w2 - rate * (np.maximum(hidden, 0).T @ d_out + 0.0001 * w2)
    new['Variable_3'] = old['Variable_3'] - rate * d_out.sum(0)
    new['Variable_4'] = step = int(old['Variable_4']) + 1
    decay = min(0.99, (1 + step) / (10 + step))
    for key in ('Variable', 'Variable_1', 'Variable_2', 'Variable_3'):
        average = key + '/ExponentialMovingAverage'
        new[average] = decay * old[average] + (1 - decay) * new[key]  # of the variable *after* it
    return loss, new


@pytest.mark.parametrize('step', [0, 5, 100])
def test_a_step_from_a_restored_checkpoint_is_numpys(model, capsys, step):
    arrays = random_arrays(step)
    write_checkpoint(model, arrays, step)
    images, labels = tiny().train.next_batch(200)  # the seed makes it the batch of the step
    loss, expected = step_by_numpy(arrays, images, labels, 0.1 * 0.99 ** (step // 2))
    assert mnist_backward.backward(tiny(), step + 1) == 0
    found = read_checkpoint(model / f'mnist_model-{step + 1}')
    assert set(found) == set(TF1_KEYS)
    for key, value in expected.items():
        assert np.allclose(found[key], value, atol=2e-6), key
        if key != 'Variable_4':
            assert not np.allclose(arrays[key], value, atol=2e-6), key
    printed = re.search(rf'After {step + 1} training step\(s\),loss on training batch is (.*)\.\n',
                        capsys.readouterr().out)
    assert float(printed[1]) == pytest.approx(loss, rel=1e-4)


def test_a_first_run_makes_the_folder_and_saves_the_posts_keys(model, capsys):
    assert mnist_backward.backward(tiny(), 2) == 0
    reader = tf.train.load_checkpoint(str(model / 'mnist_model-2'))
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    assert {key: (dtypes[key].name, shapes[key]) for key in shapes} == TF1_KEYS
    assert reader.get_tensor('Variable_4') == 2
    assert mnist_backward.newest_checkpoint() == str(model / 'mnist_model-2')
    assert mnist_backward.finished(str(model / 'mnist_model-2'))
    assert any('tfevents' in name for name in os.listdir(model / 'log'))
    assert re.fullmatch(r'After 1 training step\(s\),loss on training batch is \d.*\.\n'
                        r'After 2 training step\(s\),loss on training batch is \d.*\.\n',
                        capsys.readouterr().out)


def test_lines_and_checkpoints_come_every_interval_and_the_newest_are_kept(model, monkeypatch,
                                                                          capsys):
    monkeypatch.setattr(mnist_backward, 'report_interval', 10)
    monkeypatch.setattr(mnist_backward, 'steps', 65)  # read when the function runs
    mnist_backward.backward(tiny())
    lines = re.findall(r'After (\d+) training', capsys.readouterr().out)
    assert lines == ['1', '11', '21', '31', '41', '51', '61', '65']
    assert [mnist_backward.step_of(path) for path in mnist_backward.kept_checkpoints()] == [
        '31', '41', '51', '61', '65']


def test_trained_means_trained_and_going_on_is_explained(model, capsys):
    mnist_backward.backward(tiny(), 3)
    before = {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}
    capsys.readouterr()
    assert mnist_backward.backward(tiny(), 3) == 0
    out = capsys.readouterr().out
    assert 'mnist_model-3 is trained: 3 steps of 3 are done' in out and '--steps 6' in out
    assert before == {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}


def test_a_lost_finished_mark_is_made_again(model):
    mnist_backward.backward(tiny(), 2)
    (model / 'finished').unlink()
    mnist_backward.backward(tiny(), 2)
    assert mnist_backward.finished(str(model / 'mnist_model-2'))


def test_going_on_takes_the_finished_mark_away(model):
    mnist_backward.backward(tiny(), 2)
    old = mnist_backward.newest_checkpoint()
    mnist_backward.backward(tiny(), 3)
    assert not mnist_backward.finished(old)
    assert mnist_backward.finished(str(model / 'mnist_model-3'))


def test_a_moved_folder_and_one_without_its_state_file_are_found(model, tmp_path, monkeypatch):
    write_checkpoint(model, random_arrays(9), 9)
    write_checkpoint(model, random_arrays(10), 10)
    os.rename(model, tmp_path / 'moved')
    monkeypatch.setattr(mnist_backward, 'model_save_path', str(tmp_path / 'moved'))
    assert mnist_backward.newest_checkpoint() == str(tmp_path / 'moved' / 'mnist_model-10')
    (tmp_path / 'moved' / 'checkpoint').write_text('')  # the power failed
    assert mnist_backward.newest_checkpoint() == str(tmp_path / 'moved' / 'mnist_model-10')
    os.remove(tmp_path / 'moved' / 'checkpoint')
    assert mnist_backward.newest_checkpoint() == str(tmp_path / 'moved' / 'mnist_model-10')


def test_a_path_written_on_windows_is_understood(model):
    write_checkpoint(model, random_arrays(7), 7)
    (model / 'checkpoint').write_text(
        'model_checkpoint_path: "C:\\\\old\\\\model\\\\mnist_model-7"')
    assert mnist_backward.newest_checkpoint() == str(model / 'mnist_model-7')


def test_a_checkpoint_of_another_network_is_refused_and_kept(model):
    arrays = random_arrays(5)
    arrays['Variable'] = arrays['Variable'][:, :100]
    path = write_checkpoint(model, arrays, 5)
    with pytest.raises(cli.UserError, match='mnist_model-5: expected a whole checkpoint.*784, 100'):
        mnist_backward.backward(tiny(), 6)
    assert read_checkpoint(path)['Variable'].shape == (784, 100)
    assert not (model / 'mnist_model-6.index').exists()


def test_a_missing_or_damaged_checkpoint_stops_training(model):
    path = write_checkpoint(model, random_arrays(5), 5)
    with open(path + '.data-00000-of-00001', 'r+b') as opened:
        opened.truncate(1000)
    with pytest.raises(cli.UserError, match='mnist_model-5'):
        mnist_backward.backward(tiny(), 6)
    os.remove(path + '.index')
    with pytest.raises(cli.UserError, match='mnist_model-5'):
        mnist_backward.backward(tiny(), 6)


def test_a_diverged_training_is_not_saved(model, monkeypatch):
    monkeypatch.setattr(mnist_backward, 'learning_rate_base', 1e30)
    with pytest.raises(cli.UserError, match='lower the learning rate in mnist_backward.py'):
        mnist_backward.backward(tiny(), 5)
    assert mnist_backward.kept_checkpoints() == []  # what the first step led to is no number


def wait_for(path, process):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(os.name == 'nt', reason='signals are sent as POSIX systems do')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_saves_says_so_and_resumes(run_script, tmp_path, number):
    os.symlink(os.path.join(ROOT, 'data'), tmp_path / 'data')
    process = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, 'mnist_backward.py'), '--seed', '3'],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / 'model' / 'checkpoint', process)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    step = int(re.search(r'Stopped and saved at step (\d+) of 50000', out)[1])
    assert 'To go on: python mnist_backward.py --seed 3 --steps 50000' in out
    assert 'Traceback' not in err
    assert read_checkpoint(tmp_path / 'model' / f'mnist_model-{step}')['Variable_4'] == step
    assert not (tmp_path / 'model' / 'finished').exists()
    done = run_script('mnist_backward.py', '--steps', step + 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.match(rf'Restored \S*mnist_model-{step}, going on to step {step + 1}\.\n'
                    rf'After {step + 1} training step', done.stdout)


def test_a_resumed_training_draws_in_another_order(model, monkeypatch):
    write_checkpoint(model, random_arrays(5), 5)
    seeds = []
    monkeypatch.setattr(mnist_backward.input_data, 'read_data_sets',
                        lambda *_, seed, **__: seeds.append(seed) or tiny())
    monkeypatch.setattr(sys, 'argv', ['mnist_backward.py', '--seed', '3', '--steps', '6'])
    assert mnist_backward.main() == 0
    assert seeds == [3 + 5]


def test_fewer_pictures_than_a_batch_are_refused(model, monkeypatch):
    monkeypatch.setattr(mnist_backward, 'batch_size', 1 + tiny().train.num_examples)
    with pytest.raises(cli.UserError, match='expected a batch of .* training pictures'):
        mnist_backward.backward(tiny(), 1)


@pytest.mark.parametrize('args, words', [(['--steps', '0'], "found '0'"),
                                         (['--step', '5'], '--step')])
def test_bad_arguments_are_one_line(run_script, tmp_path, args, words):
    done = run_script('mnist_backward.py', *args, cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and words in done.stderr
