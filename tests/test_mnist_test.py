"""The accuracy of each checkpoint, once, until training has finished."""
import os
import re

import numpy as np
import pytest

import mnist_test
from helpers import (
    SAMPLES,
    link_data,
    mnist_arrays,
    mnist_logits,
    read_arrays,
    write_mnist_checkpoint,
)
from support.common import files
from support.common.console import UserError
from support.digits import input_data


@pytest.fixture
def model(tmp_path):
    return str(tmp_path / 'model')


@pytest.fixture(scope='module')
def mnist():
    random = np.random.RandomState(6)
    images = random.rand(1000, 784).astype(np.float32)
    # The averages of mnist_arrays(0) read 700 of these 1,000 labels correctly.
    digits = mnist_logits(images, mnist_arrays(0), averages=True).argmax(1)
    digits[:300] = (digits[:300] + 1) % 10
    return input_data.Datasets(*[input_data.DataSet(images, np.eye(10)[digits])] * 3)


def sleep_by(todo):
    """A stand-in for time.sleep: each call runs the next function of the list `todo`."""
    return lambda seconds: todo.pop(0)()


@pytest.fixture
def end_training(model):
    """A function that ends the training that goes on in the model's folder, in another process."""
    os.mkdir(model)
    lock = files.lock_path(model)
    open(lock, 'w').close()
    return lambda: os.remove(lock)


def nothing():
    pass


def test_a_plain_tf1_checkpoint_is_read_through_its_averages(model, mnist, capsys):
    write_mnist_checkpoint(model, mnist_arrays(49001), 49001)
    assert mnist_test.test(mnist, once=True, model_dir=model) == pytest.approx(0.7)
    assert capsys.readouterr().out == 'After 49001 training step(s),test accuracy= 0.7.\n'


def test_no_checkpoint(model, mnist, capsys):
    assert mnist_test.test(mnist, model_dir=model) is None
    assert capsys.readouterr().out == 'No checkpoint file found\n'


def test_polling_prints_each_checkpoint_once_and_ends_when_training_does(model, mnist, end_training,
                                                                         capsys):
    write_mnist_checkpoint(model, mnist_arrays(1), 1)
    todo = [nothing, nothing,
            lambda: write_mnist_checkpoint(model, mnist_arrays(2, seed=8), 2),
            nothing, end_training]
    mnist_test.test(mnist, model_dir=model, sleep=sleep_by(todo))
    assert todo == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'After 1 training step(s),test accuracy= 0.7.'
    assert re.fullmatch(r'After 2 training step\(s\),test accuracy= 0\.[0-4]\d*\.', lines[1])
    assert len(lines) == 2


def test_it_says_once_what_it_waits_for(model, mnist, end_training, capsys):
    write_mnist_checkpoint(model, mnist_arrays(1), 1)
    todo = [nothing, nothing, end_training]
    mnist_test.test(mnist, model, sleep=sleep_by(todo))
    assert capsys.readouterr().err == (
        'waiting for new checkpoints of mnist_backward.py; Ctrl-C ends this\n')


def test_the_last_checkpoint_of_a_training_that_ends_is_tested(model, mnist, end_training, capsys):
    write_mnist_checkpoint(model, mnist_arrays(1), 1)

    def end():
        write_mnist_checkpoint(model, mnist_arrays(2), 2)
        end_training()
    mnist_test.test(mnist, model_dir=model, sleep=sleep_by([end]))
    assert re.findall(r'After (\d)', capsys.readouterr().out) == ['1', '2']


def test_a_damaged_checkpoint_is_one_line(model, mnist):
    prefix = write_mnist_checkpoint(model, mnist_arrays(1), 1)
    with open(prefix + '.index', 'wb') as opened:
        opened.write(b'nothing')
    with pytest.raises(UserError, match='mnist_model-1: .*python mnist_backward.py') as raised:
        mnist_test.test(mnist, model)
    assert '\n' not in str(raised.value)


def test_the_command_without_a_checkpoint(run_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    link_data(tmp_path)
    ended = run_here('mnist_test.py')
    assert (ended.returncode, ended.stdout) == (2, 'No checkpoint file found\n')
    assert ended.stderr == 'mnist_test.py: train first: python mnist_backward.py\n'


@pytest.mark.slow
def test_1200_real_steps_reach_93_percent_and_read_digits(run_here, run_script, tmp_path,
                                                          monkeypatch):
    monkeypatch.chdir(tmp_path)
    link_data(tmp_path)
    trained = run_here('mnist_backward.py', '--steps', 1200)
    assert trained.returncode == 0, trained.stderr
    assert re.findall(r'After (\d+) training step\(s\),loss on training batch is [\d.]+\.\n',
                      trained.stdout) == ['1', '1001', '1200']
    # Only the progress bar is on stderr, and it reached the end.
    assert set(re.findall(r'^\w+', trained.stderr.replace('\r', '\n'), re.M)) == {'training'}
    assert 'training 1200/1200' in trained.stderr
    assert read_arrays(tmp_path / 'model' / 'mnist_model-1200')['Variable_4'] == 1200

    tested = run_script('mnist_test.py', cwd=tmp_path)  # ends because training has finished
    assert tested.returncode == 0 and tested.stderr == ''
    accuracy = float(re.fullmatch(r'After 1200 training step\(s\),test accuracy= (0\.\d+)\.\n',
                                  tested.stdout)[1])
    assert 0.93 <= accuracy < 0.99

    read = run_here('mnist_app.py', *SAMPLES)
    assert (read.returncode, read.stderr) == (0, 'reading with ./model/mnist_model-1200\n')
    digits = re.findall(r'the prediction number is \[(\d)\]\n', read.stdout)
    # Not all ten: after so short a training it misreads one or two.
    assert len(digits) == 10 and sum(int(d) == i for i, d in enumerate(digits)) >= 7
