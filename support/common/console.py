"""Command line and screen: quiet start, one-line errors, progress bars, questions."""
import argparse
import atexit
import contextlib
import logging
import os
import re
import shlex
import signal
import sys
import tempfile
import urllib.parse

from tqdm import tqdm

from support.common import signals

tqdm.monitor_interval = 0  # no monitor thread, which might write while Python shuts down

# What TensorFlow prints at every start although nothing is wrong.
START_NOISE = re.compile(r'[IW]\d{4} |WARNING: All log messages before absl|To enable|'
                         r'INFO: Created TensorFlow Lite')

LONGEST_WORD = 160  # characters of a word in a message; a longer one loses its middle


class UserError(Exception):
    """A user's mistake: one line saying what was expected, what was found and how to fix it."""

    def __init__(self, message):
        half = LONGEST_WORD // 2
        super().__init__(re.sub(rf'(?<!\S)(\S{{{half}}})\S+(\S{{{half}}})(?!\S)', r'\1...\2',
                                str(message)))


@contextlib.contextmanager
def quiet_start(name=''):
    """Wrap `import tensorflow` in this to keep notices and deprecation warnings off the screen.

    A script that passes its `__name__` also ends at Ctrl-C or SIGTERM with one line instead of a
    traceback of the import, when nothing has been written yet. No thread that TensorFlow starts
    will receive a signal: see `signals.take_signals`. The script does without Keras, and so starts
    in two thirds of the time where scikit-learn is installed.

    TensorFlow's C++ side writes to file descriptor 2 during the import and heeds no setting. So
    the descriptor is diverted to a file meanwhile; whatever is not start-up noise is printed
    afterwards. Set TF_CPP_MIN_LOG_LEVEL=0 to see TensorFlow's later notices.
    """
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # Python raises what matters
    logging.getLogger('tensorflow').setLevel(logging.ERROR)
    sys.stderr.flush()
    screen = os.dup(2)
    if name == '__main__':
        signals.end_early(os.dup(2))
        signals.take_signals()
        # Otherwise TensorFlow imports Keras, and Keras scikit-learn and Matplotlib where installed.
        # No script uses it. A program that imports one of ours may, so it keeps its choice.
        os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')
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
    """Call `main()` and exit with its status; a user's mistake gives one line and status 2."""
    received = []  # signals so far

    def unwind(number, _frame):
        received.append(number)
        raise KeyboardInterrupt(number)
    # So a plain kill unwinds like Ctrl-C and removes half-written files.
    for number in signals.STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, unwind)
    if hasattr(sys.stdout, 'reconfigure'):  # file names may have characters the screen lacks
        sys.stdout.reconfigure(errors='backslashreplace')
    if hasattr(sys.stdin, 'reconfigure'):  # and typed ones may have undecodable bytes
        sys.stdin.reconfigure(errors='surrogateescape')
    try:
        # without TensorFlow there is nothing to protect, and child processes inherit no mask
        with contextlib.nullcontext() if 'tensorflow' in sys.modules else signals.hearing():
            status = main()
        sys.stdout.flush()
    except UserError as error:
        status = complain(error)
    except BrokenPipeError:  # the reader of our output, such as `head`, has ended
        nobody_reads()
        status = 1
    except UnicodeEncodeError as error:
        status = complain(f'{error.object!r}: expected a name that the system can encode; '
                          'rename it')
    except OSError as error:  # no such folder, not writable, disk full
        status = complain(f'{error.filename or "file error"}: {error.strerror or error}; choose '
                          'another path (all options: --help) or fix this one')
    except KeyboardInterrupt as stop:
        status = complain('stopped', 128 + (stop.args or [signal.SIGINT])[0])
    except RuntimeError as error:  # pybind11's: a signal while a C++ error became Python's
        if not (received and 'KeyboardInterrupt' in str(error)):
            raise
        status = complain('stopped', 128 + received[0])
    # A late signal would only change the status while Python shuts down; a second call of `run`
    # must not find them ignored, though.
    for number in signals.STOPS:
        signal.signal(number, lambda *_: None)
        atexit.register(signal.signal, number, signal.SIG_IGN)
    sys.exit(status)


def complain(problem, status=2):
    """Print `<script>: <problem>` as one line on stderr and return the exit status."""
    line = ' '.join(str(problem).split())
    print(f'{os.path.basename(sys.argv[0])}: {line}', file=sys.stderr, flush=True)
    return status


def parser(doc):
    """An argument parser whose --help opens with the script's docstring, with one-line errors."""
    made = argparse.ArgumentParser(description=doc, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)

    module = sys.modules['__main__'].__spec__  # None unless started as `python -m <module>`
    script = f'-m {module.name}' if module else sys.argv[0]

    def error(message):
        raise UserError(f'{message} (all options: python {script} --help)')
    made.error = error
    return made


def progress(total, label, unit, initial=0):
    """A progress bar on stderr: done/total, rate, time left; rarely updated in a log file."""
    with signals.signals_later():  # interrupting its creation would print a second traceback
        return tqdm(total=total, desc=label, unit=unit, initial=initial, dynamic_ncols=True,
                    mininterval=0.2 if sys.stderr.isatty() else 30, file=sys.stderr,
                    bar_format='{desc} {n_fmt}/{total_fmt} |{bar}| {rate_fmt}, {remaining} left')


def say(line):
    """Print one line on stdout at once, without tearing a progress bar on the same screen.

    If nobody reads stdout any more, print nothing: with `| tee log` a Ctrl-C ends tee at once,
    while the training has yet to be saved.
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
    """Redirect stdout to the null device, so that writing to it raises no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def ask(prompt, use):
    """Ask until `use(answer)` succeeds, and return its result.

    Raises: EOFError at the end of the input.
    """
    while True:
        with signals.hearing():  # Ctrl-C ends it at once
            answer = input(prompt)
        try:
            return use(answer if os.path.exists(answer) else pasted_path(answer))
        except (argparse.ArgumentTypeError, UserError) as error:
            complain(error)


def pasted_path(answer):
    """A pasted path, perhaps quoted, with ~ or with \\ before blanks and ( -> the path."""
    path = answer.strip()
    if path.startswith('file://'):
        return urllib.parse.unquote(path.removeprefix('file://'))
    words = []
    if os.name != 'nt':
        with contextlib.suppress(ValueError):  # an apostrophe, not a quotation mark
            words = shlex.split(path)
    if len(words) == 1:
        return os.path.expanduser(words[0])
    path = path.strip('\'"')
    if os.name != 'nt':
        path = re.sub(r'\\(.)', r'\1', path)
    return os.path.expanduser(path)
