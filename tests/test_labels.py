"""Labels of pictures: from file names or a list, and what looks like an accident."""
import os
import unicodedata

import pytest
from PIL import Image

from support.captcha import dataset, labels
from support.common import labelled
from support.common.console import UserError


def fill(folder, names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b'')
    return str(folder)


def found(folder, **wanted):
    """{file name: text}, {bad name: why}, facts."""
    pictures, bad, facts = labels.find_pictures(folder, labels.Wanted(**wanted))
    return {path[len(folder) + 1:]: text for path, text in pictures}, dict(bad), facts


@pytest.mark.parametrize('name, text', [
    ('0782.jpg', '0782'), ('0782_17.png', '0782'), ('xk2f9-1.png', 'xk2f9'), ('A B.png', 'A'),
    ('0782', '0782'), ('验证码_1.jpg', '验证码'), ('0782 (2).png', '0782'), ('_1.png', '')])
def test_a_text_ends_at_the_first_separator(name, text):
    assert labelled.label_text(name) == text


def test_lengths_and_alphabet_are_found(tmp_path):
    folder = fill(tmp_path / 'a', ['0782_1.png', '12345.png', '993-2.png'])
    assert found(folder) == ({'0782_1.png': '0782', '12345.png': '12345', '993-2.png': '993'}, {},
                             dataset.Facts('0123456789', 3, 5))


@pytest.mark.parametrize('texts, alphabet', [
    (['0782'], '0123456789'), (['ABCD'], dataset.CHARSETS['alnum']),
    (['ab1d'], dataset.CHARSETS['alnum_lower']), (['aB1d'], dataset.CHARSETS['all']),
    (['验证', '码a'], 'a码证验')])
def test_the_smallest_alphabet_is_taken(tmp_path, texts, alphabet):
    *_, facts = found(fill(tmp_path / 'a', [f'{text}.png' for text in texts]))
    assert facts.alphabet == alphabet


def test_what_is_no_picture_is_named(tmp_path):
    folder = fill(tmp_path / 'a', ['0782.png', '.hidden', 'Thumbs.db', '_1.png', 'notes.txt'])
    fill(tmp_path / 'a' / '0001', ['x.png'])
    texts, bad, _ = found(folder)
    assert texts == {'0782.png': '0782'}
    assert bad == {'_1.png': 'has a text of 0 characters, wanted: 1-99',
                   'notes.txt': 'is not a picture, by its name',
                   os.path.join('0001', 'x.png'): 'is in a folder; name it with --images, or see '
                                                  '--labels folders'}
    (tmp_path / 'a' / '0782.png').unlink()
    with pytest.raises(UserError, match='expected pictures with texts, found none but 3 files, the '
                                        'first 0001/x.png: is in a folder.*--labels, or draw'):
        found(folder)


def numbers(count=100):
    return [f'{number:04d}_{number}.png' for number in range(0, count * 97, 97)]


def test_an_accidental_length_is_refused_until_it_is_meant(tmp_path):
    folder = fill(tmp_path / 'a', [*numbers(), '123456789012.png'])
    with pytest.raises(UserError, match='^123456789012.png: expected 4 characters of 0-9 as in '
                                        'nearly all of 101 pictures, found 123456789012; .* out '
                                        'with --length 4 --charset digits, or .*--length 4-12 --c'):
        found(folder)
    with pytest.raises(UserError, match='with --length 4, or take them all with --length 4-12$'):
        found(folder, alphabet='0123456789')
    texts, bad, facts = found(folder, lengths=(4, 4))
    assert len(texts) == 100 and bad == {
        '123456789012.png': 'has a text of 12 characters, wanted: 4'}
    assert facts == dataset.Facts()
    assert found(folder, lengths=(4, 12))[2] == dataset.Facts(longest=12)


