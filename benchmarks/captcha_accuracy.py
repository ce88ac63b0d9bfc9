"""Accuracy on held-out captchas: by network, way to label, pictures, distortion, design choice.

Command:  python benchmarks/captcha_accuracy.py networks    both networks against the clock
          python benchmarks/captcha_accuracy.py methods     the post's two ways to label
          python benchmarks/captcha_accuracy.py pictures    from 1,000 pictures to all
          python benchmarks/captcha_accuracy.py distortion  from none to strong
          python benchmarks/captcha_accuracy.py choices     small_cnn with one thing changed
Reads:    captcha/train.tfrecords, captcha/test.tfrecords
Writes:   a table on stdout, what each training prints on stderr; checkpoints in a temporary folder
Takes:    networks: the default training of each network, on two cores 45 to 75 minutes and 5 to
          10; the others two or three for each training of the small network

Each training is `captcha_train.train` in a process of its own, with its defaults but that it is
measured on the held-out captchas more often and that `methods`, `pictures` and `choices` train on
pictures as they are, unless --distort is given. The minutes are the training's own: from its first
iteration, with reading, measuring and saving.
"""
import concurrent.futures
import contextlib
import functools
import glob
import io
import itertools
import multiprocessing
import os
import re
import sys
import tempfile
import time
import types

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import captcha_data  # noqa: E402  (after the path to it)
import cli  # noqa: E402

# --- how long the small network is trained for all tables but `networks`
SHORT = 1001  # iterations

# --- `pictures`
PICTURES = [1000, 3000, 10_000, 20_000]  # and all there are
MEASURED = 500  # training pictures read again without dropout

# --- `distortion`
DISTORTED = 10_000  # pictures: so few that it shows

# --- how often a network is measured on the held-out captchas, in iterations
MEASURE_EVERY = {'small_cnn': 200, 'alexnet_v2': 500}

HELD_OUT = re.compile(r'Held-out after iteration (\d+): characters ([\d.]+), '
                      r'whole captchas ([\d.]+) of (\d+)')


class Clocked(io.TextIOBase):
    """A stdout that passes lines on to stderr and notes when each came."""

    def __init__(self):
        self.lines = []  # (time.perf_counter(), line)

    def write(self, text):
        now = time.perf_counter()
        self.lines += [(now, line) for line in text.splitlines() if line]
        return sys.stderr.write(text)


def one_training(kwargs, change):
    """Worker: train once.

    Args:
      kwargs: for captcha_train.train, without model_dir.
      change: called first, to change what is trained; or None.
    Returns: a namespace of points [(minutes, iteration, characters, whole captchas), ...],
      pictures_per_second, megabytes (a checkpoint's size) and known (the share of its first
      training pictures that the network reads).
    """
    import captcha_test
    import captcha_train
    network = kwargs['network']
    captcha_train.SAVE_EVERY = MEASURE_EVERY[network]
    if change:
        change()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(Clocked()) as out:
        captcha_train.train(model_dir=folder, **kwargs)
        newest = captcha_data.newest_checkpoint(folder)
        read, _, _ = captcha_test.open_reader(folder)
        images, labels = next(captcha_data.read_batches(kwargs['train_file'], MEASURED))
        known = (read(images)[0] == labels).all(axis=1).mean()
        size = sum(os.path.getsize(path) for path in glob.glob(glob.escape(newest) + '.*'))
    start = next(when for when, line in out.lines if line.startswith('Iter:0 '))
    points = [((when - start) / 60, int(match[1]), float(match[2]), float(match[3]))
              for when, line in out.lines if (match := HELD_OUT.match(line))]
    batch = kwargs.get('batch_size') or captcha_train.training_defaults(network,
                                                                        'default').batch_size
    minutes, iteration, *_ = points[-1]
    return types.SimpleNamespace(points=points, megabytes=size / 1e6, known=known,
                                 pictures_per_second=batch * iteration / (60 * minutes))


def training(change=None, **kwargs):
    """`one_training` in a process of its own."""
    with concurrent.futures.ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context('spawn')) as pool:
        return pool.submit(one_training, kwargs, change).result()


def cost(network, num_classes):
    """The parameters of a network, and its multiplications for one picture."""
    from nets import nets_factory
    with cli.quiet_start():
        import tensorflow.compat.v1 as tf
    with tf.Graph().as_default() as graph:
        nets_factory.get_network_fn(network, num_classes)(tf.zeros([1, 224, 224, 1]))
        parameters = sum(v.shape.num_elements() for v in tf.trainable_variables())
        multiplications = 0
        for op in graph.get_operations():
            if op.type in ('Conv2D', 'MatMul'):
                weights, output = op.inputs[1].shape, op.outputs[0].shape
                # each output value is a sum over all of the kernel but its output channels
                multiplications += output.num_elements() * weights.num_elements() // weights[-1]
    return parameters, multiplications


