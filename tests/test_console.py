"""How scripts start and end, on their own, by mistakes and by signals."""
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from helpers import ROOT, link_data, run_code
from support.captcha import models
from support.common import console


def test_quiet_start_hides_noise_and_shows_the_rest():
    code = ('import os\n'
            'with console.quiet_start():\n'
            '    os.write(2, b"I0000 00:00:1.2 3 port.cc:153] oneDNN is on.\\n")\n'
            '    os.write(2, b"libfoo.so: no such file\\n")\n'
            'os.write(2, b"after\\n")')
    assert run_code(code).stderr == 'libfoo.so: no such file\nafter\n'


def test_quiet_start_shows_why_an_import_failed():
    ended = run_code('with console.quiet_start():\n    import no_such_package')
    assert "No module named 'no_such_package'" in ended.stderr and ended.returncode == 1


def test_tensorflow_starts_quietly_and_a_program_keeps_its_keras():
    code = ('with console.quiet_start("captcha_test"):\n'
            '    import tensorflow.compat.v1 as tf\n'
            'with tf.Graph().as_default(), tf.Session() as sess:\n'
            '    tf.train.string_input_producer(["a"])\n'
            '    print(sess.run(tf.constant(1)), "keras" in sys.modules)')
    ended = run_code(code)
    assert (ended.stdout, ended.stderr) == ('1 True\n', '')


@pytest.mark.parametrize('raised, status, words', [
    ('console.UserError("a\\n b")', 2, 'a b'),
    ('PermissionError(13, "Permission denied", "x.png")', 2, 'x.png: Permission denied'),
    ('KeyboardInterrupt', 130, 'stopped'),
    ('KeyboardInterrupt(15)', 143, 'stopped')])
def test_a_mistake_is_one_line(raised, status, words):
    ended = run_code(f'def main(): raise {raised}\nconsole.run(main)')
    assert ended.returncode == status
    assert words in ended.stderr and len(ended.stderr.splitlines()) == 1


SCRIPTS = ['gen_captcha.py', 'to_tfrecord.py', 'captcha_train.py', 'captcha_test.py',
           'captcha_lite.py', 'mnist_backward.py', 'mnist_test.py', 'mnist_app.py']
MODULES = ['support.export', 'support.captcha.endless',
           'support.digits.own', 'support.cluster.launch', 'support.cluster.train']


@pytest.mark.parametrize('script', SCRIPTS)
def test_a_mistake_of_a_command_is_one_line(one_line_error, script):
    assert re.fullmatch(rf'{script}: unrecognized arguments: .*--no-such-option \(.*\)',
                        one_line_error(script, 'one.jpg', '--no-such-option'))


@pytest.mark.parametrize('script', SCRIPTS + MODULES)
def test_a_command_prints_its_docstring(run_here, script):
    ended = run_here(script, '--help')
    assert (ended.returncode, ended.stderr) == (0, '')
    assert re.match(rf'usage: (python -m )?{script}', ended.stdout)
    assert '\nCommand: ' in ended.stdout


def test_a_mistake_of_a_command_ends_its_process_with_one_line(run_script):
    ended = run_script('gen_captcha.py', '--no-such-option')
    assert (ended.returncode, ended.stdout, ended.stderr.count('\n')) == (2, '', 1)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists('/proc/self/maps'), reason='needs /proc')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_tensorflow_is_imported_is_one_line(number, tmp_path):
    script = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, 'mnist_backward.py')], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    while b'tensorflow' not in open(f'/proc/{script.pid}/maps', 'rb').read():
        assert script.poll() is None
        time.sleep(0.01)
    script.send_signal(number)
    out, err = script.communicate(timeout=60)
    assert (script.returncode, out, err) == (128 + number, '', 'mnist_backward.py: stopped\n')
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists('/proc/self/task'), reason='needs /proc')
def test_a_script_starts_without_keras_and_no_thread_of_tensorflows_can_be_given_a_signal():
    """Of all threads, after a step, only the one that waits for signals does not block them."""
    ended = run_code(
        'import os, signal\n'
        'with console.quiet_start("__main__"):\n'
        '    import tensorflow.compat.v1 as tf\n'
        'def main():\n'
        '    with tf.Graph().as_default(), tf.Session() as sess:\n'
        '        sess.run(tf.matmul(tf.ones([200, 300]), tf.ones([300, 200])))\n'
        '        masks = [int(line.split()[1], 16) for task in os.listdir("/proc/self/task")\n'
        '                 for line in open(f"/proc/self/task/{task}/status")\n'
        '                 if line.startswith("SigBlk")]\n'
        '    bits = sum(1 << number - 1 for number in signals.STOPS)\n'
        '    print(len(masks) > 3, sum(mask & bits != bits for mask in masks))\n'
        '    print("keras" in sys.modules)\n'
        'console.run(main)')
    assert (ended.stdout, ended.stderr) == ('True 1\nFalse\n', '')


