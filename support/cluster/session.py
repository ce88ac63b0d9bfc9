"""The session of a process in a cluster, and the numbers of its iterations."""
import contextlib
import json
import threading
import time
import types

import tensorflow.compat.v1 as tf

from support.cluster import board, waiting
from support.cluster.placement import OPTIMIZERS

BROKEN = tf.errors.AbortedError, tf.errors.UnavailableError  # a lost connection or process
BOARDS = 'cluster/boards'  # a collection with one element
POLL = 0.01  # seconds between two checks of the step
CONNECTION = 'the connection to a parameter server broke'


class Beginning(tf.train.SessionRunHook):
    """TensorFlow calls this at the start of a session, the first one and those after a fault."""

    def __init__(self, member, shared):
        """Args: shared: the board.Board of the graph."""
        runners = tf.get_collection_ref(tf.GraphKeys.QUEUE_RUNNERS)
        self.member, self.shared, self.runners = member, shared, runners[:]
        runners.clear()  # a fault in the records must not end the thread that adds up the gradients
        self.new_generation = shared.generation.assign(shared.now)
        self.let_go = board.release(member)
        # whether it replaces a chief that was killed
        self.resumed = member.chief and board.ask(member, board.step_has_value)
        self.begun = False

    def check_first(self):
        """Restart the process in a second session, whose queues are closed for good."""
        if self.begun:
            waiting.begin_again(self.member, CONNECTION)

    def give_values(self, sess, begin, agreement):
        """Give the variables their first values, as the chief."""
        self.check_first()
        self.shared.ended.load(False, sess)  # before the step, which the workers wait for
        self.shared.agreement.load(json.dumps(agreement), sess)
        sess.run(self.new_generation)
        tf.train.get_global_step().load(begin(sess), sess)

    def after_create_session(self, session, coord):
        self.check_first()
        self.begun = True
        for runner in self.runners:
            runner.create_threads(session, tf.train.Coordinator(), daemon=True, start=True)
        if self.member.chief:
            # Gradients sent to the previous session may be partly lost: let all send them again.
            session.run(self.new_generation)
            if self.resumed:
                session.run(self.let_go)


@contextlib.contextmanager
def session(member, config, begin, agreement):
    """A session in which the training starts or resumes.

    Args:
      member: member.Member.
      config: tf.ConfigProto.
      begin: a function of a session that gives all variables their values and returns the next
        iteration. The chief calls it, again after a fault.
      agreement: {name: value}, what all processes must agree on.
    """
    waiting.wait_for(member, 'ps')
    if not member.chief:
        waiting.wait_until(member, board.step_has_value)
    optimizer, = tf.get_collection(OPTIMIZERS)
    shared = board.board()
    tf.add_to_collection(BOARDS, shared)
    beginning = Beginning(member, shared)
    config.MergeFrom(member.config)
    hooks = [optimizer.make_session_run_hook(member.chief, num_tokens=0), beginning]
    scaffold = tf.train.Scaffold(
        init_op=tf.no_op(), init_fn=lambda _, sess: beginning.give_values(sess, begin, agreement))
    try:
        with waiting.watched(member), quiet_threads(), tf.train.MonitoredTrainingSession(
                member.target, member.chief, scaffold=scaffold, config=config, hooks=hooks,
                save_checkpoint_secs=None, save_summaries_steps=None, log_step_count_steps=None,
                stop_grace_period_secs=1) as sess:
            try:
                yield sess
            finally:
                member.pulse.waiting = False
                if member.chief:
                    board.end(member)
    finally:
        if member.chief or member.over:
            board.report(member)


@contextlib.contextmanager
def quiet_threads():
    """Suppress the exception with which TensorFlow's gradient-adding thread ends."""
    usual = threading.excepthook

    def hook(arguments):
        if not issubclass(arguments.exc_type, (tf.errors.CancelledError, *BROKEN)):
            usual(arguments)
    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual


def iterations(member, sess, total, stop=types.SimpleNamespace(signal=None)):
    """Yield the number of each remaining iteration, as the step says.

    A process takes part in a step only once, unless the chief has a new session: it waits until the
    step advances.

    Args: total: iterations in all. stop: from console.stop_signals.
    """
    last = None
    while True:
        number, over, generation = member.seen or look(member, sess)
        member.seen = None
        if over or number >= total:
            member.over = True
            return
        if (number, generation) == last:
            if stop.signal and not member.chief:
                raise KeyboardInterrupt(stop.signal)
            time.sleep(POLL)
            continue
        last = number, generation
        member.pulse.beat, member.pulse.waiting = time.monotonic(), True
        yield number


def look(member, sess):
    """The step, whether the training has ended, and the generation; see `last_done`.

    From here on this process's gradient counts for that step, whatever token it had before.
    """
    optimizer, = tf.get_collection(OPTIMIZERS)
    shared, = tf.get_collection(BOARDS)
    number, over, generation = sess.run([optimizer.local_step_init_op, shared.ended,
                                         shared.generation])
    member.seen = int(number), bool(over), int(generation)
    return member.seen


def last_done(member, sess, i):
    """The number of the last iteration that all have completed: `i`, unless a fault or a stop came.

    `iterations` reuses the result: each look costs a reply of the parameter server.
    """
    while look(member, sess)[0] == i and not member.pulse.released:
        time.sleep(POLL)
    member.rest()
    return member.seen[0] - 1