def minutes_to(points, share):
    """The minutes at which a training was first measured at `share` or better."""
    return next((f'{minutes:.1f}' for minutes, _, _, whole in points if whole >= share), 'never')


def networks(args, charset):
    """Print the table of networks."""
    num_classes = len(captcha_data.CHARSETS[charset])
    print('| network | parameters | multiplications a picture | pictures/s | minutes to 90 % '
          '| to 97 % | to 98 % | to 98.5 % | at the end | minutes | a checkpoint |')
    print('|---|' + '---:|' * 10, flush=True)
    for name, seed in itertools.product(args.networks, args.seeds):
        result = training(**args.common, steps=args.steps, network=name, seed=seed)
        parameters, multiplications = cost(name, num_classes)
        marks = ' | '.join(minutes_to(result.points, share) for share in (0.9, 0.97, 0.98, 0.985))
        minutes, _, _, whole = result.points[-1]
        print(f'| {name}, seed {seed} | {parameters:,} | {multiplications / 1e6:.0f} million | '
              f'{result.pictures_per_second:.0f} | {marks} | {100 * whole:.1f} % | '
              f'{minutes:.1f} | {result.megabytes:.1f} MB |', flush=True)


def seed_names(args):
    """The heads of the columns that have a training each."""
    return ' | '.join(f'seed {seed}' for seed in args.seeds)


def percents(shares):
    """Cells of a table."""
    return ' | '.join(f'{100 * share:.1f} %' for share in shares)


def methods(args, _charset):
    """Print the table of methods: four heads, or one vector, of the small network."""
    print(f'| method | {seed_names(args)} | mean |')
    print('|---|' + '---:|' * (len(args.seeds) + 1), flush=True)
    for method in 'heads', 'vector':
        shares = [training(**args.common, steps=args.steps or SHORT, distorted=args.distort,
                           network='small_cnn', method=method, seed=seed).points[-1][3]
                  for seed in args.seeds]
        print(f'| {method} | {percents([*shares, sum(shares) / len(shares)])} |', flush=True)


@contextlib.contextmanager
def first_records(filename, count):
    """A temporary file of the first `count` records of `filename`."""
    with cli.quiet_start():
        import tensorflow.compat.v1 as tf
    with tempfile.TemporaryDirectory() as folder:
        part = os.path.join(folder, 'part.tfrecords')
        with tf.io.TFRecordWriter(part) as writer:
            for record in itertools.islice(tf.io.tf_record_iterator(filename), count):
                writer.write(record)
        yield part


def pictures(args, _charset):
    """Print what the small network reads of its training pictures and of new ones, by number."""
    print('| training pictures | passes over them | training pictures read | new ones read |')
    print('|---:|---:|---:|---:|', flush=True)
    steps = args.steps or SHORT
    for count in [*(count for count in PICTURES if count < args.total), args.total]:
        with first_records(args.common['train_file'], count) as part:
            for seed in args.seeds:
                result = training(**{**args.common, 'train_file': part}, steps=steps,
                                  distorted=args.distort, network='small_cnn', seed=seed)
                passes = result.pictures_per_second * result.points[-1][0] * 60 / count
                print(f'| {count:,} | {passes:.1f} | {100 * result.known:.1f} % | '
                      f'{100 * result.points[-1][3]:.1f} % |', flush=True)


def distortion(args, _charset):
    """Print what the small network reads after training on pictures more or less distorted."""
    print(f'| distortion | {seed_names(args)} |')
    print('|---|' + '---:|' * len(args.seeds), flush=True)
    with first_records(args.common['train_file'], DISTORTED) as part:
        for name, change in STRENGTHS.items():
            shares = [training(change, **{**args.common, 'train_file': part},
                               steps=args.steps or SHORT, network='small_cnn', seed=seed
                               ).points[-1][3]
                      for seed in args.seeds]
            print(f'| {name} | {percents(shares)} |', flush=True)


# --- what `distortion` and `choices` change, each in a process of its own

def change_distortion(shift, scale, shear):
    """Other limits of the distortion."""
    import captcha_train
    captcha_train.SHIFT, captcha_train.SCALE, captcha_train.SHEAR = shift, scale, shear


STRENGTHS = {'none': functools.partial(change_distortion, 0, 0.0, 0.0),
             'weaker': functools.partial(change_distortion, 6, 0.05, 0.05),
             'as it is': None,
             'stronger': functools.partial(change_distortion, 16, 0.12, 0.2)}


