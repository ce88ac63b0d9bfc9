"""slim's layers compute the same as TensorFlow's own."""
import numpy as np
import pytest

from helpers import tf
from nets import nets_factory, slim


def network(size=224, is_training=False, num_classes=10, weight_decay=0.0005, **kwargs):
    x = tf.placeholder(tf.float32, [None, size, size, 1])
    fn = nets_factory.get_network_fn('alexnet_v2', num_classes, weight_decay, is_training)
    return x, fn(x, **kwargs)


@pytest.mark.parametrize('size, kernel, padding', [(5, 5, 'VALID'), (1, 1, 'VALID'),
                                                   (1, 1, 'SAME'), (6, 5, 'VALID'),
                                                   (5, 3, 'SAME'), (5, 5, 'SAME'), (3, 1, 'SAME')])
def test_conv2d_gives_tensorflows_values_and_gradients(graph, size, kernel, padding):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=[3, size, size, 4]), tf.float32)
    ours = slim.conv2d(x, 7, kernel, padding=padding, scope='conv')
    weights, biases = tf.trainable_variables()
    theirs = tf.nn.relu(tf.nn.conv2d(x, weights, 1, padding) + biases)
    pull = tf.constant(rng.normal(size=theirs.shape.as_list()), tf.float32)
    gradients = [tf.gradients(tf.reduce_sum(net * pull), [x, weights, biases])
                 for net in (ours, theirs)]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, expected, (found_grads, expected_grads) = sess.run([ours, theirs, gradients])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    for a, b in zip(found_grads, expected_grads):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())


def test_a_kernel_that_covers_its_input_is_no_convolution(graph):
    *_, end_points = network()[1]
    kinds = {op.name: op.type for op in graph.get_operations()}
    assert sum(kind == 'Conv2D' for kind in kinds.values()) == 5  # conv1 ... conv5
    assert sum(kind == 'MatMul' for kind in kinds.values()) == 6  # fc6, fc7, four heads


def test_arg_scope_nests_and_comes_back(graph):
    x = tf.zeros([1, 8, 8, 1])
    with slim.arg_scope([slim.conv2d], padding='VALID', activation_fn=None) as outer:
        with slim.arg_scope([slim.conv2d], padding='SAME'):
            inner = slim.conv2d(x, 2, 3, scope='a')
            override = slim.conv2d(x, 2, 3, padding='VALID', scope='b')
        after = slim.conv2d(x, 2, 3, scope='c')
    plain = slim.conv2d(x, 2, 3, scope='d')
    with slim.arg_scope(outer):
        again = slim.conv2d(x, 2, 3, scope='e')
    assert [int(net.shape[1]) for net in (inner, override, after, plain, again)] == [8, 6, 6, 8, 6]
    assert (after.op.type, plain.op.type) == ('BiasAdd', 'Relu')


def test_fully_connected_is_a_matrix_product(graph):
    x = np.random.default_rng(0).normal(size=[5, 3]).astype(np.float32)
    net = slim.fully_connected(tf.constant(x), 4, activation_fn=None, scope='fc')
    weights, biases = tf.global_variables()
    assert (weights.op.name, biases.op.name) == ('fc/weights', 'fc/biases')
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, w = sess.run([net, weights])
    np.testing.assert_allclose(found, x @ w, rtol=1e-5, atol=1e-6)


def test_batch_norm_in_training_and_in_use(graph):
    rng = np.random.default_rng(0)
    pixels = rng.normal(3, 2, [4, 5, 6, 7]).astype(np.float32)
    x = tf.constant(pixels)
    with tf.variable_scope('layer'):
        training = slim.batch_norm(x, decay=0.9)
    with tf.variable_scope('layer', reuse=True):
        in_use = slim.batch_norm(x, is_training=False)
    assert sorted(v.op.name for v in tf.global_variables()) == [
        f'layer/BatchNorm/{name}' for name in ('beta', 'moving_mean', 'moving_variance')]
    mean, variance = pixels.mean((0, 1, 2)), pixels.var((0, 1, 2))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(sess.run(in_use), pixels / np.sqrt(1.001), rtol=1e-5)
        found, *_ = sess.run([training, *tf.get_collection(tf.GraphKeys.UPDATE_OPS)])
        np.testing.assert_allclose(found, (pixels - mean) / np.sqrt(variance + 0.001),
                                   rtol=1e-4, atol=1e-5)
        averages = {v.op.name: sess.run(v) for v in tf.global_variables()}
        np.testing.assert_allclose(averages['layer/BatchNorm/moving_mean'], 0.1 * mean, rtol=1e-4)
        unbiased = variance * 120 / 119  # of 4 * 5 * 6 values, TensorFlow's way
        np.testing.assert_allclose(averages['layer/BatchNorm/moving_variance'],
                                   0.9 + 0.1 * unbiased, rtol=1e-4)
        np.testing.assert_allclose(
            sess.run(in_use), (pixels - 0.1 * mean) / np.sqrt(0.9 + 0.1 * unbiased + 0.001),
            rtol=1e-4, atol=1e-5)
