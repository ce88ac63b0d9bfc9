"""The text of each picture in a folder: from its name, its folder's name, or a list."""
import contextlib
import csv
import itertools
import os
import re

from support.common import folders
from support.common.console import UserError
from support.common.option_types import composed

SEPARATORS = re.compile(r'[_\-.\s]')  # the text of a file name ends at the first of these
COPY = re.compile(r'\s*\(\d+\)$')  # how systems name a second copy of a file: 0037(1).jpg
FOLDERS = 'folders'  # in place of a list: each picture's folder is named after its text


def find_texts(folder, labels_file=None, alphabet=''):
    """The texts of a folder's pictures, and what has none.

    Args: labels_file: a list of names and texts; FOLDERS; None: file names. alphabet: as for
      `label_text`.
    Returns: {path relative to the folder: text}, [(name, why)] of other files.
    Raises: UserError if the list is unusable.
    """
    if labels_file is None:
        return of_names(folder, alphabet)
    return of_folders(folder) if labels_file == FOLDERS else of_list(folder, labels_file)


def label_text(name, alphabet=''):
    """'0782_000123.jpg' -> '0782': the file name up to the first _ - . or blank.

    Characters of the alphabet do not separate: '8-3=_a.png' -> '8-3=' if it has a '-'.
    """
    stem = COPY.sub('', os.path.splitext(name)[0])
    separator = ''.join(re.escape(c) for c in '_-.' if c not in alphabet)
    return re.split(rf'[{separator}\s]', stem)[0]


def of_names(folder, alphabet=''):
    """({file name: text}, [(name, why)]) of a folder whose file names begin with the text."""
    texts, bad = {}, []
    for name in folders.visible(folder):
        if not os.path.isfile(os.path.join(folder, name)):
            bad.append((name, 'is a folder; name it with --images, or see --labels folders'))
        elif name.lower().endswith(folders.NO_PICTURES):
            bad.append((name, 'is not a picture, by its name'))
        else:
            texts[name] = label_text(name, alphabet)
    return texts, bad


def of_folders(folder):
    """({path: text}, [(name, why)]) of pictures in folders named after their texts."""
    texts, bad = {}, []
    for path in folders.files_below(folder):
        if os.sep not in path:
            bad.append((path, 'is not in a folder named after its text'))
        elif path.lower().endswith(folders.NO_PICTURES):
            bad.append((path, 'is not a picture, by its name'))
        else:
            texts[path] = os.path.basename(os.path.dirname(path))
    return texts, bad


def of_list(folder, labels_file):
    """({file name: text}, [(name, why)]) from a list of file names, relative to the folder.

    Raises: UserError if the list is unreadable, leads outside the folder or contradicts itself.
    """
    texts, bad = {}, []
    below = folders.files_below(folder)
    as_stored = {composed(name): name for name in below}
    for number, written, text in read_list(folder, labels_file):
        name = path_inside(folder, written)
        from_here = path_inside(folder, os.path.abspath(written))  # as in captcha_test.py --csv
        if from_here and (name is None or not os.path.isfile(os.path.join(folder, name))):
            name = from_here
        if name is None:
            raise UserError(f'{labels_file}: line {number}: expected a file in {folder}, found '
                            f'{written}; put all pictures there, or name their folder with '
                            '--images')
        if not os.path.isfile(os.path.join(folder, name)):
            name = as_stored.get(composed(name), name)
        if texts.get(name, text) != text:
            raise UserError(f'{labels_file}: line {number}: expected one text for {name}, found '
                            f'{texts[name]} and {text}; delete the wrong line')
        if not os.path.isfile(os.path.join(folder, name)):
            bad.append((name, f'is in {labels_file} but not in {folder}'))
        else:
            texts[name] = text
    list_path = os.path.realpath(labels_file)
    for name in below:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and name not in texts and os.path.realpath(path) != list_path:
            bad.append((name, f'has no line in {labels_file}'))
    return texts, bad


def path_inside(folder, name):
    """The path of a listed file relative to the folder; None if it leads outside.

    Links in the folder are the user's own and are followed; either path may contain one.
    """
    for resolved in os.path.abspath, os.path.realpath:
        inside, path = os.path.join(resolved(folder), ''), resolved(os.path.join(folder, name))
        if path.startswith(inside):
            return path.removeprefix(inside)
    return None


def read_list(folder, labels_file):
    """Yield (line number, file name, text) of a list, without a header line.

    Tabs, commas, semicolons or else blanks separate names and texts. The encoding is UTF-8 or, from
    Chinese Windows, GBK.
    """
    try:
        with open(labels_file, encoding=encoding_of(labels_file), newline='') as file:
            first = file.readline()
            delimiter = max('\t,;', key=first.count) if re.search('[\t,;]', first) else ' '
            rows = csv.reader(itertools.chain([first], file), delimiter=delimiter,
                              skipinitialspace=True)
            for number, row in enumerate(rows, 1):
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                if '\0' in ''.join(cells):
                    raise csv.Error(f'a zero byte in line {number}')
                if len(cells) < 2:
                    raise UserError(f'{labels_file}: line {number}: expected a file name and a '
                                    f'text, found {row}; separate them with a comma or a tab')
                if not cells[0]:
                    raise UserError(f'{labels_file}: line {number}: expected a file name in the '
                                    'first column, found none; save the table without the column '
                                    'of line numbers')
                if number == 1 and not os.path.exists(os.path.join(folder, cells[0])) and (
                        not os.path.splitext(cells[0])[1]):
                    continue
                yield number, cells[0], cells[1]
    except FileNotFoundError as error:
        raise UserError(f'{labels_file}: expected a list of file names and texts (CSV or TSV), '
                        'found no such file; name another with --labels') from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f'{labels_file}: expected a CSV or TSV file in UTF-8, found {error}; '
                        'save it as that, or name another with --labels') from error


def encoding_of(path):
    """UTF-8, or GBK if the bytes are only valid in it; UTF-8 if they are valid in neither."""
    with open(path, 'rb') as file:
        content = file.read()
    for encoding in 'utf-8-sig', 'gbk':
        with contextlib.suppress(UnicodeDecodeError):
            content.decode(encoding)
            return encoding
    return 'utf-8-sig'
