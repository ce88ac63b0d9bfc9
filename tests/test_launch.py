"""The launcher: its lines for several machines, and the end of its processes."""
import os
import re
import subprocess
import sys
import time

from helpers import ROOT
from support.cluster import configuration


def test_the_launcher_ends_what_it_started(tmp_path):
    """Even if it is killed."""
    script = tmp_path / 'script.py'
    script.write_text('import os, time\nprint("process", os.getpid())\ntime.sleep(60)')
    launcher = subprocess.Popen([sys.executable, '-m', 'support.cluster.launch', script], cwd=ROOT,
                                stdout=subprocess.PIPE, text=True)
    try:
        children = []
        while len(children) < 3:
            children += map(int, re.findall(r'\| process (\d+)$', launcher.stdout.readline()))
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
        launcher.stdout.close()


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
