"""The process that trains: alone, or a member of a cluster. Both have the same methods.

    with member.placement():
        step = member.optimizer(adam).minimize(loss, member.step_variable())
        with member.session(config, begin, agreement) as sess:
            for i in member.iterations(sess, first, total, stop):
"""
import contextlib
import json
import os
import sys
import time
import types

import tensorflow.compat.v1 as tf

from support.cluster import board, placement, session, waiting
from support.cluster.configuration import VARIABLE, check_port, is_loopback, parse
from support.common import console
from support.common.console import UserError

NO_STOP = types.SimpleNamespace(signal=None)


def join():
    """The Member that TF_CONFIG makes of this process, its server running; Alone without it.

    Raises: UserError naming what is wrong in it, or why the server cannot listen.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return Alone()
    task = parse(text)
    check_port(task.address)
    try:
        server = tf.train.Server(tf.train.ClusterSpec(task.addresses), job_name=task.job,
                                 task_index=task.index)
    except tf.errors.OpError as error:
        raise UserError(f'{VARIABLE}: {task.name} cannot listen at {task.address}: '
                        f'{error.message}; give it another address') from error
    if not all(is_loopback(address) for job in task.addresses.values() for address in job):
        print('warning: anyone who reaches this port can read and change the training, for '
              "TensorFlow's runtime asks for no password; see docs/cluster.md", file=sys.stderr)
    member = Member(task, server.target)
    member.say(f'listens at {task.address}; {len(task.trainers)} processes train, parameter '
               f'servers: {len(task.addresses["ps"])}')
    return member


class Alone:
    """A single process."""
    chief = True  # it saves, measures and prints
    serves = False  # it holds variables for others
    number = 0  # among those that train

    def share(self, paths):
        """The record files of this process."""
        return paths

    def agree(self, agreement):
        """Wait for the chief, and compare what all must agree on with what it has.

        Returns: whether there is something to train. Raises: UserError naming what differs.
        """
        return True

    def dismiss(self):
        """End a cluster that has nothing to train."""

    def placement(self):
        """A context in which the graph is built."""
        return contextlib.nullcontext()

    def optimizer(self, optimizer):
        """The optimizer of a step that all do together."""
        return optimizer

    def step_variable(self):
        """The variable that counts the steps of all, if there is one."""

    def initializer(self):
        """The operation that gives the variables their first values."""
        return tf.global_variables_initializer()

    @contextlib.contextmanager
    def session(self, config, begin, agreement):
        """A session in which the training begins, or goes on: see session.session."""
        with tf.Session(config=config) as sess:
            begin(sess)
            yield sess

    def raw(self, sess):
        """The tf.Session inside a session, which the Saver wants."""
        return sess

    def iterations(self, sess, first, total, stop=NO_STOP):
        """The number of each iteration to be done."""
        return range(first, total)

    def last_done(self, sess, i):
        """The number of the last iteration that all have done: `i`, unless a fault came."""
        return i

    def note_saved(self):
        """Note that a new process would have to resume, whatever the command says."""


class Member:
    """One process of a cluster, see configuration.Task: the methods of Alone."""

    def __init__(self, task, target=''):
        """Args: target: of sessions, once its server runs: 'grpc://host:port'."""
        self.task, self.target = task, target
        self.name, self.chief, self.serves = task.name, task.chief, task.job == 'ps'
        self.number = None if self.serves else task.number
        self.pulse = waiting.Pulse()
        self.seen = None  # what the last session.look gave
        self.over = False  # whether the training has ended
        self.saved = False  # whether the chief has saved

    @property
    def config(self):
        """Session settings: see the parameter servers and itself, so nobody else can break it."""
        return tf.ConfigProto(device_filters=[
            '/job:ps', f'/job:{self.task.job}/task:{self.task.index}'])

    def say(self, line):
        """Print a line of this process; where there are several, one must know whose it is."""
        console.say(f'{self.name}: {line}')

    def serve(self):
        """A parameter server's life; returns the exit status."""
        return board.serve(self)

    def share(self, paths):
        """The files of this process: every file is somebody's, none is two processes'.

        Raises: UserError if there are fewer files than processes.
        """
        count = len(self.task.trainers)
        if len(paths) < count:
            raise UserError(f'{paths[0]}: expected at least {count} record files, one for each '
                            f'process that trains, found {len(paths)}; make them with: python '
                            f'to_tfrecord.py --out <another folder> --shards {4 * count}, and name '
                            'it with --train')
        return paths[self.number::count]

    def agree(self, agreement):
        if self.chief:
            return True
        published = None
        while published is None:  # again, if a parameter server goes away in between
            waiting.wait_for(self, 'ps')
            waiting.wait_until(
                self, lambda: tf.is_variable_initialized(board.board().agreement))
            published = board.ask(self, board.what_is_published)
        ended, text = published
        if ended:
            self.say('the training has ended already')
            board.report(self)
            return False
        check_agreement(json.loads(text), agreement)
        return True

    def dismiss(self):
        if self.chief:
            waiting.wait_for(self, 'ps')
            board.end(self)
            board.ask(self, lambda: board.board().agreement.initializer)  # '', which nobody reads
            board.report(self)

    def placement(self):
        return placement.placement(self.task)

    def optimizer(self, optimizer):
        return placement.mean_of(self.task, optimizer)

    def step_variable(self):
        return placement.step_variable()

    def initializer(self):
        """All but the step, whose value says: ready."""
        return tf.variables_initializer([v for v in tf.global_variables()
                                         if v.op.name != placement.STEP_KEY])

    def session(self, config, begin, agreement):
        return session.session(self, config, begin, agreement)

    def raw(self, sess):
        if isinstance(sess, tf.Session):  # as `begin` gets it
            return sess
        return sess.run_step_fn(lambda step_context: step_context.session)

    def iterations(self, sess, first, total, stop=NO_STOP):
        return session.iterations(self, sess, total, stop)

    def last_done(self, sess, i):
        return session.last_done(self, sess, i)

    def rest(self):
        """Note that this process is not in a step, so that a signal need not end one."""
        self.pulse.longest = max(self.pulse.longest, time.monotonic() - self.pulse.beat)
        self.pulse.waiting = False

    def note_saved(self):
        self.saved = True


def check_agreement(published, found):
    """Raise a UserError for the first thing that the chief has otherwise than this process."""
    for name in sorted({*published, *found}):
        theirs, ours = published.get(name), found.get(name)
        if theirs != ours:
            raise UserError(f'expected {name} {theirs} as the chief has it, found {ours}; start '
                            'all processes with the same command and the same records')