def test_a_mistake_of_ours_keeps_its_traceback():
    ended = run_code('def main(): raise KeyError("ours")\nconsole.run(main)')
    assert 'Traceback' in ended.stderr and ended.returncode == 1


def test_a_name_that_the_screen_lacks_letters_for_is_printed():
    ended = run_code('console.run(lambda: print("\\u9a8c.jpg"))',
                     env={**os.environ, 'PYTHONIOENCODING': 'cp1252'})
    assert (ended.stdout.strip(), ended.returncode) == ('\\u9a8c.jpg', 0)


def test_a_reader_that_has_seen_enough():
    ended = run_code('import os\ndef main():\n    os.close(1); os.dup2(os.pipe()[1], 1)\n'
                     '    raise BrokenPipeError\nconsole.run(main)')
    assert (ended.returncode, ended.stderr) == (1, '')


def test_a_training_outlives_the_reader_of_its_lines():
    """As after `| tee log`, when Ctrl-C has ended tee."""
    ended = run_code('import os\ndef main():\n    r, w = os.pipe()\n    os.close(r)\n'
                     '    os.dup2(w, 1)\n    console.say("one")\n    console.say("two")\n'
                     '    return 130\n'
                     'console.run(main)')
    assert (ended.returncode, ended.stderr) == (130, '')


ENDING = (  # trainings by the same script, each optionally stopped after its first progress line
    'import os, signal, threading, {module}\n'
    'say = console.say\n'
    'def stop_once(line):\n'
    '    say(line)\n'
    '    if number and line.startswith(("Iter:", "After ")):\n'
    '        os.kill(os.getpid(), number)\n'
    'console.say = stop_once\n'
    'for number, *sys.argv in {trainings!r}:\n'
    '    try:\n'
    '        console.run({module}.main)\n'
    '    except SystemExit as end:\n'
    '        status = end.code\n'
    '    print(status, [thread.name for thread in threading.enumerate()], file=sys.stderr)\n'
    'sys.exit(status)\n')


@pytest.mark.slow
def test_no_thread_outlives_a_training_of_digits(tmp_path):
    """A thread still running while Python shuts down can abort the process."""
    link_data(tmp_path)
    ended = run_code(ENDING.format(module='mnist_backward', trainings=[
        (int(signal.SIGINT), 'mnist_backward.py', '--steps', '9'),
        (0, 'mnist_backward.py', '--steps', '9')]), cwd=tmp_path)
    threads = re.findall(r"^(\d+) (\[.*\])$", ended.stderr, re.M)
    assert threads == [('130', "['MainThread']"), ('0', "['MainThread']")], ended.stderr
    assert ended.returncode == 0 and 'Stopped and saved at step 1 of 9.' in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_training_of_captchas_that_is_stopped_saves_and_leaves_no_thread(captchas, tmp_path,
                                                                           number):
    ended = run_code(ENDING.format(module='captcha_train', trainings=[
        (int(number), 'captcha_train.py', '--network', 'small_cnn', '--method', 'heads',
         '--steps', '3', '--batch-size', '4', '--train', str(captchas / 'train.tfrecords'),
         '--test', str(captchas / 'test.tfrecords'))]), cwd=tmp_path)
    assert ended.returncode == 128 + number, ended.stderr
    assert ended.stderr.splitlines()[-1] == f"{128 + number} ['MainThread']"
    assert 'Traceback' not in ended.stderr and 'tensorflow' not in ended.stderr.lower()
    assert re.search('^stopped after iteration 0, saved .*-0; resume with', ended.stdout, re.M)
    assert models.newest(str(tmp_path / 'captcha')).endswith('-0')


@pytest.mark.parametrize('answer, path', [
    ('a b.jpg', 'a b.jpg'), (' "a b.jpg" ', 'a b.jpg'), ("'a.jpg'\t", 'a.jpg'),
    ('a\\ b.jpg', 'a b.jpg' if os.name != 'nt' else 'a\\ b.jpg'),
    pytest.param(r'it\'s\ \(1\).jpg', "it's (1).jpg", marks=pytest.mark.skipif(
        os.name == 'nt', reason='there \\ parts folders')),
    ("it's.jpg", "it's.jpg"),
    pytest.param(r"'/tmp/it'\''s.jpg'", "/tmp/it's.jpg", marks=pytest.mark.skipif(
        os.name == 'nt', reason='its shells quote otherwise')),
    ('~/a.jpg', os.path.join(os.path.expanduser('~'), 'a.jpg'))])
def test_pasted_paths(answer, path):
    assert console.pasted_path(answer) == path


def test_the_middle_of_a_long_word_is_left_out():
    message = str(console.UserError(f'a {"x" * 3000} b {"y" * 160} {"z" * 161}'))
    assert message == f'a {"x" * 80}...{"x" * 80} b {"y" * 160} {"z" * 80}...{"z" * 80}'
