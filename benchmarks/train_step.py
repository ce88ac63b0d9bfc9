"""One training step of AlexNet v2 with four heads: ours beside the floor and beside the others.

Command:  python benchmarks/train_step.py
          python benchmarks/train_step.py --tf1-python ~/tf1/bin/python    adds the original code
          python benchmarks/train_step.py --batches 1 5 25 100 200 --rows ours
Reads:    nothing; every row gets the same random pictures and labels
Writes:   a table on stdout: seconds a step (median, least, most), the ratios, peak memory
Takes:    about five minutes a batch size on two cores, most of it the slow rows

Each row is a process of its own. The rows take turns, several rounds, so that a machine whose
speed drifts does so for all of them. PyTorch's rows need benchmarks/requirements.txt and are left
out without it.

What was measured and not kept, because it did not pay or lay within the noise of the machine:
filter gradients as one matmul for each kernel offset, as a forward convolution or over extracted
patches (all slower); one or four threads between operations; the single-threaded executor; grappler
off (slower). What was kept for little: `slim._same_conv2d`, see --rows ours own-gradients.
"""
import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import cli  # noqa: E402  (after the path to it)

# --- what is timed
BATCHES = [25, 100]
STEPS = 4  # counted steps of a row in each round
ROUNDS = 3
NUM_CLASSES, HEADS, IMAGE_SIZE = 10, 4, 224
PARAMETERS = 46_355_304
ADAM_BYTES = 28  # a parameter: read g, m, v, w; write m, v, w; four bytes each

# Multiplications of the forward pass for one picture: positions x kernel x in x out.
FORWARD = {'conv1': 54 * 54 * 11 * 11 * 1 * 64, 'conv2': 26 * 26 * 5 * 5 * 64 * 192,
           'conv3': 12 * 12 * 3 * 3 * 192 * 384, 'conv4': 12 * 12 * 3 * 3 * 384 * 384,
           'conv5': 12 * 12 * 3 * 3 * 384 * 256, 'fc6': 5 * 5 * 256 * 4096, 'fc7': 4096 * 4096,
           'fc8': 4 * 4096 * 10}


def step_flops(batch):
    """Operations of a training step: forward, filter gradients, input gradients but conv1's."""
    return 2 * batch * (3 * sum(FORWARD.values()) - FORWARD['conv1'])


def data(batch):
    """Pictures float32 [batch, 224, 224], -1 ... 1, and labels [4, batch]."""
    rng = np.random.RandomState(0)
    return (rng.uniform(-1, 1, [batch, IMAGE_SIZE, IMAGE_SIZE]).astype(np.float32),
            rng.randint(0, NUM_CLASSES, [HEADS, batch]))


def timed(step, steps):
    """Seconds of `steps` calls after two that are not counted: they allocate and compile."""
    seconds = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds[2:]


# --- the rows: each returns the seconds of its steps

def floor(batch, steps):
    """The step's multiplications at the rate of a large matmul, plus Adam's memory traffic."""
    with cli.quiet_start():
        import tensorflow.compat.v1 as tf
    size = 4096
    with tf.Graph().as_default(), tf.Session() as sess:
        a, b = (tf.Variable(tf.random.normal([size, size])) for _ in range(2))
        product = tf.matmul(a, b).op
        sess.run(tf.global_variables_initializer())
        rate = 2 * size ** 3 / np.array(timed(lambda: sess.run(product), steps))  # operations/s
    source = np.ones(PARAMETERS, np.float32)
    target = np.empty_like(source)
    copy = timed(lambda: np.copyto(target, source), steps)  # reads and writes 4 bytes each
    memory = 2 * source.nbytes / np.array(copy)  # bytes/s
    return list(step_flops(batch) / rate + ADAM_BYTES * PARAMETERS / memory)


def graph_step(batch, steps, network):
    """Time captcha_train.py's placeholders, loss and optimiser over a network's four heads."""
    import captcha_train
    tf = captcha_train.tf
    images, labels = data(batch)
    with tf.Graph().as_default(), tf.Session() as sess:
        x, y = captcha_train.build_placeholders()
        logits = network(tf, tf.reshape(x, [batch, IMAGE_SIZE, IMAGE_SIZE, 1]))
        loss = captcha_train.build_loss(logits, y, NUM_CLASSES)
        _, optimizer, _ = captcha_train.build_train_op(loss, 0.0003)
        step = [optimizer, loss]
        sess.run(tf.global_variables_initializer())
        feed = {x: images, **dict(zip(y, labels))}
        return timed(lambda: sess.run(step, feed), steps)


