"""Command line and screen: quiet start, options, one-line errors, progress bars, signals."""
import _thread
import argparse
import atexit
import contextlib
import logging
import math
import os
import re
import shlex
import signal
import sys
import tempfile
import threading
import time
import types
import unicodedata
import urllib.parse

from tqdm import tqdm

tqdm.monitor_interval = 0  # no monitor thread, which might write while Python shuts down

STOPS = signal.SIGINT, signal.SIGTERM  # end a script in an orderly way

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
    will receive a signal: see `take_signals`. The script does without Keras, and so starts in two
    thirds of the time where scikit-learn is installed.

    TensorFlow's C++ side writes to file descriptor 2 during the import and heeds no setting. So
    the descriptor is diverted to a file meanwhile; whatever is not start-up noise is printed
    afterwards. Set TF_CPP_MIN_LOG_LEVEL=0 to see TensorFlow's later notices.
    """
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # Python raises what matters
    logging.getLogger('tensorflow').setLevel(logging.ERROR)
    sys.stderr.flush()
    screen = os.dup(2)
    if name == '__main__':
        end_early(os.dup(2))
        take_signals()
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


def end_early(screen):
    """Let Ctrl-C and SIGTERM end this process with one line, written to the descriptor `screen`."""
    def end(number, _frame):
        os.write(screen, f'{os.path.basename(sys.argv[0])}: stopped\n'.encode())
        os._exit(128 + number)
    for number in STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as in a shell's background jobs
            signal.signal(number, end)


def take_signals():
    """Block Ctrl-C and SIGTERM in all threads; one thread of ours waits for them.

    TensorFlow's matrix products (oneDNN's AVX-512 code) keep values where the kernel puts a
    signal's frame, so delivering a signal to a thread during a product corrupts the heap, whatever
    the handler does: benchmarks/signal_in_product.py. All threads inherit this one's mask. The
    waiting thread only notes the signal; its handler runs in the main thread, between two Python
    instructions, as usual. Windows delivers signals to no thread.
    """
    if os.name == 'nt':
        return

    def wait():
        while True:
            _thread.interrupt_main(signal.sigwait(STOPS))
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def hearing():
    """Let a signal end a wait of the main thread: a prompt or a pause, but no TensorFlow call."""
    if os.name == 'nt':
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def pause(seconds):
    """`time.sleep` that a signal ends at once."""
    with hearing():
        time.sleep(seconds)


def run(main):
    """Call `main()` and exit with its status; a user's mistake gives one line and status 2."""
    signals = []  # received so far

    def unwind(number, _frame):
        signals.append(number)
        raise KeyboardInterrupt(number)
    # So a plain kill unwinds like Ctrl-C and removes half-written files.
    for number in STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, unwind)
    if hasattr(sys.stdout, 'reconfigure'):  # file names may have characters the screen lacks
        sys.stdout.reconfigure(errors='backslashreplace')
    if hasattr(sys.stdin, 'reconfigure'):  # and typed ones may have undecodable bytes
        sys.stdin.reconfigure(errors='surrogateescape')
    try:
        # without TensorFlow there is nothing to protect, and child processes inherit no mask
        with contextlib.nullcontext() if 'tensorflow' in sys.modules else hearing():
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
        if not (signals and 'KeyboardInterrupt' in str(error)):
            raise
        status = complain('stopped', 128 + signals[0])
    # A late signal would only change the status while Python shuts down; a second call of `run`
    # must not find them ignored, though.
    for number in STOPS:
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


def positive_int(text):
    """argparse type: a whole number of at least 1."""
    if not re.fullmatch(r'\+?\d{1,18}', text) or int(text) < 1:
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
    if not 1e-6 <= number <= 1:  # less rounds to 0 in float32
        raise argparse.ArgumentTypeError(f'expected a share from 0.000001 to 1, found {text!r}')
    return number


def length_range(text):
    """argparse type: '5' -> (5, 5), '4-6' -> (4, 6)."""
    match = re.fullmatch(r'(\d{1,2})(?:-(\d{1,2}))?', text)
    shortest, longest = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= shortest <= longest:
        raise argparse.ArgumentTypeError(
            f'expected a length such as 5 or 4-6, from 1 to 99, found {text!r}')
    return shortest, longest


def alphabet(text):
    """argparse type: distinct characters."""
    text = composed(text)
    twice = next((character for character in text if text.count(character) > 1), None)
    if not text or twice:
        found = f'{text!r}' + f' with {twice} more than once' * bool(twice)
        raise argparse.ArgumentTypeError('expected an alphabet, each character once, '
                                         f'found {found}')
    return text


def composed(text):
    """The text with accents and Hangul parts composed into single characters, as they are typed.

    File names from a Mac have them decomposed.
    """
    return unicodedata.normalize('NFC', text)


@contextlib.contextmanager
def stop_signals(notice='stopping after this step; once more to stop at once'):
    """Yield an object whose `.signal` turns from None to the number of a Ctrl-C or SIGTERM.

    The loop inside checks it after each step, so no step is cut short. A second signal raises
    KeyboardInterrupt at once.

    Args: notice: printed on stderr at the first signal; None: nothing.
    """
    stop = types.SimpleNamespace(signal=None)

    def note(number, _frame):
        if stop.signal is not None:
            raise KeyboardInterrupt(number)
        stop.signal = number
        # os.write, because this signal may have interrupted a print()
        if notice:
            os.write(2, f'\n{notice}\n'.encode())

    old = {number: signal.signal(number, note) for number in STOPS
           if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def signals_later():
    """Defer Ctrl-C and SIGTERM until the end of this block."""
    if threading.current_thread() is not threading.main_thread():  # only that one gets signals
        yield
        return
    with stop_signals(None) as stop:
        yield
    if stop.signal:
        _thread.interrupt_main(stop.signal)  # raise_signal would wait: they are blocked here


def progress(total, label, unit, initial=0):
    """A progress bar on stderr: done/total, rate, time left; rarely updated in a log file."""
    with signals_later():  # interrupting its creation would print a second traceback
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
        with hearing():  # Ctrl-C ends it at once
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
