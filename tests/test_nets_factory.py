"""Networks by name, with any number of heads."""
import numpy as np
import pytest

from helpers import tf
from nets import alexnet, nets_factory


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
