"""The network has the post's names, shapes, numbers and penalties."""
import numpy as np
import tensorflow.compat.v1 as tf

import mnist_forward
from helpers import mnist_arrays, mnist_logits


def test_the_variables_have_the_posts_names_and_shapes():
    with tf.Graph().as_default():
        y = mnist_forward.forward(tf.placeholder(tf.float32, [None, 784]), 0.0001)
        assert y.shape.as_list() == [None, 10] and y.dtype == tf.float32
        assert [(v.op.name, v.shape.as_list()) for v in tf.trainable_variables()] == [
            ('Variable', [784, 500]), ('Variable_1', [500]),
            ('Variable_2', [500, 10]), ('Variable_3', [10])]


def test_logits_and_penalties_are_numpys():
    arrays = mnist_arrays(0)
    images = np.random.RandomState(3).rand(4, 784).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 784])
        y = mnist_forward.forward(x, 0.01)
        for variable in tf.trainable_variables():
            variable.load(arrays[variable.op.name], sess)
        assert np.allclose(sess.run(y, {x: images}), mnist_logits(images, arrays), atol=1e-4)
        penalties = sess.run(tf.get_collection('losses'))
        assert np.allclose(penalties, [0.01 * (arrays[key].astype(float) ** 2).sum() / 2
                                       for key in ('Variable', 'Variable_2')], rtol=1e-5)


def test_the_first_values_are_cut_off_normals_and_zeros():
    with tf.Graph().as_default(), tf.Session() as sess:
        mnist_forward.forward(tf.placeholder(tf.float32, [None, 784]), None)
        assert tf.get_collection('losses') == []
        sess.run(tf.global_variables_initializer())
        w1, b1, w2, b2 = sess.run(tf.trainable_variables())
    assert abs(w1).max() <= 0.2 and abs(w1).max() > 0.19
    assert abs(w1.std() - 0.088) < 0.001  # a normal with 0.1, truncated at twice that
    assert abs(w2).max() <= 0.2 and w2.std() > 0.08
    assert not b1.any() and not b2.any()
