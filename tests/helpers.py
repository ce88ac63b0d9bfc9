"""Helpers that several test modules share: paths, and records and checkpoints of plain arrays."""
import dataclasses
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from support.common import console

with console.quiet_start():
    import tensorflow.compat.v1 as tf

import captcha_train
from nets import methods, nets_factory, slim
from support.captcha import dataset, network, recipes, records, training
from support.common import pictures
from support.common.console import UserError
from support.digits import input_data

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run_code(code, **kwargs):
    """Run Python code that may use `console` and `signals`."""
    code = (f'import sys; sys.path.insert(0, {ROOT!r})\n'
            f'from support.common import console, signals\n{code}')
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, **kwargs)


# --- pictures

def refused(path):
    """The line that refuses a file that is not a picture."""
    with pytest.raises(UserError) as raised:
        pictures.open_picture(path)
    line = str(raised.value)
    assert line.startswith(f'{path}: expected a picture file') and '\n' not in line
    return line


def grey(path, value):
    Image.new('L', (160, 60), value).save(path)


def many_scans(count):
    """A progressive JPEG whose last scan, an empty one, is there `count` times."""
    file = io.BytesIO()
    Image.new('L', (4000, 4000), 128).save(file, 'jpeg', progressive=True)
    content = file.getvalue()
    last = content.rindex(b'\xff\xda')
    return content[:last] + content[last:-2] * count + b'\xff\xd9'


# --- captchas

PICTURES = os.path.join(ROOT, 'samples', 'captchas')
CAPTCHAS = sorted(os.path.join(PICTURES, name) for name in os.listdir(PICTURES))
TEXTS = [os.path.basename(path)[:4] for path in CAPTCHAS]

# scope: (kernel height, kernel width, channels in, channels out), from the post's table
LAYERS = {'conv1': (11, 11, 1, 64), 'conv2': (5, 5, 64, 192), 'conv3': (3, 3, 192, 384),
          'conv4': (3, 3, 384, 384), 'conv5': (3, 3, 384, 256), 'fc6': (5, 5, 256, 4096),
          'fc7': (1, 1, 4096, 4096), **{f'fc8_{k}': (1, 1, 4096, 10) for k in range(4)}}


def reference_heads(variables, images):
    """The network of the post's table, with TensorFlow's own convolutions.

    Args: variables: {name: array, tensor or variable}; images: float32 [batch, 224, 224, 1].
    Returns: four heads' logits [batch, 10].
    """
    def conv(net, scope, padding, stride=1):
        return (tf.nn.conv2d(net, variables[f'alexnet_v2/{scope}/weights'], stride, padding)
                + variables[f'alexnet_v2/{scope}/biases'])

    def pool(net):
        return tf.nn.max_pool2d(net, 3, 2, 'VALID')
    net = pool(tf.nn.relu(conv(images, 'conv1', 'VALID', 4)))
    net = pool(tf.nn.relu(conv(net, 'conv2', 'SAME')))
    for scope in 'conv3', 'conv4', 'conv5':
        net = tf.nn.relu(conv(net, scope, 'SAME'))
    net = tf.nn.relu(conv(pool(net), 'fc6', 'VALID'))
    net = tf.nn.relu(conv(net, 'fc7', 'VALID'))
    return [tf.squeeze(conv(net, f'fc8_{k}', 'VALID'), [1, 2]) for k in range(4)]


def reference_logits(arrays, x):
    """The logits [4, batch, 10] of the post's network for x float32 [batch, 224, 224]."""
    names = [f'alexnet_v2/{scope}/{kind}' for scope in LAYERS for kind in ('weights', 'biases')]
    with tf.Graph().as_default(), tf.Session() as sess:
        fed = {name: tf.placeholder(tf.float32, arrays[name].shape) for name in names}
        heads = reference_heads(fed, tf.constant(x[..., np.newaxis]))
        return np.array(sess.run(heads, {fed[name]: arrays[name] for name in names}))


def reader_logits(about, images):
    """captcha_test.py's logits [4, batch, 10] for images uint8 [batch, 224, 224]."""
    with tf.Graph().as_default(), tf.Session() as sess:
        pixels = tf.placeholder(tf.uint8, [None, 224, 224])
        network.build_softmax(pixels, about)
        tf.train.Saver().restore(sess, about.checkpoint)
        heads = [tf.get_default_graph().get_tensor_by_name(f'alexnet_v2/fc8_{k}/squeezed:0')
                 for k in range(4)]
        return np.array(sess.run(heads, {pixels: images}))


def write_records(path, features):
    """Write [{key: bytes or int}, ...] with plain TensorFlow, independent of to_tfrecord.py."""
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        for keys in features:
            example = tf.train.Example()
            for key, value in keys.items():
                if isinstance(value, bytes):
                    example.features.feature[key].bytes_list.value.append(value)
                else:
                    example.features.feature[key].int64_list.value.append(value)
            writer.write(example.SerializeToString())


def read_back(path):
    """[(text, the image's first pixel), ...] of a record file."""
    facts = dataset.read_facts(str(path))
    return [(facts.text_of(classes), int(image[0, 0]))
            for image, classes in records.read_records(str(path))]


def record(image, labels):
    """The features of one record: image uint8 [224, 224], labels a list of classes."""
    return {'image': image.tobytes(), **{f'label{k}': label for k, label in enumerate(labels)}}


def tiny_network(inputs, num_classes, is_training=True, num_heads=4):
    """Linear heads on a coarse picture, which train in no time."""
    with tf.variable_scope('tiny'):
        net = tf.reshape(tf.nn.avg_pool2d(inputs, 32, 32, 'VALID'), [-1, 49])
        return *[slim.fully_connected(net, num_classes, activation_fn=None, scope=scope)
                 for scope in methods.head_scopes(num_heads)], {}