def change_batch_norm():
    """Biases instead of batch norm."""
    from nets import nets_factory, slim

    def arg_scope(weight_decay):
        with slim.arg_scope([slim.conv2d], padding='SAME') as scope:
            return scope
    network, _ = nets_factory.NETWORKS['small_cnn']
    nets_factory.NETWORKS['small_cnn'] = network, arg_scope


def replace_layers(**layers):
    """Give small_cnn other layers than slim's."""
    from nets import slim, small_cnn
    small_cnn.slim = types.SimpleNamespace(**{**vars(slim), **layers})


def change_dropout():
    """In training each head reads half of the last map, drawn anew, as AlexNet's do of fc7."""
    from nets import nets_factory, slim
    network, arg_scope = nets_factory.NETWORKS['small_cnn']

    @functools.wraps(network)
    def with_dropout(inputs, num_classes, is_training=True, **kwargs):
        replace_layers(fully_connected=lambda net, *head, **more: slim.fully_connected(
            slim.dropout(net, 0.5, is_training), *head, **more))
        return network(inputs, num_classes, is_training, **kwargs)
    nets_factory.NETWORKS['small_cnn'] = with_dropout, arg_scope


def change_strides():
    """Convolutions of stride 1 and a maximum over 2x2 instead of a stride of 2."""
    from nets import slim

    def conv2d(net, *args, stride=1, **kwargs):
        net = slim.conv2d(net, *args, **kwargs)
        return net if stride == 1 else slim.max_pool2d(net, 2, 2, padding='SAME')
    replace_layers(conv2d=conv2d)


def change_shrinking():
    """Every eighth pixel instead of the mean of eight."""
    replace_layers(avg_pool2d=lambda net, *_, **__: net[:, 2::4, 1::2])


def change_initialization():
    """Glorot's initial values instead of He's."""
    import captcha_train
    captcha_train.RECIPES['default']['initialization'] = 'post'


def change_cosine():
    """The rate stays what it was at the start."""
    import captcha_train
    captcha_train.COSINE = {}
    captcha_train.DIVIDE_BY = 1


CHANGES = {'as it is': None,
           'biases instead of batch norm': change_batch_norm,
           'dropout before the heads': change_dropout,
           'maximum over 2x2 instead of strides': change_strides,
           'every eighth pixel instead of their mean': change_shrinking,
           "Glorot's initial values instead of He's": change_initialization,
           'a constant rate of 0.003': change_cosine}


def choices(args, _charset):
    """Print the table of the small network with one thing changed."""
    print(f'| small_cnn | {seed_names(args)} | pictures/s |')
    print('|---|' + '---:|' * (len(args.seeds) + 1), flush=True)
    for row in args.rows:
        results = [training(CHANGES[row], **args.common, steps=args.steps or SHORT, batch_size=64,
                            learning_rate=0.003, distorted=args.distort, network='small_cnn',
                            seed=seed)
                   for seed in args.seeds]
        cells = percents(result.points[-1][3] for result in results)
        rate = sum(result.pictures_per_second for result in results) / len(results)
        print(f'| {row} | {cells} | {rate:.0f} |', flush=True)


TABLES = {'networks': networks, 'methods': methods, 'pictures': pictures, 'distortion': distortion,
          'choices': choices}


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('table', choices=TABLES)
    parser.add_argument('--networks', nargs='+', choices=MEASURE_EVERY,
                        default=list(MEASURE_EVERY), help='rows of `networks` (default: all)')
    parser.add_argument('--rows', nargs='+', choices=CHANGES, default=list(CHANGES), metavar='ROW',
                        help=f'some of `choices`: {"; ".join(CHANGES)} (default: all)')
    parser.add_argument('--seeds', nargs='+', type=cli.seed_number, default=[0])
    parser.add_argument('--steps', type=cli.positive_int,
                        help='iterations of each training (default: for `networks` the '
                             f"network's own, for the others {SHORT})")
    parser.add_argument('--distort', action='store_true',
                        help='distort the training pictures for `methods`, `pictures` and '
                             '`choices`, too')
    parser.add_argument('--train', default=captcha_data.TRAIN_FILE, metavar='FILE',
                        help='training records (default: %(default)s)')
    parser.add_argument('--test', default=captcha_data.TEST_FILE, metavar='FILE',
                        help='held-out records (default: %(default)s)')
    args = parser.parse_args()
    args.total, charset = captcha_data.survey(args.train)
    test_count, _ = captcha_data.survey(args.test)
    print(f'{charset}: {args.total} training pictures, {test_count} held-out ones\n', flush=True)
    args.common = dict(train_file=args.train, test_file=args.test)
    TABLES[args.table](args, charset)


if __name__ == '__main__':
    cli.run(main)
