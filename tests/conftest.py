"""What several tests use: a script run as a user runs it, and small real data sets."""
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from helpers import ROOT, record, tf, write_records


def pytest_configure():
    """Ctrl-C works as in a terminal, also if a shell that started us in the background ignores it.

    The scripts that the tests start inherit that, and would ignore it, too.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def run_script():
    """A function that runs `python <script> <arguments>` in a folder, default the project's."""
    def run(script, *arguments, cwd=ROOT, stdin=None):
        command = [sys.executable, os.path.join(ROOT, script), *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True,
                              encoding='utf-8', timeout=300)
    return run


@pytest.fixture(scope='session')
def one_line_error(run_script):
    """A function that runs a script which must fail with one line on stderr, and returns it."""
    def run(script, *arguments, **kwargs):
        ended = run_script(script, *arguments, **kwargs)
        assert ended.returncode == 2, ended
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        assert len(lines) == 1, ended.stderr
        assert lines[0].startswith(f'{script}: ')
        return lines[0]
    return run


@pytest.fixture(scope='session')
def captchas(tmp_path_factory, run_script):
    """A folder with images/ (60 captchas), train.tfrecords and test.tfrecords (10 records)."""
    folder = tmp_path_factory.mktemp('captchas')
    made = run_script('gen_captcha.py', '--num', 60, '--seed', 1, '--out', folder / 'images')
    assert made.returncode == 0, made.stderr
    made = run_script('to_tfrecord.py', '--images', folder / 'images', '--out', folder,
                      '--num-test', 10)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope='session')
def shards(captchas, tmp_path_factory, run_script):
    """The captchas once more, their training records in two files."""
    folder = tmp_path_factory.mktemp('shards')
    made = run_script('to_tfrecord.py', '--images', captchas / 'images', '--out', folder,
                      '--num-test', 10, '--shards', 2)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(0)
        yield graph


@pytest.fixture
def letters(tmp_path):
    """A folder with records of 0-9 A-Z, all of one text."""
    folder = tmp_path / 'letters'
    folder.mkdir()
    for name in 'train.tfrecords', 'test.tfrecords':
        write_records(folder / name, 30 * [record(np.zeros([224, 224], np.uint8), [10, 35, 0, 1])])
    return folder
