"""The process that trains, alone or as a member of a cluster, with the same methods.

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
    """The Member that TF_CONFIG describes, with its server running; Alone without TF_CONFIG.

    Raises: UserError naming what is wrong in TF_CONFIG, or why the server cannot listen.
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
        print('warning: anyone who reaches this port can read and change the training, because '
              "TensorFlow's runtime has no authentication; see docs/cluster.md", file=sys.stderr)
    member = Member(task, server.target)
    member.say(f'listens at {task.address}; {len(task.trainers)} trainers, parameter '
               f'servers: {len(task.addresses["ps"])}')
    return member


class Alone:
    """A single process."""
    chief = True  # saves, evaluates and prints
    serves = False  # holds variables for others
    number = 0  # among the trainers

    def share(self, paths):
        """The record files of this process."""
        return paths

    def agree(self, agreement):
        """Wait for the chief, and compare what all must agree on with its version.

        Returns: whether there is something to train. Raises: UserError naming what differs.
        """
        return True

    def dismiss(self):
        """End a cluster that has nothing to train."""

    def placement(self):
        """A context in which the graph is built."""
        return contextlib.nullcontext()

    def optimizer(self, optimizer):
        """The optimizer of the common step."""
        return optimizer

    def step_variable(self):
        """The variable that counts the common steps, if there is one."""

    def initializer(self):
        """The operation that initializes the variables."""
        return tf.global_variables_initializer()

    @contextlib.contextmanager
    def session(self, config, begin, agreement):
        """A session in which the training starts or resumes: see session.session."""
        with tf.Session(config=config) as sess:
            begin(sess)
            yield sess

    def raw(self, sess):
        """The tf.Session inside a session, for the Saver."""
        return sess

    def iterations(self, sess, first, total, stop=NO_STOP):
        """The number of each remaining iteration."""
        return range(first, total)

    def last_done(self, sess, i):
        """The number of the last iteration that all have completed: `i`, unless a fault came."""
        return i

    def note_saved(self):
        """Note that a restarted process must resume, whatever the command says."""


class Member:
    """One process of a cluster, see configuration.Task: the methods of Alone."""

    def __init__(self, task, target=''):
        """Args: target: of sessions, once its server runs: 'grpc://host:port'."""
        self.task, self.target = task, target
        self.name, self.chief, self.serves = task.name, task.chief, task.job == 'ps'
        self.number = None if self.serves else task.number
        self.pulse = waiting.Pulse()
        self.seen = None  # the last result of session.look
        self.over = False  # whether the training has ended
        self.saved = False  # whether the chief has saved

    @property
    def config(self):
        """Session settings: it sees only itself and the parameter servers; no other breaks it."""
        return tf.ConfigProto(device_filters=[
            '/job:ps', f'/job:{self.task.job}/task:{self.task.index}'])

    def say(self, line):
        """Print a line with the name of this process in front."""
        console.say(f'{self.name}: {line}')

    def serve(self):
        """Run a parameter server; returns the exit status."""
        return board.serve(self)

    def share(self, paths):
        """The files of this process: every file belongs to exactly one trainer.

        Raises: UserError if there are fewer files than processes.
        """
        count = len(self.task.trainers)
        if len(paths) < count:
            raise UserError(f'{paths[0]}: expected at least {count} record files, one for each '
                            f'trainer, found {len(paths)}; make them with: python '
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
            board.ask(self, lambda: board.board().agreement.initializer)  # '', which means none
            board.report(self)

    def placement(self):
        return placement.placement(self.task)

    def optimizer(self, optimizer):
        return placement.mean_of(self.task, optimizer)

    def step_variable(self):
        return placement.step_variable()

    def initializer(self):
        """Initialize all but the step, whose value signals readiness."""
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
        """Note that this process is between steps, so that a signal need not end one."""
        self.pulse.longest = max(self.pulse.longest, time.monotonic() - self.pulse.beat)
        self.pulse.waiting = False

    def note_saved(self):
        self.saved = True


def check_agreement(published, found):
    """Raise a UserError for the first setting in which this process differs from the chief."""
    for name in sorted({*published, *found}):
        theirs, ours = published.get(name), found.get(name)
        if theirs != ours:
            raise UserError(f'expected {name} {theirs} as the chief has it, found {ours}; start '
                            'all processes with the same command and the same records')
