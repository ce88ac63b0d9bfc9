"""Scripts stopped at random, and what they leave behind: `faults.py kills`, `faults.py stops`.

Has no main. SCRIPTS has the commands, `start` starts one as a shell does; places.py and length.py
use them, too.
"""
import collections
import contextlib
import dataclasses
import fnmatch
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from PIL import Image

import mnist_backward
from support.captcha import conversion, dataset, models, records
from support.common import checkpoints, console

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HANGS = 300  # seconds after which a script counts as stuck
SIGKILL = 9  # Windows has no name for it
SIGNALS = signal.SIGINT, signal.SIGTERM, SIGKILL
# What a successful run never leaves: temporary files, ours and TensorFlow's.
LEFTOVERS = '.*.part', '.*.lock', '*.tempstate*', '*_temp', '*.tmp*'


@dataclasses.dataclass(frozen=True)
class Script:
    """A command that writes, in a folder that `prepare` has filled."""
    arguments: str
    needs: tuple = ()  # names in the prepared folder
    heavy: bool = False  # stopped less often: a checkpoint takes half a gigabyte


SCRIPTS = {
    'gen_captcha.py': Script('--num 400 --out captcha/images'),
    'to_tfrecord.py': Script('--num-test 20', ('captcha/images',)),
    'captcha_train.py, small_cnn': Script('--network small_cnn --steps 30 --batch-size 4',
                                          ('captcha',)),
    'captcha_train.py, alexnet_v2': Script('--steps 4 --batch-size 2', ('captcha',), heavy=True),
    'mnist_backward.py': Script('--steps 1200', ('data',)),
    'mnist_app.py --show': Script('--show 7.jpg', ('7.jpg', 'model'))}
STOPPED = 'mnist_backward.py', 'captcha_train.py, small_cnn'  # of `stops`


def command(name, arguments):
    """The command line of a script, whose name may continue after .py, and its arguments."""
    script = re.match(r'\w+\.py', name)[0]
    return [sys.executable, os.path.join(ROOT, script), *arguments.split()]


