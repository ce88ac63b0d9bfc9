"""Training: the arithmetic, the lines, the checkpoints, and what a stopped run leaves."""
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import mnist_backward
from helpers import (
    DATA,
    MNIST_KEYS,
    ROOT,
    link_data,
    mnist_arrays,
    mnist_logits,
    read_arrays,
    tiny_mnist,
    write_mnist_checkpoint,
)
from mnist_backward import backward, post
from support.common import checkpoints
from support.common.console import UserError
from support.digits import augmentation, training


@pytest.fixture
def run(tmp_path):
    """The post's training, in a folder of its own."""
    return dataclasses.replace(post, model_save_path=str(tmp_path / 'model'))


def until(steps, run):
    return dataclasses.replace(run, steps=steps)


def path(run, step):
    return os.path.join(run.model_save_path, f'mnist_model-{step}')


def test_the_posts_numbers():
    assert dataclasses.asdict(post) == {
        'steps': 50000, 'batch_size': 200, 'learning_rate_base': 0.1, 'regularizer': 0.0001,
        'model_save_path': './model/', 'model_name': 'mnist_model', 'seed': 0, 'augmented': False,
        'report_interval': 1000, 'summary_interval': 100}
    assert mnist_backward.moving_average_decay == 0.99
    assert mnist_backward.learning_rate_decay == 0.99


