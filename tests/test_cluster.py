"""Several processes that train one network, as real processes on this machine."""
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
from helpers import ROOT, read_arrays
from support.captcha import dataset, models, recipes, training
from support.cluster import configuration, launch, member, placement
from support.common.console import UserError

tf = captcha_train.tf
ADDRESSES = {'chief': ['a:1'], 'worker': ['b:1', 'c:1'], 'ps': ['d:1', 'e:1']}


def config(job='worker', index=0, **addresses):
    return json.dumps({'cluster': {**ADDRESSES, **addresses},
                       'task': {'type': job, 'index': index}})


def member_of(job, index, **addresses):
    return member.Member(configuration.parse(config(job, index, **addresses)))


@pytest.fixture(scope='module')
def shards(captchas, tmp_path_factory, run_script):
    """The captchas once more, their training records in two files."""
    folder = tmp_path_factory.mktemp('shards')
    made = run_script('to_tfrecord.py', '--images', captchas / 'images', '--out', folder,
                      '--num-test', 10, '--shards', 2)
    assert made.returncode == 0, made.stderr
    return folder


# --- TF_CONFIG
def test_a_member():
    task = configuration.parse(config('worker', 1))
    assert (task.name, task.number, task.chief) == ('worker 1', 2, False)
    assert task.trainers == [('chief', 0), ('worker', 0), ('worker', 1)]
    assert list(member.Member(task).config.device_filters) == ['/job:ps', '/job:worker/task:1']


@pytest.mark.parametrize('text, found', [
    ('no', "JSON, found 'no'"), ('[]', '"cluster", and "task"'),
    ('{"cluster": {}}', 'with "type" and "index"'),
    (config(evaluator=['f:1']), 'found also evaluator'),
    (config(ps=[]), 'list of host:port for ps, found'), (config(ps=['d']), "found ['d']"),
    (config(chief=['a:1', 'f:1']), 'one chief and at least one ps, found 2 chief'),
    (config(worker=['a:1']), 'found a:1 more than once'),
    (config('worker', 2), "a task of the cluster, found type 'worker', index 2"),
    (config('master'), "found type 'master'")])
def test_a_wrong_tf_config(text, found):
    with pytest.raises(UserError, match=f'TF_CONFIG: expected .*{re.escape(found)}'):
        configuration.parse(text)


def test_a_port_in_use_and_an_address_of_another_machine(one_line_error, monkeypatch):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        address = f'127.0.0.1:{taken.getsockname()[1]}'
        for wrong, reason in (address, 'Address already in use'), (
                '192.0.2.1:2222', 'Cannot assign requested address'):
            monkeypatch.setenv('TF_CONFIG', config('ps', 0, ps=[wrong]))
            line = one_line_error('captcha_train.py')
            assert f'found {wrong}: {reason}' in line


def test_without_tf_config_a_process_is_alone(monkeypatch):
    monkeypatch.delenv('TF_CONFIG', raising=False)
    alone = member.join()
    assert isinstance(alone, member.Alone) and alone.chief and not alone.serves
    assert list(alone.iterations(None, 3, 6)) == [3, 4, 5]


def test_a_member_has_the_methods_of_a_single_process():
    def methods(kind):
        return {name for name in vars(kind) if not name.startswith('_')}
    one = member.Member(configuration.parse(config()))
    assert methods(member.Alone) <= methods(member.Member) | set(vars(one))


# --- records and variables
def test_shares_are_disjoint_and_complete():
    paths = [f'train-{number:05d}-of-00008' for number in range(8)]
    shares = [member_of(*task).share(paths)
              for task in [('chief', 0), ('worker', 0), ('worker', 1)]]
    assert [len(share) for share in shares] == [3, 3, 2]
    assert sorted(path for share in shares for path in share) == paths
    with pytest.raises(UserError, match='expected at least 3 record files.*--shards 12'):
        member_of('worker', 0).share(paths[:2])
    assert member.Alone().share(paths) == paths


