"""CTC: the loss against a sum over all paths, the decoding against paths written by hand."""
import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from nets import ctc
from support.captcha import dataset


def said(path, blank):
    """The text of a path of classes: repeats merged, blanks dropped."""
    return [one for one, _ in itertools.groupby(path) if one != blank]


def test_the_loss_sums_over_all_paths_that_say_the_text():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=[3, 5, 3])  # 5 columns, 2 classes and the blank
    labels = np.array([[0, 1, 2], [1, 1, 2], [0, 2, 2]])  # 2: no character
    softmax = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    wanted = []
    for one, label in zip(softmax, labels):
        text = [value for value in label if value < 2]
        wanted.append(-np.log(sum(np.prod(one[range(5), path])
                                  for path in map(list, itertools.product(range(3), repeat=5))
                                  if said(path, 2) == text)))
    with tf.Graph().as_default(), tf.Session() as sess:
        loss = sess.run(ctc.ctc_loss(
            [tf.constant(column, tf.float32) for column in logits.transpose(1, 0, 2)],
            [tf.constant(label, tf.float32) for label in labels.T], 2))
    assert loss == pytest.approx(np.mean(wanted), rel=1e-5)


def decoded(paths, longest, num_classes):
    """What `ctc_decode` reads from paths; each class of a path has odds of e³ to 1."""
    likely = np.exp(3.0 * np.eye(num_classes + 1, dtype=np.float32)[np.array(paths)])
    facts = dataset.Facts('abcdefghi'[:num_classes], 1, longest)
    with tf.Graph().as_default(), tf.Session() as sess:
        return sess.run(ctc.ctc_decode(
            tf.constant(likely / likely.sum(axis=-1, keepdims=True)), facts))


def test_decoding_joins_neighbours_and_leaves_blanks_out():
    classes, sure = decoded([[9, 9, 1, 1, 9, 1, 2, 2],  # 9 is the blank
                             [9, 9, 9, 9, 9, 9, 9, 9],
                             [0, 1, 2, 3, 4, 5, 6, 7]], 4, 9)
    assert classes.tolist() == [[1, 1, 2, 9], [9, 9, 9, 9], [0, 1, 2, 3]]
    assert (sure.prod(axis=1) > 0).tolist() == [True, True, False]  # the last is cut


def test_the_characters_confidences_multiply_to_the_path_probability():
    _, confidence = decoded([[2, 0, 0, 2, 1, 2], [2, 2, 2, 2, 2, 2]], 3, 2)
    one = np.exp(3) / (np.exp(3) + 2)  # of a column
    np.testing.assert_allclose(confidence, [[one ** 4, one ** 2, 1], [one ** 6, 1, 1]], rtol=1e-5)