def test_an_accidental_character_is_refused_until_it_is_meant(tmp_path):
    folder = fill(tmp_path / 'a', [*numbers(), '01O1.png'])
    with pytest.raises(UserError, match='^01O1.png: expected 4 characters of 0-9 as .*, found 01O1;'
                                        '.*--charset digits, .*--charset alnum$'):
        found(folder)
    texts, bad, facts = found(folder, alphabet='0123456789')
    assert len(texts) == 100 and list(bad) == ['01O1.png'] and facts == dataset.Facts()
    _, bad, facts = found(folder, alphabet=dataset.CHARSETS['alnum'])
    assert bad == {} and facts.alphabet == dataset.CHARSETS['alnum']


def test_a_rare_digit_among_digits_is_no_accident(tmp_path):
    names = [f'{n:04d}_{n}.png' for n in range(1000) if '9' not in f'{n:04d}'] + ['9000.png']
    assert found(fill(tmp_path / 'a', names))[2] == dataset.Facts()


def test_case_can_be_ignored(tmp_path):
    folder = fill(tmp_path / 'a', ['aB1d.png', 'ABCD.png'])
    texts, _, facts = found(folder, ignore_case=True)
    assert texts == {'aB1d.png': 'AB1D', 'ABCD.png': 'ABCD'}
    assert facts.alphabet == dataset.CHARSETS['alnum']
    texts, bad, _ = found(folder, ignore_case=True, alphabet=dataset.CHARSETS['alnum_lower'])
    assert texts == {'aB1d.png': 'ab1d', 'ABCD.png': 'abcd'} and bad == {}
    names = [f'{"ABCDE"[n % 5]}{"ABCDE"[n // 5 % 5]}AB_{n}.png' for n in range(100)]
    with pytest.raises(UserError, match='aAAA.png: .*found aAAA; rename it, add --ignore-case, '):
        found(fill(tmp_path / 'b', [*names, 'aAAA.png']))


# --- a list of labels

def with_list(tmp_path, text, names=('a.png', 'b 1.png')):
    folder = fill(tmp_path / 'a', names)
    (tmp_path / 'labels').write_text(text, encoding='utf-8')
    return folder, str(tmp_path / 'labels')


@pytest.mark.parametrize('text', [
    'a.png,0782\nb 1.png,x_-y\n', 'file\ttext\na.png\t0782\nb 1.png\tx_-y\n\n',
    '\ufeffname;label\r\na.png;0782\r\n"b 1.png"; x_-y\r\n',
    '"a.png", "0782"\n"b 1.png", "x_-y"\n'])
def test_a_list_gives_any_text(tmp_path, text):
    folder, path = with_list(tmp_path, text)
    assert found(folder, labels_file=path) == (
        {'a.png': '0782', 'b 1.png': 'x_-y'}, {}, dataset.Facts('-0278_xy', 4, 4))


def test_a_list_in_the_folder_itself_and_pictures_in_folders(tmp_path):
    folder = fill(tmp_path / 'a', ['a.png', 'labels.csv'])
    fill(tmp_path / 'a' / 'more', ['b.png'])
    (tmp_path / 'a' / 'labels.csv').write_text('a.png,0782\nmore/b.png,0783\n')
    texts, bad, _ = found(folder, labels_file=str(tmp_path / 'a' / 'labels.csv'))
    assert texts == {'a.png': '0782', 'more/b.png': '0783'} and bad == {}


def test_pictures_and_lines_that_do_not_belong_together_are_named(tmp_path):
    folder, path = with_list(tmp_path, 'a.png,0782\nc.png,0783\n')
    texts, bad, _ = found(folder, labels_file=path)
    assert texts == {'a.png': '0782'}
    assert bad == {'c.png': f'is in {path} but not in {folder}',
                   'b 1.png': f'has no line in {path}'}


@pytest.mark.parametrize('text, words', [
    ('a.png,0782\na.png,0783\n', 'line 2: expected one text for a.png, found 0782 and 0783'),
    ('a.png\n', 'line 1: expected a file name and a text'),
    ('../labels,0782\n', 'line 1: expected a file in .*, found ../labels'),
    ('/etc/hosts,0782\n', 'line 1: expected a file in'),
    ('a.png,0782\n./a.png,0783\n', 'line 2: expected one text for a.png'),
    (',file,text\n0,a.png,0782\n', 'line 1: expected a file name and a text, .* line numbers')])
