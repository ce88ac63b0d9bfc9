"""Priors over texts' characters and lengths; the network's probabilities are multiplied by them.

Captchas of one system share an alphabet, and mostly a length. `told` takes them from the user.
`of_alphabets` estimates which of the usual alphabets each picture's text is from: an O among digits
is a zero. `usual` estimates the rest from the readings of many pictures: whatever hardly ever
occurs is probably a mistake.
"""
from typing import NamedTuple

import numpy as np

from support.captcha import dataset, random_texts
from support.common.console import UserError

SHARED = 2.0  # pictures that the alphabets' usual shares count for, beside those read together
STRANGER = 1e-3  # least share of pictures with another alphabet than the others'
EACH = 0.7  # how much each character counts as evidence: the network's are not independent
SIGNS = '+-*/=?'  # of sums
RARE = 0.3  # of the typical share; anything rarer is scaled down in proportion


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


def of_alphabets(facts, softmax, classes):
    """How likely each character is in each picture's text, given all pictures.

    A text is drawn uniformly from one of the alphabets of random_texts.KINDS, or rarely from all
    the network's characters, so that a small alphabet that explains the pictures as well as a large
    one is likelier. The shares of the alphabets among the pictures are fitted by expectation
    maximization, beginning with the usual ones: one picture relies on these, and a folder of one
    system on what most of its pictures have.

    Args:
      facts: the network's dataset.Facts.
      softmax: float32 [n, outputs, classes]; the characters come first.
      classes: int32 [n, longest], a first reading.
    Returns: float32 [n, len(alphabet)], 0 ... 1.
    """
    shares = {bytes([1] * len(facts.alphabet)): 1}  # bool of each character, as bytes: share
    for kind, share in random_texts.KINDS.items():
        kind = dataset.CHARSETS['digits'] + SIGNS + 'Xx' if kind == 'sum' else kind
        inside = np.array(facts.possible(dataset.Facts(kind)))
        if inside.any():
            shares[inside.tobytes()] = shares.get(inside.tobytes(), 0) + share
    inside = np.array([np.frombuffer(one, bool) for one in shares])  # [kinds, characters]
    usual_shares = np.array([*shares.values()]) / sum(shares.values())  # [kinds]
    lengths = (classes < len(facts.alphabet)).sum(axis=1)  # [n]
    logs = np.log(softmax + 1e-6)
    others = logs[..., len(facts.alphabet):].max(axis=2, initial=-np.inf)  # of no character
    evidence = np.array([  # ln p of the best path, [kinds, n]
        np.maximum(logs[..., :len(one)][..., one].max(axis=2), others).sum(axis=1)
        - EACH * lengths * np.log(one.sum()) for one in inside])
    found = usual_shares
    for _ in range(10):
        each = evidence + np.log(found)[:, None]
        each = np.exp(each - each.max(axis=0))
        each /= each.sum(axis=0)  # of each picture, how likely each alphabet is
        found = each.sum(axis=1) + SHARED * usual_shares
        found = (1 - STRANGER) * found / found.sum() + STRANGER * usual_shares
    return (each.T @ inside).astype(np.float32)


def usual(facts, classes):
    """A Prior from readings: 1 for what is common among them, less for what is rare.

    One picture says next to nothing; a hundred show which characters do not occur.
    Args: facts: the network's dataset.Facts. classes: int32 [n, longest], as `decode` returns them.
    """
    blank = len(facts.alphabet)
    return Prior(*(usual_share(np.bincount(found, minlength=size)) for found, size in (
        (classes[classes < blank], blank), ((classes < blank).sum(axis=1), facts.longest + 1))))


def usual_share(counts):
    """How common each item is, float32 0 ... 1, from its count."""
    share = (counts + 0.5) / (counts + 0.5).sum()  # half a count more: nothing is impossible
    typical = (share ** 2).sum()  # the expected share of a random occurrence
    return np.minimum(1, share / (RARE * typical)).astype(np.float32)
