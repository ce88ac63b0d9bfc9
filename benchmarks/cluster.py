"""Training on a cluster: exactness, speed, faults, and what to expect from more machines.

Command:  python benchmarks/cluster.py exact --network alexnet_v2    weights after five steps
          python benchmarks/cluster.py speed --network small_cnn     throughput
          python benchmarks/cluster.py faults --kills 10             kill -9, ten times each
          python benchmarks/cluster.py expect --seconds 0.15         calculated from a step's time
Reads:    for speed and faults the records of --train and --test: a folder of at least two shards
Writes:   one table on stdout; checkpoints in a temporary folder
Takes:    two cores: exact a minute, speed three, faults a quarter of an hour

All processes run on this machine; each trainer gets its share of the cores.
"""
import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console  # noqa: E402  (after the path to it)

with console.quiet_start():
    import tensorflow.compat.v1 as tf  # noqa: E402

import numpy as np  # noqa: E402

import captcha_train  # noqa: E402
from nets import alexnet, methods, nets_factory, slim  # noqa: E402
from support.captcha import dataset, models, recipes, training
from support.cluster import launch, member
from support.common import checkpoints  # noqa: E402

STEPS, BATCH = 5, 24  # of `exact`
SAVE_EVERY = 50  # iterations, of `faults`
HANGS = 300  # seconds after which a run counts as stuck
TRAIN = os.path.join(ROOT, 'captcha_train.py')
PARAMETERS = {'small_cnn': 1_292_334, 'alexnet_v2': 46_355_304}
LARGEST = {'small_cnn': 393_216, 'alexnet_v2': 26_214_400}  # of one variable: columns, fc6
GIGABIT = 1e9 / 8  # bytes/s


# --- exactness
def tiny(inputs, num_classes, is_training=True, scope='tiny', num_heads=4):
    """A network small enough for tests: one layer and the heads, nothing random, no batch norm."""
    del is_training
    with tf.variable_scope(scope):
        net = slim.avg_pool2d(inputs, [8, 8], stride=8)
        net = slim.conv2d(net, 8, 5, stride=4)
        net = tf.reshape(net, [-1, 7 * 7 * 8])
        return *[slim.fully_connected(net, num_classes, activation_fn=None, scope=name)
                 for name in methods.head_scopes(num_heads)], {}


def train_exactly(network, out, backwards=False):
    """Five steps on the same 120 random pictures, as this process's TF_CONFIG says.

    Args: backwards: reverse the pictures of each batch.
    Writes: the weights as `out`, an .npz, unless this is a worker.
    """
    if network == 'tiny':
        tiny.default_image_size = dataset.IMAGE_SIZE
        nets_factory.register('tiny', tiny, alexnet.alexnet_v2_arg_scope)
    recipe = recipes.Recipe(network, initialization='he', keep_prob=None if network == 'tiny'
                            else 1.0, learning_rate=1e-4)
    facts = dataset.Facts()
    process = member.join()
    if process.serves:
        return process.serve()
    rng = np.random.RandomState(0)
    images = rng.uniform(-1, 1, [STEPS, BATCH, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])
    labels = rng.randint(10, size=[STEPS, BATCH, facts.heads])
    share = (slice(None, None, -1 if backwards else 1) if isinstance(process, member.Alone)
             else slice(process.number, None, len(process.task.trainers)))
    if not process.agree({}):
        raise AssertionError('the chief has ended already')
    with tf.Graph().as_default(), process.placement():
        tf.set_random_seed(0)
        x, y = captcha_train.build_placeholders()
        logits, _ = captcha_train.build_network(x, recipe, facts, is_training=True)
        loss = captcha_train.build_loss(logits, y)
        _, train_op = captcha_train.build_train_op(loss, recipe.learning_rate, process)
        initializer, weights = process.initializer(), tf.trainable_variables()

        def begin(sess):
            sess.run(initializer)
            return 0
        exactly = training.session_config(bfloat16=False)
        with process.session(exactly, begin, {}) as sess:
            for i in process.iterations(sess, 0, STEPS):
                sess.run(train_op, {x: images[i, share], **{
                    label: labels[i, share, k] for k, label in enumerate(y)}})
            if process.chief:
                values = sess.run(weights)
                np.savez(out, **{v.op.name: value for v, value in zip(weights, values)})
    return 0