def test_a_list_that_cannot_be_is_one_line(tmp_path, text, words):
    folder, path = with_list(tmp_path, text)
    with pytest.raises(UserError, match=words):
        found(folder, labels_file=path)


def test_a_list_may_have_whole_paths(tmp_path):
    folder, path = with_list(tmp_path, f'{tmp_path}/a/a.png,0782\n./b 1.png,0783\n')
    assert found(folder, labels_file=path)[:2] == ({'a.png': '0782', 'b 1.png': '0783'}, {})


def test_a_list_may_have_paths_from_where_one_is(tmp_path, monkeypatch):
    folder, path = with_list(tmp_path, 'file,text,confidence\na/a.png,0782,0.9\na/b 1.png,,0.0\n')
    monkeypatch.chdir(tmp_path)
    for images in folder, 'a':
        assert found(images, labels_file=path)[:2] == ({'a.png': '0782'},
                                                       {
            'b 1.png': 'has a text of 0 characters, wanted: 1-99'})


def test_pictures_in_folders_without_a_line_are_named(tmp_path):
    folder, path = with_list(tmp_path, 'a.png,0782\nb 1.png,0783\nin/c.png,0784\n')
    for name in 'c.png', 'd.png', '.hidden':
        (tmp_path / 'a' / 'in').mkdir(exist_ok=True)
        (tmp_path / 'a' / 'in' / name).write_bytes(b'')
    texts, bad, _ = found(folder, labels_file=path)
    assert texts == {'a.png': '0782', 'b 1.png': '0783', os.path.join('in', 'c.png'): '0784'}
    assert bad == {os.path.join('in', 'd.png'): f'has no line in {path}'}


def test_records_in_the_folder_itself_are_not_taken_for_pictures(tmp_path):
    own = ['dataset.json', 'test.tfrecords', 'train.tfrecords', 'train-00001-of-00002.tfrecords']
    folder = fill(tmp_path / 'a', ['0782.png', 'other.tfrecords', *own])
    assert found(folder)[:2] == ({'0782.png': '0782'},
                                 {'other.tfrecords': 'is not a picture, by its name'})


def test_a_folder_of_links_and_a_link_to_the_folder(tmp_path):
    folder, path = with_list(tmp_path, f'{tmp_path}/a/a.png,0782\n./b 1.png,0783\n')
    links = tmp_path / 'links'
    links.mkdir()
    for name in 'a.png', 'b 1.png':
        (links / name).symlink_to(tmp_path / 'a' / name)
    (tmp_path / 'list').write_text('a.png,0782\nb 1.png,0783\n')
    expected = {'a.png': '0782', 'b 1.png': '0783'}, {}
    assert found(str(links), labels_file=str(tmp_path / 'list'))[:2] == expected
    (tmp_path / 'link').symlink_to(tmp_path / 'a')
    assert found(str(tmp_path / 'link'), labels_file=path)[:2] == expected


def test_a_rare_length_between_usual_ones(tmp_path):
    names = [f'{n:04d}_{n}.png' for n in range(0, 9999, 199)]
    names += [f'{n:06d}_{n}.png' for n in range(0, 999999, 19999)] + ['12345.png']
    with pytest.raises(UserError, match='found 12345; rename it, or take them all with '
                                        '--length 4-6 --charset digits$'):
        found(fill(tmp_path / 'a', names))


def test_a_list_that_is_not_there_or_no_text(tmp_path):
    folder = fill(tmp_path / 'a', ['a.png'])
    with pytest.raises(UserError, match='none.csv: expected a list .*found no such file'):
        found(folder, labels_file=str(tmp_path / 'none.csv'))
    Image.new('L', (40, 40), 200).save(tmp_path / 'picture.png')
    with pytest.raises(UserError, match='picture.png: expected a CSV or TSV file in UTF-8'):
        found(folder, labels_file=str(tmp_path / 'picture.png'))


