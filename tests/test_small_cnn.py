"""The small network: variables, heads that look, initial values."""
import numpy as np
import pytest

from helpers import tf
from nets import nets_factory

# scope: weights [kernel height, kernel width, channels in, channels out] and output for 224x224
SMALL = {'conv1': ((5, 5, 1, 32), (28, 56, 32)), 'conv2': ((3, 3, 32, 64), (14, 28, 64)),
         'conv3': ((3, 3, 64, 64), (14, 28, 64)), 'conv4': ((3, 3, 64, 96), (7, 14, 96)),
         'conv5': ((3, 3, 96, 128), (7, 14, 128)), 'conv6': ((3, 3, 128, 128), (4, 7, 128))}


def network(size=224, is_training=False, num_classes=10, weight_decay=0.0005, **kwargs):
    x = tf.placeholder(tf.float32, [None, size, size, 1])
    fn = nets_factory.get_network_fn('alexnet_v2', num_classes, weight_decay, is_training)
    return x, fn(x, **kwargs)


def small(x, **kwargs):
    return nets_factory.get_network_fn('small_cnn', 10, 0.0005, **kwargs)(x)


def test_the_small_networks_variables_and_end_points(graph):
    *heads, end_points = small(tf.placeholder(tf.float32, [None, 224, 224, 1]), is_training=True)
    expected = {}
    for scope, (shape, _) in SMALL.items():
        expected[f'{scope}/weights'] = shape
        for name in 'beta', 'moving_mean', 'moving_variance':
            expected[f'{scope}/BatchNorm/{name}'] = shape[-1:]
    for k in range(4):
        expected[f'fc8_{k}/weights'], expected[f'fc8_{k}/biases'] = (3584, 10), (10,)
    found = {v.op.name.removeprefix('small_cnn/'): tuple(v.shape) for v in tf.global_variables()}
    assert found == expected
    assert not any('moving' in v.op.name for v in tf.trainable_variables())
    assert {name.removeprefix('small_cnn/'): tuple(net.shape[1:])
            for name, net in end_points.items()} == {
        'pool0': (56, 112, 1), **{f'fc8_{k}': (10,) for k in range(4)},
        **{scope: shape for scope, (_, shape) in SMALL.items()}}
    assert [end_points[f'small_cnn/fc8_{k}'] is heads[k] for k in range(4)] == [True] * 4
    assert len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)) == 10  # six and four heads
    assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 12  # a mean and a variance a layer


def test_long_texts_are_looked_for_among_the_columns(graph):
    x = tf.placeholder(tf.float32, [None, 224, 224, 1])
    *heads, end_points = nets_factory.get_network_fn('small_cnn', 37, num_heads=8)(x)
    assert [head.shape.as_list() for head in heads] == [[None, 37]] * 8
    assert end_points['small_cnn/conv6'].shape.as_list() == [None, 4, 28, 128]
    shapes = {v.op.name.removeprefix('small_cnn/'): tuple(v.shape) for v in tf.global_variables()}
    for scope, (shape, _) in SMALL.items():  # the same trunk: its weights transfer
        assert shapes[f'{scope}/weights'] == shape
    assert shapes['fc8/weights'] == (384, 37) and shapes['attention/weights'] == (1, 1, 128, 8)
    looks, = [op.outputs[0] for op in graph.get_operations() if op.type == 'Softmax']
    pixels = np.random.default_rng(0).normal(size=[3, 224, 224, 1])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        together, weights = sess.run([heads, looks], {x: pixels})
        alone = sess.run(heads, {x: pixels[1:2]})
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)  # softmax is over the last axis
    np.testing.assert_allclose(np.array(together)[:, 1:2], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('attention, reach', [('fine_attention', 12), ('wide_attention', 24)])
def test_where_a_head_looks_is_decided_by_columns_within_reach(graph, attention, reach):
    """Columns far to the left tell that the last of 28 holds the seventh character."""
    x = tf.placeholder(tf.float32, [None, 224, 224, 1])
    *_, end_points = nets_factory.get_network_fn('small_cnn', 37, method=attention, num_heads=8)(x)
    look = end_points['small_cnn/attention'][0, 0, -1, 0]
    gradient = tf.gradients(look, end_points['small_cnn/conv6'])[0]  # [1, 4, 28, 128]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found = sess.run(gradient, {x: np.random.default_rng(0).normal(size=[1, 224, 224, 1])})
    seen = np.abs(found).max((0, 1, 3)) > 0  # [28]
    assert seen.tolist() == [27 - column <= reach for column in range(28)]


def test_in_use_a_picture_does_not_depend_on_its_neighbours(graph):
    x = tf.placeholder(tf.float32, [None, 224, 224, 1])
    *heads, _ = small(x)
    pixels = np.random.default_rng(0).normal(size=[3, 224, 224, 1])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        together, alone = sess.run(heads, {x: pixels}), sess.run(heads, {x: pixels[1:2]})
    np.testing.assert_allclose(np.array(together)[:, 1:2], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('initialization, variance', [('he', 2 / (9 * 128)),
                                                      ('post', 1 / (9 * 128))])
def test_the_small_networks_initial_values(graph, initialization, variance):
    small(tf.placeholder(tf.float32, [None, 224, 224, 1]), initialization=initialization)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        weights = sess.run(next(v for v in tf.global_variables()
                                if v.op.name == 'small_cnn/conv6/weights'))
    assert weights.var() == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize('method, num_heads, size', [
    ('heads', 4, (112, 112)), ('attention', 6, (112, 112)), ('attention', 7, (112, 224)),
    ('fine_attention', 4, (112, 224)), ('wide_attention', 4, (112, 224))])
def test_a_training_picture_may_be_smaller(method, num_heads, size):
    """Means over 2x2 or 2x1 pixels give the logits of the whole picture."""
    network = nets_factory.get_network_fn('small_cnn', 10, method=method, num_heads=num_heads)
    assert network.training_size == size
    images = np.random.default_rng(0).normal(size=[2, 224, 224, 1]).astype(np.float32)
    means = images.reshape(2, size[0], 224 // size[0], size[1], 224 // size[1], 1).mean((2, 4))
    with tf.Graph().as_default(), tf.Session() as sess:
        *whole, _ = network(tf.constant(images))
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            *small, _ = network(tf.constant(means))
        sess.run(tf.global_variables_initializer())
        for expected, found in zip(*sess.run([whole, small])):
            np.testing.assert_allclose(found, expected, atol=1e-4)