def ours(batch, steps):
    """This project's network."""
    def network(_, images):
        from nets import nets_factory
        *logits, _ = nets_factory.get_network_fn('alexnet_v2', NUM_CLASSES, 0.0005, True)(images)
        return logits
    return graph_step(batch, steps, network)


def own_gradients(batch, steps):
    """Ours, with TensorFlow's own input gradients of the SAME convolutions."""
    def network(tf, images):
        from nets import nets_factory, slim
        trick = slim._same_conv2d
        slim._same_conv2d = lambda inputs, weights: tf.nn.conv2d(inputs, weights, 1, 'SAME')
        try:
            *logits, _ = nets_factory.get_network_fn(
                'alexnet_v2', NUM_CLASSES, 0.0005, True)(images)
        finally:
            slim._same_conv2d = trick
        return logits
    return graph_step(batch, steps, network)


def post_graph(batch, steps):
    """The post's graph on this TensorFlow: fc6, fc7 and the heads are convolutions."""
    def network(tf, net):
        def conv2d(net, filters, kernel, stride=1, padding='SAME', relu=True):
            w = tf.Variable(tf.random.truncated_normal(
                [kernel, kernel, int(net.shape[-1]), filters], stddev=0.01))
            b = tf.Variable(tf.zeros([filters]))
            net = tf.nn.bias_add(tf.nn.conv2d(net, w, stride, padding), b)
            return tf.nn.relu(net) if relu else net
        net = tf.nn.max_pool2d(conv2d(net, 64, 11, 4, 'VALID'), 3, 2, 'VALID')
        net = tf.nn.max_pool2d(conv2d(net, 192, 5), 3, 2, 'VALID')
        net = conv2d(conv2d(conv2d(net, 384, 3), 384, 3), 256, 3)
        net = tf.nn.max_pool2d(net, 3, 2, 'VALID')
        net = tf.nn.dropout(conv2d(net, 4096, 5, padding='VALID'), rate=0.5)
        net = tf.nn.dropout(conv2d(net, 4096, 1), rate=0.5)
        return [tf.squeeze(conv2d(net, NUM_CLASSES, 1, relu=False), [1, 2]) for _ in range(HEADS)]
    return graph_step(batch, steps, network)


def keras3(batch, steps):
    """Keras 3 on TensorFlow, the same layers as Dense, `train_on_batch` compiled."""
    os.environ['KERAS_BACKEND'] = 'tensorflow'
    with cli.quiet_start():
        import keras
    layers = keras.layers
    inputs = keras.Input([IMAGE_SIZE, IMAGE_SIZE, 1])
    net = layers.Conv2D(64, 11, 4, activation='relu')(inputs)
    net = layers.MaxPooling2D(3, 2)(net)
    net = layers.Conv2D(192, 5, padding='same', activation='relu')(net)
    net = layers.MaxPooling2D(3, 2)(net)
    for filters in 384, 384, 256:
        net = layers.Conv2D(filters, 3, padding='same', activation='relu')(net)
    net = layers.Flatten()(layers.MaxPooling2D(3, 2)(net))
    for _ in range(2):
        net = layers.Dropout(0.5)(layers.Dense(4096, activation='relu')(net))
    model = keras.Model(inputs, [layers.Dense(NUM_CLASSES)(net) for _ in range(HEADS)])
    assert model.count_params() == PARAMETERS
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.0003), [cross_entropy] * HEADS, jit_compile=False)
    images, labels = data(batch)
    images, labels = images[..., np.newaxis], list(labels)
    return timed(lambda: model.train_on_batch(images, labels), steps)


