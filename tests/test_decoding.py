"""Texts from probabilities: against paths written by hand, and against all paths there are."""
import itertools
import re

import numpy as np
import pytest

from helpers import tf
from nets import ctc
from support.captcha import dataset, decoding, priors

GENERAL = dataset.Facts('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+-*/=?', 1, 8)


# --- heads
@pytest.mark.parametrize('alphabet, length, classes, confidence', [
    (None, None, [1, 2], [0.6, 0.8]),
    ('0', None, [0, 2], [1, 0.8]),  # of the first head 0 alone is left
    (None, (2, 2), [1, 0], [0.6 / 0.7, 1]),  # two characters: no blank
    (None, (1, 1), [1, 2], [0.6 / 0.7, 1])])  # one: nothing but a blank comes second
def test_heads_restricted_to_fewer_characters_or_lengths(alphabet, length, classes, confidence):
    softmax = np.float32([[[0.1, 0.6, 0.3], [0.2, 0.0, 0.8]]])
    facts = dataset.Facts('01', 1, 2)
    found, sure = decoding.of_heads(softmax, facts, priors.told(facts, alphabet, length))
    assert found.tolist() == [classes] and found.dtype == np.int32
    np.testing.assert_allclose(sure, [confidence], rtol=1e-5)


def test_heads_of_a_fixed_length_have_a_prior_of_characters_alone():
    facts = dataset.Facts('01', 1, 1)
    prior = priors.Prior(np.array([1, 0.1], np.float32), np.array([0, 1], np.float32))
    found, sure = decoding.of_heads(np.float32([[[0.4, 0.6]]]), facts, prior)
    assert found.tolist() == [[0]]
    np.testing.assert_allclose(sure, [[0.4 / 0.46]], rtol=1e-5)


# --- columns
def test_columns_are_read_as_in_the_graph_of_a_training():
    softmax = np.random.default_rng(0).dirichlet([1, 1, 1], [50, 9]).astype(np.float32)
    facts = dataset.Facts('ab', 1, 9)
    with tf.Graph().as_default(), tf.Session() as sess:
        wanted = sess.run(ctc.ctc_decode(tf.constant(softmax), facts))
    classes, confidence = decoding.of_columns(softmax, facts, priors.told(facts))
    assert classes.tolist() == wanted[0].tolist() and len(np.unique(classes, axis=0)) > 9
    np.testing.assert_allclose(confidence, wanted[1], rtol=1e-5)


def columns_of(text, facts, sure=0.9):
    """Probabilities float32 [1, 56, classes + 1] of a text: `sure` of each of its columns."""
    blank = len(facts.alphabet)
    path = np.full(56, blank)
    path[2:2 + 5 * len(text):5] = [facts.alphabet.index(character) for character in text]
    softmax = np.full([56, blank + 1], (1 - sure) / blank, np.float32)
    softmax[range(56), path] = sure
    return softmax[None]


def test_characters_that_a_text_cannot_have_are_not_read():
    softmax, facts = columns_of('abc', dataset.Facts('abc', 1, 4)), dataset.Facts('abc', 1, 4)
    softmax[0, 2] = [0.5, 0.3, 0.1, 0.1]
    classes, confidence = decoding.of_columns(softmax, facts, priors.told(facts, 'bc'))
    assert classes.tolist() == [[1, 1, 2, 3]]
    sure = 0.9 / (1 - 0.1 / 3)  # of a column without a
    np.testing.assert_allclose(confidence[0, 0], sure ** 6 * 0.3 / 0.5, rtol=1e-5)


def read(softmax, facts=GENERAL, **known):
    classes, confidence = decoding.of_columns(softmax, facts, priors.told(facts, **known))
    return facts.text_of(classes[0]), confidence.prod()


def test_a_text_that_is_too_long_is_not_cut_and_believed():
    text, sure = read(columns_of('12345678', GENERAL, 0.999))
    assert text == '12345678' and sure > 0.9
    text, sure = read(columns_of('1234567890', GENERAL, 0.999))
    assert len(text) == 8 and sure < 1e-5


@pytest.mark.parametrize('length', range(1, 9))
def test_a_given_length_is_always_read(length):
    text, sure = read(columns_of('ABCD', GENERAL), length=(length, length))
    assert len(text) == length and set('ABCD') <= set(text) or set(text) < set('ABCD')
    assert (sure > 0.9 ** 56 / 2) == (length == 4)


@pytest.mark.parametrize('seen, text', [
    ('14+2', '14+2'), ('14+2=?', '14+2=?'), ('7X8=', '7X8='), ('1-2?', '1-2?'),
    ('14+A', '144A'), ('12=', '12'), ('A+B', 'A4B'), ('1+2+3', '14243')])
def test_a_sign_is_read_in_a_sum_alone(seen, text):
    """4 and nothing are the second choices for a plus sign and an equals sign."""
    softmax = columns_of(seen, GENERAL)
    for place, character in enumerate(seen):
        if character in '+=':
            softmax[0, 2 + 5 * place, GENERAL.alphabet.index('4') if character == '+' else -1] = 0.4
    assert read(softmax)[0] == text


def test_a_network_of_other_characters_may_have_signs_anywhere():
    facts = dataset.Facts('ABC123-', 1, 8)
    assert read(columns_of('ABC-123', facts), facts)[0] == 'ABC-123'


def test_nothing_that_can_be_is_no_text():
    assert read(columns_of('12', GENERAL), alphabet='+-')[0] == ''


def test_the_likeliest_of_all_paths_whose_texts_can_be():
    """Against each path of five columns; lengths have a prior."""
    facts = dataset.Facts('12A+-*/=?', 1, 4)
    blank, columns = len(facts.alphabet), 5
    paths = np.array(list(itertools.product(range(blank + 1), repeat=columns)))
    texts = [facts.text_of(one for one, _ in itertools.groupby(path)) for path in paths.tolist()]
    prior = priors.Prior(np.ones(blank, np.float32), np.float32([0, 0.5, 1, 0.5, 0.9]))
    fits = np.array([prior.lengths[len(text)] if len(text) <= 4 and re.fullmatch(
        r'[12A]*|[12]{1,2}[-+*/][12]{1,2}=?\??', text) else 0 for text in texts])
    softmax = np.random.default_rng(1).dirichlet(np.full(blank + 1, 0.5), [20, columns])
    path = decoding.likeliest_path(softmax.astype(np.float32), facts, prior)
    found = [texts[k] for k in path @ (blank + 1) ** np.arange(columns)[::-1]]
    for one, text in zip(softmax, found):
        assert text == texts[(one[range(columns), paths].prod(axis=1) * fits).argmax()]
    assert any('+' in text or '*' in text for text in found) and len(set(map(len, found))) > 2
