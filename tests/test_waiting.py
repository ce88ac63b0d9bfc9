"""Processes of a cluster that are killed and started again."""
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from helpers import read_arrays, train_command
from support.captcha import models
from support.cluster import launch


class Processes:
    """A cluster whose processes a test starts, kills and reads one by one."""

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
        for _ in range(3000):
            if re.search(pattern, self.text(job)):
                return
            time.sleep(0.1)
        raise AssertionError(f'{job}: no {pattern} in: {self.text(job)}')


def test_faults(shards, tmp_path):
    team = Processes(train_command(shards, tmp_path / 'm', '--steps', 5000, '--batch-size', 2),
                     tmp_path)
    try:
        for job in 'ps', 'chief', 'worker':
            team.start(job)
        team.wait_for('chief', 'Iter:0')
        team.running['worker'].kill()
        team.wait_for('chief', 'waiting for worker 0 at 127.0.0.1')
        team.start('worker')
        team.wait_for('worker', '(?s)training pictures of its own.*training pictures of its own')
        shown = team.text('chief').count('Iter:')
        team.wait_for('chief', f'(?s)(Iter:.*){{{shown + 1}}}')

        team.running['chief'].kill()
        team.wait_for('worker', 'waiting for chief at 127.0.0.1')
        team.start('chief')
        shown = team.text('chief').count('Iter:')
        team.wait_for('chief', f'(?s)(Iter:.*){{{shown + 1}}}')

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
