"""The reader: restrictions, the network that comes with the repository, what it refuses."""
import glob
import os

import pytest

from helpers import ROOT
from support.captcha import dataset, models, reader
from support.common.console import UserError

SAMPLES = sorted(glob.glob(os.path.join(ROOT, 'samples', 'captchas', '*.jpg')))
TEXTS = [os.path.basename(path)[:4] for path in SAMPLES]


def test_the_general_network_reads_what_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no training there
    with reader.open_reader(alphabet='0123456789', length=(4, 4)) as opened:
        assert os.path.dirname(opened.checkpoint) == models.GENERAL
        found = opened.read(SAMPLES)
    assert sum(text == label for (text, _), label in zip(found, TEXTS)) >= 9
    assert all(text.isdigit() and len(text) == 4 and 0 < sure <= 1 for text, sure in found)
    with reader.open_reader(alphabet='ab', length=(2, 3)) as opened:
        assert all(set(text) <= {'A', 'B'} and 2 <= len(text) <= 3
                   for text, _ in opened.read(SAMPLES[:3]))


def test_texts_that_the_network_cannot_read_are_refused():
    facts = dataset.Facts('0123ABC', 2, 4)
    assert reader.restricted(facts) is None
    assert reader.restricted(facts, length=(3, 4)) == dataset.Facts('0123ABC', 3, 4)
    assert reader.restricted(facts, 'abcx') == dataset.Facts('abcx', 2, 4)
    for alphabet, length in ('xyz', None), (None, (1, 1)), (None, (3, 5)):
        with pytest.raises(UserError, match='--alphabet, --length: expected some of 2-4 characters'):
            reader.restricted(facts, alphabet, length)


def test_case_counts_where_the_network_tells_it():
    assert dataset.Facts('aAbC').possible(dataset.Facts('aBc')) == [True, False, True, True]
