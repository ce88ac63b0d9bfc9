"""Priors over texts' characters and lengths; the network's probabilities are multiplied by them.

Captchas of one system share an alphabet, and mostly a length. `told` takes them from the user.
`of_alphabets` estimates which of the usual alphabets each picture's text is from: an O among digits
is a zero. `usual` estimates the rest from the readings of many pictures: whatever hardly ever
occurs is probably a mistake.
"""
import collections
import functools
from typing import NamedTuple

import numpy as np

from support.captcha import dataset, random_texts
from support.common.console import UserError

SHARED = 2.0  # pictures that the alphabets' usual shares count for, beside those read together
STRANGER = 1e-3  # least share of pictures with another alphabet than the others'
EACH = 0.7  # how much each character counts as evidence: the network's are not independent
RARE, RARE_LENGTH = 0.3, 1.0  # of the typical share: texts of a system mostly have one length


class Prior(NamedTuple):
    """Factors for the network's probabilities, 0 ... 1."""
    characters: np.ndarray  # float32 [len(alphabet)]
    lengths: np.ndarray  # float32 [longest + 1]

    def times(self, other):
        """The product of two priors."""
        return Prior(self.characters * other.characters, self.lengths * other.lengths)


def told(facts, alphabet=None, length=None):
    """A Prior of 1 for the possible characters and lengths, 0 for the others.

    Args: facts: the network's dataset.Facts. alphabet: characters. length: (shortest, longest).
      None: unknown, all are 1.
    Raises: UserError if the network cannot read such texts.
    """
    shortest, longest = length or (facts.shortest, facts.longest)
    within = dataset.Facts(alphabet or facts.alphabet, shortest, longest)
    if longest > facts.longest or longest < facts.shortest or not any(facts.possible(within)):
        raise UserError(f'--alphabet, --length: expected some of {facts}, which the network '
                        f'reads, found {within}; leave them out or use another --model-dir')
    lengths = np.arange(facts.longest + 1)
    fits = (shortest <= lengths) & (lengths <= longest) | (alphabet is None and length is None)
    return Prior(np.array(facts.possible(within), np.float32), fits.astype(np.float32))


@functools.lru_cache(maxsize=8)
def alphabets(facts):
    """The alphabets that texts may be from: those of random_texts.KINDS, and all characters.

    Returns: which classes are in each, bool [alphabets, len(facts.alphabet)]; their usual shares.
    """
    shares = collections.Counter({(True,) * len(facts.alphabet): 1})
    for kind, share in random_texts.KINDS.items():
        kind = dataset.CHARSETS['digits'] + random_texts.SIGNS + 'Xx' if kind == 'sum' else kind
        inside = facts.possible(dataset.Facts(kind))
        shares[tuple(inside)] += share * any(inside)
    shares = +shares  # without those of no character here
    return np.array([*shares]), np.array([*shares.values()]) / shares.total()


def evidence(facts, softmax, classes):
    """How well each alphabet explains each picture: float32 [n, alphabets], ln p of the best path.

    A text is drawn uniformly from its alphabet, so that a small alphabet is likelier than a large
    one that explains the picture no better.

    Args:
      facts: the network's dataset.Facts.
      softmax: float32 [n, outputs, classes]; the characters come first.
      classes: int32 [n, longest], a first reading.
    """
    count = len(facts.alphabet)
    lengths = (classes < count).sum(axis=1)  # int [n]
    logs = np.log(softmax + 1e-6)
    none = logs[..., count:].max(axis=2, initial=-np.inf)  # no character, [n, outputs]
    return np.stack([
        np.maximum(logs[..., :count][..., one].max(axis=2), none).sum(axis=1)
        - EACH * lengths * np.log(one.sum()) for one in alphabets(facts)[0]], axis=1)


def of_alphabets(facts, found):
    """How likely each character is in each picture's text, given all pictures.

    The shares of the alphabets among the pictures are fitted by expectation maximization, beginning
    with the usual ones: one picture relies on these, and a folder of one system on what most of its
    pictures have.

    Args: facts: the network's dataset.Facts. found: of `evidence`, [n, alphabets].
    Returns: float32 [n, len(alphabet)], 0 ... 1.
    """
    inside, usual_shares = alphabets(facts)
    shares = usual_shares
    for _ in range(10):
        each = found + np.log(shares)
        each = np.exp(each - each.max(axis=1, keepdims=True))
        each /= each.sum(axis=1, keepdims=True)  # how likely each alphabet is, [n, alphabets]
        shares = each.sum(axis=0) + SHARED * usual_shares
        shares = (1 - STRANGER) * shares / shares.sum() + STRANGER * usual_shares
    return (each @ inside).astype(np.float32)


def usual(facts, classes):
    """A Prior from readings: 1 for what is common among them, less for what is rare.

    One picture says next to nothing; a hundred show which characters do not occur.
    Args: facts: the network's dataset.Facts. classes: int32 [n, longest], as `decode` returns them.
    """
    blank = len(facts.alphabet)
    characters = np.bincount(classes[classes < blank], minlength=blank)
    lengths = np.bincount((classes < blank).sum(axis=1), minlength=facts.longest + 1)
    return Prior(usual_share(characters, RARE), usual_share(lengths, RARE_LENGTH))


def usual_share(counts, rare):
    """How common each item is, float32 0 ... 1, from its count.

    Args: rare: of the typical share; anything rarer is scaled down in proportion.
    """
    share = (counts + 0.5) / (counts + 0.5).sum()  # half a count more: nothing is impossible
    typical = (share ** 2).sum()  # the expected share of a random occurrence
    return np.minimum(1, share / (rare * typical)).astype(np.float32)
