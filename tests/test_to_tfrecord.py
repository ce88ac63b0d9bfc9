"""The writer of records: their format, the split, and what it does with unusable files."""
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
from PIL import Image

import to_tfrecord
from helpers import ROOT
from support.captcha import dataset, labels, records
from support.common.console import UserError


def grey(path, value):
    Image.new('L', (160, 60), value).save(path)


def read(path):
    """[(text, the image's first pixel), ...] of a record file."""
    facts = dataset.read_facts(str(path))
    return [(facts.text_of(classes), int(image[0, 0]))
            for image, classes in records.read_records(str(path))]


@pytest.fixture
def thirty(tmp_path):
    """Thirty pictures, each of another text and another grey."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(30):
        grey(folder / f'{k:04d}_{k:06d}.png', 8 * k)
    return folder


def test_a_record_has_the_posts_keys_and_types():
    example = to_tfrecord.image_to_tfexample(bytes(50176), 0, 7, 8, 2)
    features = example.features.feature
    assert sorted(features) == ['image', 'label0', 'label1', 'label2', 'label3']
    assert list(features['image'].bytes_list.value) == [bytes(50176)]
    assert [list(features[f'label{k}'].int64_list.value) for k in range(4)] == [[0], [7], [8], [2]]


def test_the_split_is_the_sorted_list_shuffled_with_seed_0(thirty, tmp_path):
    assert to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=8) == []
    names = sorted(os.listdir(thirty))
    random.seed(0)
    random.shuffle(names)
    expected = [(name[:4], 8 * int(name[:4])) for name in names]
    assert read(tmp_path / 'out' / 'test.tfrecords') == expected[:8]
    assert read(tmp_path / 'out' / 'train.tfrecords') == expected[8:]
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
    whole = read(tmp_path / 'one' / 'train.tfrecords')
    assert [read(tmp_path / 'three' / name) for name in names] == [
        whole[number::3] for number in range(3)]
    assert read(tmp_path / 'three' / 'test.tfrecords') == read(tmp_path / 'one' / 'test.tfrecords')


def test_a_place_is_a_file_a_pattern_or_a_folder(thirty, tmp_path):
    to_tfrecord.convert(str(thirty), str(tmp_path), 8, shards=3)
    shards = [str(tmp_path / f'train-{number:05d}-of-00003.tfrecords') for number in range(3)]
    assert records.files(shards[1]) == [shards[1]]
    assert records.files(str(tmp_path)) == records.files(str(tmp_path / 'train-*')) == shards
    assert records.survey(str(tmp_path)) == (22, dataset.Facts())
    with pytest.raises(UserError, match=f'train.tfrecords: .* but its shards; .*: {tmp_path}$'):
        records.files(str(tmp_path / 'train.tfrecords'))
    os.rename(shards[1], tmp_path / 'away')
    with pytest.raises(UserError, match='all of 3 shards, found none named '
                                        'train-00001-of-00003.tfrecords; .*--shards 3 --over'):
        records.files(str(tmp_path))
    os.rename(tmp_path / 'away', shards[1])
    for name in 'train-00000-of-00001.tfrecords', 'train.tfrecords':
        (tmp_path / name).write_bytes(b'')
        with pytest.raises(UserError, match='expected (the shards of )?one'):
            records.files(str(tmp_path))
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match='train.tfrecords: expected a TFRecord file, found none; '
                                        'make it with: python to_tfrecord.py'):
        records.files(str(thirty))


def test_other_shards_are_replaced_when_that_is_wanted(thirty, tmp_path, monkeypatch, capsys,
                                                       one_line_error):
    command = ['to_tfrecord.py', '--images', str(thirty), '--out', str(tmp_path), '--num-test', '5']

    def run(*options):
        monkeypatch.setattr(sys, 'argv', [*command, *options])
        return to_tfrecord.main()
    for options in [], ['--shards', '3'], ['--shards', '2'], []:
        if options != [] or (tmp_path / 'test.tfrecords').exists():
            with pytest.raises(UserError, match='--overwrite'):
                run(*options)
        assert run(*options, '--overwrite') == 0
        assert len(records.files(str(tmp_path))) == int((options or [0, 1])[1])
        capsys.readouterr()
        assert run(*options) == 0
        assert 'exist already' in capsys.readouterr().out
    assert '--overwrite' in one_line_error(*command, '--shards', 2)
    assert 'take fewer' in one_line_error(*command, '--shards', 26, '--overwrite')
    assert len(read(tmp_path / 'train.tfrecords')) == 25


@pytest.mark.skipif(os.name == 'nt', reason='signals are sent as POSIX systems do')
def test_a_stop_while_the_files_take_their_names_leaves_one_set(thirty, tmp_path, monkeypatch):
    to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=8)
    replace, replaced = os.replace, []

    def stopped(part, path):
        if not replaced:
            signal.raise_signal(signal.SIGINT)
        replace(part, path)
        replaced.append(os.path.basename(path))
    monkeypatch.setattr(os, 'replace', stopped)
    with pytest.raises(KeyboardInterrupt):
        to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=5)
    assert sorted(replaced) == ['dataset.json', 'test.tfrecords', 'train.tfrecords']
    assert len(read(tmp_path / 'out' / 'test.tfrecords')) == 5
    assert json.loads((tmp_path / 'out' / 'dataset.json').read_text())['test'] == 5


def test_no_text_of_the_test_set_is_trained_on(thirty, tmp_path):
    for k in range(30):  # every text once more, with another grey
        grey(thirty / f'{k:04d}_{k + 30:06d}.png', 8 * k + 1)
    to_tfrecord.convert(str(thirty), str(tmp_path), num_test=8, split_by='text')
    test, train = read(tmp_path / 'test.tfrecords'), read(tmp_path / 'train.tfrecords')
    test_texts = {text for text, _ in test}
    assert len(test) == 8
    assert not test_texts & {text for text, _ in train}
    left_out = sum(text in test_texts for text in [f'{k:04d}' for k in range(30)] * 2) - 8
    assert len(train) == 60 - 8 - left_out
    facts = json.loads((tmp_path / 'dataset.json').read_text())
    assert facts['left_out_because_text_is_in_test'] == left_out > 0


def test_unusable_files_are_counted_and_named(thirty, tmp_path, run_script):
    whole = (thirty / '0003_000003.png').read_bytes()
    (thirty / '0100_000100.png').write_bytes(whole[:len(whole) // 2])  # truncated
    grey(thirty / '01O1_000101.png', 0)  # the letter O among digits
    grey(thirty / '12.png', 0)
    (thirty / 'notes.txt').write_text('stray')
    (thirty / '0102_folder.png').mkdir()
    command = ['to_tfrecord.py', '--images', thirty, '--out', tmp_path, '--num-test', 5,
               '--length', 4, '--charset', 'digits']
    ended = run_script(*command)
    assert ended.returncode == 2
    for name in '0100_000100.png', '01O1_000101.png', '12.png', 'notes.txt', '0102_folder.png':
        assert f'not used: {name}: ' in ended.stdout
    assert ended.stdout.count('not used') == 5
    assert '5 files were not used' in ended.stderr
    assert len(read(tmp_path / 'train.tfrecords')) == 25
    accepted = run_script(*command, '--skip-bad', '--overwrite')
    assert accepted.returncode == 0
    assert accepted.stdout.count('not used') == 5


def test_hidden_files_of_the_system_are_no_fault(thirty, tmp_path):
    for name in '.DS_Store', '._0001_000001.png', 'Thumbs.db', 'desktop.ini':
        (thirty / name).write_bytes(b'of the system')
    assert to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=8) == []


def test_what_was_found_is_said_and_lengths_may_vary(tmp_path, capsys):
    folder = tmp_path / 'images'
    folder.mkdir()
    for name in '12345.png', '54321_1.png', '0782_000001.png', '078.png', '0784 (2).png':
        grey(folder / name, 100)
    to_tfrecord.convert(str(folder), str(tmp_path / 'out'), num_test=1)
    assert f'{folder}: 5 pictures, 3-5 characters of 0-9; 078.png is read as 078\n' in capsys.readouterr().out
    assert dataset.read_facts(str(tmp_path / 'out' / 'x')) == dataset.Facts('0123456789', 3, 5)
    texts = [text for split in ('test', 'train')
             for text, _ in read(tmp_path / 'out' / f'{split}.tfrecords')]
    assert sorted(texts) == ['078', '0782', '0784', '12345', '54321']
    classes = {tuple(classes) for _, classes in
               records.read_records(str(tmp_path / 'out' / 'train.tfrecords'))}
    assert classes & {(0, 7, 8, 10, 10), (0, 7, 8, 2, 10)}  # 10: no character


def test_labels_from_a_list(tmp_path, run_script):
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(6):
        grey(folder / f'{k}.png', 8 * k)
    (tmp_path / 'labels.csv').write_text('file,text\n' + ''.join(
        f'{k}.png,{"ABCDEF"[k]}-{k}\n' for k in range(6)))
    ended = run_script('to_tfrecord.py', '--images', folder, '--out', tmp_path, '--num-test', 2,
                       '--labels', tmp_path / 'labels.csv')
    assert ended.returncode == 0, ended.stderr
    found = read(tmp_path / 'test.tfrecords') + read(tmp_path / 'train.tfrecords')
    assert sorted(found) == [(f'{"ABCDEF"[k]}-{k}', 8 * k) for k in range(6)]


def test_letters_are_recognised_or_asked_for(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for text in 'AB12', 'Z9Z9', '0007', '0A0B':
        grey(folder / f'{text}.png', 100)
    assert to_tfrecord.convert(str(folder), str(tmp_path), num_test=1) == []
    found = [classes for _, classes in records.read_records(str(tmp_path / 'train.tfrecords'))]
    assert max(map(max, found)) > 9
    for name, usable in ('alnum', 4), ('digits', 1):
        wanted = labels.Wanted(alphabet=dataset.CHARSETS[name])
        if usable == 4:
            assert to_tfrecord.convert(str(folder), str(tmp_path / name), 1, wanted) == []
        else:
            with pytest.raises(UserError, match='found 1 '):
                to_tfrecord.convert(str(folder), str(tmp_path / name), 1, wanted)


def test_existing_records_are_kept(thirty, tmp_path, run_script, one_line_error):
    command = ['to_tfrecord.py', '--images', thirty, '--out', tmp_path, '--num-test', 5]
    assert run_script(*command).returncode == 0
    (thirty / '0003_000003.png').unlink()
    kept = run_script(*command)
    assert kept.returncode == 0
    assert 'exist already' in kept.stdout and '--overwrite' in kept.stdout
    assert len(read(tmp_path / 'train.tfrecords')) == 25
    assert run_script(*command, '--overwrite').returncode == 0
    assert len(read(tmp_path / 'train.tfrecords')) == 24
    (tmp_path / 'train.tfrecords').unlink()
    assert 'test.tfrecords' in one_line_error(*command)
    assert not (tmp_path / 'train.tfrecords').exists()


@pytest.mark.parametrize('arguments, words', [
    (['--length', '6-4'], 'expected a length'), (['--length', '0'], 'expected a length'),
    (['--alphabet', ''], 'expected an alphabet'), (['--alphabet', '010'], '0 more than once'),
    (['--alphabet', '01', '--charset', 'digits'], 'not allowed with'),
    (['--labels', 'none.csv'], 'none.csv: expected a list')])
def test_bad_options_are_one_line(one_line_error, thirty, tmp_path, arguments, words):
    assert words in one_line_error('to_tfrecord.py', '--images', thirty, '--num-test', 5,
                                   '--out', tmp_path / 'out', *arguments)
    assert not list((tmp_path / 'out').glob('*'))


@pytest.mark.parametrize('num_test', [30, 31, 500])
def test_too_few_pictures_for_a_test_set(thirty, tmp_path, num_test):
    with pytest.raises(UserError, match=f'more than {num_test} pictures.*found 30.*'
                                        'or put more pictures there$'):  # drawn ones are no such
        to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=num_test)
    assert not (tmp_path / 'out').exists() or os.listdir(tmp_path / 'out') == []


def test_all_texts_in_the_test_set(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(6):
        grey(folder / f'0782_{k:06d}.png', k)
    with pytest.raises(UserError, match='texts all occur in the test set'):
        to_tfrecord.convert(str(folder), str(tmp_path / 'out'), num_test=2, split_by='text')
    assert os.listdir(tmp_path / 'out') == []


def test_missing_and_empty_folders_are_one_line(one_line_error, tmp_path):
    line = one_line_error('to_tfrecord.py', '--images', tmp_path / 'none', '--charset', 'alnum',
                          '--length', '4-6', '--out', tmp_path / 'out')
    assert line.endswith('python gen_captcha.py --charset alnum --length 4-6 --out '
                         f'{tmp_path / "none"}')
    (tmp_path / 'empty').mkdir()
    line = one_line_error('to_tfrecord.py', '--images', tmp_path / 'empty',
                          '--out', tmp_path / 'out')
    assert 'found 0' in line
    assert line.endswith(f'python gen_captcha.py --out {tmp_path / "empty"}')


@pytest.mark.skipif(os.name == 'nt', reason='no SIGKILL')
def test_a_kill_leaves_no_half_written_records(tmp_path, run_script):
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
    again = run_script('to_tfrecord.py', '--images', folder, '--out', out,  # and clears up
                       '--length', 4)
    assert again.returncode == 0, again.stderr
    assert sorted(os.listdir(out)) == ['dataset.json', 'test.tfrecords', 'train.tfrecords']
    assert len(list(records.read_records(str(out / 'train.tfrecords')))) == 2500
    np.testing.assert_array_equal(next(records.read_records(str(out / 'test.tfrecords')))[0],
                                  np.full([224, 224], 9))


def test_records_of_lines_keep_the_pictures_proportions(tmp_path):
    (tmp_path / 'images').mkdir()
    for number in range(3):
        picture = Image.new('RGB', (120, 40), 'white')
        picture.paste((255, 255, 128), (40, 10, 60, 30))
        picture.save(tmp_path / 'images' / f'{number}782.png')
    to_tfrecord.convert(str(tmp_path / 'images'), str(tmp_path / 'out'), 1,
                        labels.Wanted(pictures='line'))
    image, _ = next(records.read_records(str(tmp_path / 'out' / 'test.tfrecords')))
    ink = image < 128
    assert abs(ink.any(axis=1).sum() - 3 * ink.any(axis=0).sum()) < 12  # a square, 3 times as high
    assert dataset.read_facts(str(tmp_path / 'out')).pictures == 'line'


def few_texts(tmp_path, texts, number):
    """A folder of pictures of few texts, each of another grey; the first two are equal."""
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
    test, train = (read(tmp_path / 'out' / f'{split}.tfrecords') for split in ('test', 'train'))
    assert len(test) == 20 and len(train) in (39, 40)
    assert not {pixel for _, pixel in test} & {pixel for _, pixel in train}
    assert json.loads((tmp_path / 'out' / 'dataset.json').read_text())['split'] == 'picture'


def test_a_split_by_text_can_be_asked_for_and_names_what_is_not_trained(tmp_path, capsys):
    folder = few_texts(tmp_path, '0123456789', 60)
    to_tfrecord.convert(folder, str(tmp_path / 'out'), 4, split_by='text')
    test, train = (read(tmp_path / 'out' / f'{split}.tfrecords') for split in ('test', 'train'))
    missing = {text for text, _ in test}
    assert not missing & {text for text, _ in train} and len(train) == 60 - 6 * len(missing)
    assert f'not in the training set: {" ".join(sorted(missing))}; ' in capsys.readouterr().out
