"""The reader: restrictions, the network that comes with the repository, what it refuses."""
import glob
import multiprocessing
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


def read_in_child(opened, answers):
    for make in (lambda: opened.read(SAMPLES[:1]), reader.open_reader):
        try:
            make()
        except UserError as error:
            answers.put(str(error))


@pytest.mark.skipif('fork' not in multiprocessing.get_all_start_methods(), reason='needs fork')
def test_a_forked_process_says_why_it_cannot_read():
    with reader.open_reader(models.GENERAL) as opened:
        opened.read(SAMPLES[:1])
        fork = multiprocessing.get_context('fork')
        answers = fork.Queue()
        child = fork.Process(target=read_in_child, args=(opened, answers))
        child.start()
        for _ in range(2):
            assert 'open the reader after the fork' in answers.get(timeout=60)
        child.join(60)
        assert child.exitcode == 0


def test_base64_is_named_in_a_short_line():
    with reader.open_reader(models.GENERAL) as opened:
        for text in 'data:image/png;base64,iVBORw0KGgo' + 9999 * 'A', 3300 * 'iVBORw0K':
            with pytest.raises(UserError, match='found a data: URL or base64; decode it') as caught:
                opened.read([text])
            assert len(str(caught.value)) < 300
