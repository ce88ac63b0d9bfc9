"""What is told of texts, and what is learnt from many readings."""
import numpy as np
import pytest

from support.captcha import dataset, priors
from support.common.console import UserError

FACTS, ALNUM = dataset.Facts('0123ABC', 2, 4), dataset.Facts(dataset.CHARSETS['alnum'])


def test_what_is_told_excludes_the_rest():
    nothing, both = priors.told(FACTS), priors.told(FACTS, 'abcx', (3, 4))
    assert nothing.characters.tolist() == [1] * 7 and nothing.lengths.tolist() == [1] * 5
    assert both.characters.tolist() == [0, 0, 0, 0, 1, 1, 1]  # case does not count here
    assert both.lengths.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize('alphabet, length', [('xyz', None), (None, (1, 1)), (None, (3, 5))])
def test_what_the_network_cannot_read_is_refused(alphabet, length):
    with pytest.raises(UserError, match='expected some of .*, which the network reads, found'):
        priors.told(FACTS, alphabet, length)


def readings(*texts):
    """Classes int32 [n, 4] of texts, 7 for 'no character'."""
    return np.array([FACTS.labels_of(text) for text in texts], np.int32)


def test_what_is_rare_among_many_is_unlikely_in_proportion():
    """Of 402 characters 100 each are 0 to 3 and two are A, in texts of 2 but for one of 4."""
    usual = priors.usual(FACTS, readings(*['01', '23'] * 99, '0123', 'A0', 'A1'))
    counts = np.array([101, 101, 100, 100, 2, 0, 0]) + 0.5
    share = counts / counts.sum()
    np.testing.assert_allclose(usual.characters[4:], share[4:] / (0.3 * (share ** 2).sum()),
                               rtol=1e-5)
    assert usual.characters[:4].tolist() == [1] * 4
    assert usual.lengths[2] == 1 and usual.lengths[4] == pytest.approx(0.0076, abs=0.0005)


def test_one_reading_says_next_to_nothing():
    usual = priors.usual(FACTS, readings('0123'))
    assert usual.characters.tolist() == [1] * 7
    assert usual.lengths.min() > 0.5


def probabilities(*texts, other, share):
    """Softmax [n, 4, 36] of texts of four characters; 0 may be `other`, with this probability."""
    softmax = np.full([len(texts), 4, 36], 1e-4, np.float32)
    for one, text in zip(softmax, texts):
        for place, character in enumerate(text):
            one[place, ALNUM.alphabet.index(character)] = 1
            if character == '0':
                one[place, ALNUM.alphabet.index('0')] = 1 - share
                one[place, ALNUM.alphabet.index(other)] = share
    return softmax


@pytest.mark.parametrize('texts, share, right', [
    (['0123'], 0.6, [True]),  # one A among digits is a zero
    (['0123'] * 50 + ['00AB'], 0.9, [True] * 50 + [False]),  # a stranger keeps its letters
    (['A01B'] * 50, 0.6, [False] * 50)])
def test_a_letter_among_digits_is_a_digit_and_among_letters_a_letter(texts, share, right):
    softmax = probabilities(*texts, other='A', share=share)
    factors = priors.of_alphabets(ALNUM, priors.evidence(ALNUM, softmax, softmax.argmax(axis=2)))
    zeros = [(one * factor)[place].argmax() == 0 for one, factor, place in zip(
        softmax, factors, [text.index('0') for text in texts])]
    assert zeros == right


def test_two_priors_multiply():
    both = priors.told(FACTS, '0123').times(priors.usual(FACTS, readings('01')))
    assert both.characters[:4].min() > 0.5 and both.characters[4:].tolist() == [0, 0, 0]
