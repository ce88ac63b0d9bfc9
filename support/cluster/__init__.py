"""Several machines that train one network, on TensorFlow's own distributed runtime.

Every machine runs the same command with the environment variable TF_CONFIG in TensorFlow's form:

    {"cluster": {"chief": ["a:2222"], "worker": ["b:2222"], "ps": ["c:2222"]},
     "task": {"type": "chief", "index": 0}}

Chief and workers train (between-graph replication): each has the whole graph and its own share of
the records. The variables live on the parameter servers (ps). One step is the mean gradient of all
of them (`SyncReplicasOptimizer`), so N at batch B train as one process at batch N * B. The chief
also saves, measures and prints. Without TF_CONFIG there is no Member, and every function here does
what a single process needs. docs/cluster.md shows it and says what it costs.
"""
import contextlib
import dataclasses
import json
import math
import os
import select
import signal
import socket
import sys
import threading
import time
import types

import tensorflow.compat.v1 as tf

from support.common import console
from support.common.console import UserError

VARIABLE = 'TF_CONFIG'
JOBS = 'chief', 'worker', 'ps'
STEP_KEY = 'global_step'  # a variable of the cluster, not of the checkpoint
FIRST_PS = '/job:ps/task:0'
OPTIMIZERS, BOARDS = 'cluster/optimizers', 'cluster/boards'  # collections of one each
BROKEN = tf.errors.AbortedError, tf.errors.UnavailableError  # a connection, or a process is gone
SCOPE = 'sync_replicas/'  # before the names of Adam's two powers in a cluster's graph
POLL = 0.01  # seconds between two looks at the step
PATIENCE = 60  # seconds at the start after which who is waited for is named
IMPATIENCE = 10  # the same, once steps are done
STUCK = 60  # seconds, and STUCK_STEPS of its longest steps, after which a process begins again
STUCK_STEPS = 20
CONNECTION = 'the connection to a parameter server broke'
LAST_STEP = 3  # seconds after a signal in which a step may end by itself; then it is let go ...
GRACE = 10  # ... and after these the process ends
PARTING = 60  # seconds that a parameter server waits for the workers after the chief's end


@dataclasses.dataclass(frozen=True)
class Member:
    """One process of a cluster."""
    addresses: dict  # {job: ['host:port', ...]}
    job: str  # one of JOBS
    index: int  # in its job
    target: str = ''  # of sessions, once its server runs: 'grpc://host:port'
    # beat: when the last step began; waiting: it has not ended yet; longest: of all, in seconds;
    # released: a signal let it go; begun: its session is there; seen: what the last
    # `look` gave; over: the training has ended; saved: the chief has saved
    pulse: types.SimpleNamespace = dataclasses.field(
        default_factory=lambda: types.SimpleNamespace(
            beat=time.monotonic(), waiting=False, longest=0, released=False, begun=False,
            seen=None, over=False, saved=False),
        compare=False)

    @property
    def name(self):
        return name_of(self.job, self.index)

    @property
    def chief(self):
        return self.job == 'chief'

    @property
    def trainers(self):
        """(job, index) of all that train, the chief first."""
        return [(job, index) for job in ('chief', 'worker')
                for index in range(len(self.addresses.get(job, [])))]

    @property
    def number(self):
        """The chief is 0, the workers count from 1."""
        return self.trainers.index((self.job, self.index))

    @property
    def config(self):
        """Session settings: see the parameter servers and itself, so nobody else can break it."""
        return tf.ConfigProto(device_filters=['/job:ps', f'/job:{self.job}/task:{self.index}'])


def name_of(job, index):
    """'chief', 'worker 0', 'ps 0'."""
    return job if job == 'chief' else f'{job} {index}'


def say(member, line):
    """Print a line of this process; where there are several, one must know whose it is."""
    console.say(f'{member.name}: {line}')


