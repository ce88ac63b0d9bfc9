"""The networks: the post's table, slim's variables, the same numbers as TensorFlow's own layers."""
import numpy as np
import pytest

from helpers import LAYERS, reference_heads, tf
from nets import alexnet, nets_factory, slim

OUTPUTS = {'conv1': (54, 54, 64), 'pool1': (26, 26, 64), 'conv2': (26, 26, 192),
           'pool2': (12, 12, 192), 'conv3': (12, 12, 384), 'conv4': (12, 12, 384),
           'conv5': (12, 12, 256), 'pool5': (5, 5, 256), 'fc6': (1, 1, 4096),
           'dropout6': (1, 1, 4096), 'fc7': (1, 1, 4096), 'dropout7': (1, 1, 4096),
           **{f'fc8_{k}': (10,) for k in range(4)}}


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(0)
        yield graph


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


def initial_values():
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return {v.op.name.removeprefix('alexnet_v2/'): sess.run(v) for v in tf.global_variables()}


def test_the_posts_initial_values(graph):
    network()
    values = initial_values()
    assert np.all(values['conv3/biases'] == np.float32(0.1))
    assert np.all(values['fc6/biases'] == np.float32(0.1))
    assert np.all(values['fc8_2/biases'] == 0)
    limit = np.sqrt(6 / (9 * 192 + 9 * 384))  # Glorot uniform
    assert 0.99 * limit < np.abs(values['conv3/weights']).max() <= limit
    for scope in 'fc6', 'fc7', 'fc8_0':  # truncated at two deviations of 0.005: 0.88 of it remain
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


def test_an_unknown_initialization_is_a_value_error(graph):
    with pytest.raises(ValueError, match='he'):
        nets_factory.get_network_fn('alexnet_v2', 10, initialization='xavier')


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


def test_alexnet_gives_tensorflows_logits_and_gradients(graph):
    """Of every variable, to 1e-5 of the gradient's largest value."""
    images = tf.constant(np.random.default_rng(0).normal(size=[3, 224, 224, 1]), tf.float32)
    fn = nets_factory.get_network_fn('alexnet_v2', 10, initialization='he')
    *ours, _ = fn(images)
    variables = tf.trainable_variables()
    theirs = reference_heads({v.op.name: v for v in variables}, images)
    losses = [tf.add_n([tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=[0, 7, 8], logits=head)) for head in heads]) for heads in (ours, theirs)]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, expected = sess.run([ours, theirs])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
        for variable in variables:
            a, b = sess.run([tf.gradients(loss, variable)[0] for loss in losses])
            assert np.abs(b).max() > 0
            assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max(), variable.op.name


def test_global_pool_takes_larger_inputs_and_agrees_at_224(graph):
    x, (*heads, _) = network()
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        pooled, (*pooled_heads, _) = network(global_pool=True)
        large, (*large_heads, end_points) = network(size=288, global_pool=True)
    assert end_points['alexnet_v2/fc6'].shape.as_list()[1:3] == [3, 3]
    pixels = np.random.default_rng(0).uniform(-1, 1, [2, 224, 224, 1])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        plain = sess.run(heads, {x: pixels})
        np.testing.assert_allclose(sess.run(pooled_heads, {pooled: pixels}), plain, atol=1e-5)
        tiled = np.pad(pixels, [(0, 0), (0, 64), (0, 64), (0, 0)])
        assert sess.run(large_heads[3], {large: tiled}).shape == (2, 10)


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


def test_factory(graph):
    fn = nets_factory.get_network_fn('alexnet_v2', 10)
    assert fn.default_image_size == alexnet.alexnet_v2.default_image_size == 224
    with pytest.raises(ValueError, match='alexnet_v2'):
        nets_factory.get_network_fn('alexnet_v3', 10)
    with pytest.raises(ValueError, match="unknown method 'vectors' of alexnet_v2; "
                                         "known: heads, vector"):
        nets_factory.get_network_fn('alexnet_v2', 10, method='vectors')


