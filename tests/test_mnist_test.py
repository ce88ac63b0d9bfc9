import os
import re

import numpy as np
import pytest

import cli
import input_data
import mnist_backward
import mnist_test
from conftest import ROOT
from mnist_arrays import logits, random_arrays, write_checkpoint


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist_backward, 'model_save_path', str(tmp_path / 'model'))
    return tmp_path / 'model'


@pytest.fixture
def mnist():
    random = np.random.RandomState(6)
    images = random.rand(1000, 784).astype(np.float32)
    # Labels that the averages of random_arrays(0) read rightly in 700 of 1,000 cases.
    digits = logits(images, random_arrays(0), averages=True).argmax(1)
    digits[:300] = (digits[:300] + 1) % 10
    return input_data.Datasets(*[input_data.DataSet(images, np.eye(10)[digits])] * 3)


@pytest.fixture
def naps(monkeypatch):
    """Replaces the sleep between two looks: each nap runs the next function of the list."""
    todo = []
    monkeypatch.setattr(mnist_test.time, 'sleep', lambda seconds: todo.pop(0)())
    return todo


def finish(model, step):
    (model / 'finished').write_text(f'model_checkpoint_path: "mnist_model-{step}"')


def test_a_plain_tf1_checkpoint_is_read_through_its_averages(model, mnist, capsys):
    write_checkpoint(model, random_arrays(49001), 49001)
    assert mnist_test.test(mnist, once=True) == pytest.approx(0.7)
    assert capsys.readouterr().out == 'After 49001 training step(s),test accuracy= 0.7.\n'


def test_no_checkpoint(model, mnist, capsys):
    assert mnist_test.test(mnist) is None
    assert capsys.readouterr().out == 'No checkpoint file found\n'


def test_polling_prints_each_checkpoint_once_and_ends_when_training_does(model, mnist, naps,
                                                                        capsys):
    write_checkpoint(model, random_arrays(1), 1)
    naps += [lambda: None, lambda: None,
             lambda: write_checkpoint(model, random_arrays(2, seed=8), 2),
             lambda: None, lambda: finish(model, 2)]
    mnist_test.test(mnist)
    assert naps == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'After 1 training step(s),test accuracy= 0.7.'
    assert re.fullmatch(r'After 2 training step\(s\),test accuracy= 0\.[0-4]\d*\.', lines[1])
    assert len(lines) == 2


def test_an_older_finish_does_not_end_the_polling(model, mnist, naps, capsys):
    write_checkpoint(model, random_arrays(3), 3)
    finish(model, 2)
    naps += [lambda: None, lambda: finish(model, 3)]
    mnist_test.test(mnist)
    assert naps == [] and len(capsys.readouterr().out.splitlines()) == 1


def test_a_checkpoint_replaced_while_it_is_read_is_looked_up_again(model, mnist, naps, capsys):
    gone = write_checkpoint(model, random_arrays(1), 1)
    os.remove(gone + '.index')  # as training does with old ones
    naps += [lambda: write_checkpoint(model, random_arrays(2), 2)]
    assert mnist_test.test(mnist, once=True) == pytest.approx(0.7)
    assert capsys.readouterr().out == 'After 2 training step(s),test accuracy= 0.7.\n'


def test_a_checkpoint_that_stays_damaged_is_one_line(model, mnist, naps):
    path = write_checkpoint(model, random_arrays(1), 1)
    with open(path + '.index', 'wb') as opened:
        opened.write(b'nothing')
    naps += [lambda: None] * (mnist_test.restore_attempts - 1)
    with pytest.raises(cli.UserError, match='mnist_model-1') as raised:
        mnist_test.test(mnist)
    assert '\n' not in str(raised.value) and naps == []


def test_the_command_without_a_checkpoint(run_script, tmp_path):
    os.symlink(os.path.join(ROOT, 'data'), tmp_path / 'data')
    done = run_script('mnist_test.py', cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, 'No checkpoint file found\n')
    assert done.stderr == 'mnist_test.py: train first: python mnist_backward.py\n'


def test_2000_real_steps_reach_95_percent_and_read_digits(run_script, tmp_path):
    os.symlink(os.path.join(ROOT, 'data'), tmp_path / 'data')
    trained = run_script('mnist_backward.py', '--steps', 2000, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert re.findall(r'After (\d+) training step\(s\),loss on training batch is [\d.]+\.\n',
                      trained.stdout) == ['1', '1001', '2000']
    # Nothing but the progress bar on stderr, and it reached the end.
    assert set(re.findall(r'^\w+', trained.stderr, re.M)) == {'training'}
    assert 'training 2000/2000' in trained.stderr

    tested = run_script('mnist_test.py', cwd=tmp_path)  # ends by itself: training has finished
    assert tested.returncode == 0 and tested.stderr == ''
    accuracy = float(re.fullmatch(r'After 2000 training step\(s\),test accuracy= (0\.\d+)\.\n',
                                  tested.stdout)[1])
    assert 0.95 <= accuracy < 0.99

    samples = [os.path.join(ROOT, 'samples', f'{digit}.jpg') for digit in range(10)]
    read = run_script('mnist_app.py', *samples, cwd=tmp_path)
    assert read.returncode == 0 and read.stderr == ''
    digits = re.findall(r'the prediction number is \[(\d)\]\n', read.stdout)
    # Not all ten: so short a training takes one or two for another digit.
    assert len(digits) == 10 and sum(int(d) == i for i, d in enumerate(digits)) >= 7
