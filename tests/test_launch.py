"""A cluster on one machine: it begins, ends and is shown."""
import os
import re
import subprocess
import sys
import time

from helpers import ROOT, train_command
from support.cluster import configuration


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