tiny_network.default_image_size = 224


def use_network(network):
    """Register a network under its own name and return AlexNet's recipe with that network.

    Its batches are of 8 pictures, which are quickly distorted.
    """
    network.default_image_size = 224
    nets_factory.register(network.__name__, network, lambda **_: {})
    return dataclasses.replace(recipes.RECIPES['alexnet_v2', 'default'],
                               network=network.__name__, keep_prob=None, batch_size=8)


def tiny_recipe(**changes):
    """A recipe for `tiny_network`."""
    return dataclasses.replace(use_network(tiny_network), **changes)


def run_in(folder, model_dir, **changes):
    """A training.RunConfig on the records of a folder."""
    return training.RunConfig(train_file=str(folder / 'train.tfrecords'),
                              test_file=str(folder / 'test.tfrecords'),
                              model_dir=str(model_dir), **changes)


def read_arrays(prefix):
    """All arrays of a checkpoint, by key."""
    reader = tf.train.load_checkpoint(str(prefix))
    return {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}


def write_arrays(prefix, arrays):
    """Write arrays as a checkpoint, without variables, and name it in the state file."""
    prefix = str(prefix)
    os.makedirs(os.path.dirname(prefix), exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as sess:
        fed = [tf.placeholder(np.asarray(value).dtype) for value in arrays.values()]
        sess.run(tf.raw_ops.SaveV2(prefix=prefix, tensor_names=list(arrays),
                                   shape_and_slices=[''] * len(arrays), tensors=fed),
                 dict(zip(fed, arrays.values())))
    tf.train.update_checkpoint_state(os.path.dirname(prefix), prefix)
    return prefix


def by_saved_model(folder, signature, name, value):
    """The outputs of a SavedModel, {name: array}."""
    with tf.Graph().as_default(), tf.Session() as sess:
        signatures = tf.saved_model.loader.load(sess, ['serve'], str(folder)).signature_def
        return sess.run({key: info.name for key, info in signatures[signature].outputs.items()},
                        {signatures[signature].inputs[name].name: value})


# --- MNIST

DATA = os.path.join(ROOT, 'data')
SAMPLES = [os.path.join(ROOT, 'samples', f'{digit}.jpg') for digit in range(10)]

# The keys TensorFlow 1.14 gave the post's variables, with dtype and shape.
MNIST_KEYS = {'Variable': ('float32', [784, 500]), 'Variable_1': ('float32', [500]),
              'Variable_2': ('float32', [500, 10]), 'Variable_3': ('float32', [10]),
              'Variable/ExponentialMovingAverage': ('float32', [784, 500]),
              'Variable_1/ExponentialMovingAverage': ('float32', [500]),
              'Variable_2/ExponentialMovingAverage': ('float32', [500, 10]),
              'Variable_3/ExponentialMovingAverage': ('float32', [10]),
              'Variable_4': ('int32', [])}


def mnist_arrays(step, seed=0):
    """A value for each key; the averages differ from the variables."""
    random = np.random.RandomState(seed)
    arrays = {key: (random.randn(*shape) * 0.1).astype(dtype)
              for key, (dtype, shape) in MNIST_KEYS.items() if shape}
    return {**arrays, 'Variable_4': np.int32(step)}


def write_mnist_checkpoint(folder, arrays, step):
    """Write `arrays` as the checkpoint folder/mnist_model-<step> and return its prefix."""
    return write_arrays(os.path.join(folder, f'mnist_model-{step}'), arrays)


def mnist_logits(images, arrays, averages=False):
    """The network's logits, computed with NumPy: float64 [batch, 10]."""
    suffix = '/ExponentialMovingAverage' if averages else ''
    w1, b1, w2, b2 = (arrays[key + suffix].astype(np.float64)
                      for key in ('Variable', 'Variable_1', 'Variable_2', 'Variable_3'))
    return np.maximum(images @ w1 + b1, 0) @ w2 + b2


def tiny_mnist(examples=400):
    """A data set of random pictures, the same for each call."""
    random = np.random.RandomState(2)
    images = random.rand(examples, 784).astype(np.float32)
    labels = np.eye(10)[random.randint(0, 10, examples)]
    part = input_data.DataSet(images, labels, seed=4)
    return input_data.Datasets(part, part, part)


def link_data(folder):
    """Make MNIST's files reachable as <folder>/data; skips the test where no link can be made."""
    try:
        os.symlink(DATA, os.path.join(folder, 'data'), target_is_directory=True)
    except (NotImplementedError, OSError) as error:
        pytest.skip(f'this system makes no symbolic links: {error}')


# --- trainings

def train(captchas, model_dir, steps, run=None, **changes):
    """Train the tiny network on the records of a folder; `run`: fields of training.RunConfig."""
    return captcha_train.train(tiny_recipe(steps=steps, **changes),
                               run_in(captchas, model_dir, **(run or {})))


def after_each_iteration(monkeypatch, call):
    """Make trainings call a function with the iteration's number and the loss before its step."""
    is_due = training.Supervisor.save_is_due

    def called(supervisor, i, loss, feed):
        call(i, loss)
        return is_due(supervisor, i, loss, feed)
    monkeypatch.setattr(training.Supervisor, 'save_is_due', called)


def saved(model_dir, iteration):
    """{key: array} of a checkpoint."""
    return read_arrays(model_dir / f'crack_captcha.model-{iteration}')


def kept(model_dir):
    """The names of the checkpoints in a folder."""
    return sorted(path.name for path in model_dir.glob('*.index'))


def initial_values():
    """{name without alexnet_v2: initial value} of all variables."""
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return {v.op.name.removeprefix('alexnet_v2/'): sess.run(v) for v in tf.global_variables()}
