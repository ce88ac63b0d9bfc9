"""Several processes train one network: support.cluster's trainer and launcher."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

import captcha_train
from helpers import ROOT, read_arrays, tf
from support.captcha import dataset, models, recipes, training
from support.cluster import launch, train
from support.common.console import UserError

CLUSTER = {'chief': ['a:1'], 'worker': ['b:1', 'c:1'], 'ps': ['d:1', 'e:1']}


def config(job='worker', index=0, **changes):
    return json.dumps({'cluster': {**CLUSTER, **changes}, 'task': {'type': job, 'index': index}})


def launcher(*options):
    return subprocess.Popen(
        [sys.executable, '-m', 'support.cluster.launch', *map(str, options)], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def process_in(line):
    """{'worker 0': number} if a line of the launcher says so."""
    return {job: int(number) for job, number in re.findall(r'^(\w+ \d): process (\d+)$', line)}


def test_tf_config_says_which_process_this_is():
    assert train.cluster_of(config('worker', 1)) == (CLUSTER, 'worker', 1)
    assert train.cluster_of(config('chief')) == (CLUSTER, 'chief', 0)


@pytest.mark.parametrize('text', [
    '', 'chief', '[]', '{}', config('evaluator'), config('worker', 2), config(chief=['a:1', 'b:1']),
    config(ps=[]), config(worker=['b', 'c'])])
def test_a_tf_config_that_is_none_is_one_line(text):
    with pytest.raises(UserError, match='^TF_CONFIG: expected .* docs/cluster.md'):
        train.cluster_of(text)


def test_a_port_in_use_is_one_line():
    with socket.socket() as other:
        other.bind(('0.0.0.0', 0))
        other.listen()
        address = f'127.0.0.1:{other.getsockname()[1]}'
        with pytest.raises(UserError, match='^TF_CONFIG: expected a free port of this machine for '
                                            f'ps 0, found {address}: '):
            train.serve({**CLUSTER, 'ps': [address]}, 'ps', 0)


def test_too_few_files_for_the_trainers(captchas, tmp_path):
    run = training.RunConfig(str(captchas / 'train.tfrecords'), model_dir=str(tmp_path))
    with pytest.raises(UserError, match='a file for each of 3 trainers.*--shards 12'):
        train.train(recipes.make('small_cnn'), run, CLUSTER, 'worker', 1)


def test_the_graph_has_its_variables_on_the_parameter_servers(shards):
    """Adam's included; they have the keys of a single process's checkpoint."""
    recipe = recipes.make('small_cnn', method='heads', batch_size=4)
    files = [str(shards / f'train-0000{k}-of-00002.tfrecords') for k in range(2)]
    start = training.Start(dataset.Facts(), files, 50, 10, 2.3, None, 0, None, 0)
    with captcha_train.build_graph(recipe, start).graph.as_default():
        alone = {v.op.name: v.shape for v in tf.global_variables()}
    with tf.Graph().as_default(), tf.device(tf.train.replica_device_setter(
            cluster=CLUSTER, worker_device='/job:worker/task:1')):
        graph, mean = train.build_graph(recipe, dataset.Facts(), files, 3, False, 0)
        mean.ready_for_local_init_op.mark_used()
        assert train.checkpoint_keys().keys() == alone.keys()
        for key, variable in train.checkpoint_keys().items():
            assert (variable.shape, variable.device[:-1]) == (alone[key], '/job:ps/task:')
        assert graph.total_loss.device == '/job:worker/task:1'


def test_the_trainers_share_the_cores(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 1, 2, 3}, raising=False)
    assert [launch.cores_of(CLUSTER, task) for task in launch.tasks(CLUSTER)] == [
        [0, 3], [1], [2], [0, 1, 2, 3], [0, 1, 2, 3]]
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 1}, raising=False)
    assert launch.cores_of(CLUSTER, ('worker', 1)) == [0, 1]


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere a killed launcher leaves them')
def test_the_launcher_ends_what_it_started():
    """Even if it is killed."""
    process, children = launcher(), {}
    try:
        while len(children) < 3:
            children.update(process_in(process.stdout.readline()))
        process.kill()
        process.wait()
        for _ in range(600):  # a loaded core starts a Python slowly
            alive = [pid for pid in children.values() if os.path.exists(f'/proc/{pid}/cmdline')
                     and open(f'/proc/{pid}/cmdline', 'rb').read()]
            if not alive:
                return
            time.sleep(0.1)
        raise AssertionError(f'still running: {alive}')
    finally:
        process.kill()
        process.stdout.close()


@pytest.mark.slow
@pytest.mark.skipif(os.name == 'nt', reason='the launcher is of POSIX systems')
def test_a_cluster_goes_on_where_one_process_stopped_and_the_other_way_round(shards, tmp_path,
                                                                             capfd):
    """A worker is killed meanwhile."""
    def alone(steps):
        recipe = recipes.make('small_cnn', method='heads', batch_size=8, steps=steps)
        run = training.RunConfig(str(shards), str(shards / 'test.tfrecords'), str(tmp_path))
        assert captcha_train.train(recipe, run) == 0
        return read_arrays(models.newest(run.model_dir))

    first = alone(2)
    process, text, children = launcher(
        '--batch-size', 8, '--steps', 61, '--train', shards, '--model-dir', tmp_path), '', {}
    for line in process.stdout:
        text += line
        children.update(process_in(line))
        if line.startswith('Iter:20 '):
            os.kill(children['worker 0'], signal.SIGKILL)
    assert process.wait() == 0, text
    assert f'resuming from {tmp_path}/crack_captcha.model-1\n' in text
    assert re.findall(r'^Iter:(\d+) ', text, re.MULTILINE) == ['20', '40', '60']
    assert 'worker 0 ended with status -9; starting it again\n' in text
    assert text.count('of every network interface without authentication') == 4, text
    assert re.search(r'^Held-out after iteration 60: .* of 10$', text, re.MULTILINE)
    second = read_arrays(tmp_path / 'crack_captcha.model-60')
    assert second['learning_rate'] == pytest.approx(recipes.rate_at(
        recipes.make('small_cnn', steps=61), 60))
    capfd.readouterr()
    third = alone(62)
    assert f'resuming from {tmp_path}/crack_captcha.model-60 ' in capfd.readouterr().out
    for arrays in second, third:
        assert {key: getattr(value, 'shape', ()) for key, value in arrays.items()} == {
            key: getattr(value, 'shape', ()) for key, value in first.items()}
