"""The network that reads lines: shapes, variables, and the picture at inference."""
import numpy as np
import tensorflow.compat.v1 as tf

from nets import line_cnn, nets_factory, slim, small_cnn


def test_shapes_and_variables():
    with tf.Graph().as_default():
        images = tf.zeros([2, *line_cnn.line_cnn.training_size(8), 1])
        with slim.arg_scope(small_cnn.small_cnn_arg_scope()):
            logits, end_points = line_cnn.line_cnn(images, 42)
        assert logits.shape == [2, 56, 43]
        assert end_points['line_cnn/conv7'].shape == [2, 4, 28, 192]
        count = sum(np.prod(v.shape.as_list()) for v in tf.trainable_variables())
        assert {v.op.name.split('/')[1] for v in tf.trainable_variables()} == {
            *(f'conv{k}' for k in range(1, 8)), 'columns', 'context1', 'context2', 'context3',
            'steps', 'fc8'}
        assert count == 1_795_979


def test_a_picture_is_read_the_same_beside_others():
    with tf.Graph().as_default(), tf.Session() as sess:
        images = tf.random.normal([3, 56, 224, 1], seed=0)
        with slim.arg_scope(small_cnn.small_cnn_arg_scope()):
            together, _ = line_cnn.line_cnn(images, 10, is_training=False)
            with tf.variable_scope(tf.get_variable_scope(), reuse=True):
                alone, _ = line_cnn.line_cnn(images[:1], 10, is_training=False)
        sess.run(tf.global_variables_initializer())
        one, other = sess.run([together, alone])
    np.testing.assert_allclose(one[:1], other, atol=1e-4)


def test_the_deep_network_begins_as_the_other():
    logits = {}
    for name in 'line_cnn', 'deep_line_cnn':
        with tf.Graph().as_default(), tf.Session() as sess:
            network = nets_factory.get_network_fn(name, 10, method='ctc')
            *columns, _ = network(tf.random.normal([2, 56, 224, 1], seed=0))
            sess.run(tf.global_variables_initializer())
            for variable in tf.global_variables():
                if variable.op.name.endswith(('weights', 'mean')) and '_more' not in (
                        variable.op.name):
                    draw = np.random.default_rng(variable.shape.num_elements())
                    variable.load(draw.normal(0, 0.05, variable.shape), sess)
            logits[name] = sess.run(columns)
    assert np.std(logits['line_cnn']) > 0.01
    np.testing.assert_allclose(logits['deep_line_cnn'], logits['line_cnn'], atol=1e-5)
