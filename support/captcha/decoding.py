"""A text from a network's probabilities, in NumPy, so that it takes no TensorFlow.

Heads give a character each. Columns (CTC, see nets/ctc.py) give a class each, a character or the
blank: the likeliest class of each column, equal neighbours merged and blanks dropped. If no text
can be as that one is, the Viterbi algorithm finds the likeliest path to a text that can.
"""
import functools
import itertools
import re

import numpy as np

from support.captcha.random_texts import SIGNS

SUM = re.compile(r'[0-9]{1,2}[-+*/Xx][0-9]{1,2}=?\??')


def of_heads(softmax, facts, prior):
    """Each head's likeliest class.

    Args:
      softmax: float32 [n, heads, classes].
      facts: the network's dataset.Facts.
      prior: priors.Prior that multiplies the probabilities.
    Returns: classes int32 [n, heads]; the probability of each, float32 [n, heads].
    """
    softmax = weighted(softmax, prior_of_heads(facts, prior))
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


def weighted(softmax, factors):
    """Probabilities times factors of the first classes, [..., count], summing to 1 again."""
    softmax = softmax.copy()
    softmax[..., :factors.shape[-1]] *= factors
    return softmax / np.maximum(softmax.sum(axis=2, keepdims=True), 1e-30)


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
def shapes(facts):
    """What texts may look like: without signs, or one of the sums that SUM describes.

    Returns: [(characters that may stand at each place, bool [longest, len(alphabet) + 1], the least
      length), ...].
    """
    found = [(['.'] * facts.longest, 0)]
    if has_sums(facts.alphabet):
        found = [(['[^-+*/=?]'] * facts.longest, 0)]
        for first, second, end in itertools.product((1, 2), (1, 2), (['=', r'\?'], [r'\?'])):
            found.append((['[0-9]'] * first + ['[-+*/Xx]'] + ['[0-9]'] * second + end,
                          first + 1 + second))
    return [(np.array([[re.fullmatch(place, one, re.DOTALL) is not None for one in facts.alphabet]
                       + [False] for place in (places + facts.longest * ['$'])[:facts.longest]]),
             least) for places, least in found]


def likeliest_path(softmax, facts, prior):
    """The path that is likeliest times the prior of its text's length, of texts of all `shapes`.

    Args: as for `of_columns`. Returns: int [n, columns]; all blank if there is no such text.
    """
    paths, logs = zip(*(viterbi(softmax, prior, *shape) for shape in shapes(facts)))
    return np.choose(np.argmax(logs, axis=0)[:, None], paths)


def viterbi(softmax, prior, places, least):
    """`likeliest_path` of one shape. Returns: int [n, columns] and float32 [n], its ln p."""
    n, _, classes = softmax.shape
    blank = classes - 1
    places = places & np.append(prior.characters > 0, False)
    # ln p by the length so far and the last column's class
    best = np.full([n, len(prior.lengths), classes], -np.inf, np.float32)
    best[:, 0, blank] = 0
    every_best = []
    for column in np.log(np.maximum(softmax, 1e-30)).swapaxes(0, 1):  # [n, classes]
        every_best.append(best)
        # the best that ends in another class than the next, because equal ones would be merged
        first = np.arange(classes) == best.argmax(axis=2)[..., None]
        most = best.max(axis=2, keepdims=True)
        others = np.where(first, np.where(first, -np.inf, best).max(axis=2, keepdims=True), most)
        best = best.copy()
        best[:, 1:] = np.maximum(best[:, 1:], np.where(places, others[:, :-1], -np.inf))
        best[..., blank] = most[..., 0]
        best += column[:, None]
    with np.errstate(divide='ignore'):  # a prior of 0
        ends = best.max(axis=2) + np.log(prior.lengths)
    ends[:, :least] = -np.inf
    row, length = np.arange(n), ends.argmax(axis=1)
    path = [best[row, length].argmax(axis=1)]
    for best in every_best[:0:-1]:
        stays = (np.arange(classes) == path[-1][:, None]) | (path[-1] == blank)[:, None]
        came = np.where(np.stack([stays, ~stays], axis=1),
                        best[row[:, None], np.stack([length, length - 1], axis=1)], -np.inf)
        fewer, one = np.divmod(came.reshape(n, -1).argmax(axis=1), classes)
        length = length - fewer
        path.append(one)
    return np.stack(path[::-1], axis=1), ends.max(axis=1)
