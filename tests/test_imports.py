"""Importing has no effect, and the folder captcha/ does not hide the package captcha."""
import os
import subprocess
import sys

from helpers import ROOT


def test_the_output_folder_does_not_shadow_the_package_captcha(tmp_path):
    os.makedirs(tmp_path / 'captcha' / 'images')
    found = subprocess.run([sys.executable, '-c', 'import captcha.image; print(captcha.__file__)'],
                           cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert str(tmp_path) not in found.stdout
    assert not os.path.exists(os.path.join(ROOT, 'captcha', '__init__.py'))


def test_importing_the_scripts_has_no_effect(tmp_path):
    code = ('import sys; sys.path.insert(0, sys.argv[1]); sys.argv[1:] = ["--no-such-option"]\n'
            'import gen_captcha, to_tfrecord, captcha_train, captcha_test\n'
            'import mnist_forward, mnist_backward, mnist_test, mnist_app\n'
            'import tensorflow.compat.v1 as tf\n'
            'print(len(tf.get_default_graph().get_operations()), tf.executing_eagerly())')
    found = subprocess.run([sys.executable, '-c', code, ROOT], cwd=tmp_path,
                           capture_output=True, text=True)
    assert (found.stdout.split(), found.stderr) == (['0', 'True'], '')
    assert os.listdir(tmp_path) == []


def test_the_generator_and_the_controller_of_the_tests_do_not_wait_for_tensorflow():
    code = ('import sys; sys.path[:0] = sys.argv[1:]; import gen_captcha, conftest\n'
            'print(*sys.modules)')
    found = subprocess.run([sys.executable, '-c', code, ROOT, os.path.join(ROOT, 'tests')],
                           capture_output=True, text=True)
    modules = found.stdout.split()
    assert 'support.captcha.dataset' in modules and 'tensorflow' not in modules
