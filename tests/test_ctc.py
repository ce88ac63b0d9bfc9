"""CTC: the loss against a sum over all paths, the decoding against paths written by hand."""
import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from nets import ctc
from support.captcha import dataset, priors


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


def decoded(paths, longest, num_classes, prior=None):
    """What `ctc_decode` reads from paths; each class of a path has odds of e³ to 1."""
    likely = np.exp(3.0 * np.eye(num_classes + 1, dtype=np.float32)[np.array(paths)])
    facts = dataset.Facts('abcdefghi'[:num_classes], 1, longest)
    with tf.Graph().as_default(), tf.Session() as sess:
        return sess.run(ctc.ctc_decode(
            tf.constant(likely / likely.sum(axis=-1, keepdims=True)), facts, prior))


def test_decoding_joins_neighbours_and_leaves_blanks_out():
    classes, _ = decoded([[9, 9, 1, 1, 9, 1, 2, 2],  # 9 is the blank
                          [9, 9, 9, 9, 9, 9, 9, 9],
                          [0, 1, 2, 3, 4, 5, 6, 7]], 4, 9)
    assert classes.tolist() == [[1, 1, 2, 9], [9, 9, 9, 9], [0, 1, 2, 3]]


def test_the_characters_confidences_multiply_to_the_path_probability():
    _, confidence = decoded([[2, 0, 0, 2, 1, 2], [2, 2, 2, 2, 2, 2]], 3, 2)
    one = np.exp(3) / (np.exp(3) + 2)  # of a column
    np.testing.assert_allclose(confidence, [[one ** 4, one ** 2, 1], [one ** 6, 1, 1]], rtol=1e-5)


def test_characters_that_a_text_cannot_have_are_not_read():
    prior = priors.told(dataset.Facts('abc', 1, 4), 'bc')
    classes, confidence = decoded([[1, 0, 0, 2, 3, 3]], 4, 3, prior)  # 3 is the blank
    likely = np.exp([[0, 3, 0, 0], [3, 0, 0, 0]])[:, 1:]  # without 0, a column of it is undecided
    one, undecided = (row.max() / row.sum() for row in likely)
    assert classes.tolist() == [[1, 2, 3, 3]]
    np.testing.assert_allclose(confidence[0, :2], [one * undecided ** 2, one ** 3], rtol=1e-5)


def test_a_text_of_a_given_length_is_the_likeliest_of_that_length():
    """Against all texts of two characters, each with all paths that say it."""
    rng = np.random.default_rng(3)
    softmax = rng.dirichlet([1, 1, 4], size=[3, 8]).astype(np.float32)  # 8 columns, mostly blank
    softmax[2, [1, 4]] = [0.1, 0.8, 0.1]  # the likeliest path says two characters
    softmax[2, [0, 2, 3, 5, 6, 7]] = [0.05, 0.05, 0.9]
    facts = dataset.Facts('ab', 1, 4)
    with tf.Graph().as_default(), tf.Session() as sess:
        classes, confidence = sess.run(ctc.ctc_decode(
            tf.constant(softmax), facts, priors.told(facts, length=(2, 2))))
    for one, found, sure in zip(softmax, classes, confidence):
        path = list(one.argmax(axis=1))
        if len(said(path, 2)) == 2:  # of that length anyway: as without it
            assert found.tolist() == [*said(path, 2), 2, 2]
            assert sure.prod() == pytest.approx(one.max(axis=1).prod(), rel=1e-5)
            continue
        likely = {text: probability_of(one, text) for text in itertools.product(range(2), repeat=2)}
        best = max(likely, key=likely.get)
        assert found.tolist() == [*best, 2, 2]
        assert sure.prod() == pytest.approx(likely[best], rel=0.02)
    assert {len(said(one.argmax(axis=1), 2)) == 2 for one in softmax} == {True, False}


def probability_of(softmax, text):
    """The probability of all paths of 8 columns that say a text of the classes 0 and 1."""
    return sum(np.prod(softmax[range(8), path])
               for path in map(list, itertools.product(range(3), repeat=8))
               if said(path, 2) == list(text))


def test_an_unlikely_length_yields_to_a_text_that_is_nearly_as_likely():
    """One path says ab, the second choices a; a length of 1 is a thousand times likelier."""
    softmax = np.full([1, 8, 3], [0.01, 0.01, 0.98], np.float32)
    softmax[0, 0] = [0.9, 0.05, 0.05]
    softmax[0, 2] = [0.01, 0.55, 0.44]
    facts = dataset.Facts('ab', 1, 2)
    found = []
    for lengths in ([1, 1, 1], [0, 1, 0.001]):
        with tf.Graph().as_default(), tf.Session() as sess:
            prior = priors.Prior(np.ones(2, np.float32), np.array(lengths, np.float32))
            classes, _ = sess.run(ctc.ctc_decode(tf.constant(softmax), facts, prior))
        found.append(classes.tolist())
    assert found == [[[0, 1]], [[0, 2]]]
