"""Waiting for the other processes of a cluster, and a step that waits for them."""
import contextlib
import dataclasses
import math
import os
import select
import signal
import socket
import sys
import threading
import time

from support.cluster import board
from support.cluster.configuration import JOBS

PATIENCE = 60  # seconds at the start after which the missing processes are named
IMPATIENCE = 10  # the same, after the first step
STUCK = 60  # seconds, and STUCK_STEPS of its longest steps, after which a process restarts
STUCK_STEPS = 20
LAST_STEP = 3  # seconds after a signal within which a step may end by itself; then it is released
GRACE = 10  # seconds after which the process ends


@dataclasses.dataclass
class Pulse:
    """The progress of this process, for the thread that watches it."""
    beat: float = dataclasses.field(default_factory=time.monotonic)  # when the last step began
    waiting: bool = False  # whether that step has not ended yet
    longest: float = 0  # seconds, of all steps
    released: bool = False  # whether a signal released a step


def wait_for(member, *jobs):
    """Wait until all processes of these jobs answer; name the missing ones every minute."""
    begun = time.monotonic()
    while missing := member.task.absent(*jobs):
        if time.monotonic() - begun > PATIENCE:
            begun = time.monotonic()
            member.say(f'waiting for {", ".join(missing)}; start it there, or stop with Ctrl-C')
        time.sleep(0.5)


def wait_until(member, build):
    """Wait until board.ask(build) is true; after a minute, print that the chief is missing."""
    since = time.monotonic()
    while not board.ask(member, build):
        if time.monotonic() - since > PATIENCE:
            since = time.monotonic()
            chief = member.task.addresses['chief'][0]
            member.say(f'waiting for the chief at {chief} to begin')
        time.sleep(0.5)


def begin_again(member, why):
    """Become a new process of the same command, as if it had been restarted.

    After a fault TensorFlow would start another session in this process, but the end of the last
    one has closed its picture queues for good. TensorFlow has also lost an RPC reply, once in some
    5,000 steps on two busy cores, all processes alive and none computing; it has no timeout for
    them. Of two that wait, the chief does this last.
    """
    member.say(f'{why}: restarting from the newest checkpoint')
    sys.stdout.flush()
    command = [*sys.orig_argv]
    if member.saved:
        command = [word for word in command if word != '--restart']
    os.execv(sys.executable, command)


class Watcher(threading.Thread):
    """A thread that names whom a step waits for, and ends a waiting step at a signal.

    Python's signal handlers run only between two steps, and a step waits in TensorFlow for all
    gradients. So the signal's wake-up file descriptor wakes this thread as well.
    """

    def __init__(self, member, awake):
        """Args: awake: a socket that receives the numbers of the signals."""
        super().__init__(daemon=True)
        self.member, self.awake = member, awake
        self.finished = threading.Event()
        self.named = -math.inf  # when the missing were named last
        self.stopped = None  # (when, number) of the first signal

    def run(self):
        while not self.finished.is_set():
            ready, _, _ = select.select([self.awake], [], [], 1)
            signals = [number for number in (self.awake.recv(16) if ready else b'')
                       if number in (signal.SIGINT, signal.SIGTERM)]
            if signals and self.stopped and self.member.pulse.waiting:
                self.leave(signals[-1])  # the second signal does not wait
            if signals and not self.stopped:
                self.stopped = time.monotonic(), signals[0]
            if self.stopped:
                self.end_the_step()
            else:
                self.look_at_the_step()

    def end_the_step(self):
        """After a signal: release a step that still waits, then leave."""
        pulse, (since, number) = self.member.pulse, self.stopped
        seconds = time.monotonic() - max(since, pulse.beat)
        if pulse.waiting and seconds > GRACE:
            self.leave(number)
        elif pulse.waiting and seconds > LAST_STEP:
            pulse.released = True
            board.ask(self.member, lambda: board.release(self.member))

    def look_at_the_step(self):
        """Name the missing if a step takes long; if none is missing, release it."""
        member, pulse, now = self.member, self.member.pulse, time.monotonic()
        idle = member.chief and not pulse.waiting  # the chief may be saving
        if now - pulse.beat <= IMPATIENCE or idle:
            return
        missing = member.task.absent(*JOBS)
        if missing and now - self.named > PATIENCE:
            member.say(f'waiting for {", ".join(missing)}')
            self.named = now
        if not missing and pulse.waiting:
            # A step that lost its gradients with a parameter server starts over ...
            board.ask(member, lambda: board.release(member))
            patience = max(STUCK, STUCK_STEPS * pulse.longest) * (2 if member.chief else 1)
            if now - pulse.beat > patience and pulse.waiting:  # ... or the reply itself was lost
                begin_again(member, 'a reply in this step seems to be lost')

    def leave(self, number):
        """End this process in the middle of a step."""
        waited = ', '.join(self.member.task.absent(*JOBS)) or 'the others'
        self.member.say(f'stopped in a step that waited for {waited}; earlier checkpoints '
                        'are kept')
        os._exit(128 + number)


@contextlib.contextmanager
def watched(member):
    """Let a Watcher watch over the steps in this block."""
    awake, sleeper = socket.socketpair()
    sleeper.setblocking(False)
    watcher = Watcher(member, awake)
    old = signal.set_wakeup_fd(sleeper.fileno())
    watcher.start()
    try:
        yield
    finally:
        watcher.finished.set()
        watcher.join()
        signal.set_wakeup_fd(old)
        awake.close()
        sleeper.close()
