"""A text from a network's probabilities, in NumPy, so that it takes no TensorFlow.

Heads give a character each. Columns (CTC, see nets/ctc.py) give a class each, a character or the
blank: the likeliest class of each column, equal neighbours merged and blanks dropped. If no text
can be as that one is, the Viterbi algorithm finds the likeliest path to a text that can.
"""
import functools
import re

import numpy as np

from support.captcha.random_texts import SIGNS

SUM = re.compile(r'[0-9]{1,2}[-+*/Xx][0-9]{1,2}=?\??')
PARTS = {  # of a text: the characters that it may have there, the parts that may come before
    'text': ('[^-+*/=?]', ('start', 'text')),
    'digit': ('[0-9]', ('start',)), 'digits': ('[0-9]', ('digit',)),
    'sign': ('[-+*/Xx]', ('digit', 'digits')),
    'other digit': ('[0-9]', ('sign',)), 'other digits': ('[0-9]', ('other digit',)),
    'equals': ('=', ('other digit', 'other digits')),
    'asked': (r'\?', ('other digit', 'other digits', 'equals'))}
LAST = 'start', 'text', 'other digit', 'other digits', 'equals', 'asked'  # a text may end there


def of_heads(softmax, facts, prior=None):
    """Each head's likeliest class.

    Args:
      softmax: float32 [n, heads, classes].
      facts: the network's dataset.Facts.
      prior: priors.Prior that multiplies the probabilities; None: no prior.
    Returns: classes int32 [n, heads]; the probability of each, float32 [n, heads].
    """
    if prior is not None:
        softmax = scaled(softmax, prior_of_heads(facts, prior))
    return softmax.argmax(axis=2).astype(np.int32), softmax.max(axis=2)


def prior_of_heads(facts, prior):
    """The prior of each head's classes, float32 [heads, classes].

    A head reads a character in texts that are long enough, 'no character' in the others.
    """
    long_enough = np.arange(facts.heads)[:, None] < np.arange(facts.heads + 1)
    character = (prior.lengths * long_enough).max(axis=1)  # [heads]
    none = (prior.lengths * ~long_enough).max(axis=1)
    blanks = facts.num_classes - len(facts.alphabet)  # 1, or 0 if all texts have one length
    return np.hstack([character[:, None] * prior.characters, np.tile(none[:, None], [1, blanks])])


def scaled(softmax, factors):
    """Probabilities times factors, summing to 1 again."""
    softmax = softmax * factors
    return softmax / np.maximum(softmax.sum(axis=2, keepdims=True), 1e-30)


def weighted(softmax, characters):
    """`scaled` by factors of the characters, float32 [..., characters]; others keep theirs."""
    others = softmax.shape[2] - characters.shape[-1]
    return scaled(softmax, np.concatenate(
        [characters, np.ones([*characters.shape[:-1], others], np.float32)], axis=-1))


def of_columns(softmax, facts, prior):
    """The text of the likeliest class of each column, or the likeliest of those that can be.

    Args:
      softmax: float32 [n, columns, classes + 1], the blank last.
      facts, prior: as for `of_heads`.
    Returns:
      classes: int32 [n, longest]; len(alphabet) where there is no character.
      confidence: float32 [n, longest], per character: the product of its path's probabilities from
        its first column up to the next character; columns before the first character count towards
        that one. The product of them all is the probability of the path.
    """
    softmax = weighted(softmax, prior.characters)
    path = softmax.argmax(axis=2)  # int [n, columns]
    texts = [facts.text_of(one[first]) for one, first in zip(path, begins(path, facts))]
    wrong = [not can_be(text, facts, prior) for text in texts]
    if any(wrong):
        path[wrong] = likeliest_path(softmax[wrong], facts, prior)
    place = begins(path, facts).cumsum(axis=1) - 1  # int [n, columns], -1 before the first
    row = np.arange(len(path))[:, None]
    confidence = np.ones([len(path), facts.longest], np.float32)
    np.multiply.at(confidence, (row, np.maximum(place, 0)),
                   np.take_along_axis(softmax, path[..., None], axis=2)[..., 0])
    classes = np.full(confidence.shape, len(facts.alphabet), np.int32)
    there = np.nonzero(begins(path, facts))
    classes[there[0], place[there]] = path[there]
    return classes, confidence


