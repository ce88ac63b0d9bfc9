"""The methods: their losses, and how the heads are read."""
import numpy as np
import pytest

from helpers import tf
from nets import methods
from support.captcha import dataset


def test_the_vectors_loss_is_a_softmax_over_all_forty():
    """Against NumPy, where each of the four correct places has a target of a quarter."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=[4, 6, 10]).astype(np.float32)
    labels = rng.integers(0, 10, [4, 6])
    with tf.Graph().as_default(), tf.Session() as sess:
        found, perfect = sess.run([methods.vector_loss(
            [tf.constant(head) for head in heads],
            [tf.constant(label, tf.float32) for label in labels], 10)
            for heads in (logits, 1000 * np.eye(10, dtype=np.float32)[labels])])
    vector = np.concatenate(logits, axis=1)  # [6, 40]
    log_softmax = vector - np.log(np.exp(vector).sum(1, keepdims=True))
    places = labels + 10 * np.arange(4)[:, np.newaxis]  # [4, 6] of 0 ... 39
    assert found == pytest.approx(-np.mean(log_softmax[np.arange(6), places]), rel=1e-5)
    assert perfect == pytest.approx(np.log(4), rel=1e-5)


def test_each_heads_likeliest_class_is_read():
    with tf.Graph().as_default(), tf.Session() as sess:
        softmax = tf.constant([[[0.1, 0.6, 0.3], [0.2, 0.0, 0.8]]])
        classes, confidence = sess.run(methods.decode_heads(softmax, dataset.Facts('01', 1, 2)))
    assert classes.tolist() == [[1, 2]] and classes.dtype == np.int32
    np.testing.assert_allclose(confidence, [[0.6, 0.8]], rtol=1e-6)


def test_what_a_guessing_network_loses():
    """Of a character 2; of a vector of four, a text of eight by CTC, the text's."""
    assert methods.METHODS['heads'].chance(2.0, 4) == 2.0
    assert methods.METHODS['vector'].chance(2.0, 4) == pytest.approx(2.0 + np.log(4))
    assert methods.METHODS['ctc'].chance(2.0, 8) == 16.0
