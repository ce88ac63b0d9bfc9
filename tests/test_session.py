"""Several processes train one network, as real processes on this machine."""
import re

import pytest

from helpers import launched, read_arrays, train_command
from support.captcha import models


def test_checkpoints_go_from_a_cluster_to_one_process_and_back(shards, tmp_path, run_script):
    out = launched(train_command(shards, tmp_path / 'm', '--steps', 22))
    assert 'TF_CONFIG=' in out and 'on MACHINE3:' in out
    assert re.search(r'^chief    \| (training.*)?Iter:20 Loss:\d', out, re.MULTILINE)
    assert re.search(r'^worker 0 \| 25 training pictures of its own in 1 files', out, re.MULTILINE)
    assert re.search(r'^ps 0     \| the training has ended', out, re.MULTILINE)
    assert 'worker 0 | Iter' not in out
    first = read_arrays(models.newest(str(tmp_path / 'm')))

    alone = run_script(*train_command(shards, tmp_path / 'm', '--steps', 24))
    assert alone.returncode == 0, alone.stderr
    assert f'resuming from {tmp_path}/m/crack_captcha.model-21' in alone.stdout
    second = read_arrays(models.newest(str(tmp_path / 'm')))
    assert {key: getattr(value, 'shape', ()) for key, value in first.items()} == {
        key: getattr(value, 'shape', ()) for key, value in second.items()}
    assert second['beta1_power'] == pytest.approx(0.9 ** 25)

    out = launched(train_command(shards, tmp_path / 'm', '--steps', 26))
    assert f'chief    | resuming from {tmp_path}/m/crack_captcha.model-23' in out
    assert read_arrays(models.newest(str(tmp_path / 'm')))['beta1_power'] == pytest.approx(
        0.9 ** 27)
    out = launched(train_command(shards, tmp_path / 'm', '--steps', 26))
    assert 'is trained already' in out


def test_two_workers_are_one_process_with_their_pictures_together(run_script):
    ended = run_script('benchmarks/cluster.py', 'exact', '--network', 'tiny')
    assert ended.returncode == 0, ended.stderr
    row = ended.stdout.splitlines()[-2].split('|')
    assert row[1:3] == [' tiny, two processes ', ' 15,928 ']
    assert float(row[3]) < 1e-5
