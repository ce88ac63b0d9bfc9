"""AlexNet v2: the post's table, slim's variables, the same numbers as TensorFlow's own layers."""
import numpy as np
import pytest

from helpers import LAYERS, initial_values, reference_heads, tf
from nets import nets_factory, slim

OUTPUTS = {'conv1': (54, 54, 64), 'pool1': (26, 26, 64), 'conv2': (26, 26, 192),
           'pool2': (12, 12, 192), 'conv3': (12, 12, 384), 'conv4': (12, 12, 384),
           'conv5': (12, 12, 256), 'pool5': (5, 5, 256), 'fc6': (1, 1, 4096),
           'dropout6': (1, 1, 4096), 'fc7': (1, 1, 4096), 'dropout7': (1, 1, 4096),
           **{f'fc8_{k}': (10,) for k in range(4)}}


def network(size=224, is_training=False, num_classes=10, weight_decay=0.0005, **kwargs):
    x = tf.placeholder(tf.float32, [None, size, size, 1])
    fn = nets_factory.get_network_fn('alexnet_v2', num_classes, weight_decay, is_training)
    return x, fn(x, **kwargs)


def test_variables_are_slims(graph):
    network()
    expected = {}
    for scope, shape in LAYERS.items():
        expected[f'alexnet_v2/{scope}/weights'] = shape
        expected[f'alexnet_v2/{scope}/biases'] = shape[-1:]
    found = {v.op.name: tuple(v.shape) for v in tf.global_variables()}
    assert found == expected
    assert sum(np.prod(shape) for shape in found.values()) == 46_355_304


def test_end_points_are_the_posts_table(graph):
    _, (*heads, end_points) = network(is_training=True)
    assert {name: tuple(net.shape[1:]) for name, net in end_points.items()} == {
        f'alexnet_v2/{scope}': shape for scope, shape in OUTPUTS.items()}
    assert [end_points[f'alexnet_v2/fc8_{k}'] is heads[k] for k in range(4)] == [True] * 4


def test_a_second_copy_shares_variables_and_has_its_own_end_points(graph):
    _, (*_, first) = network(is_training=True)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        _, (*_, second) = network(weight_decay=0.0)
    assert len(tf.global_variables()) == 22
    assert first.keys() == second.keys()
    assert all(first[name] is not second[name] for name in first)


def test_l2_losses_are_collected_once_for_each_weights(graph):
    network(is_training=True)
    losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    assert len(losses) == len(LAYERS)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        weights = next(v for v in tf.global_variables() if v.op.name == 'alexnet_v2/conv1/weights')
        found, value = sess.run([losses[0], weights])
    assert found == pytest.approx(0.0005 * np.sum(value.astype(np.float64) ** 2) / 2, rel=1e-5)


def test_no_weight_decay_collects_nothing(graph):
    network(weight_decay=0.0)
    assert tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES) == []


def test_the_posts_initial_values(graph):
    network()
    values = initial_values()
    assert np.all(values['conv3/biases'] == np.float32(0.1))
    assert np.all(values['fc6/biases'] == np.float32(0.1))
    assert np.all(values['fc8_2/biases'] == 0)
    limit = np.sqrt(6 / (9 * 192 + 9 * 384))  # Glorot uniform
    assert 0.99 * limit < np.abs(values['conv3/weights']).max() <= limit
    for scope in 'fc6', 'fc7', 'fc8_0':  # truncated at two deviations of 0.005; 0.88 of it remains
        assert np.abs(values[f'{scope}/weights']).max() <= 0.01
        assert values[f'{scope}/weights'].std() == pytest.approx(0.0044, rel=0.02)


def test_he_changes_the_convolutions_only(graph):
    x = tf.placeholder(tf.float32, [None, 224, 224, 1])
    nets_factory.get_network_fn('alexnet_v2', 10, initialization='he')(x)
    for name, value in initial_values().items():
        if name.endswith('biases'):
            assert np.all(value == np.float32(0 if 'fc8' in name else 0.1)), name
        elif name.startswith('fc'):
            assert value.std() == pytest.approx(0.0044, rel=0.02), name
        else:
            fan_in = np.prod(value.shape[:3])
            assert value.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.02), name


def test_alexnet_gives_tensorflows_logits_and_gradients(graph):
    """For each variable, to within 1e-5 of the gradient's largest value."""
    images = tf.constant(np.random.default_rng(0).normal(size=[2, 224, 224, 1]), tf.float32)
    fn = nets_factory.get_network_fn('alexnet_v2', 10, initialization='he')
    *ours, _ = fn(images)
    variables = tf.trainable_variables()
    theirs = reference_heads({v.op.name: v for v in variables}, images)
    losses = [tf.add_n([tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=[0, 7], logits=head)) for head in heads]) for heads in (ours, theirs)]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, expected = sess.run([ours, theirs])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
        gradients = sess.run([tf.gradients(loss, variables) for loss in losses])
        for variable, a, b in zip(variables, *gradients):
            assert np.abs(b).max() > 0
            assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max(), variable.op.name


def test_global_pool_takes_larger_inputs_and_agrees_at_224(graph):
    x, (*heads, _) = network()
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        pooled, (*pooled_heads, _) = network(global_pool=True)
        large, (*large_heads, end_points) = network(size=288, global_pool=True)
    assert end_points['alexnet_v2/fc6'].shape.as_list()[1:3] == [3, 3]
    pixels = np.random.default_rng(0).uniform(-1, 1, [1, 224, 224, 1])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        plain = sess.run(heads, {x: pixels})
        np.testing.assert_allclose(sess.run(pooled_heads, {pooled: pixels}), plain, atol=1e-5)
        tiled = np.pad(pixels, [(0, 0), (0, 64), (0, 64), (0, 0)])
        assert sess.run(large_heads[3], {large: tiled}).shape == (1, 10)


def test_without_squeeze_the_two_axes_stay(graph):
    _, (*heads, end_points) = network(spatial_squeeze=False, num_classes=36)
    assert [head.shape.as_list() for head in heads] == [[None, 1, 1, 36]] * 4
    assert end_points['alexnet_v2/fc8_3'].shape.as_list() == [None, 1, 1, 36]


def test_dropout_only_in_training(graph):
    x = tf.ones([1000])
    with tf.Session() as sess:
        dropped = sess.run(slim.dropout(x, 0.8, is_training=True))
        kept = sess.run(slim.dropout(x, 0.8, is_training=False))
    assert set(np.round(dropped, 5)) == {0, 1.25}
    assert 0.75 < np.mean(dropped > 0) < 0.85
    assert np.all(kept == 1)


def test_alexnet_needs_the_whole_picture():
    assert nets_factory.get_network_fn('alexnet_v2', 10).training_size == (224, 224)
