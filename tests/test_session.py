"""Several processes train one network, with the weights and checkpoints of a single process."""
import re
import subprocess
import sys
import types

import pytest

import captcha_train
import cluster
from helpers import ROOT, read_arrays, train_command
from support.captcha import models, recipes, training


def launched(command):
    ended = subprocess.run([sys.executable, '-m', 'support.cluster.launch', *command], cwd=ROOT,
                           capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_checkpoints_go_from_one_process_to_a_cluster_and_back(shards, tmp_path, capsys):
    def alone(steps):
        recipe = recipes.make('small_cnn', method='heads', batch_size=8, steps=steps)
        run = training.Run(str(shards), str(shards / 'test.tfrecords'), str(tmp_path / 'm'))
        assert captcha_train.train(recipe, run) == 0
        return read_arrays(models.newest(run.model_dir))

    def shapes(arrays):
        return {key: getattr(value, 'shape', ()) for key, value in arrays.items()}
    first = alone(18)
    out = launched(train_command(shards, tmp_path / 'm', '--steps', 22, '--method', 'heads'))
    assert 'TF_CONFIG=' in out and 'on MACHINE3:' in out
    assert f'chief    | resuming from {tmp_path}/m/crack_captcha.model-17' in out
    assert re.search(r'^chief    \| (training.*)?Iter:20 Loss:\d', out, re.MULTILINE)
    assert re.search(r'^worker 0 \| 25 training pictures of its own in 1 files', out, re.MULTILINE)
    assert re.search(r'^ps 0     \| the training has ended', out, re.MULTILINE)
    assert 'worker 0 | Iter' not in out
    second = read_arrays(models.newest(str(tmp_path / 'm')))
    assert shapes(second) == shapes(first)
    assert second['beta1_power'] == pytest.approx(0.9 ** 23)

    capsys.readouterr()
    third = alone(24)
    assert f'resuming from {tmp_path}/m/crack_captcha.model-21' in capsys.readouterr().out
    assert shapes(third) == shapes(first)
    assert third['beta1_power'] == pytest.approx(0.9 ** 25)


def test_two_workers_are_one_process_with_their_pictures_together(capsys):
    cluster.exact(types.SimpleNamespace(network='tiny'))
    row = capsys.readouterr().out.splitlines()[-2].split('|')
    assert row[1:3] == [' tiny, two processes ', ' 15,928 ']
    assert float(row[3]) < 1e-5