# --- joining
def join():
    """The Member that TF_CONFIG makes of this process, its server running; None without it.

    Raises: UserError naming what is wrong in it, or why the server cannot listen.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    member = parse(text)
    address = member.addresses[member.job][member.index]
    check_port(address)
    try:
        server = tf.train.Server(tf.train.ClusterSpec(member.addresses), job_name=member.job,
                                 task_index=member.index)
    except tf.errors.OpError as error:
        raise UserError(f'{VARIABLE}: {member.name} cannot listen at {address}: '
                        f'{error.message}; give it another address') from error
    say(member, f'listens at {address}; {len(member.trainers)} processes train, parameter '
                f'servers: {len(member.addresses["ps"])}')
    return dataclasses.replace(member, target=server.target)


def parse(text):
    """TF_CONFIG's text as a Member without a server."""
    def wrong(expected, found):
        return UserError(f'{VARIABLE}: expected {expected}, found {found}; docs/cluster.md shows '
                         'one for each machine')
    try:
        config = json.loads(text)
        cluster, task = dict(config['cluster']), config['task']
        job, index = task['type'], task['index']
        hash(job)
    except ValueError as error:
        raise wrong('JSON', f'{text[:60]!r} ({error})') from error
    except (KeyError, TypeError) as error:
        raise wrong('"cluster", and "task" with "type" and "index"', text[:200]) from error
    unknown = [name for name in cluster if name not in JOBS]
    if unknown:
        raise wrong(f'the jobs {", ".join(JOBS)}', f'also {", ".join(map(str, unknown))}')
    for name, addresses in cluster.items():
        for address in addresses if isinstance(addresses, list) and addresses else [None]:
            host, _, port = str(address).rpartition(':')
            if not (host and port.isdecimal() and 0 < int(port) < 65536):
                raise wrong(f'a list of host:port for {name}', addresses)
    if len(cluster.get('chief', [])) != 1 or not cluster.get('ps'):
        raise wrong('one chief and at least one ps', ', '.join(
            f'{len(cluster.get(name, []))} {name}' for name in JOBS))
    everywhere = [address for addresses in cluster.values() for address in addresses]
    twice = next((address for address in everywhere if everywhere.count(address) > 1), None)
    if twice:
        raise wrong('an address for each process', f'{twice} more than once')
    if job not in cluster or not isinstance(index, int) or not 0 <= index < len(cluster[job]):
        raise wrong('a task of the cluster', f'type {job!r}, index {index!r}')
    return Member(cluster, job, index)


