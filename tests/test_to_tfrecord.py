"""The writer of records: their format, the split, and what it does with unusable files."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import captcha_data
import cli
import to_tfrecord
from conftest import ROOT


def grey(path, value):
    Image.new('L', (160, 60), value).save(path)


def read(path):
    """[(text, the image's first pixel), ...] of a record file."""
    return [(captcha_data.text_of(labels, captcha_data.CHARSETS['alnum']), int(image[0, 0]))
            for image, labels in captcha_data.read_records(str(path))]


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


def test_the_split_is_the_sorted_list_shuffled_with_seed_0(thirty, tmp_path, monkeypatch):
    monkeypatch.setattr(to_tfrecord, '_NUM_TEST', 8)
    assert to_tfrecord.convert(str(thirty), str(tmp_path / 'out')) == []
    names = sorted(os.listdir(thirty))
    random.seed(0)
    random.shuffle(names)
    expected = [(name[:4], 8 * int(name[:4])) for name in names]
    assert read(tmp_path / 'out' / 'test.tfrecords') == expected[:8]
    assert read(tmp_path / 'out' / 'train.tfrecords') == expected[8:]
    facts = json.loads((tmp_path / 'out' / 'dataset.json').read_text())
    assert facts == {'charset': '0123456789', 'train': 22, 'test': 8, 'seed': 0,
                     'left_out_because_text_is_in_test': 0, 'unusable_files': 0,
                     'image_height': 224, 'image_width': 224}
    assert sorted(os.listdir(tmp_path / 'out')) == ['dataset.json', 'test.tfrecords',
                                                    'train.tfrecords']


def test_no_text_of_the_test_set_is_trained_on(thirty, tmp_path):
    for k in range(30):  # every text once more, with another grey
        grey(thirty / f'{k:04d}_{k + 30:06d}.png', 8 * k + 1)
    to_tfrecord.convert(str(thirty), str(tmp_path), num_test=8)
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
    command = ['to_tfrecord.py', '--images', thirty, '--out', tmp_path, '--num-test', 5]
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


def test_longer_texts_are_spoken_of(tmp_path, capsys):
    folder = tmp_path / 'images'
    folder.mkdir()
    for name in '12345.png', '54321_1.png', '0782_000001.png', '0783.png', '0784 (2).png':
        grey(folder / name, 100)
    to_tfrecord.convert(str(folder), str(tmp_path / 'out'), num_test=1)
    assert '2 names go on with another digit' in capsys.readouterr().out
    shutil.rmtree(tmp_path / 'out')
    (folder / '12345.png').unlink()
    (folder / '54321_1.png').unlink()
    to_tfrecord.convert(str(folder), str(tmp_path / 'out'), num_test=1)
    assert 'go on with' not in capsys.readouterr().out


def test_letters_are_recognised_or_asked_for(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for text in 'AB12', 'Z9Z9', '0007', '0A0B':
        grey(folder / f'{text}.png', 100)
    assert to_tfrecord.convert(str(folder), str(tmp_path), num_test=1) == []
    labels = [labels for _, labels in captcha_data.read_records(str(tmp_path / 'train.tfrecords'))]
    assert max(map(max, labels)) > 9
    bad = to_tfrecord.convert(str(folder), str(tmp_path / 'x'), num_test=1, charset='alnum')
    assert bad == []
    with pytest.raises(cli.UserError, match='found 1 '):
        to_tfrecord.convert(str(folder), str(tmp_path / 'y'), num_test=1, charset='digits')


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


@pytest.mark.parametrize('num_test', [30, 31, 500])
def test_too_few_pictures_for_a_test_set(thirty, tmp_path, num_test):
    with pytest.raises(cli.UserError, match=f'more than {num_test} pictures.*found 30'):
        to_tfrecord.convert(str(thirty), str(tmp_path / 'out'), num_test=num_test)
    assert not (tmp_path / 'out').exists() or os.listdir(tmp_path / 'out') == []


def test_all_texts_in_the_test_set(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(6):
        grey(folder / f'0782_{k:06d}.png', k)
    with pytest.raises(cli.UserError, match='texts all occur in the test set'):
        to_tfrecord.convert(str(folder), str(tmp_path / 'out'), num_test=2)
    assert os.listdir(tmp_path / 'out') == []


def test_missing_and_empty_folders_are_one_line(one_line_error, tmp_path):
    line = one_line_error('to_tfrecord.py', '--images', tmp_path / 'none', '--charset', 'alnum',
                          '--out', tmp_path / 'out')
    assert line.endswith(f'python gen_captcha.py --charset alnum --out {tmp_path / "none"}')
    (tmp_path / 'empty').mkdir()
    line = one_line_error('to_tfrecord.py', '--images', tmp_path / 'empty',
                          '--out', tmp_path / 'out')
    assert 'found 0' in line
    assert line.endswith(f'python gen_captcha.py --out {tmp_path / "empty"}')


@pytest.mark.skipif(os.name == 'nt', reason='no SIGKILL')
def test_a_kill_leaves_no_half_written_records(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(3000):
        os.link(folder / '0000.png', folder / f'{k:04d}.png') if k else grey(folder / '0000.png', 9)
    out = tmp_path / 'out'
    process = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, 'to_tfrecord.py'), '--images', folder, '--out', out],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = out / '.train.tfrecords.part'
    while not (part.exists() and part.stat().st_size > 1_000_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not [name for name in os.listdir(out) if not name.startswith('.')]
    to_tfrecord.convert(str(folder), str(out))  # and the next run clears up
    assert sorted(os.listdir(out)) == ['dataset.json', 'test.tfrecords', 'train.tfrecords']
    assert len(list(captcha_data.read_records(str(out / 'train.tfrecords')))) == 2500
    np.testing.assert_array_equal(next(captcha_data.read_records(str(out / 'test.tfrecords')))[0],
                                  np.full([224, 224], 9))