def step_by_numpy(arrays, images, labels, rate, run):
    """One training step computed from the formulas; returns the loss and the new arrays."""
    old = {key: value.astype(np.float64) for key, value in arrays.items()}
    w1, b1, w2 = old['Variable'], old['Variable_1'], old['Variable_2']
    hidden = images @ w1 + b1
    out = mnist_logits(images, arrays)
    share = np.exp(out - out.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    loss = (-np.log((share * labels).sum(1)).mean()
            + run.regularizer / 2 * ((w1 ** 2).sum() + (w2 ** 2).sum()))
    d_out = (share - labels) / len(images)
    d_hidden = (d_out @ w2.T) * (hidden > 0)
    steps = {'Variable': images.T @ d_hidden + run.regularizer * w1,
             'Variable_1': d_hidden.sum(0),
             'Variable_2': np.maximum(hidden, 0).T @ d_out + run.regularizer * w2,
             'Variable_3': d_out.sum(0)}
    new = dict(old)
    new['Variable_4'] = step = int(old['Variable_4']) + 1
    decay = min(0.99, (1 + step) / (10 + step))
    for key in steps:
        if run.augmented:
            steps[key] = steps[key] + 0.9 * old.get(f'{key}/Momentum', 0)
            new[f'{key}/Momentum'] = steps[key]
        new[key] = old[key] - rate * steps[key]
        average = key + '/ExponentialMovingAverage'
        new[average] = decay * old[average] + (1 - decay) * new[key]  # of the variable *after* it
    return loss, new


def assert_a_step_is_numpys(arrays, rate, run):
    """Train from a checkpoint of `arrays` for one step and compare what is saved; returns loss."""
    step = int(arrays['Variable_4'])
    write_mnist_checkpoint(run.model_save_path, arrays, step)
    images, labels = tiny_mnist().train.next_batch(200)  # the seed makes it the batch of that step
    loss, expected = step_by_numpy(arrays, images, labels, rate, run)
    assert backward(tiny_mnist(), run) == 0
    found = read_arrays(path(run, step + 1))
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert np.allclose(found[key], value, atol=2e-6), key
        if key != 'Variable_4':
            assert not np.allclose(arrays.get(key, 0), value, atol=2e-6), key
    return loss


@pytest.mark.parametrize('step', [0, 5, 100])
def test_a_step_from_a_restored_checkpoint_is_numpys(run, capsys, step):
    arrays = mnist_arrays(step)
    assert set(arrays) == set(MNIST_KEYS)
    loss = assert_a_step_is_numpys(arrays, 0.1 * 0.99 ** (step // 2), until(step + 1, run))
    printed = re.search(rf'After {step + 1} training step\(s\),loss on training batch is (.*)\.\n',
                        capsys.readouterr().out)
    assert float(printed[1]) == pytest.approx(loss, rel=1e-4)


# --- with --augment: momentum, and a rate that falls to 0

def with_momentum(arrays):
    """The arrays of a checkpoint of --augment."""
    random = np.random.RandomState(9)
    return {**arrays, **{f'{key}/Momentum': (random.randn(*shape) * 0.1).astype(dtype)
                         for key, (dtype, shape) in MNIST_KEYS.items() if re.fullmatch(
                             'Variable(_[123])?', key)}}


@pytest.fixture
def augmented(run):
    """The training of --augment, in a folder of its own."""
    return training.augmented(run)


@pytest.mark.parametrize('step', [0, 30])
def test_a_step_with_momentum_is_numpys(augmented, step):
    arrays = with_momentum(mnist_arrays(step))
    assert_a_step_is_numpys(arrays, 0.1 * (1 - step / (step + 1)), until(step + 1, augmented))


def test_an_augmented_training_does_not_begin_with_a_default_one(augmented):
    write_mnist_checkpoint(augmented.model_save_path, mnist_arrays(30), 30)
    with pytest.raises(UserError, match='mnist_model-30: .*Momentum.*--model-dir FOLDER'):
        backward(tiny_mnist(), until(31, augmented))


def test_the_default_training_continues_an_augmented_one_without_momentum(run):
    write_mnist_checkpoint(run.model_save_path, with_momentum(mnist_arrays(30)), 30)
    assert backward(tiny_mnist(), until(31, run)) == 0
    assert set(read_arrays(path(run, 31))) == set(MNIST_KEYS)


@pytest.mark.parametrize('steps, rates', [
    (1000, {0: 0.1, 1: 0.0999, 500: 0.05, 999: 0.0001}), (50, {10: 0.08, 49: 0.002})])
def test_the_learning_rate_of_an_augmented_training_falls_to_0(augmented, steps, rates):
    with tf.Graph().as_default(), tf.Session() as sess:
        step = tf.placeholder(tf.int32, [])
        rate, _ = training.optimizer_of_augmented(until(steps, augmented), step)
        found = {number: sess.run(rate, {step: number}) for number in rates}
    assert found == pytest.approx(rates, rel=1e-4)


def test_as_in_the_post_it_needs_nothing_but_the_data(tmp_path, monkeypatch, capsys):
    """backward(mnist) trains in ./model/, here from the step before the last."""
    monkeypatch.chdir(tmp_path)
    write_mnist_checkpoint('model', mnist_arrays(49999), 49999)
    assert backward(tiny_mnist()) == 0
    assert 'After 50000 training step(s),loss on training batch is ' in capsys.readouterr().out
    assert read_arrays('model/mnist_model-50000')['Variable_4'] == 50000


def test_a_first_run_makes_the_folder_and_saves_the_posts_keys(run, capsys):
    assert backward(tiny_mnist(), until(2, run)) == 0
    reader = tf.train.load_checkpoint(path(run, 2))
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    assert {key: (dtypes[key].name, shapes[key]) for key in shapes} == MNIST_KEYS
    assert reader.get_tensor('Variable_4') == 2
    assert run.newest() == path(run, 2)
    assert re.fullmatch(r'After 1 training step\(s\),loss on training batch is \d.*\.\n'
                        r'After 2 training step\(s\),loss on training batch is \d.*\.\n',
                        capsys.readouterr().out)


def test_what_a_kill_left_of_a_save_is_removed(run):
    backward(tiny_mnist(), until(2, run))
    halves = ['mnist_model-1.data-00000-of-00001.tempstate1', 'mnist_model-1.meta.tmp0a',
              'checkpoint.tmp0a']
    for name in [*halves, 'mine.tempstate1']:
        open(os.path.join(run.model_save_path, name), 'w').close()
    backward(tiny_mnist(), until(3, run))
    left = os.listdir(run.model_save_path)
    assert not set(halves) & set(left)
    assert {'mine.tempstate1', 'mnist_model-2.index', 'mnist_model-3.index'} <= set(left)


def test_lines_and_checkpoints_come_every_interval_and_the_newest_are_kept(run, capsys):
    backward(tiny_mnist(), dataclasses.replace(run, steps=65, report_interval=10))
    lines = re.findall(r'After (\d+) training', capsys.readouterr().out)
    assert lines == ['1', '11', '21', '31', '41', '51', '61', '65']
    kept = checkpoints.kept(run.model_save_path, mnist_backward.model_name)
    assert kept == [path(run, step) for step in (31, 41, 51, 61, 65)]


def test_tensorboard_gets_the_loss_and_the_learning_rate(run):
    run = dataclasses.replace(run, steps=7, learning_rate_base=0.5, summary_interval=3)
    backward(tiny_mnist(), run)
    log = os.path.join(run.model_save_path, 'log')
    events, = (os.path.join(log, name) for name in os.listdir(log))
    points = [(event.step, value.tag, value.simple_value)
              for event in tf.train.summary_iterator(events) for value in event.summary.value]
    rates = [(step, value) for step, tag, value in points if tag == 'learning_rate']
    assert [step for step, _ in rates] == [3, 6]
    assert rates[0][1] == pytest.approx(0.5 * 0.99)  # two steps are an epoch
    losses = [(step, value) for step, tag, value in points if tag == 'loss']
    assert [step for step, _ in losses] == [3, 6] and all(value > 0 for _, value in losses)


def test_trained_means_trained_and_how_to_train_further_is_explained(run, capsys):
    backward(tiny_mnist(), until(3, run))

    def files():
        return {entry.name: open(entry, 'rb').read()
                for entry in os.scandir(run.model_save_path) if entry.is_file()}
    before = files()
    capsys.readouterr()
    assert backward(tiny_mnist(), until(3, run)) == 0
    out = capsys.readouterr().out
    assert 'mnist_model-3 is trained: 3 steps of 3 are done' in out and '--steps 6' in out
    assert before == files()


def test_a_resumed_training_deletes_the_oldest_checkpoints_too(run):
    every = dataclasses.replace(run, report_interval=1)
    for steps in 4, 7:
        backward(tiny_mnist(), until(steps, every))
    found = sorted(name for name in os.listdir(run.model_save_path) if name.endswith('.index'))
    assert found == [f'mnist_model-{step}.index' for step in range(3, 8)]


def test_a_moved_folder_and_one_without_its_state_file_are_resumed(run, tmp_path):
    for step in 9, 10:
        write_mnist_checkpoint(run.model_save_path, mnist_arrays(step), step)
    os.rename(run.model_save_path, tmp_path / 'moved')
    moved = dataclasses.replace(run, model_save_path=str(tmp_path / 'moved'))
    assert moved.newest() == path(moved, 10)
    (tmp_path / 'moved' / 'checkpoint').write_text('')  # the power failed
    assert moved.newest() == path(moved, 10)
    os.remove(tmp_path / 'moved' / 'checkpoint')
    assert moved.newest() == path(moved, 10)
    assert backward(tiny_mnist(), until(11, moved)) == 0
    assert read_arrays(path(moved, 11))['Variable_4'] == 11


def test_a_path_written_on_windows_is_understood(run):
    write_mnist_checkpoint(run.model_save_path, mnist_arrays(7), 7)
    with open(os.path.join(run.model_save_path, 'checkpoint'), 'w') as state:
        state.write('model_checkpoint_path: "C:\\\\old\\\\model\\\\mnist_model-7"')
    assert run.newest() == path(run, 7)


def test_a_checkpoint_of_another_network_is_refused_and_kept(run):
    arrays = mnist_arrays(5)
    arrays['Variable'] = arrays['Variable'][:, :100]
    prefix = write_mnist_checkpoint(run.model_save_path, arrays, 5)
    with pytest.raises(UserError, match='mnist_model-5: expected a whole checkpoint.*784, 100'):
        backward(tiny_mnist(), until(6, run))
    assert read_arrays(prefix)['Variable'].shape == (784, 100)
    assert not os.path.exists(path(run, 6) + '.index')


def test_a_missing_or_damaged_checkpoint_stops_training(run):
    prefix = write_mnist_checkpoint(run.model_save_path, mnist_arrays(5), 5)
    with open(prefix + '.data-00000-of-00001', 'r+b') as opened:
        opened.truncate(1000)
    with pytest.raises(UserError, match='mnist_model-5'):
        backward(tiny_mnist(), until(6, run))


def test_a_diverged_training_is_not_saved(run):
    with pytest.raises(UserError, match='step 1: expected finite .* lower learning_rate_base in'):
        backward(tiny_mnist(), dataclasses.replace(run, steps=5, learning_rate_base=float('inf')))
    assert run.newest() is None  # the first step gave NaN


def test_data_that_fails_in_the_background_stops_training_and_keeps_what_was_saved(run):
    mnist = tiny_mnist()
    batches = [mnist.train.next_batch(200)] * 3

    def next_batch(batch_size):
        if not batches:
            raise OSError('the disk was unplugged')
        return batches.pop()
    train = types.SimpleNamespace(num_examples=400, next_batch=next_batch)
    with pytest.raises(OSError, match='unplugged'):
        backward(mnist._replace(train=train), until(5, run))
    assert run.newest() == path(run, 1)


def wait_for(awaited, process):
    deadline = time.monotonic() + 120
    while not awaited.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(os.name == 'nt', reason='signals are sent as POSIX systems do')
def test_a_stopped_run_saves_says_so_and_resumes(augmented, tmp_path, capsys):
    """On SIGTERM; for Ctrl-C see test_console.py."""
    run, last = augmented, augmented.steps
    link_data(tmp_path)
    process = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, 'mnist_backward.py'), '--augment', '--seed', '3'],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / 'model' / 'checkpoint', process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert 'Traceback' not in err
    step = int(re.search(rf'Stopped and saved at step (\d+) of {last}\.', out)[1])
    assert ('To resume: python mnist_backward.py --model-dir ./model/ --augment --seed 3 --steps '
            f'{last}\n') in out
    assert read_arrays(path(run, step))['Variable_4'] == step

    assert backward(tiny_mnist(), until(step + 1, run)) == 0
    assert re.match(rf'Restored \S*mnist_model-{step}, resuming until step {step + 1}\.\n'
                    rf'After {step + 1} training step', capsys.readouterr().out)


# --- the data of a run

FEW = augmentation.Strength(stock=50)  # soon made


@pytest.mark.slow
@pytest.mark.parametrize('kind, stops', [(post, [120, 290]),
                                         (training.augmented(post), [290])])
def test_a_stopped_and_an_unbroken_run_end_alike(tmp_path, kind, stops):
    """An epoch is 275 steps. With other batches after a stop, the weights would differ."""
    ends = []
    for name, at in ('unbroken', []), ('stopped', stops):
        run = dataclasses.replace(kind, steps=300, model_save_path=str(tmp_path / name))
        for stop in at:
            assert backward(stopping_at(stop, run), run) == 128 + signal.SIGINT
            assert checkpoints.step_of(run.newest()) < 300
        assert backward(training.data(run, DATA, FEW), run) == 0
        ends.append(read_arrays(path(run, 300)))
    assert set(ends[0]) == set(ends[1])
    for key in ends[0]:
        np.testing.assert_allclose(ends[1][key], ends[0][key], atol=1e-5)


def stopping_at(step, run):
    """The data of a run, with Ctrl-C while the batch of `step` is made."""
    mnist = training.data(run, DATA, FEW)
    made = checkpoints.step_of(run.newest() or '')

    def next_batch(batch_size):
        nonlocal made
        made += 1
        if made == step:
            signal.raise_signal(signal.SIGINT)
        return mnist.train.next_batch(batch_size)
    train = types.SimpleNamespace(num_examples=mnist.train.num_examples, next_batch=next_batch)
    return mnist._replace(train=train)


def test_an_augmented_run_learns_longer_from_distorted_digits(run):
    augmented = training.augmented(run)
    assert augmented == dataclasses.replace(run, steps=150000, regularizer=0.00001, augmented=True)
    images, labels = training.data(augmented, DATA, FEW).train.next_batch(50)
    plain, right = training.data(run, DATA).train.next_batch(50)
    assert np.array_equal(labels, right)
    likeness = [np.corrcoef(one, other)[0, 1] for one, other in zip(images, plain)]
    assert 0.2 < np.mean(likeness) < 0.95


def test_fewer_pictures_than_a_batch_are_refused(run):
    with pytest.raises(UserError, match='expected a batch of 55001 training pictures.*found 55000'):
        training.data(dataclasses.replace(run, batch_size=55001), DATA)


@pytest.mark.parametrize('arguments, words', [(['--steps', '0'], "found '0'"),
                                              (['--step', '5'], '--step')])
def test_bad_arguments_are_refused(monkeypatch, arguments, words):
    monkeypatch.setattr(sys, 'argv', ['mnist_backward.py', *arguments])
    with pytest.raises(UserError, match=words):  # one line and status 2: see console.run's tests
        mnist_backward.main()
