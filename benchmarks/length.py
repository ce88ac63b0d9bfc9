"""Whether memory stays flat over long runs: `faults.py length`. Has no main.

A run is sampled twice a second, and its second and last quarters are compared: by then a script has
loaded its data and filled its queues.
"""
import dataclasses
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from kills import command
from support.common import console

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GROWTH = 1.02  # of the last quarter over the second, limit
LOOK_EVERY = 0.5  # seconds
STEPS = 5  # pictures per training step


@dataclasses.dataclass(frozen=True)
class Long:
    """A command for `number` pictures or steps, in the folder of those before it."""
    arguments: str
    what: str = 'pictures'
    each: int = 1  # `number` is the pictures divided by this
    after: tuple = ('gen_captcha.py', 'to_tfrecord.py')  # make what it reads


TRAINING = '--batch-size 2 --restart --steps {number}'
RUNS = {
    'gen_captcha.py': Long('--num {number} --seed 1 --out captcha/images', after=()),
    'to_tfrecord.py': Long('--num-test 100 --overwrite', after=('gen_captcha.py',)),
    'captcha_test.py': Long('--test captcha/train.tfrecords --model-dir trained'),
    'captcha_train.py, small_cnn': Long(f'--network small_cnn --model-dir small {TRAINING}',
                                        'steps', STEPS),
    'captcha_train.py, alexnet_v2': Long(TRAINING, 'steps', STEPS),
    'mnist_backward.py': Long('--steps {number}', 'steps', STEPS, after=())}


def memory_of(pid):
    """Memory in MiB of a process and its children; shared pages count for each."""
    table = subprocess.run(['ps', '-eo', 'pid=,ppid=,rss='], stdout=subprocess.PIPE, text=True,
                           check=True).stdout
    rows = [tuple(map(int, line.split())) for line in table.splitlines()]
    family = {pid}
    while more := {child for child, parent, _ in rows if parent in family} - family:
        family |= more
    return sum(size for found, _, size in rows if found in family) / 1024


def quarters(samples):
    """The medians of the second and of the last quarter of a list."""
    quarter = len(samples) // 4
    return statistics.median(samples[quarter:2 * quarter]), statistics.median(samples[-quarter:])


def watch(command, folder, look_every=LOOK_EVERY):
    """Run a command to its end. Returns: its memory in MiB, a sample each `look_every` s.

    Raises: UserError if it fails, or ends before eight samples.
    """
    samples, last = [], os.path.join(folder, 'last.log')
    with open(last, 'wb') as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        while process.poll() is None:
            samples.append(memory_of(process.pid))
            time.sleep(look_every)
    if process.returncode or len(samples) < 8:
        with open(last, errors='replace', encoding='utf-8') as output:
            raise console.UserError(f'{command}: expected a run of some seconds that ends well, '
                                    f'found status {process.returncode}: {output.read()[-500:]}')
    return samples[:-1]  # the last may be of a process that is ending


def length(number, _seed, only):
    """Watch the memory of each script. Yields: the rows of the table."""
    yield ('script', 'length', 'minutes', 'second quarter, MiB', 'last quarter, MiB', 'growth',
           'failed')
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(ROOT, 'data'), os.path.join(folder, 'data'))
        shutil.copytree(os.path.join(ROOT, 'models', 'digits'), os.path.join(folder, 'trained'))
        asked = [name for name in RUNS if only in name]
        needed = {first for name in asked for first in RUNS[name].after}
        for name, run in RUNS.items():
            if name not in asked and name not in needed:
                continue
            count, begun = number // run.each, time.monotonic()
            arguments = run.arguments.format(number=count)
            second, last = quarters(watch(command(name, arguments), folder))
            minutes = (time.monotonic() - begun) / 60
            if name in asked:
                yield (name, f'{count:,} {run.what}', f'{minutes:.1f}', f'{second:.0f}',
                       f'{last:.0f}', f'{last / second:.3f}', int(last > GROWTH * second))
            if name == 'captcha_train.py, alexnet_v2':
                shutil.rmtree(os.path.join(folder, 'captcha'))