def exact(args):
    """Print the difference between the weights of one process and of two.

    Adam divides a gradient by its own magnitude, so rounding alone decides the direction of
    near-zero ones. The second row shows how much: no cluster, each batch in reverse order.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: os.path.join(folder, f'{name}.npz') for name in ('one', 'two', 'other')}
        train_exactly(args.network, paths['one'])
        train_exactly(args.network, paths['other'], backwards=True)
        status = launch.launch([os.path.abspath(__file__), 'member', '--network', args.network,
                                '--out', paths['two']], launch.local_cluster())
        if status:
            raise console.UserError(f'a process of the cluster ended with status {status}')
        print('| network | weights | largest difference after five steps '
              '| differ by more than 1e-5 |')
        print('|---|---:|---:|---:|')
        with np.load(paths['one']) as one:
            for row, name in ('two processes', 'two'), ('one, reverse order', 'other'):
                with np.load(paths[name]) as found:
                    apart = np.concatenate([np.abs(one[key] - found[key]).ravel() for key in one])
                print(f'| {args.network}, {row} | {apart.size:,} | {apart.max():.1e} | '
                      f'{(apart > 1e-5).mean():.5%} |')


# --- speed
def train_command(args, batch_size, model_dir, steps):
    """The command line of a training; all else is the recipe's default."""
    return [TRAIN, '--network', args.network, '--train', args.train, '--test', args.test,
            '--batch-size', str(batch_size), '--model-dir', model_dir, '--steps', str(steps)]


def pictures_a_second(log_dir, batch_size, first, last):
    """Throughput between two iterations, from TensorBoard's file."""
    times = {}
    for name in os.listdir(log_dir):
        for event in tf.train.summary_iterator(os.path.join(log_dir, name)):
            if any(value.tag == 'loss' for value in event.summary.value):
                times[event.step] = event.wall_time
    return batch_size * (last - first) / (times[last] - times[first])


def speed(args):
    """Print the throughput of one process on all cores, and of a cluster of two."""
    batch = recipes.RECIPES[args.network, 'default'].batch_size
    half = batch // 2
    first, last = args.steps // 4, args.steps - 1
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for name, size in ('one', 2 * half), ('two', half):
            model_dir = os.path.join(folder, name)
            command = train_command(args, size, model_dir, args.steps)
            status = (subprocess.run([sys.executable, *command], check=False).returncode
                      if name == 'one' else launch.launch(command, launch.local_cluster()))
            if status:
                raise console.UserError(f'a training ended with status {status}')
            rates.append(pictures_a_second(os.path.join(model_dir, 'log'), 2 * half, first, last))
    print('| network | one process | chief, worker and ps | ratio |')
    print('|---|---:|---:|---:|')
    print(f'| {args.network} | {rates[0]:.0f} pictures/s | {rates[1]:.0f} pictures/s | '
          f'{rates[1] / rates[0]:.2f} |')


# --- faults
def train_noting(args):
    """Train with a checkpoint every 50 iterations; the chief records each step and its time.

    Writes: the file --out, lines of seconds and step.
    """
    process = member.join()
    if process.serves:
        return process.serve()
    with open(args.out, 'a', encoding='ascii') as notes:
        def note(i, _):
            notes.write(f'{time.time()} {i}\n')
            notes.flush()
            return False
        return captcha_train.train(
            recipes.make(args.network, steps=args.steps, batch_size=32),
            training.Run(args.train, args.test, os.path.dirname(args.out), save_every=SAVE_EVERY,
                         member=process, until=note))


def faults(args):
    """Print what kill -9 of each process at random moments costs, and how often all end well."""
    chance = random.Random(args.seed)
    print('| killed | times | all ended with status 0 and the last checkpoint | '
          'repeated steps, mean | max | seconds until the next step, mean | max |')
    print('|---|---:|---:|---:|---:|---:|---:|', flush=True)
    for job in args.jobs:
        ended, lost, waited = 0, [], []
        for _ in range(args.kills):
            with tempfile.TemporaryDirectory() as folder:
                fine, steps, seconds = one_fault(args, job, chance, folder)
            ended += fine
            lost.append(steps)
            waited.append(seconds)
        print(f'| {job} | {args.kills} | {ended} | {np.mean(lost):.0f} | {max(lost)} | '
              f'{np.mean(waited):.0f} | {max(waited):.0f} |', flush=True)


