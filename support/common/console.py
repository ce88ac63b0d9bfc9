"""Command line and screen: quiet start, one-line errors, progress bars, questions."""
import argparse
import contextlib
import logging
import os
import re
import shlex
import signal
import sys
import tempfile

from tqdm import tqdm

from support.common import signals

tqdm.monitor_interval = 0  # no monitor thread, which might write while Python shuts down

# What TensorFlow prints at every start although nothing is wrong.
START_NOISE = re.compile(r'[IW]\d{4} |WARNING: All log messages before absl|To enable|'
                         r'INFO: Created TensorFlow Lite')


class UserError(Exception):
    """A user's mistake: one line saying what was expected, what was found and how to fix it."""

    def __init__(self, message):  # a word of more than 160 characters loses its middle
        super().__init__(re.sub(r'(?<!\S)(\S{80})\S+(\S{80})(?!\S)', r'\1...\2', str(message)))


@contextlib.contextmanager
def quiet_start(name=''):
    """Wrap `import tensorflow` in this to keep notices and deprecation warnings off the screen.

    A script that passes its `__name__` also ends at Ctrl-C or SIGTERM with one line meanwhile, and
    no thread that TensorFlow starts will receive a signal: see `signals.take_signals`.
    """
    # TensorFlow's C++ side writes to descriptor 2 and heeds no setting: it is diverted to a file
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # Python raises what matters
    logging.getLogger('tensorflow').setLevel(logging.ERROR)
    sys.stderr.flush()
    screen = os.dup(2)
    if name == '__main__':
        signals.end_early(os.dup(2))
        signals.take_signals()
        # Without it TensorFlow imports Keras, which no script uses, and the start takes longer.
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
    def unwind(number, _frame):
        raise KeyboardInterrupt(number)
    signals.on_stop(unwind)  # so a plain kill unwinds like Ctrl-C and removes half-written files
    if hasattr(sys.stdout, 'reconfigure'):  # file names may have characters the screen lacks
        sys.stdout.reconfigure(errors='backslashreplace')
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
    except OSError as error:  # no such folder, not writable, disk full
        status = complain(f'{error.filename or "file error"}: {error.strerror or error}; choose '
                          'another path (all options: --help) or fix this one')
    except KeyboardInterrupt as stop:
        status = complain('stopped', 128 + (stop.args or [signal.SIGINT])[0])
    signals.on_stop(signal.SIG_IGN)  # while Python shuts down, it would only change the status
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
    return tqdm(total=total, desc=label, unit=unit, initial=initial, dynamic_ncols=True,
                mininterval=0.2 if sys.stderr.isatty() else 30, file=sys.stderr,
                bar_format='{desc} {n_fmt}/{total_fmt} |{bar}| {rate_fmt}, {remaining} left')


def say(line):
    """Print one line on stdout at once, without tearing a progress bar on the same screen."""
    try:
        if sys.stderr.isatty():
            tqdm.write(line, file=sys.stdout)
        else:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # with `| tee log` a Ctrl-C ends tee before the training is saved
        nobody_reads()


def nobody_reads():
    """Redirect stdout to the null device, so that writing to it raises no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def ask(prompt, use):
    """Ask until `use(answer)` succeeds, and return its result. Raises: EOFError."""
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
    with contextlib.suppress(ValueError):  # an apostrophe, not a quotation mark
        words = shlex.split(path, posix=os.name != 'nt')
        path = words[0] if len(words) == 1 else path
    return os.path.expanduser(path.strip('\'"'))