def test_a_worker_needs_no_held_out_records(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(member.Member, 'agree', lambda *_: True)  # of a running cluster
    run = training.Run(str(shards), str(tmp_path / 'none'), str(tmp_path / 'model'),
                       member=member_of('worker', 0, worker=['b:1']))
    start = training.prepare(recipes.make('small_cnn', batch_size=8), run)
    assert len(start.train_files) == 1 and start.held_out == 0


def build(process):
    """{name: variable} of the small network's training graph, and the keys it is saved under."""
    recipe, facts = recipes.RECIPES['small_cnn', 'default'], dataset.Facts()
    with tf.Graph().as_default(), process.placement():
        x, y = captcha_train.build_placeholders()
        logits, _ = captcha_train.build_network(x, recipe, facts, is_training=True)
        captcha_train.build_train_op(captcha_train.build_loss(logits, y), 0.1, process)
        return tf.global_variables(), placement.keys(tf.global_variables())


def test_variables_are_spread_by_size_and_keep_their_keys():
    variables, keys = build(member_of('worker', 0))
    _, plain = build(member.Alone())
    assert sorted(keys) == sorted(plain)
    sizes = {0: 0, 1: 0}
    for variable in variables:
        server, = re.fullmatch(r'/job:ps/task:(\d)', variable.device).groups()
        sizes[int(server)] += variable.shape.num_elements()
    assert 0.8 < sizes[0] / sizes[1] < 1.25
    assert [v.device for v in variables if v.op.name == 'global_step'] == ['/job:ps/task:0']


# --- processes
def train_command(shards, model_dir, *options):
    return [os.path.join(ROOT, 'captcha_train.py'), '--network', 'small_cnn', '--train',
            str(shards), '--test', str(shards / 'test.tfrecords'), '--model-dir', str(model_dir),
            '--batch-size', '8', *map(str, options)]


def launched(command):
    ended = subprocess.run([sys.executable, '-m', 'support.cluster.launch', *command], cwd=ROOT,
                           capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


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


class Processes:
    """A cluster whose processes are started, killed and read one by one."""

    def __init__(self, command, folder):
        self.command, self.folder, self.running = command, folder, {}
        self.addresses = launch.local_cluster()

    def start(self, job, *options):
        with open(self.folder / f'{job}.txt', 'ab') as output:
            self.running[job] = subprocess.Popen(
                [sys.executable, '-u', *self.command, *map(str, options)], stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, 'TF_CONFIG': launch.config_of(self.addresses, job, 0)})

    def text(self, job):
        return (self.folder / f'{job}.txt').read_text()

    def wait_for(self, job, pattern):
        for _ in range(900):
            if re.search(pattern, self.text(job)):
                return
            time.sleep(0.1)
        raise AssertionError(f'{job}: no {pattern} in: {self.text(job)}')


def test_faults(shards, tmp_path):
    team = Processes(train_command(shards, tmp_path / 'm', '--steps', 5000), tmp_path)
    try:
        for job in 'ps', 'chief':
            team.start(job)
        team.start('worker', '--learning-rate', 0.1)
        assert team.running['worker'].wait(120) == 2
        assert ('captcha_train.py: expected learning_rate 0.003 as the chief has it, found 0.1; '
                in team.text('worker'))

        team.start('worker')
        team.wait_for('chief', 'Iter:40')
        team.running['worker'].kill()
        team.wait_for('chief', 'waiting for worker 0 at 127.0.0.1')
        team.start('worker')
        team.wait_for('worker', '(?s)training pictures of its own.*training pictures of its own')
        shown = team.text('chief').count('Iter:')
        team.wait_for('chief', f'(?s)(Iter:.*){{{shown + 2}}}')

        team.running['chief'].kill()
        team.wait_for('worker', 'waiting for chief at 127.0.0.1')
        team.start('chief')
        shown = team.text('chief').count('Iter:')
        team.wait_for('chief', f'(?s)(Iter:.*){{{shown + 2}}}')

        team.running['chief'].send_signal(signal.SIGTERM)
        assert {job: process.wait(120) for job, process in team.running.items()} == {
            'ps': 0, 'chief': 128 + signal.SIGTERM, 'worker': 0}
        saved = re.search(r'stopped after iteration (\d+), saved (\S+-\1); resume with', team.text(
            'chief'))
        assert models.newest(str(tmp_path / 'm')) == saved[2]
        assert 0.9 ** (int(saved[1]) + 2) == pytest.approx(
            float(read_arrays(saved[2])['beta1_power']), rel=1e-3)
    finally:
        for process in team.running.values():
            process.kill()
            process.wait()


def test_the_launcher_ends_what_it_started(shards, tmp_path):
    """Killed itself, too: its processes end with it."""
    command = [sys.executable, '-m', 'support.cluster.launch', *train_command(
        shards, tmp_path / 'm', '--steps', 5000)]
    with open(tmp_path / 'out.txt', 'wb') as output:
        launcher = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        children = []
        for _ in range(300):
            found = subprocess.run(['ps', '-o', 'pid=', '--ppid', str(launcher.pid)],
                                   capture_output=True, text=True, check=False).stdout.split()
            if len(found) == 3:
                children = [int(pid) for pid in found]
                break
            time.sleep(0.1)
        assert len(children) == 3
        time.sleep(1)
        launcher.kill()
        launcher.wait()
        for _ in range(100):
            alive = [pid for pid in children if os.path.exists(f'/proc/{pid}/cmdline')
                     and open(f'/proc/{pid}/cmdline', 'rb').read()]
            if not alive:
                return
            time.sleep(0.1)
        raise AssertionError(f'still running: {alive}')
    finally:
        launcher.kill()


def test_lines_for_machines_of_their_own():
    printed = subprocess.run(
        [sys.executable, '-m', 'support.cluster.launch', '--hosts', 'a', 'b', 'c', '--',
         'captcha_train.py', '--steps', '7'], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = printed.stdout.splitlines()[1:]
    assert [line.partition(':')[0] for line in lines] == ['on a', 'on b', 'on c']
    for line, job in zip(lines, ('ps', 'chief', 'worker')):
        found, = re.findall("TF_CONFIG='(.*)' python captcha_train.py --steps 7$", line)
        task = configuration.parse(found)
        assert (task.job, task.addresses['worker']) == (job, ['c:2222'])


@pytest.mark.parametrize('address, alone', [
    ('127.0.0.1:2222', True), ('localhost:1', True), ('[::1]:2222', True), ('10.0.0.1:2222', False),
    ('a.example:2222', False)])
def test_addresses_of_this_machine_only(address, alone):
    assert configuration.is_loopback(address) is alone