def one_fault(args, job, chance, folder):
    """Train, kill one process, restart it and check the result.

    Returns: whether all ended with status 0 and the last checkpoint is there; repeated steps;
      seconds from the kill to the next step.
    """
    addresses, notes = launch.local_cluster(), os.path.join(folder, 'steps.txt')
    command = [os.path.abspath(__file__), 'trainer', '--network', args.network, '--train',
               args.train, '--test', args.test, '--steps', str(args.steps), '--out', notes]

    def start(task):
        with open(os.path.join(folder, f'{task[0]}.log'), 'ab') as output:
            return subprocess.Popen(
                [sys.executable, '-u', *command], stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, 'TF_CONFIG': launch.config_of(addresses, *task)})
    processes = {task: start(task) for task in launch.tasks(addresses)}
    try:
        moment = chance.randrange(args.steps - 20)  # the step at which it is killed
        while last_step(notes) < moment:
            time.sleep(0.05)
            if processes['chief', 0].poll() is not None:
                raise console.UserError('the chief ended too early')
        time.sleep(chance.uniform(0, 0.3))
        processes[job, 0].send_signal(signal.SIGKILL)
        processes[job, 0].wait()
        killed, before = time.time(), last_step(notes)
        processes[job, 0] = start((job, 0))
        deadline = time.monotonic() + HANGS
        while (any(process.poll() is None for process in processes.values())
               and time.monotonic() < deadline):
            time.sleep(0.2)
        statuses = [process.poll() for process in processes.values()]
        newest = checkpoints.newest(folder, models.MODEL_NAME)
        fine = not any(status != 0 for status in statuses) and (
            checkpoints.step_of(newest or '') == args.steps - 1)
        if not fine:
            print(f'{job} killed after step {before}: statuses {statuses}', file=sys.stderr)
            for name in 'ps', 'chief', 'worker':
                with open(os.path.join(folder, f'{name}.log'), errors='replace') as log:
                    print(f'--- {name}\n{log.read()[-3000:]}', file=sys.stderr)
        moments = [(moment, step) for moment, step in steps_of(notes) if moment > killed]
        first = min(moments, default=(killed + HANGS, before + 1))
        return fine, max(0, before + 1 - first[1]), first[0] - killed
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def steps_of(notes):
    """[(time, step), ...] as the chief recorded them."""
    if not os.path.exists(notes):
        return []
    with open(notes, encoding='ascii') as file:
        lines = [line.split() for line in file if line.endswith('\n')]
    return [(float(moment), int(step)) for moment, step in lines]


def last_step(notes):
    """The last step noted, or -1."""
    return max((step for _, step in steps_of(notes)), default=-1)


# --- calculated
def expect(args):
    """Print the speedup of N trainers over one, from bytes moved and a step's time.

    Each receives all parameters and sends all gradients, 4 bytes each. A single parameter server
    carries all of them; of N servers, one per machine, the busiest carries its share, but at
    least the largest variable.
    """
    print(f'| {args.network}, {args.seconds} s a step | '
          + ' | '.join(f'{n} machines' for n in (2, 4, 8, 16)) + ' |')
    print('|---|' + '---:|' * 4)
    parameters, largest = PARAMETERS[args.network], LARGEST[args.network]
    for gigabits, spread in itertools.product([1, 10], [False, True]):
        cells = []
        for n in 2, 4, 8, 16:
            busiest = max(parameters / n, largest) if spread else parameters
            moved = 2 * 4 * busiest * n / (gigabits * GIGABIT)  # seconds
            cells.append(f'{n * args.seconds / (args.seconds + moved):.1f}')
        servers = 'one on each machine' if spread else 'one parameter server'
        print(f'| {gigabits} Gbit/s, {servers} | ' + ' | '.join(cells) + ' |')


def main():
    parser = console.parser(__doc__)
    parser.add_argument('what', choices=['exact', 'speed', 'faults', 'expect', 'member',
                                         'trainer'])
    parser.add_argument('--network', choices=['tiny', *recipes.NETWORKS], default='small_cnn')
    parser.add_argument('--train', default='captcha/shards', metavar='FOLDER')
    parser.add_argument('--test', default='captcha/shards/test.tfrecords', metavar='FILE')
    parser.add_argument('--steps', type=console.positive_int, default=201)
    parser.add_argument('--kills', type=console.positive_int, default=10)
    parser.add_argument('--jobs', nargs='+', default=['worker', 'chief', 'ps'],
                        choices=['worker', 'chief', 'ps'], help='rows of `faults`')
    parser.add_argument('--seconds', type=console.positive_float, default=0.15)
    parser.add_argument('--seed', type=console.seed_number, default=0)
    parser.add_argument('--out', help=argparse.SUPPRESS)  # of `member` and `trainer`, which
    # are processes of `exact` and of `faults`
    args = parser.parse_args()
    if (args.network == 'tiny') > (args.what in ('exact', 'member')):
        raise console.UserError(f'--network tiny: expected it with exact only, found {args.what}; '
                                f'use one of {", ".join(recipes.NETWORKS)}')
    if args.what == 'exact' and args.network == 'small_cnn':
        raise console.UserError('exact: expected a network without batch norm, which averages '
                                'over one process, found small_cnn; use --network alexnet_v2')
    if args.what == 'trainer':
        return train_noting(args)
    if args.what == 'member':
        return train_exactly(args.network, args.out)
    return {'exact': exact, 'speed': speed, 'faults': faults, 'expect': expect}[args.what](args)


if __name__ == '__main__':
    console.run(main)