def torch_eager(batch, steps, compiled=False):
    """PyTorch, channels-last, the same layers as Linear."""
    import torch
    nn = torch.nn
    torch.manual_seed(0)

    def conv(*args, **kwargs):
        return [nn.Conv2d(*args, **kwargs), nn.ReLU()]
    body = nn.Sequential(
        *conv(1, 64, 11, 4), nn.MaxPool2d(3, 2), *conv(64, 192, 5, padding=2), nn.MaxPool2d(3, 2),
        *conv(192, 384, 3, padding=1), *conv(384, 384, 3, padding=1),
        *conv(384, 256, 3, padding=1), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(6400, 4096), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(4096, HEADS * NUM_CLASSES)).to(memory_format=torch.channels_last)
    assert sum(p.numel() for p in body.parameters()) == PARAMETERS
    images, labels = map(torch.from_numpy, data(batch))
    images = images[:, None].contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(body.parameters(), 0.0003)
    forward = torch.compile(body) if compiled else body

    def step():
        optimizer.zero_grad()
        logits = forward(images).reshape(batch, HEADS, NUM_CLASSES)
        loss = nn.functional.cross_entropy(logits.reshape(-1, NUM_CLASSES), labels.T.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss.item()
    return timed(step, steps)


def torch_compiled(batch, steps):
    """The same with torch.compile."""
    return torch_eager(batch, steps, compiled=True)


ROWS = {'floor': floor, 'ours': ours, 'post-graph': post_graph, 'keras3': keras3,
        'torch': torch_eager, 'torch-compiled': torch_compiled, 'own-gradients': own_gradients}
SHOWN_UNASKED = ['floor', 'ours', 'post-graph', 'keras3', 'torch', 'torch-compiled']


def run_row(name, batch, tf1_python):
    """Run one row in a process of its own: {'seconds': [...], 'peak_gib': ...} or None."""
    if name == 'tf1':
        command = [tf1_python, '-W', 'ignore', os.path.join(ROOT, 'benchmarks/train_step_tf1.py')]
    else:
        command = [sys.executable, os.path.abspath(__file__), '--row', name]
    ended = subprocess.run([*command, '--batch', str(batch), '--steps', str(STEPS)],
                           capture_output=True, text=True, cwd=ROOT)
    if ended.returncode:
        print(f'{name}: left out: {ended.stderr.strip().splitlines()[-1:]}', file=sys.stderr)
        return None
    return json.loads(ended.stdout.splitlines()[-1])


def table(names, batch, rounds, tf1_python):
    """Measure the rows in turns and print them."""
    seconds, peaks = {name: [] for name in names}, {}
    for number in range(rounds):
        for name in list(seconds):
            print(f'batch {batch}, round {number + 1} of {rounds}: {name}', file=sys.stderr)
            result = run_row(name, batch, tf1_python)
            if result is None:
                del seconds[name]
                continue
            seconds[name] += result['seconds']
            peaks[name] = max(peaks.get(name, 0), result['peak_gib'])
    median = {name: statistics.median(times) for name, times in seconds.items()}
    print(f'\nbatch {batch}: {step_flops(batch) / 1e9:.0f} GFLOP a step')
    print('| row | median s | min | max | of the floor | of ours | ms a picture | peak GiB |')
    print('|---|---|---|---|---|---|---|---|')
    for name, times in seconds.items():
        ratios = [f'{median[name] / median[other]:.2f}' if other in median else ''
                  for other in ('floor', 'ours')]
        print(f'| {name} | {median[name]:.3f} | {min(times):.3f} | {max(times):.3f} | '
              f'{ratios[0]} | {ratios[1]} | {1000 * median[name] / batch:.1f} | '
              f'{peaks[name]:.2f} |', flush=True)


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--batches', type=cli.positive_int, nargs='+', default=BATCHES)
    parser.add_argument('--rounds', type=cli.positive_int, default=ROUNDS)
    parser.add_argument('--rows', nargs='+', choices=ROWS, help='default: all but own-gradients')
    parser.add_argument('--tf1-python', metavar='PYTHON', help='Python 3.6 with TensorFlow 1.14')
    parser.add_argument('--row', choices=ROWS, help=argparse.SUPPRESS)
    parser.add_argument('--batch', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--steps', type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.row:
        seconds = ROWS[args.row](args.batch, args.steps)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** 2  # KiB -> GiB
        print(json.dumps({'seconds': seconds, 'peak_gib': peak}))
        return
    if args.rows is None:
        args.rows = SHOWN_UNASKED
        if importlib.util.find_spec('torch') is None:
            print('rows of PyTorch left out: not installed', file=sys.stderr)
            args.rows = [name for name in args.rows if not name.startswith('torch')]
    names = args.rows
    if args.tf1_python:
        names = [*names, 'tf1']
    for batch in args.batches:
        table(names, batch, args.rounds, args.tf1_python)


if __name__ == '__main__':
    cli.run(main)
