"""Files written completely or not at all, and folders that one process at a time writes to."""
import contextlib
import csv
import os
import sys
import tempfile
import time

from support.common.console import UserError, progress

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

LOCKED_BYTE = 1 << 20  # beyond the text, because Windows forbids reading locked bytes


def writable_folder(folder):
    """Make `folder` if necessary; raise OSError now, not after an hour, if it is read-only."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextlib.contextmanager
def whole_file(path):
    """Yield a temporary path beside `path`; it takes the name `path` only if the block succeeds."""
    folder, name = os.path.split(path)
    os.makedirs(folder or '.', exist_ok=True)
    part = os.path.join(folder, f'.{name}.part')
    remove(part)  # a killed process left it, or it is a link, which must not be followed
    try:
        yield part
        os.replace(part, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = path  # a full disk's error lacks the name
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)
        raise


@contextlib.contextmanager
def whole_files(paths):
    """`whole_file` for several paths: the files take their names one after another, at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(whole_file(path)) for path in paths]


@contextlib.contextmanager
def whole_table(path, columns, count):
    """Yield a function that adds a row; the block's end writes `count` rows to `path` as CSV.

    Args: path: None: nothing is written or shown. columns: their names.
    """
    if not path:
        yield lambda *row: None
        return
    rows = []
    with whole_file(path) as part, progress(count, 'reading', 'picture') as bar:
        def add(*row):
            rows.append(row)
            bar.update()
        yield add
        with open(part, 'w', encoding='utf-8', errors='backslashreplace', newline='') as file:
            csv.writer(file).writerows([columns, *rows])


@contextlib.contextmanager
def alone(folder, task='training'):
    """Lock `folder` for this process while the block runs; the lock ends with the process.

    Args: task: what it does there; another process may do another task there.
    Raises: UserError that names the other process, OSError if the folder is not writable.
    """
    is_new = not os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    path = lock_path(folder, task)
    # An untrusted folder may have a link of this name, which must not be followed.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, 'O_NOFOLLOW', 0) | getattr(os, 'O_BINARY', 0)
    with open(os.open(path, flags, 0o666), 'r+b', buffering=0) as file:
        try:
            lock(file)
        except (BlockingIOError, PermissionError) as error:
            holder = file.read(100).decode(errors='replace').strip() or 'another process'
            raise UserError(f'{folder}: expected a folder without another {task}, found a {task} '
                            f'of {holder}; wait for it or stop it, or name another folder'
                            ) from error
        except OSError as error:
            print(f'warning: {path}: cannot be locked here ({error.strerror}); do not start a '
                  f'second {task} into this folder', file=sys.stderr)
        with contextlib.suppress(OSError):  # a full disk; the lock needs no space
            file.truncate(0)
            file.write(f'process {os.getpid()}, begun {time.strftime("%Y-%m-%d %H:%M:%S")}\n'
                       .encode())
        try:
            yield
        finally:
            file.close()  # Windows does not remove open files
            remove(path)
            if is_new:
                with contextlib.suppress(OSError):  # something has been written there
                    os.rmdir(folder)


def in_use(folder, task='training'):
    """Whether a process is inside `alone` there, or was until a `kill -9`."""
    return os.path.exists(lock_path(folder, task))


def lock_path(folder, task='training'):
    """The file that `alone` locks."""
    return os.path.join(folder, f'.{task}.lock')


def lock(file):
    """Lock an open file or raise BlockingIOError, on Windows PermissionError."""
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        file.seek(LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        finally:
            file.seek(0)


def remove(path):
    """Remove a file if it is there and can be."""
    with contextlib.suppress(OSError):
        os.remove(path)
