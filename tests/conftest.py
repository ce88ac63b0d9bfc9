"""Fixtures that several tests share: running a script as a user does, and small real data sets."""
import importlib
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from support.common import console, signals

# What imports TensorFlow is imported where it is used: pytest-xdist's controller, which runs no
# test, imports this file too.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def pytest_configure():
    """Make Ctrl-C work even where the shell that started us in the background ignores it.

    The scripts that the tests start would inherit that.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def run_script():
    """A function that runs `python <script> <arguments>`, by default in the project's folder."""
    def run(script, *arguments, cwd=ROOT, stdin=None, timeout=300):
        command = [sys.executable, os.path.join(ROOT, script), *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True,
                              encoding='utf-8', timeout=timeout)
    return run


@pytest.fixture
def restored_signals():
    """Restore the handlers of Ctrl-C and SIGTERM after a test that calls `console.run`."""
    handlers = {number: signal.getsignal(number) for number in signals.STOPS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def run_here(monkeypatch, capsys, restored_signals):
    """The same in this process and its working directory, without importing TensorFlow again."""
    def run(script, *arguments):
        monkeypatch.setattr(sys, 'argv', [script, *map(str, arguments)])
        main = importlib.import_module(script.removesuffix('.py')).main
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            console.run(main)
        return subprocess.CompletedProcess(sys.argv, ended.value.code or 0, *capsys.readouterr())
    return run


@pytest.fixture
def one_line_error(run_here):
    """A function that runs a script here, checks that it fails with one line, and returns the line.

    test_console.py checks that the commands themselves do so.
    """
    def run(script, *arguments):
        ended = run_here(script, *arguments)
        assert ended.returncode == 2, ended
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        assert len(lines) == 1 and lines[0].startswith(f'{script}: '), ended.stderr
        return lines[0]
    return run


@pytest.fixture(scope='session')
def captchas(tmp_path_factory):
    """A folder with images/ (60 captchas), train.tfrecords and test.tfrecords (10 records)."""
    import gen_captcha
    import to_tfrecord
    folder = tmp_path_factory.mktemp('captchas')
    gen_captcha.gen_captcha(str(folder / 'images'), 60, seed=1, workers=1)
    assert to_tfrecord.convert(str(folder / 'images'), str(folder), 10) == []
    return folder


@pytest.fixture(scope='session')
def shards(captchas, tmp_path_factory):
    """The same captchas with their training records in two files."""
    import to_tfrecord
    folder = tmp_path_factory.mktemp('shards')
    assert to_tfrecord.convert(str(captchas / 'images'), str(folder), 10, shards=2) == []
    return folder


@pytest.fixture(scope='session', autouse=True)
def short_queue():
    """A training's queue for the tests' few pictures: the post's fills with 5,000."""
    import captcha_train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captcha_train, 'CAPACITY', 200)
        patch.setattr(captcha_train, 'MIN_AFTER_DEQUEUE', 50)
        yield


@pytest.fixture(scope='session')
def tiny_model(captchas, tmp_path_factory):
    """A function that copies the tiny network, trained for some steps on `captchas`, to a folder.

    It trains once for each number of steps.
    """
    from helpers import train
    trained = {}

    def copy_to(folder, steps):
        if steps not in trained:
            trained[steps] = tmp_path_factory.mktemp('tiny_model')
            assert train(captchas, trained[steps], steps) == 0
        return shutil.copytree(trained[steps], folder, dirs_exist_ok=True)
    return copy_to


@pytest.fixture
def graph():
    """A new default graph with a seed."""
    from helpers import tf
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(0)
        yield graph


@pytest.fixture
def letters(tmp_path):
    """A folder with records of 0-9 A-Z, all with the same text."""
    from helpers import record, write_records
    folder = tmp_path / 'letters'
    folder.mkdir()
    for name in 'train.tfrecords', 'test.tfrecords':
        write_records(folder / name, 30 * [record(np.zeros([224, 224], np.uint8), [10, 35, 0, 1])])
    return folder


@pytest.fixture
def thirty(tmp_path):
    """Thirty pictures, each with its own text and its own grey."""
    from helpers import grey
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(30):
        grey(folder / f'{k:04d}_{k:06d}.png', 8 * k)
    return folder


@pytest.fixture(scope='session')
def lite(tmp_path_factory):
    """models/digits, exported for captcha_lite.py."""
    from support import export
    folder = tmp_path_factory.mktemp('lite') / 'captchas'
    export.export(os.path.join(ROOT, 'models', 'digits'), str(folder))
    return folder


@pytest.fixture(scope='session')
def lite_digits(tmp_path_factory):
    """An MNIST network with random weights, exported for captcha_lite.py, and its arrays."""
    from helpers import mnist_arrays, write_mnist_checkpoint
    from support import export
    folder = tmp_path_factory.mktemp('lite_digits')
    write_mnist_checkpoint(folder / 'model', mnist_arrays(7), 7)
    export.export(str(folder / 'model'), str(folder / 'digits'))
    return folder / 'digits', mnist_arrays(7)
