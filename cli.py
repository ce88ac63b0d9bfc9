"""What every script's `main` needs: a quiet start, one-line errors, stop signals, whole files.

Nothing here knows about captchas or digits. TensorFlow is imported only where checkpoints are
looked up, because not every script needs it.
"""
import argparse
import contextlib
import logging
import math
import os
import re
import signal
import sys
import tempfile
import types

from tqdm import tqdm

# What TensorFlow says at every start on a machine where nothing is wrong.
START_NOISE = re.compile(r'[IW]\d{4} |WARNING: All log messages before absl|To enable')


class UserError(Exception):
    """A user's mistake: one line that says what was expected, what was found and what mends it."""


@contextlib.contextmanager
def quiet_start():
    """Wrap `import tensorflow` in this: notices and deprecation warnings stay off the screen.

    TensorFlow's C++ side writes to file descriptor 2 while it is being imported and heeds no
    setting then, so the descriptor is diverted to a file for that time; whatever is not start-up
    noise is printed afterwards. Set TF_CPP_MIN_LOG_LEVEL=0 to see TensorFlow's later notices.
    """
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # Python raises what matters of the rest
    logging.getLogger('tensorflow').setLevel(logging.ERROR)
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as diverted:
        os.dup2(diverted.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
            diverted.seek(0)
            for line in diverted.read().decode(errors='replace').splitlines():
                if line.strip() and not START_NOISE.match(line):
                    print(line, file=sys.stderr)


def run(main):
    """Call `main()` and exit with the status it returns; a user's mistake is one line, status 2."""
    def unwind(number, _frame):
        raise KeyboardInterrupt(number)
    # A plain kill then unwinds like Ctrl-C, so that half-written files are removed.
    signal.signal(signal.SIGTERM, unwind)
    if hasattr(sys.stdout, 'reconfigure'):  # a file name may have letters that the screen lacks
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        status = main()
        sys.stdout.flush()
    except UserError as error:
        status = complain(error)
    except BrokenPipeError:  # the reader of our output, say `head`, has seen enough
        nobody_reads()
        status = 1
    except OSError as error:  # no such folder, not writable, disk full
        status = complain(f'{error.filename or "file error"}: {error.strerror or error}; choose '
                          'another place (all options: --help) or mend this one')
    except KeyboardInterrupt as stop:
        status = complain('stopped', 128 + (stop.args or [signal.SIGINT])[0])
    sys.exit(status)


def complain(problem, status=2):
    """Print `<script>: <problem>` as one line on stderr and return the exit status."""
    line = ' '.join(str(problem).split())
    print(f'{os.path.basename(sys.argv[0])}: {line}', file=sys.stderr, flush=True)
    return status


def reason(error):
    """The part of an exception that a person needs.

    TensorFlow puts a full disk, as '<path>; No space left on device', below a page of graph.
    """
    text = str(error)
    of_file_system = re.search(r'^\S.*; (\S.*)$', text, re.MULTILINE)
    return of_file_system[1] if of_file_system else text.strip().partition('\n')[0][:200]


def parser(doc):
    """An argument parser whose --help opens with the script's docstring, with one-line errors."""
    made = argparse.ArgumentParser(description=doc, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(message):
        raise UserError(f'{message} (all options: python {sys.argv[0]} --help)')
    made.error = error
    return made


def positive_int(text):
    """argparse type: a whole number of at least 1."""
    if not re.fullmatch(r'\+?\d+', text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 1, found {text!r}')
    return int(text)


def seed_number(text):
    """argparse type: a whole number from 0 to 2**31 - 1, which every generator here accepts."""
    if not re.fullmatch(r'\d+', text) or int(text) >= 2 ** 31:
        raise argparse.ArgumentTypeError(
            f'expected a whole number from 0 to 2147483647, found {text!r}')
    return int(text)


def positive_float(text):
    """argparse type: a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f'expected a number above 0, found {text!r}')
    return number


def share(text):
    """argparse type: a number from 0.000001 to 1."""
    number = positive_float(text)
    if not 1e-6 <= number <= 1:  # what is next to nothing rounds to it in float32
        raise argparse.ArgumentTypeError(f'expected a share, 0.000001 to 1, found {text!r}')
    return number


@contextlib.contextmanager
def stop_signals():
    """Yield an object whose `.signal` turns from None to the number of a Ctrl-C or SIGTERM.

    The loop inside looks at it after each step, so that a step is never torn. A second signal
    raises KeyboardInterrupt at once.
    """
    stop = types.SimpleNamespace(signal=None)

    def note(number, _frame):
        if stop.signal is not None:
            raise KeyboardInterrupt
        stop.signal = number
        # os.write, because print() may be interrupted halfway by this very signal
        os.write(2, b'\nstopping after this step; once more to stop at once\n')

    old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def progress(total, label, unit, initial=0):
    """A progress bar on stderr: done/total, rate, time left. In a log file it speaks up rarely."""
    return tqdm(total=total, desc=label, unit=unit, initial=initial, dynamic_ncols=True,
                mininterval=0.2 if sys.stderr.isatty() else 30, file=sys.stderr,
                bar_format='{desc} {n_fmt}/{total_fmt} |{bar}| {rate_fmt}, {remaining} left')


def writable_folder(folder):
    """Make `folder` if need be and raise OSError now, not after an hour, if it is read-only."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def listed_checkpoints(folder, state_file=None):
    """The checkpoints that TensorFlow's state file lists, the newest last.

    The file, `checkpoint` unless another is named, holds their paths. Only the names count: the
    folder may have been copied or moved since, or come from Windows.
    """
    import tensorflow.compat.v1 as tf
    try:
        state = tf.train.get_checkpoint_state(folder, state_file)
    except ValueError:  # the power failed while it was written
        state = None
    if not state:
        return []
    newest = state.model_checkpoint_path
    paths = [*(path for path in state.all_model_checkpoint_paths if path != newest), newest]
    return [os.path.join(folder, re.split(r'[\\/]', path)[-1]) for path in paths]


def say(line):
    """Print one line on stdout at once, without tearing a progress bar on the same screen.

    If nobody reads stdout any more, go on without: after `| tee log` a Ctrl-C ends tee at once,
    while a training has yet to be saved.
    """
    try:
        if sys.stderr.isatty():
            tqdm.write(line, file=sys.stdout)
        else:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads()


def nobody_reads():
    """Let stdout lead nowhere, so that what is still to be written there raises no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@contextlib.contextmanager
def whole_file(path):
    """Yield a temporary path beside `path`; it takes the name `path` only if the block succeeds.

    Whoever opens `path` therefore sees the old file or the whole new one, also after a kill.
    """
    folder, name = os.path.split(path)
    os.makedirs(folder or '.', exist_ok=True)
    part = os.path.join(folder, f'.{name}.part')
    try:
        yield part
        os.replace(part, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = path  # a full disk is reported without the name
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)
        raise
