"""to_tfrecord.py: the format of its records, and how it treats unusable files."""
import re
import sys

import pytest
from PIL import Image

import to_tfrecord
from helpers import grey, read_back
from support.captcha import dataset, labels, records
from support.common.console import UserError


def test_a_record_has_the_posts_keys_and_types():
    example = to_tfrecord.image_to_tfexample(bytes(50176), 0, 7, 8, 2)
    features = example.features.feature
    assert sorted(features) == ['image', 'label0', 'label1', 'label2', 'label3']
    assert list(features['image'].bytes_list.value) == [bytes(50176)]
    assert [list(features[f'label{k}'].int64_list.value) for k in range(4)] == [[0], [7], [8], [2]]


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
    assert 'fewer --shards' in one_line_error(*command, '--shards', 26, '--overwrite')
    assert len(read_back(tmp_path / 'train.tfrecords')) == 25


def test_unusable_files_are_counted_and_named(thirty, tmp_path, run_here):
    whole = (thirty / '0003_000003.png').read_bytes()
    (thirty / '0100_000100.png').write_bytes(whole[:len(whole) // 2])  # truncated
    grey(thirty / '01O1_000101.png', 0)  # the letter O among digits
    grey(thirty / '12.png', 0)
    (thirty / 'notes.txt').write_text('stray')
    (thirty / '0102').mkdir()
    grey(thirty / '0102' / 'a.png', 0)
    command = ['to_tfrecord.py', '--images', thirty, '--out', tmp_path, '--num-test', 5,
               '--length', 4, '--charset', 'digits']
    ended = run_here(*command)
    assert ended.returncode == 2
    for name in '0100_000100.png', '01O1_000101.png', '12.png', 'notes.txt', 'is in a folder':
        assert re.search(f'^not used: .*{name}', ended.stdout, re.MULTILINE)
    assert ended.stdout.count('not used') == 5
    assert '5 files were not used' in ended.stderr
    assert len(read_back(tmp_path / 'train.tfrecords')) == 25
    accepted = run_here(*command, '--skip-bad', '--overwrite')
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
    assert (f'{folder}: 5 pictures, 3-5 characters of 0-9; 078.png is read as 078\n'
            in capsys.readouterr().out)
    assert dataset.read_facts(str(tmp_path / 'out' / 'x')) == dataset.Facts('0123456789', 3, 5)
    texts = [text for split in ('test', 'train')
             for text, _ in read_back(tmp_path / 'out' / f'{split}.tfrecords')]
    assert sorted(texts) == ['078', '0782', '0784', '12345', '54321']
    classes = {tuple(classes) for _, classes in
               records.read_records(str(tmp_path / 'out' / 'train.tfrecords'))}
    assert classes & {(0, 7, 8, 10, 10), (0, 7, 8, 2, 10)}  # 10: no character


def test_labels_from_a_list(tmp_path, run_here):
    folder = tmp_path / 'images'
    folder.mkdir()
    for k in range(6):
        grey(folder / f'{k}.png', 8 * k)
    (tmp_path / 'labels.csv').write_text('file,text\n' + ''.join(
        f'{k}.png,{"ABCDEF"[k]}-{k}\n' for k in range(6)))
    ended = run_here('to_tfrecord.py', '--images', folder, '--out', tmp_path, '--num-test', 2,
                     '--labels', tmp_path / 'labels.csv')
    assert ended.returncode == 0, ended.stderr
    found = read_back(tmp_path / 'test.tfrecords') + read_back(tmp_path / 'train.tfrecords')
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
            with pytest.raises(UserError, match='found 1, 0 that'):
                to_tfrecord.convert(str(folder), str(tmp_path / name), 1, wanted)


def test_existing_records_are_kept(thirty, tmp_path, run_here, one_line_error):
    command = ['to_tfrecord.py', '--images', thirty, '--out', tmp_path, '--num-test', 5]
    assert run_here(*command).returncode == 0
    (thirty / '0003_000003.png').unlink()
    kept = run_here(*command)
    assert kept.returncode == 0
    assert 'exist already' in kept.stdout and '--overwrite' in kept.stdout
    assert len(read_back(tmp_path / 'train.tfrecords')) == 25
    assert run_here(*command, '--overwrite').returncode == 0
    assert len(read_back(tmp_path / 'train.tfrecords')) == 24
    (tmp_path / 'train.tfrecords').unlink()
    assert 'test.tfrecords' in one_line_error(*command)
    assert not (tmp_path / 'train.tfrecords').exists()


@pytest.mark.parametrize('arguments, words', [
    (['--length', '6-4'], 'expected a length'), (['--length', '0'], 'expected a length'),
    (['--alphabet', ''], 'expected an alphabet'), (['--alphabet', '010'], "found '010'"),
    (['--alphabet', '01', '--charset', 'digits'], 'not allowed with'),
    (['--labels', 'none.csv'], 'none.csv: expected a list')])
def test_bad_options_are_one_line(one_line_error, thirty, tmp_path, arguments, words):
    assert words in one_line_error('to_tfrecord.py', '--images', thirty, '--num-test', 5,
                                   '--out', tmp_path / 'out', *arguments)
    assert not list((tmp_path / 'out').glob('*'))


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