def check_port(address):
    """Raise a UserError if nothing can listen at an address, which TensorFlow says in a page."""
    host, _, port = address.rpartition(':')
    try:
        family, _, _, _, place = socket.getaddrinfo(host.strip('[]'), int(port),
                                                    type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise UserError(f'{VARIABLE}: expected an address of this machine with a free port, found '
                        f'{address}: {reason}; is "task" this process, and does no '
                        'other one use the port?') from error


def reachable(address):
    """Whether somebody listens at an address."""
    host, _, port = address.rpartition(':')
    with contextlib.suppress(OSError), socket.create_connection((host.strip('[]'), int(port)), 1):
        return True
    return False


def absent(member, jobs):
    """The names and addresses of the processes of these jobs that do not answer."""
    return [f'{name_of(job, index)} at {address}' for job in jobs
            for index, address in enumerate(member.addresses.get(job, []))
            if (job, index) != (member.job, member.index) and not reachable(address)]


# --- what the graph needs
def placement(member):
    """Where operations go: variables to the parameter servers, by size, the rest to this process.

    The next variable goes to the server that has the fewest bytes so far.
    """
    if member is None:
        return contextlib.nullcontext()
    loads = [0] * len(member.addresses['ps'])  # bytes

    def least_loaded(op):
        server = loads.index(min(loads))
        attributes = op.node_def.attr
        shape = tf.TensorShape(attributes['shape'].shape)
        loads[server] += shape.num_elements() * tf.as_dtype(attributes['dtype'].type).size
        return server
    return tf.device(tf.train.replica_device_setter(
        cluster=tf.train.ClusterSpec(member.addresses), ps_strategy=least_loaded,
        worker_device=f'/job:{member.job}/task:{member.index}'))


class MeanOfAll(tf.train.SyncReplicasOptimizer):
    """TensorFlow's optimizer, whose queue of tokens outlives a session of the chief's.

    When a session ends, TensorFlow closes that queue on the parameter server, for good. A chief
    whose connection broke could never train with these variables again.
    """

    def get_chief_queue_runner(self):
        usual = super().get_chief_queue_runner()
        return tf.train.QueueRunner(usual.queue, usual.enqueue_ops, tf.no_op(), tf.no_op())


def synchronous(member, optimizer):
    """The optimizer whose step is the mean gradient of all that train."""
    if member is None:
        return optimizer
    count = len(member.trainers)
    made = MeanOfAll(optimizer, replicas_to_aggregate=count, total_num_replicas=count)
    tf.add_to_collection(OPTIMIZERS, made)
    return made


def step_variable(member):
    """The variable that counts the steps of all; None in a single process."""
    if member is None:
        return None
    with tf.device(FIRST_PS):
        return tf.train.get_or_create_global_step()


def initializer(member):
    """What gives the variables their first values: all but the step, whose value says: ready."""
    return tf.variables_initializer([v for v in tf.global_variables()
                                     if member is None or v.op.name != STEP_KEY])


def is_chief(member):
    """Whether this process saves, measures and prints."""
    return member is None or member.chief


def keys(variables):
    """{checkpoint's key: variable} of a graph: the same for a cluster and a single process."""
    return {v.op.name.removeprefix(SCOPE): v for v in variables if v.op.name != STEP_KEY}


def share(member, paths):
    """The files of this process: every file is somebody's, none is two processes'.

    Raises: UserError if there are fewer files than processes.
    """
    if member is None:
        return paths
    count = len(member.trainers)
    if len(paths) < count:
        raise UserError(f'{paths[0]}: expected at least {count} record files, one for each process '
                        f'that trains, found {len(paths)}; make them with: python to_tfrecord.py '
                        f'--out <another folder> --shards {4 * count}, and name it with --train')
    return paths[member.number::count]


# --- what the processes tell one another, on the parameter servers
@dataclasses.dataclass(frozen=True)
class Board:
    """What all processes share beside the network: variables on the first parameter server."""
    agreement: tf.Variable  # string: what all have to agree on, as JSON
    ended: tf.Variable  # bool: whether the training has ended
    generation: tf.Variable  # int64: when the chief's session began, in microseconds
    now: tf.Tensor  # a new generation


def board():
    """The Board, in the graph that is the default one."""
    with tf.device(FIRST_PS), tf.variable_scope('cluster'):
        now = tf.cast(1e6 * tf.timestamp(), tf.int64)
        return Board(tf.get_variable('agreement', initializer='', collections=[]),
                     tf.get_variable('ended', initializer=False, collections=[]),
                     tf.get_variable('generation', [], tf.int64, collections=[]), now)


def release(member):
    """The operation that lets go whoever waits for a step.

    Who has given a gradient waits for a token from this queue of SyncReplicasOptimizer's. More
    tokens than steps do no harm, see `iterations`.
    """
    with tf.device(FIRST_PS):
        tokens = tf.FIFOQueue(-1, tf.int64, shapes=[()], shared_name='sync_token_q')
        return tokens.enqueue_many(tf.zeros([len(member.trainers)], tf.int64))


def done_queue(server):
    """The queue on a parameter server that takes the numbers of those who are done."""
    with tf.device(f'/job:ps/task:{server}'):
        return tf.FIFOQueue(-1, tf.int32, shapes=[()], shared_name='cluster/done')


def ask(member, build):
    """Run what `build()` builds in a graph and a session of its own, on any thread.

    Returns: its value; None if a parameter server is gone.
    """
    if absent(member, ['ps']):
        return None
    with tf.Graph().as_default() as graph:
        fetched = build()
    with contextlib.suppress(tf.errors.OpError), tf.Session(
            member.target, graph, config=member.config) as sess:
        return sess.run(fetched, options=tf.RunOptions(timeout_in_ms=1000 * GRACE))
    return None


def end(member):
    """The chief's word that the training has ended; lets go whoever waits for a step."""
    def build():
        with tf.control_dependencies([board().ended.assign(True)]):
            return release(member)
    ask(member, build)


def report(member):
    """Tell all parameter servers that this process is done."""
    ask(member, lambda: [done_queue(server).enqueue(member.number)
                         for server in range(len(member.addresses['ps']))])


def dismiss(member):
    """End a cluster that has nothing to train; of a single process nothing is asked."""
    if member is None or not member.chief:
        return
    wait_for(member, 'ps')
    end(member)
    ask(member, lambda: board().agreement.initializer)  # '', which nobody will read
    report(member)


def serve(member):
    """A parameter server's life: hold variables until all who train are done.

    Returns: exit status 0.
    """
    with tf.Graph().as_default() as graph:
        queue = done_queue(member.index)
        size, number = queue.size(), queue.dequeue()
    alone = tf.ConfigProto(device_filters=[f'/job:ps/task:{member.index}'])
    done, deadline = set(), math.inf
    with tf.Session(member.target, graph, config=alone) as sess:
        while len(done) < len(member.trainers) and time.monotonic() < deadline:
            time.sleep(0.2)  # not in TensorFlow, where no signal would be heard
            done.update(int(sess.run(number)) for _ in range(sess.run(size)))
            if 0 in done and deadline == math.inf:
                deadline = time.monotonic() + PARTING
    silent = [name_of(*trainer) for number, trainer in enumerate(member.trainers)
              if number not in done]
    say(member, 'the training has ended' + ''.join(f'; {name} has not been heard of since'
                                                   for name in silent))
    return 0


# --- waiting for the others
def wait_for(member, *jobs):
    """Wait until all processes of these jobs answer; who does not is named after a minute."""
    begun = time.monotonic()
    while missing := absent(member, jobs):
        if time.monotonic() - begun > PATIENCE:
            begun = time.monotonic()
            say(member, f'waiting for {", ".join(missing)}; start it there, or stop with Ctrl-C')
        time.sleep(0.5)


def wait_until(member, build):
    """Wait until what `build()` builds, see `ask`, is true; the chief is named after a minute."""
    since = time.monotonic()
    while not ask(member, build):
        if time.monotonic() - since > PATIENCE:
            since = time.monotonic()
            say(member, f'waiting for the chief at {member.addresses["chief"][0]} to begin')
        time.sleep(0.5)


def agree(member, agreement):
    """Wait for the chief, and compare what all must agree on with what it has.

    Returns: whether there is something to train.
    Raises: UserError naming what differs.
    """
    if is_chief(member):
        return True
    published = None
    while published is None:  # again, if a parameter server goes away in between
        wait_for(member, 'ps')
        wait_until(member, lambda: tf.is_variable_initialized(board().agreement))
        published = ask(member, what_is_published)
    ended, text = published
    if ended:
        say(member, 'the training has ended already')
        report(member)
        return False
    check_agreement(json.loads(text), agreement)
    return True


def what_is_published():
    """Whether the training has ended, and the agreement, as tensors."""
    shared = board()
    return shared.ended.read_value(), shared.agreement.read_value()


def check_agreement(published, found):
    """Raise a UserError for the first thing that the chief has otherwise than this process."""
    for name in sorted({*published, *found}):
        theirs, ours = published.get(name), found.get(name)
        if theirs != ours:
            raise UserError(f'expected {name} {theirs} as the chief has it, found {ours}; start '
                            'all processes with the same command and the same records')


def begin_again(member, why):
    """Become a new process of the same command, which the others take for one started again.

    After a fault TensorFlow would begin another session in this process, whose queues of pictures
    the end of the last one has closed for good. And it was seen to lose the answer to a call, once
    in some 5,000 steps on two busy cores, all processes alive and none computing; it has no
    limit of time for them. Of two that wait the chief is the last to do this.
    """
    say(member, f'{why}: beginning again from what was saved')
    sys.stdout.flush()
    command = [*sys.orig_argv]
    if member.pulse.saved:
        command = [word for word in command if word != '--restart']
    os.execv(sys.executable, command)


@contextlib.contextmanager
def watch(member):
    """A thread that says whom a step waits for, and ends a step that waits when a signal comes.

    Python's signal handlers run only between two steps, and a step waits in TensorFlow for the
    gradients of all. So the system's side of the handler wakes this thread, too.
    """
    awake, sleeper = socket.socketpair()
    sleeper.setblocking(False)
    finished = threading.Event()
    pulse = member.pulse

    def keep_watch():
        named, stopped = -math.inf, None
        while not finished.is_set():
            ready, _, _ = select.select([awake], [], [], 1)
            signals = [number for number in (awake.recv(16) if ready else b'')
                       if number in (signal.SIGINT, signal.SIGTERM)]
            now = time.monotonic()
            if signals and stopped and pulse.waiting:
                leave(signals[-1])
            stopped = stopped or (signals and (now, signals[0]))
            if stopped and pulse.waiting and now - max(stopped[0], pulse.beat) > GRACE:
                leave(stopped[1])
            elif stopped and pulse.waiting and now - max(stopped[0], pulse.beat) > LAST_STEP:
                pulse.released = True
                ask(member, lambda: release(member))
            elif not stopped and now - pulse.beat > IMPATIENCE and (
                    pulse.waiting or not member.chief):  # the chief may be saving
                missing = absent(member, JOBS)
                if missing and now - named > PATIENCE:
                    say(member, f'waiting for {", ".join(missing)}')
                    named = now
                if not missing and pulse.waiting:
                    give_again(now)

    def give_again(now):
        # All answer: a step that lost its gradients with a parameter server begins anew ...
        ask(member, lambda: release(member))
        patience = max(STUCK, STUCK_STEPS * pulse.longest) * (2 if member.chief else 1)
        if now - pulse.beat > patience and pulse.waiting:  # ... or it was the answer that got lost
            begin_again(member, 'the answer in this step seems to be lost')

    def leave(number):
        waited = ', '.join(absent(member, JOBS)) or 'the others'
        say(member, f'stopped in a step that waited for {waited}; what was saved before is kept')
        os._exit(128 + number)

    thread = threading.Thread(target=keep_watch, daemon=True)
    old = signal.set_wakeup_fd(sleeper.fileno())
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
        signal.set_wakeup_fd(old)
        awake.close()
        sleeper.close()


# --- the session and its steps
class AtEachSession(tf.train.SessionRunHook):
    """What TensorFlow calls when a session has begun, the first one and those after a fault."""

    def __init__(self, function):
        self.after_create_session = lambda session, coord: function(session)


@contextlib.contextmanager
def session(member, config, begin, agreement):
    """A session in which the training begins, or goes on.

    Args:
      member: a Member; None for a single process, which has a plain tf.Session.
      config: tf.ConfigProto.
      begin: a function of a session that gives all variables their values and returns the first
        iteration to be done. In a cluster the chief calls it, again after a fault.
      agreement: {name: value}, what all processes must agree on.
    """
    if member is None:
        with tf.Session(config=config) as sess:
            begin(sess)
            yield sess
        return
    wait_for(member, 'ps')
    if not member.chief:
        wait_until(member, step_has_value)
    optimizer, = tf.get_collection(OPTIMIZERS)
    shared, step = board(), tf.train.get_global_step()
    tf.add_to_collection(BOARDS, shared)
    new_generation, let_go = shared.generation.assign(shared.now), release(member)
    runners = tf.get_collection_ref(tf.GraphKeys.QUEUE_RUNNERS)
    own_runners = runners[:]
    runners.clear()  # a fault in the records must not end the thread that adds the gradients up

    def begin_all(_, sess):
        if member.pulse.begun:
            begin_again(member, CONNECTION)
        shared.ended.load(False, sess)  # before what the workers wait for
        shared.agreement.load(json.dumps(agreement), sess)
        sess.run(new_generation)
        step.load(begin(sess), sess)

    def at_each_session(sess):
        if member.pulse.begun:
            begin_again(member, CONNECTION)
        member.pulse.begun = True
        for runner in own_runners:
            runner.create_threads(sess, tf.train.Coordinator(), daemon=True, start=True)
        if member.chief:
            # What was given to the session before may be lost in part: let everybody give again.
            sess.run(new_generation)
            if resumed:
                sess.run(let_go)

    resumed = member.chief and ask(member, step_has_value)  # of a chief that was killed
    config.MergeFrom(member.config)
    hooks = [optimizer.make_session_run_hook(member.chief, num_tokens=0),
             AtEachSession(at_each_session)]
    scaffold = tf.train.Scaffold(init_op=tf.no_op(), init_fn=begin_all)
    try:
        with watch(member), quiet_threads(), tf.train.MonitoredTrainingSession(
                member.target, member.chief, scaffold=scaffold, config=config, hooks=hooks,
                save_checkpoint_secs=None, save_summaries_steps=None, log_step_count_steps=None,
                stop_grace_period_secs=1) as sess:
            try:
                yield sess
            finally:
                member.pulse.waiting = False
                if member.chief:
                    end(member)
    finally:
        if member.chief or member.pulse.over:
            report(member)


def step_has_value():
    """A tensor: whether the step, the last variable to get one, has a value."""
    with tf.device(FIRST_PS):
        return tf.is_variable_initialized(
            tf.get_variable(STEP_KEY, [], tf.int64, collections=[]))


@contextlib.contextmanager
def quiet_threads():
    """TensorFlow's thread that adds the gradients up ends by an exception: keep that one quiet."""
    usual = threading.excepthook

    def hook(arguments):
        if not issubclass(arguments.exc_type, (tf.errors.CancelledError, *BROKEN)):
            usual(arguments)
    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual


def raw(sess):
    """The tf.Session inside a cluster's session, which the Saver wants; or `sess` itself."""
    return sess if isinstance(sess, tf.Session) else sess.run_step_fn(
        lambda step_context: step_context.session)


def iterations(member, sess, first, total, stop=types.SimpleNamespace(signal=None)):
    """Yield the number of each iteration to be done: a range, in a cluster as the step says.

    No process takes part in one step twice, unless the chief's session is another one since: it
    waits until the step counts on.

    Args: stop: as console.stop_signals yields it.
    """
    if member is None:
        yield from range(first, total)
        return
    last = None
    while True:
        number, over, generation = member.pulse.seen or look(member, sess)
        member.pulse.seen = None
        if over or number >= total:
            member.pulse.over = True
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

    From here on this process's gradient counts for that step, whatever token it has seen before.
    """
    optimizer, = tf.get_collection(OPTIMIZERS)
    shared, = tf.get_collection(BOARDS)
    number, over, generation = sess.run([optimizer.local_step_init_op, shared.ended,
                                         shared.generation])
    member.pulse.seen = int(number), bool(over), int(generation)
    return member.pulse.seen


def last_done(member, sess, i):
    """The number of the last iteration that all have done: `i`, unless a fault or a stop came.

    `iterations` uses what was seen here: each look costs the parameter server's answer.
    """
    if member is None:
        return i
    while look(member, sess)[0] == i and not member.pulse.released:
        time.sleep(POLL)
    rest(member)
    return member.pulse.seen[0] - 1


def rest(member):
    """Note that this process is not in a step, so that a signal need not end one."""
    member.pulse.longest = max(member.pulse.longest, time.monotonic() - member.pulse.beat)
    member.pulse.waiting = False


def note_saved(member):
    """Note that a new process would have to resume, whatever the command says."""
    if member is not None:
        member.pulse.saved = True
