"""Ctrl-C and SIGTERM: taken between two steps, never during one, and noted for a tidy end."""
import _thread
import contextlib
import os
import signal
import sys
import threading
import time
import types

STOPS = signal.SIGINT, signal.SIGTERM  # end a script in an orderly way


def on_stop(handler):
    """Let `handler` take Ctrl-C and SIGTERM unless they are ignored. Returns: {number: before}."""
    return {number: signal.signal(number, handler) for number in STOPS
            if signal.getsignal(number) != signal.SIG_IGN}


def end_early(screen):
    """Let Ctrl-C and SIGTERM end this process with one line, written to the descriptor `screen`."""
    def end(number, _frame):
        os.write(screen, f'{os.path.basename(sys.argv[0])}: stopped\n'.encode())
        os._exit(128 + number)
    on_stop(end)


def take_signals():
    """Block Ctrl-C and SIGTERM in all threads; one thread of ours waits for them.

    A signal delivered during a matrix product would corrupt the heap: see docs/reliability.md.
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


@contextlib.contextmanager
def stop_signals(notice='stopping after this step; once more to stop at once'):
    """Yield an object whose `.signal` turns from None to the number of a Ctrl-C or SIGTERM.

    The loop inside checks it after each step. A second signal raises KeyboardInterrupt at once.
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

    old = on_stop(note)
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