def start(name, folder):
    """Start a script as a shell does, so that Ctrl-C reaches it."""
    return subprocess.Popen(
        command(name, SCRIPTS[name].arguments), cwd=folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONFAULTHANDLER': '1'},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def prepare(folder):
    """Fill a folder with what the scripts read."""
    os.symlink(os.path.join(ROOT, 'data'), os.path.join(folder, 'data'))
    shutil.copy(os.path.join(ROOT, 'samples', '7.jpg'), folder)
    for script, arguments in (('gen_captcha.py', '--num 200 --seed 1'),
                              ('to_tfrecord.py', '--num-test 20'),
                              ('mnist_backward.py', '--steps 200')):
        subprocess.run(command(script, arguments), cwd=folder, check=True, capture_output=True)


def fresh(prepared, name, top):
    """A new folder with copies of what a script needs. Returns: its path."""
    folder = tempfile.mkdtemp(dir=top)
    for needed in SCRIPTS[name].needs:
        source, target = os.path.join(prepared, needed), os.path.join(folder, needed)
        if os.path.isdir(source) and needed != 'data':
            shutil.copytree(source, target)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(os.path.realpath(source), target)
    return folder


def listing(folder):
    """All paths below a folder, with their sizes."""
    found = set()
    for where, _, names in os.walk(folder):
        with contextlib.suppress(FileNotFoundError):
            found |= {(os.path.join(where, n), os.path.getsize(os.path.join(where, n)))
                      for n in names}
    return found


def wait_to_kill(process, folder, seconds, rng):
    """Wait for a random moment: at any time, at the start, near the end, or during a save."""
    moment = rng.choice(['any', 'start', 'end', 'save', 'save'])
    share = {'any': rng.random(), 'start': 0.1 * rng.random(), 'end': 0.85 + 0.2 * rng.random(),
             'save': 2}[moment]
    changes, before, end = rng.randint(1, 6), listing(folder), time.monotonic() + share * seconds
    while process.poll() is None and time.monotonic() < end and changes:
        time.sleep(0.002 if moment == 'save' else 0.01)
        if moment == 'save' and (now := listing(folder)) != before:
            changes, before = changes - 1, now


def expected_status(number, status, err):
    """Whether a process ended as it should after a signal; it may have finished before."""
    if status == 0:
        return True
    if number == SIGKILL:
        return status == -number
    # While Python and its library load, the system or Python itself ends it.
    early = (status == -number and (not err or 'KeyboardInterrupt' in err)
             or number == signal.SIGINT and status == 1 and '<frozen site>' in err)
    return (status == 128 + number and 'Traceback' not in err) or early


def saved_files(folder):
    """The files below a folder that have their final names, without TensorBoard's."""
    return {path for path, _ in listing(folder) if not os.path.basename(path).startswith('.')
            and '/log/' not in path}


def check_whole(folder):
    """Raise an exception if a file under its final name is incomplete."""
    for path in saved_files(folder):
        if path.endswith(('.jpg', '.png')):
            with Image.open(path) as picture:
                picture.load()
        elif path.endswith('.tfrecords'):
            sum(1 for _ in records.read_records(path))
    for where, prefix in ('captcha', models.MODEL_NAME), ('model', mnist_backward.model_name):
        newest = checkpoints.newest(os.path.join(folder, where), prefix)
        if newest:
            shapes, value_of = checkpoints.contents(newest, '')
            for key in shapes:
                value_of(key)


def check_end(name, folder, before):
    """Raise an AssertionError unless a script that ended well has left what it should.

    Args: before: the saved files that were there when it began.
    """
    after = saved_files(folder)
    left = [os.path.join(place, name) for place, inner, names in os.walk(folder)
            for name in (*inner, *names)
            if any(fnmatch.fnmatch(name, pattern) for pattern in LEFTOVERS)]
    assert not left, f'left over: {left}'
    if name == 'gen_captcha.py':
        numbers = [path[-10:-4] for path in after]
        assert before <= after, 'pictures are lost'
        assert len(after) == len(before) + 400, f'{len(before)} pictures became {len(after)}'
        assert len(set(numbers)) == len(numbers), 'a number twice'
    if name == 'to_tfrecord.py':
        facts = json.load(open(os.path.join(folder, 'captcha', dataset.FACTS_NAME)))
        for split, (path,) in conversion.record_paths(os.path.join(folder, 'captcha')).items():
            count = sum(1 for _ in records.read_records(path))
            assert count == facts[split], f'{split}: {count} records, expected {facts[split]}'
    if name.startswith('captcha_train'):
        steps = int(re.search(r'--steps (\d+)', SCRIPTS[name].arguments)[1])
        found = models.newest(os.path.join(folder, 'captcha'))
        assert checkpoints.step_of(found) == steps - 1, f'the newest is {found}'
    if name == 'mnist_backward.py':
        found = checkpoints.newest(os.path.join(folder, 'model'), mnist_backward.model_name)
        assert checkpoints.step_of(found) == 1200 and checkpoints.finished(found)
    if name.startswith('mnist_app'):
        assert os.path.join(folder, '7.read.png') in after, 'no drawing'


def finish(process):
    """Wait for a script's end. Returns: its stderr. Raises: TimeoutExpired if it is stuck."""
    try:
        return process.communicate(timeout=HANGS)[1]  # also waits for its child processes
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def stop_once(name, folder, seconds, number, rng):
    """Stop a script once. Returns: its status. Raises: AssertionError unless it ends as it should.

    Args: seconds: how long it takes if not stopped. number: the signal.
    """
    process = start(name, folder)
    wait_to_kill(process, folder, seconds, rng)
    process.send_signal(number)
    err, status = finish(process), process.returncode
    assert expected_status(number, status, err), f'status {status} after {number}: {err[-4000:]}'
    return status


def kill_once(name, folder, seconds, number, rng):
    """As `stop_once`; then the script is run again and must leave what it should."""
    status = stop_once(name, folder, seconds, number, rng)
    check_whole(folder)
    before = saved_files(folder)
    again = start(name, folder)
    err = finish(again)
    assert again.returncode == 0, f'run again: status {again.returncode}: {err[-2000:]}'
    check_whole(folder)
    check_end(name, folder, before)
    return status


@contextlib.contextmanager
def prepared_folder():
    """Yield a temporary folder, and one in it with what the scripts read."""
    with tempfile.TemporaryDirectory() as top:
        prepared = os.path.join(top, 'prepared')
        os.mkdir(prepared)
        prepare(prepared)
        yield top, prepared


def rounds(once, names, counts, signals, seed):
    """Stop each script counts[name] times. Yields: its name, the statuses, how many failed."""
    rng = random.Random(seed)
    with prepared_folder() as (top, prepared):
        for name in names:
            seconds = unbroken(name, prepared, top)
            statuses, wrong = collections.Counter(), 0
            for k in range(counts[name]):
                folder = fresh(prepared, name, top)
                try:
                    statuses[once(name, folder, seconds, signals[k % len(signals)], rng)] += 1
                except Exception as error:  # whatever went wrong or was found wrong
                    wrong += 1
                    print(f'{name}: {type(error).__name__}: {error}', file=sys.stderr, flush=True)
                finally:
                    shutil.rmtree(folder)
            yield name, statuses, wrong


def unbroken(name, prepared, top):
    """The seconds that a script takes if not stopped. Raises: UserError if it fails."""
    begun = time.monotonic()
    folder = fresh(prepared, name, top)
    whole = start(name, folder)
    err = finish(whole)
    if whole.returncode:
        raise console.UserError(f'{name}: expected a run without stops to end well, '
                                f'found: {err[-500:]}')
    shutil.rmtree(folder)
    return time.monotonic() - begun


def kills(number, seed, only):
    """Stop scripts in turn, `number` times in all. Yields: the rows of the table."""
    yield 'script', 'stops', 'of these after it had finished', 'failed'
    names = [name for name in SCRIPTS if not only or only in name]
    weights = [0.3 if SCRIPTS[name].heavy else 1 for name in names]
    counts = collections.Counter(names)  # at least one of each
    counts.update(random.Random(seed).choices(names, weights, k=max(0, number - len(names))))
    for name, statuses, wrong in rounds(kill_once, names, counts, SIGNALS, seed):
        yield name, counts[name], statuses[0], wrong


def stops(number, seed, only):
    """Stop the trainings by Ctrl-C and SIGTERM, `number` times each, on all cores and on one.

    On one core a signal is likelier to hit a matrix product. Yields: the rows.
    """
    yield 'script', 'cores', 'stops', 'ended with status', 'failed'
    names = [name for name in STOPPED if not only or only in name]
    counts = dict.fromkeys(names, number)
    everything = os.sched_getaffinity(0)
    for cores in everything, {min(everything)}:
        os.sched_setaffinity(0, cores)  # the scripts inherit it
        for name, statuses, wrong in rounds(stop_once, names, counts, SIGNALS[:2], seed):
            ends = ', '.join(f'{status}: {times}' for status, times in statuses.most_common())
            yield name, len(cores), number, ends, wrong
    os.sched_setaffinity(0, everything)
