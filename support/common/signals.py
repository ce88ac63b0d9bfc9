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

