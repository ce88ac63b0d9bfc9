"""Places where a script cannot write normally: `faults.py places`. Has no main.

The full and the read-only disk are small tmpfs mounts, which need root on Linux.
"""
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

try:
    import resource
except ImportError:  # Windows
    resource = None

from kills import HANGS, SCRIPTS, check_end, prepared_folder, start
from support.common import files

DAY = 86_400  # seconds
OPEN_FILES = 64
SIZES = {  # KiB of the full disk: each script has begun to write when it is full
    'gen_captcha.py': 600, 'to_tfrecord.py': 3000, 'captcha_train.py, small_cnn': 9000,
    'mnist_backward.py': 8000, 'mnist_app.py --show': 8}


def link_needs(prepared, needs, folder):
    """Links to what a script reads, file by file, so that it can write beside them."""
    for needed in needs:
        source = os.path.realpath(os.path.join(prepared, needed))
        for where, _, names in os.walk(source) if os.path.isdir(source) else []:
            target = os.path.join(folder, needed, os.path.relpath(where, source))
            os.makedirs(target, exist_ok=True)
            for name in names:
                os.symlink(os.path.join(where, name), os.path.join(target, name))
        if not os.path.isdir(source):
            os.symlink(source, os.path.join(folder, needed))


def linked(name, prepared, top):
    """A new folder with links to what a script reads. Returns: its path."""
    folder = tempfile.mkdtemp(dir=top)
    link_needs(prepared, SCRIPTS[name].needs, folder)
    return folder


def wait_for(path, process):
    """Wait until `path` exists, or the process has ended."""
    end = time.monotonic() + HANGS
    while not os.path.exists(path) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)


def written(name, folder):
    """Where a script writes."""
    return os.path.join(folder, 'model' if name.startswith('mnist') else 'captcha')


@contextlib.contextmanager
def disk(top, kib, fill, read_only=False):
    """A folder on a disk of its own, filled by `fill(folder)`. Raises: OSError if that fails."""
    folder = tempfile.mkdtemp(dir=top)
    mount = ['mount', '-t', 'tmpfs', '-o', f'size={kib}k,nr_inodes=5000', 'tmpfs', folder]
    if subprocess.run(mount, capture_output=True).returncode:
        raise OSError('a disk cannot be mounted here')
    try:
        fill(folder)
        if read_only:
            subprocess.run(['mount', '-o', 'remount,ro', folder], check=True)
        yield folder
    finally:
        subprocess.run(['umount', '--lazy', folder], check=True)


def ended(process, status, word):
    """What is wrong with how a script ended, or None: its status, its last line."""
    _, err = process.communicate(timeout=HANGS)
    lines = [line for line in err.replace('\r', '\n').splitlines() if line.strip()]
    if 'Traceback' in err or process.returncode != status or (
            status and word not in (lines or [''])[-1]):
        return f'status {process.returncode}, expected {status}: {err[-1500:]}'
    return None


def full(name, prepared, top):
    """A full disk."""
    fill = functools.partial(link_needs, prepared, SCRIPTS[name].needs)
    with disk(top, SIZES[name], fill) as folder:
        problem = ended(start(name, folder), 2, 'No space left')
        halves = [n for _, _, names in os.walk(folder) for n in names if n.endswith('.part')]
        return problem or (halves and f'left over: {halves}') or None


def read_only(name, prepared, top):
    """A read-only disk."""
    fill = functools.partial(link_needs, prepared, SCRIPTS[name].needs)
    with disk(top, 20_000, fill, read_only=True) as folder:
        return ended(start(name, folder), 2, 'Read-only file system')


def removed(name, prepared, top):
    """The output folder is removed during the run.

    What the script recreates may be complete: a training saves its last checkpoint there.
    """
    folder = linked(name, prepared, top)
    process = start(name, folder)
    where = written(name, folder)
    wait_for(os.path.join(where, 'log'), process)
    shutil.rmtree(where)
    problem = ended(process, 2, where.rpartition('/')[2])
    if process.returncode == 0:
        check_end(name, folder, set())
        return None
    return problem


def few_files(name, prepared, top):
    """At most 64 open files instead of 1,024."""
    folder = linked(name, prepared, top)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard[1]))
    try:
        process = start(name, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, hard)
    return ended(process, 0, '')


def clock_back(name, prepared, top):
    """Earlier output is dated a day ahead, as after the clock was set back."""
    folder = linked(name, prepared, top)
    for begun in True, False:  # the second run finds what the first has written, from tomorrow
        problem = ended(start(name, folder), 0, '')
        if problem:
            return problem
        for where, _, names in os.walk(folder):
            for path in (os.path.join(where, n) for n in names):
                os.utime(path, (time.time() + DAY,) * 2, follow_symlinks=False)
    return None


def two_at_once(name, prepared, top):
    """Two trainings in one folder: the second names the first, which succeeds."""
    folder = linked(name, prepared, top)
    first = start(name, folder)
    wait_for(os.path.join(written(name, folder), files.lock_name()), first)
    # The second may take longer to start than the first to end.
    first.send_signal(signal.SIGSTOP)
    refused = ended(start(name, folder), 2, f'process {first.pid}, begun')
    first.send_signal(signal.SIGCONT)
    return refused or ended(first, 0, '')


TRAINERS = 'captcha_train.py, small_cnn', 'mnist_backward.py'
PLACES = [*((full, name) for name in SIZES), *((read_only, name) for name in SIZES),
          *((removed, name) for name in TRAINERS),
          *((few_files, name) for name in SIZES),
          *((clock_back, name) for name in TRAINERS), *((two_at_once, name) for name in TRAINERS)]


def places(_number, _seed, only):
    """Run scripts where they cannot write normally. Yields: the rows of the table."""
    yield 'place', 'script', 'failed'
    with prepared_folder() as (top, prepared):
        for place, name in PLACES:
            if only not in place.__name__ and only not in name:
                continue
            try:
                problem = place(name, prepared, top)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                problem = f'{type(error).__name__}: {error}'
            what = place.__doc__.partition('\n')[0].rstrip('.')
            if problem:
                print(f'{what}: {name}: {problem}', file=sys.stderr, flush=True)
            yield what, name, int(bool(problem))
