"""Files are written whole or not at all; one folder has one training at a time."""
import errno
import os
import subprocess
import sys

import pytest

from helpers import ROOT
from support.common import console, files


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = str(tmp_path / 'new' / 'file')
    with files.whole_file(path) as part:
        with open(part, 'w') as file:
            file.write('first')
        assert not os.path.exists(path)
    with pytest.raises(KeyError):
        with files.whole_file(path) as part:
            with open(part, 'w') as file:
                file.write('second')
            raise KeyError
    assert open(path).read() == 'first'
    assert os.listdir(tmp_path / 'new') == ['file']


def test_a_part_that_is_a_link_does_not_change_what_it_leads_to(tmp_path):
    (tmp_path / 'precious').write_text('do not touch')
    try:
        os.symlink(tmp_path / 'precious', tmp_path / '.file.part')
    except (NotImplementedError, OSError) as error:
        pytest.skip(f'this system makes no symbolic links: {error}')
    with files.whole_file(str(tmp_path / 'file')) as part, open(part, 'w') as file:
        file.write('new')
    assert (tmp_path / 'precious').read_text() == 'do not touch'
    assert (tmp_path / 'file').read_text() == 'new' and not os.path.islink(tmp_path / 'file')


HOLD = (f'import sys, time; sys.path.insert(0, {ROOT!r})\n'
        'from support.common import files\n'
        'with files.alone(sys.argv[1]):\n'
        '    print("held", flush=True)\n'
        '    time.sleep(60)')


@pytest.fixture
def holder(tmp_path):
    """Another process that holds tmp_path/model."""
    process = subprocess.Popen([sys.executable, '-c', HOLD, str(tmp_path / 'model')],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'held\n'
    yield process
    process.kill()
    process.communicate()


def test_a_second_conversion_into_a_folder_is_refused_and_a_training_is_not_in_its_way(tmp_path):
    with files.alone(str(tmp_path), 'conversion'), files.alone(str(tmp_path)):
        with pytest.raises(console.UserError, match='without another conversion, found a '
                                                    f'conversion of process {os.getpid()}'):
            with files.alone(str(tmp_path), 'conversion'):
                pass
    assert os.listdir(tmp_path) == []


def test_a_second_training_in_a_folder_is_refused_and_told_of_the_first(holder, tmp_path):
    model = str(tmp_path / 'model')
    with pytest.raises(console.UserError, match=f'^{model}: expected .*, found a training of '
                                                f'process {holder.pid}, begun 2'):
        with files.alone(model):
            pass
    with files.alone(str(tmp_path / 'other')):  # another folder is free
        assert os.listdir(tmp_path / 'other') == ['.training.lock']
    assert sorted(os.listdir(tmp_path)) == ['model']  # the folder made for the lock is gone


def test_the_lock_of_a_killed_training_stops_nobody(holder, tmp_path):
    holder.kill()
    holder.wait()
    model = tmp_path / 'model'
    assert files.in_use(str(model))
    with files.alone(str(model)):
        assert f'process {os.getpid()},' in (model / '.training.lock').read_text()
        (model / 'saved').write_text('')
    assert os.listdir(model) == ['saved'] and not files.in_use(str(model))


@pytest.mark.parametrize('script, folder, options', [
    ('mnist_backward.py', 'model', []),
    ('captcha_train.py', 'captcha', ['--network', 'small_cnn'])])
def test_both_trainers_refuse_a_folder_that_is_trained_into(one_line_error, tmp_path, monkeypatch,
                                                            script, folder, options):
    monkeypatch.chdir(tmp_path)
    with files.alone(folder):
        assert f'found a training of process {os.getpid()}, begun ' in one_line_error(
            script, *options)


def test_a_file_system_without_locks_is_said(tmp_path, capsys, monkeypatch):
    def lock(_file):
        raise OSError(errno.ENOLCK, 'No locks available')
    monkeypatch.setattr(files, 'lock', lock)
    with files.alone(str(tmp_path)):
        pass
    assert 'cannot be locked here (No locks available)' in capsys.readouterr().err
