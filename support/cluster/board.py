"""What the processes of a cluster tell each other, on the parameter servers."""
import contextlib
import dataclasses
import math
import time

import tensorflow.compat.v1 as tf

from support.cluster.configuration import PARTING, name_of
from support.cluster.placement import FIRST_PS, STEP_KEY

ANSWER = 10  # seconds a parameter server has to answer


@dataclasses.dataclass(frozen=True)
class Board:
    """What all processes share besides the network: variables on the first parameter server."""
    agreement: tf.Variable  # string: what all have to agree on, as JSON
    ended: tf.Variable  # bool: whether the training has ended
    generation: tf.Variable  # int64: when the chief's session began, in microseconds
    now: tf.Tensor  # a new generation


def board():
    """The Board, in the default graph."""
    with tf.device(FIRST_PS), tf.variable_scope('cluster'):
        now = tf.cast(1e6 * tf.timestamp(), tf.int64)
        return Board(tf.get_variable('agreement', initializer='', collections=[]),
                     tf.get_variable('ended', initializer=False, collections=[]),
                     tf.get_variable('generation', [], tf.int64, collections=[]), now)


def release(member):
    """The operation that releases whoever waits for a step.

    A process that has sent a gradient waits for a token from this queue of SyncReplicasOptimizer.
    Surplus tokens do no harm, see `iterations`.
    """
    with tf.device(FIRST_PS):
        tokens = tf.FIFOQueue(-1, tf.int64, shapes=[()], shared_name='sync_token_q')
        return tokens.enqueue_many(tf.zeros([len(member.task.trainers)], tf.int64))


def done_queue(server):
    """The queue on a parameter server with the numbers of the processes that are done."""
    with tf.device(f'/job:ps/task:{server}'):
        return tf.FIFOQueue(-1, tf.int32, shapes=[()], shared_name='cluster/done')


def ask(member, build):
    """Run what `build()` builds, in a separate graph and session, on any thread.

    Returns: its value; None if a parameter server is gone.
    """
    if member.task.absent('ps'):
        return None
    with tf.Graph().as_default() as graph:
        fetched = build()
    with contextlib.suppress(tf.errors.OpError), tf.Session(
            member.target, graph, config=member.config) as sess:
        return sess.run(fetched, options=tf.RunOptions(timeout_in_ms=1000 * ANSWER))
    return None


def end(member):
    """Publish that the training has ended, as the chief; release whoever waits for a step."""
    def build():
        with tf.control_dependencies([board().ended.assign(True)]):
            return release(member)
    ask(member, build)


def report(member):
    """Tell all parameter servers that this process is done."""
    ask(member, lambda: [done_queue(server).enqueue(member.task.number)
                         for server in range(len(member.task.addresses['ps']))])


def step_has_value():
    """A tensor: whether the step has a value; it is the last variable to get one."""
    with tf.device(FIRST_PS):
        return tf.is_variable_initialized(
            tf.get_variable(STEP_KEY, [], tf.int64, collections=[]))


def what_is_published():
    """Whether the training has ended, and the agreement, as tensors."""
    shared = board()
    return shared.ended.read_value(), shared.agreement.read_value()


def serve(member):
    """Run a parameter server: hold the variables until all trainers are done.

    Returns: exit status 0.
    """
    with tf.Graph().as_default() as graph:
        queue = done_queue(member.task.index)
        size, number = queue.size(), queue.dequeue()
    alone = tf.ConfigProto(device_filters=[f'/job:ps/task:{member.task.index}'])
    done, deadline = set(), math.inf
    with tf.Session(member.target, graph, config=alone) as sess:
        while len(done) < len(member.task.trainers) and time.monotonic() < deadline:
            time.sleep(0.2)  # in Python, because TensorFlow's waits ignore signals
            done.update(int(sess.run(number)) for _ in range(sess.run(size)))
            if 0 in done and deadline == math.inf:
                deadline = time.monotonic() + PARTING
    silent = [name_of(*trainer) for number, trainer in enumerate(member.task.trainers)
              if number not in done]
    member.say('the training has ended' + ''.join(f'; {name} has not been heard of since'
                                                   for name in silent))
    return 0
