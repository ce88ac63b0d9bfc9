"""A training step of AlexNet on this TensorFlow: the floor, ours, and what ours replaces.

Command:  python benchmarks/train_step_tf2.py ours --batch 25 --steps 4
Reads:    nothing
Writes:   one line of JSON on stdout: seconds of each step and peak memory
Takes:    seconds per step

floor          the step's multiplications at the rate of a large matrix product, plus Adam's memory
ours           this project's network
post-graph     the post's graph: fc6, fc7 and the heads are convolutions
own-gradients  ours, with TensorFlow's own input gradients of the SAME convolutions

train_step.py runs each as one of its rows.
"""
import os
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console

with console.quiet_start():
    import tensorflow.compat.v1 as tf

import captcha_train
import step_timing
from nets import nets_factory
from step_timing import HEADS, LEARNING_RATE, NUM_CLASSES

SIDE = 4096  # of the floor's square matrices


def floor(batch, steps):
    """The step's multiplications at the rate of a large matmul, plus Adam's memory traffic."""
    with tf.Graph().as_default(), tf.Session() as sess:
        a, b = (tf.Variable(tf.random.normal([SIDE, SIDE])) for _ in range(2))
        product = tf.matmul(a, b).op
        sess.run(tf.global_variables_initializer())
        seconds = np.array(step_timing.timed(lambda: sess.run(product), steps))
    rate = 2 * SIDE ** 3 / seconds  # operations/s
    source = np.ones(step_timing.PARAMETERS, np.float32)
    target = np.empty_like(source)
    copy = step_timing.timed(lambda: np.copyto(target, source), steps)
    memory = 2 * source.nbytes / np.array(copy)  # bytes/s; a copy reads and writes each
    return (step_timing.step_flops(batch) / rate
            + step_timing.ADAM_BYTES * step_timing.PARAMETERS / memory)


def graph_step(batch, steps, network):
    """Time captcha_train.py's placeholders, loss and optimiser over a network's four heads.

    Args: network: a function of float32 [batch, 224, 224, 1] that returns [batch, 10] four times.
    """
    images, labels = step_timing.data(batch)
    with tf.Graph().as_default(), tf.Session() as sess:
        x, y = captcha_train.build_placeholders()
        logits = network(tf.reshape(x, [batch, *images.shape[1:], 1]))
        loss = captcha_train.build_loss(logits, y, NUM_CLASSES)
        _, optimizer = captcha_train.build_train_op(loss, LEARNING_RATE)
        step = [optimizer, loss]
        sess.run(tf.global_variables_initializer())
        feed = {x: images, **dict(zip(y, labels))}
        return step_timing.timed(lambda: sess.run(step, feed), steps)


def ours(batch, steps):
    """This project's network."""
    def network(images):
        *logits, _ = nets_factory.get_network_fn('alexnet_v2', NUM_CLASSES, 0.0005, True)(images)
        return logits
    return graph_step(batch, steps, network)


def post_graph(batch, steps):
    """The post's graph on this TensorFlow: fc6, fc7 and the heads are convolutions."""
    return graph_step(batch, steps, plain_alexnet)


def own_gradients(batch, steps):
    """Ours, with TensorFlow's own input gradients of the SAME convolutions."""
    return graph_step(batch, steps, lambda images: plain_alexnet(images, products=True))


def plain_alexnet(net, products=False):
    """AlexNet in TensorFlow's own operations, without slim.

    Args:
      net: float32 [batch, 224, 224, 1].
      products: compute fc6, fc7 and the heads as matrix products, as nets/slim.py does.
    Returns: the heads' logits, four times float32 [batch, 10].
    """
    def variables(shape):
        return (tf.Variable(tf.random.truncated_normal(shape, stddev=0.01)),
                tf.Variable(tf.zeros(shape[-1:])))

    def conv2d(net, filters, kernel, stride=1, padding='SAME', relu=True):
        w, b = variables([kernel, kernel, int(net.shape[-1]), filters])
        net = tf.nn.bias_add(tf.nn.conv2d(net, w, stride, padding), b)
        return tf.nn.relu(net) if relu else net

    def covering(net, filters, relu=True):  # its kernel covers the whole map
        if not products:
            return conv2d(net, filters, int(net.shape[1]), padding='VALID', relu=relu)
        size = net.shape[1:].num_elements()
        w, b = variables([size, filters])
        net = tf.nn.bias_add(tf.matmul(tf.reshape(net, [-1, size]), w), b)
        return tf.reshape(tf.nn.relu(net) if relu else net, [-1, 1, 1, filters])

    def pool(net):
        return tf.nn.max_pool2d(net, 3, 2, 'VALID')
    net = pool(conv2d(net, 64, 11, 4, 'VALID'))  # [batch, 26, 26, 64]
    net = pool(conv2d(net, 192, 5))  # [batch, 12, 12, 192]
    net = pool(conv2d(conv2d(conv2d(net, 384, 3), 384, 3), 256, 3))  # [batch, 5, 5, 256]
    for _ in 'fc6', 'fc7':
        net = tf.nn.dropout(covering(net, 4096), rate=0.5)  # [batch, 1, 1, 4096]
    return [tf.squeeze(covering(net, NUM_CLASSES, relu=False), [1, 2]) for _ in range(HEADS)]


ROWS = {'floor': floor, 'ours': ours, 'post-graph': post_graph, 'own-gradients': own_gradients}


def main():
    step_timing.run_row(ROWS, __doc__)


if __name__ == '__main__':
    console.run(main)