def test_names_from_a_mac_are_read_as_they_are_typed(tmp_path):
    """A Mac's file names hold 한 as three characters, which look the same on the screen."""
    texts = ['한글가나', '나가글한']
    stored = [unicodedata.normalize('NFD', f'{text}_{k}.png') for k, text in enumerate(texts)]
    folder = fill(tmp_path / 'a', stored)
    facts = dataset.Facts(''.join(sorted(texts[0])), 4, 4)
    assert found(folder) == (dict(zip(stored, texts)), {}, facts)
    assert found(folder, alphabet=texts[0])[1] == {}


def test_a_character_of_the_alphabet_separates_nothing(tmp_path):
    folder = fill(tmp_path / 'a', ['8-3=_a.png', '12+4=_b.png', '0x7=_c.png'])
    texts, bad, _ = found(folder, alphabet='0123456789+-x=')
    assert (sorted(texts.values()), bad) == (['0x7=', '12+4=', '8-3='], {})


@pytest.mark.parametrize('name', ['{:06d}.png', 'captcha{}.jpg', 'IMG_{:04d}.jpg', '{}.png'])
def test_names_that_only_count_are_no_texts(tmp_path, name):
    with pytest.raises(UserError, match='found 120 that only count.*--labels.*--length'):
        found(fill(tmp_path / 'a', [name.format(k) for k in range(3, 123)]))


def test_numbers_of_captchas_are_texts(tmp_path):
    texts, _, _ = found(fill(tmp_path / 'a', [f'{37 * k % 10000:04d}.png' for k in range(150)]))
    assert len(texts) == 150
    texts, _, _ = found(fill(tmp_path / 'b', [f'{k:04d}.png' for k in range(150)]),
                        lengths=(4, 4))
    assert len(texts) == 150


def test_zeros_that_a_spreadsheet_took_are_put_back(tmp_path):
    names = [f'{k:02d}.png' for k in range(25)]
    lines = 'file,text\n' + ''.join(f'{name},{397 if k < 3 else 1234 + k}\n'
                                    for k, name in enumerate(names))
    folder, path = with_list(tmp_path, lines, names)
    texts, _, _ = found(folder, labels_file=path, lengths=(4, 4))
    assert sorted(texts.values())[0] == '0397'
    texts, _, facts = found(folder, labels_file=path, lengths=(3, 4))
    assert (sorted(texts.values())[-1], facts.shortest) == ('397', 3)


def test_numbers_of_copies_are_no_text(tmp_path):
    texts, _, facts = found(fill(tmp_path / 'a', ['0037(1).jpg', '0037.jpg', '1234 (2).jpg']))
    assert sorted(texts.values()) == ['0037', '0037', '1234'] and facts.alphabet == '0123456789'


def test_full_width_letters_and_digits_are_ordinary_ones(tmp_path):
    texts, _, _ = found(fill(tmp_path / 'a', ['０７８2_1.png', 'ＡB12_2.png', '验证_3.png']))
    assert sorted(texts.values()) == ['0782', 'AB12', '验证']


def test_folders_may_be_named_by_the_text(tmp_path):
    for path in 'a/3/IMG_1.png', 'a/3/IMG_2.png', 'a/more/7/x.png', 'a/lost.png':
        os.makedirs(os.path.dirname(tmp_path / path), exist_ok=True)
        (tmp_path / path).write_bytes(b'')
    texts, bad, _ = found(str(tmp_path / 'a'), labels_file=labelled.FOLDERS)
    assert sorted(texts.values()) == ['3', '3', '7']
    assert bad == {'lost.png': 'is not in a folder named after its text'}


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'gbk'])
@pytest.mark.parametrize('sign', [',', '\t', ';', ' '])
def test_lists_as_people_save_them(tmp_path, encoding, sign):
    folder, path = with_list(tmp_path, '', ['a.png', 'b.png'])
    with open(path, 'w', encoding=encoding) as file:
        file.write(f'a.png{sign}验证\nb.png{sign}码字\n')
    texts, _, _ = found(folder, labels_file=path)
    assert sorted(texts.values()) == ['码字', '验证']
