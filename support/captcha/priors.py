"""How likely each character and each length is before the picture is seen.

Captchas of one system share an alphabet, and mostly a length. `told` takes them from the user.
`usual` estimates them from the readings of many pictures: whatever hardly ever occurs is probably
a mistake. The network's probabilities are multiplied by both.
"""
from typing import NamedTuple

import numpy as np

from support.captcha import dataset
from support.common.console import UserError

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