def test_a_network_of_ones_own(graph):
    def linear(inputs, num_classes, is_training=True, num_heads=4):
        return *[inputs[:, 0, :num_classes, 0] + k for k in range(num_heads)], {}
    linear.default_image_size = 16
    nets_factory.register('linear', linear, lambda weight_decay, initialization: {})
    assert 'linear' in nets_factory.names()
    fn = nets_factory.get_network_fn('linear', 3, num_heads=2)
    *heads, end_points = fn(tf.zeros([1, 16, 16, 1]))
    assert fn.default_image_size == 16 and end_points == {}
    with tf.Session() as sess:
        assert np.array(sess.run(heads)).tolist() == [[[0, 0, 0]], [[1, 1, 1]]]


@pytest.mark.parametrize('name', ['alexnet_v2', 'small_cnn'])
def test_as_many_heads_as_characters(graph, name):
    *heads, end_points = nets_factory.get_network_fn(name, 37, num_heads=6)(
        tf.zeros([1, 224, 224, 1]))
    assert [head.shape.as_list() for head in heads] == [[1, 37]] * 6
    assert {f'{name}/fc8_{k}' for k in range(6)} <= set(end_points)


# --- Method 1: one head of 4 x classes

@pytest.mark.parametrize('name, values', [('alexnet_v2', 4096), ('small_cnn', 3584)])
def test_a_vector_is_one_head_in_quarters(graph, name, values):
    x = tf.constant(np.random.default_rng(0).normal(size=[2, 224, 224, 1]), tf.float32)
    *logits, end_points = nets_factory.get_network_fn(name, 10, method='vector')(x)
    heads = {v.op.name: v.shape.as_list() for v in tf.trainable_variables() if 'fc8' in v.op.name}
    assert list(heads) == [f'{name}/fc8/weights', f'{name}/fc8/biases']
    assert np.prod(heads[f'{name}/fc8/weights']) == values * 40
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        quarters, vector = sess.run([logits, end_points[f'{name}/fc8']])
    assert vector.shape == (2, 40)
    np.testing.assert_array_equal(np.concatenate(quarters, axis=1), vector)


# --- the small network

# scope: weights [kernel height, kernel width, channels in, channels out] and output for 224x224
SMALL = {'conv1': ((5, 5, 1, 32), (28, 56, 32)), 'conv2': ((3, 3, 32, 64), (14, 28, 64)),
         'conv3': ((3, 3, 64, 64), (14, 28, 64)), 'conv4': ((3, 3, 64, 96), (7, 14, 96)),
         'conv5': ((3, 3, 96, 128), (7, 14, 128)), 'conv6': ((3, 3, 128, 128), (4, 7, 128))}


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
    for scope, (shape, _) in SMALL.items():  # the trunk is the other's: weights can be begun with
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
    """That the last of 28 columns holds the seventh character shows by those far to its left."""
    x = tf.placeholder(tf.float32, [None, 224, 224, 1])
    *_, end_points = nets_factory.get_network_fn('small_cnn', 37, method=attention, num_heads=8)(x)
    look = end_points['small_cnn/attention'][0, 0, -1, 0]
    gradient = tf.gradients(look, end_points['small_cnn/conv6'])[0]  # [1, 4, 28, 128]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found = sess.run(gradient, {x: np.random.default_rng(0).normal(size=[1, 224, 224, 1])})
    seen = np.abs(found).max((0, 1, 3)) > 0  # [28]
    assert seen.tolist() == [27 - column <= reach for column in range(28)]


def test_batch_norm_in_training_and_in_use(graph):
    rng = np.random.default_rng(0)
    pixels = rng.normal(3, 2, [4, 5, 6, 7]).astype(np.float32)
    x = tf.constant(pixels)
    with tf.variable_scope('layer'):
        training = slim.batch_norm(x, decay=0.9, scale=True)
    with tf.variable_scope('layer', reuse=True):
        in_use = slim.batch_norm(x, scale=True, is_training=False)
    assert sorted(v.op.name for v in tf.global_variables()) == [
        f'layer/BatchNorm/{name}' for name in ('beta', 'gamma', 'moving_mean', 'moving_variance')]
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
    """The means of 2x2 or of 2x1 pixels give the logits of the whole picture."""
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


def test_alexnet_needs_the_whole_picture():
    assert nets_factory.get_network_fn('alexnet_v2', 10).training_size == (224, 224)
