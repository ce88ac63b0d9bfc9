"""The split into two sets; files are written whole or not at all."""
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import to_tfrecord
from helpers import ROOT, grey, read_back
from support.captcha import records
from support.common.console import UserError


def test_the_split_is_the_sorted_list_shuffled_with_seed_0(thirty, tmp_path):
    assert to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=8) == []
    names = sorted(os.listdir(thirty))
    random.seed(0)
    random.shuffle(names)
    expected = [(name[:4], 8 * int(name[:4])) for name in names]
    assert read_back(tmp_path / 'out' / 'test.tfrecords') == expected[:8]
    assert read_back(tmp_path / 'out' / 'train.tfrecords') == expected[8:]
    facts = json.loads((tmp_path / 'out' / 'dataset.json').read_text())
    assert re.fullmatch('[0-9a-f]{8}', facts.pop('crc32'))
    assert facts == {'charset': '0123456789', 'lengths': [4, 4], 'train': 22, 'test': 8, 'seed': 0,
                     'split': 'text',
                     'left_out_because_text_is_in_test': 0, 'unusable_files': 0}
    assert sorted(os.listdir(tmp_path / 'out')) == ['dataset.json', 'test.tfrecords',
                                                    'train.tfrecords']


def test_shards_are_the_same_records_one_after_the_other(thirty, tmp_path):
    to_tfrecord.convert(str(thirty), str(tmp_path / 'one'), 8)
    to_tfrecord.convert(str(thirty), str(tmp_path / 'three'), 8, shards=3)
    names = [f'train-{number:05d}-of-00003.tfrecords' for number in range(3)]
    assert sorted(os.listdir(tmp_path / 'three')) == ['dataset.json', 'test.tfrecords', *names]
    whole = read_back(tmp_path / 'one' / 'train.tfrecords')
    assert [read_back(tmp_path / 'three' / name) for name in names] == [
        whole[number::3] for number in range(3)]
    one, three = (read_back(tmp_path / name / 'test.tfrecords') for name in ('one', 'three'))
    assert one == three


@pytest.mark.skipif(os.name == 'nt', reason='signals are sent as POSIX systems do')
def test_a_stop_before_the_files_take_their_names_leaves_the_old_set(thirty, tmp_path, monkeypatch):
    to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=8)
    monkeypatch.setattr(os, 'replace', lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=5)
    assert sorted(os.listdir(tmp_path / 'out')) == ['dataset.json', 'test.tfrecords',
                                                    'train.tfrecords']
    assert len(read_back(tmp_path / 'out' / 'test.tfrecords')) == 8
    assert json.loads((tmp_path / 'out' / 'dataset.json').read_text())['test'] == 8


def test_no_text_of_the_test_set_is_trained_on(thirty, tmp_path):
    for k in range(30):  # each text again, in another grey
        grey(thirty / f'{k:04d}_{k + 30:06d}.png', 8 * k + 1)
    to_tfrecord.convert(str(thirty), str(tmp_path), num_test=8, split_by='text')
    test, train = read_back(tmp_path / 'test.tfrecords'), read_back(tmp_path / 'train.tfrecords')
    test_texts = {text for text, _ in test}
    assert len(test) == 8
    assert not test_texts & {text for text, _ in train}
    left_out = sum(text in test_texts for text in [f'{k:04d}' for k in range(30)] * 2) - 8
    assert len(train) == 60 - 8 - left_out
    facts = json.loads((tmp_path / 'dataset.json').read_text())
    assert facts['left_out_because_text_is_in_test'] == left_out > 0


@pytest.mark.parametrize('num_test', [30, 31, 500])
def test_too_few_pictures_for_a_test_set(thirty, tmp_path, num_test):
    with pytest.raises(UserError, match=f'at least {num_test + 1} pictures.*found 30, 0 that .*; '
                                        'put more there, .*a smaller --num-test'):
        to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=num_test)
    assert not (tmp_path / 'out').exists() or os.listdir(tmp_path / 'out') == []


def test_all_texts_in_the_test_set(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(6):
        grey(folder / f'0782_{k:06d}.png', k)
    with pytest.raises(UserError, match='found 2, 4 that equal one of the test set and 0 that'):
        to_tfrecord.convert(str(folder), str(tmp_path / 'out'), num_test=2, split_by='text')
    assert os.listdir(tmp_path / 'out') == []


def test_missing_and_empty_folders_are_one_line(one_line_error, tmp_path):
    line = one_line_error('to_tfrecord.py', '--images', tmp_path / 'none',
                          '--out', tmp_path / 'out')
    assert line.endswith(f'python gen_captcha.py --out {tmp_path / "none"}')
    (tmp_path / 'empty').mkdir()
    line = one_line_error('to_tfrecord.py', '--images', tmp_path / 'empty',
                          '--out', tmp_path / 'out')
    assert 'expected pictures with texts, found none; ' in line
    assert line.endswith(f'python gen_captcha.py --out {tmp_path / "empty"}')


@pytest.mark.slow
@pytest.mark.skipif(os.name == 'nt', reason='no SIGKILL')
def test_a_kill_leaves_no_half_written_records(tmp_path, run_here):
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(3000):
        grey(folder / f'{k:04d}.png', 9)
    out = tmp_path / 'out'
    process = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, 'to_tfrecord.py'), '--images', folder, '--out', out,
         '--length', '4'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = out / '.train.tfrecords.part'
    while not (part.exists() and part.stat().st_size > 1_000_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not [name for name in os.listdir(out) if not name.startswith('.')]
    again = run_here('to_tfrecord.py', '--images', folder, '--out', out,  # and cleans up
                     '--length', 4)
    assert again.returncode == 0, again.stderr
    assert sorted(os.listdir(out)) == ['dataset.json', 'test.tfrecords', 'train.tfrecords']
    assert len(list(records.read_records(str(out / 'train.tfrecords')))) == 2500
    np.testing.assert_array_equal(next(records.read_records(str(out / 'test.tfrecords')))[0],
                                  np.full([224, 224], 9))


def few_texts(tmp_path, texts, number):
    """A folder of pictures with few texts, each in its own grey; the first two are equal."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(number):
        grey(folder / f'{texts[k % len(texts)]}_{k:03d}.png', max(1, k))
    return str(folder)


def test_few_texts_are_split_by_picture(tmp_path, capsys):
    folder = few_texts(tmp_path, '0123456789', 60)
    to_tfrecord.convert(folder, str(tmp_path / 'out'), 20)
    said = capsys.readouterr().out
    assert 'split by picture: a text may be in both sets' in said and '--split text' in said
    test, train = (read_back(tmp_path / 'out' / f'{name}.tfrecords') for name in ('test', 'train'))
    assert len(test) == 20 and len(train) in (39, 40)
    assert not {pixel for _, pixel in test} & {pixel for _, pixel in train}
    assert json.loads((tmp_path / 'out' / 'dataset.json').read_text())['split'] == 'picture'


def test_a_split_by_text_can_be_asked_for(tmp_path):
    folder = few_texts(tmp_path, '0123456789', 60)
    to_tfrecord.convert(folder, str(tmp_path / 'out'), 4, split_by='text')
    test, train = (read_back(tmp_path / 'out' / f'{name}.tfrecords') for name in ('test', 'train'))
    missing = {text for text, _ in test}
    assert not missing & {text for text, _ in train} and len(train) == 60 - 6 * len(missing)