def begins(path, facts):
    """Where a character begins in a path of classes: bool [n, columns]."""
    blank = len(facts.alphabet)
    before = np.pad(path[:, :-1], [(0, 0), (1, 0)], constant_values=blank)
    return (path != blank) & (path != before)


def can_be(text, facts, prior):
    """Whether nothing speaks against a text: its length, or a sign outside a sum."""
    return (len(text) <= facts.longest and prior.lengths[len(text)] == 1
            and (not has_sums(facts.alphabet) or SUM.fullmatch(text) is not None
                 or not set(SIGNS) & set(text)))


def has_sums(alphabet):
    """Whether a network of this alphabet was trained on all kinds of texts, sums too."""
    return set(SIGNS) <= set(alphabet)


@functools.lru_cache(maxsize=8)
def states(alphabet, longest):
    """The states of a text that is being read: its part and the number of its characters so far.

    Returns: for each of n states: that number, int [n]; whether the text may end, bool [n]; which
      classes lead there, bool [n, len(alphabet) + 1]; from which states, int [n, 3], n: from none.
    """
    parts = PARTS if has_sums(alphabet) else {'text': ('.', PARTS['text'][1])}
    found = {('start', 0): 0}
    for length in range(1, longest + 1):
        for part, (_, before) in parts.items():
            if any((one, length - 1) in found for one in before):
                found[part, length] = len(found)
    lead = np.zeros([len(found), len(alphabet) + 1], bool)
    come = np.full([len(found), 3], len(found))
    for (part, length), state in [*found.items()][1:]:
        pattern, before = parts[part]
        lead[state, :-1] = [re.fullmatch(pattern, one, re.DOTALL) is not None for one in alphabet]
        come[state, :len(before)] = [found.get((one, length - 1), len(found)) for one in before]
    lengths, last = zip(*((length, part in LAST) for part, length in found))
    return np.array(lengths), np.array(last), lead, come


def likeliest_path(softmax, facts, prior):
    """The likeliest paths of texts that can be: the Viterbi algorithm over `states`.

    A path's probability counts times its length's prior.

    Args: as for `of_columns`. Returns: int [n, columns]; all blank if there is no such text.
    """
    lengths, last, lead, come = states(facts.alphabet, facts.longest)
    lead = lead & np.append(prior.characters > 0, False)
    n, (count, classes) = len(softmax), lead.shape
    blank = classes - 1
    best = np.full([n, count, classes], -np.inf, np.float32)  # ln p by state and last class
    best[:, 0, blank] = 0
    others = np.full([n, count + 1, classes], -np.inf, np.float32)  # the last state: none
    every_best = []
    for column in np.log(np.maximum(softmax, 1e-30)).swapaxes(0, 1):  # [n, classes]
        every_best.append(best)
        # the best that ends in another class than the next, because equal ones would be merged
        first = np.arange(classes) == best.argmax(axis=2)[..., None]
        most = best.max(axis=2)
        second = np.where(first, -np.inf, best).max(axis=2)
        others[:, :-1] = np.where(first, second[..., None], most[..., None])
        entered = np.where(lead, others[:, come].max(axis=2), -np.inf)
        best = np.maximum(best, entered)
        best[..., blank] = most
        best = best + column[:, None]
    with np.errstate(divide='ignore'):  # a prior of 0
        ends = np.where(last, best.max(axis=2) + np.log(prior.lengths[lengths]), -np.inf)
    state, row = ends.argmax(axis=1), np.arange(n)
    path = [best[row, state].argmax(axis=1)]
    for best in every_best[:0:-1]:
        same_state = np.arange(count) == state[:, None]
        earlier = (np.arange(count) == come[state][..., None]).any(axis=1)  # bool [n, states]
        same_class = (np.arange(classes) == path[-1][:, None])[:, None]
        came = np.where((path[-1] == blank)[:, None, None], same_state[..., None],
                        np.where(same_class, same_state[..., None], earlier[..., None]))
        state, one = np.divmod(np.where(came, best, -np.inf).reshape(n, -1).argmax(axis=1), classes)
        path.append(one)
    return np.stack(path[::-1], axis=1)
