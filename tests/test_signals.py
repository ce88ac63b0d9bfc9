"""Ctrl-C and SIGTERM: noted, deferred, heard while waiting."""
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from helpers import ROOT, run_code
from support.common import signals


@pytest.mark.slow
@pytest.mark.skipif(os.name == 'nt', reason='Windows delivers no signals to threads')
def test_signals_during_steps_corrupt_nothing():
    ended = subprocess.run([sys.executable, os.path.join(ROOT, 'benchmarks/signal_in_product.py'),
                            '--taken', '--seconds', '2'], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    steps, signals = map(int, re.findall(r'\d+', ended.stdout))
    assert steps > 5 and signals > 5  # hundreds on an idle machine


@pytest.mark.skipif(os.name == 'nt', reason='Windows delivers no signals to threads')
@pytest.mark.parametrize('wait', ['signals.pause(60)', 'open("pipe").read()'])
def test_a_signal_ends_what_the_main_thread_waits_for(tmp_path, wait):
    os.mkfifo(tmp_path / 'pipe')
    code = (f'import sys; sys.path.insert(0, {ROOT!r})\n'
            'from support.common import console, signals\n'
            'with console.quiet_start("__main__"):\n'
            '    sys.modules["tensorflow"] = None  # as if it were imported\n'
            'def main():\n    print("waits", flush=True)\n'
            f'    with signals.hearing(): {wait}\n'
            'console.run(main)')
    script = subprocess.Popen([sys.executable, '-c', code], cwd=tmp_path, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert script.stdout.readline() == 'waits\n'
    time.sleep(0.2)
    script.send_signal(signal.SIGTERM)
    assert script.communicate(timeout=20) == ('', '-c: stopped\n') and script.returncode == 143


@pytest.mark.parametrize('number', ['SIGINT', 'SIGTERM'])
def test_a_signal_while_python_shuts_down_changes_no_status(number):
    """As with Ctrl-C just after the last line: the work is done."""
    late = ('import gc, os, signal\n'
            f'class Late:\n    def __del__(self): os.kill(os.getpid(), signal.{number})\n'
            'late = Late()\n')
    ended = run_code(late + 'console.run(lambda: 0)')
    assert (ended.returncode, ended.stderr) == (0, '')


def test_stop_signals_are_noted_then_obeyed():
    before = signal.getsignal(signal.SIGINT)
    with signals.stop_signals() as stop:
        assert stop.signal is None
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(os.name == 'nt', reason='signals are sent as POSIX systems do')
def test_a_signal_that_is_ignored_stays_ignored_in_a_training_loop():
    """As in jobs that a shell script starts in the background."""
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals.stop_signals(None) as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.signal is None
            signal.raise_signal(signal.SIGTERM)
            assert stop.signal == signal.SIGTERM
            with pytest.raises(KeyboardInterrupt) as second:
                signal.raise_signal(signal.SIGTERM)
            assert second.value.args == (signal.SIGTERM,)
    finally:
        signal.signal(signal.SIGINT, old)
