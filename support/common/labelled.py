"""The text of each picture in a folder: from its name, its folder's name, or a list."""
import contextlib
import csv
import os
import re

from support.common import folders
from support.common.console import UserError

SEPARATORS = re.compile(r'[_\-.\s]')  # the text of a file name ends at the first of these
COPY = re.compile(r'\s*\(\d+\)$')  # how systems name a second copy of a file: 0037(1).jpg
FOLDERS = 'folders'  # in place of a list: each picture's folder is named after its text


def find_texts(folder, labels_file=None, alphabet=''):
    """{path relative to the folder: text} of its pictures, [(name, why)] of other files.

    Args: labels_file: a list of names and texts; FOLDERS; None: file names.
    Raises: UserError if the list is unusable.
    """
    if labels_file not in (None, FOLDERS):
        return of_list(folder, labels_file)
    texts, bad = {}, []
    for path in folders.files_below(folder):
        inside, name = os.path.split(path)
        if path.lower().endswith(folders.NO_PICTURES):
            bad.append((path, 'is not a picture, by its name'))
        elif labels_file is None and inside:
            bad.append((path, 'is in a folder; name it with --images, or see --labels folders'))
        elif labels_file == FOLDERS and not inside:
            bad.append((path, 'is not in a folder named after its text'))
        else:
            texts[path] = os.path.basename(inside) or label_text(name, alphabet)
    return texts, bad


def label_text(name, alphabet=''):
    """'0782_000123.jpg' -> '0782': the file name up to the first _ - . or blank.

    Characters of the alphabet do not separate: '8-3=_a.png' -> '8-3=' if it has a '-'.
    """
    stem = COPY.sub('', os.path.splitext(name)[0])
    separator = ''.join(re.escape(c) for c in '_-.' if c not in alphabet)
    return re.split(rf'[{separator}\s]', stem)[0]


def of_list(folder, labels_file):
    """As `find_texts`. Raises: UserError if the list leads outside or contradicts itself."""
    texts, bad = {}, []
    for number, written, text in read_list(folder, labels_file):
        name = path_inside(folder, written)
        from_here = path_inside(folder, os.path.abspath(written))  # as in captcha_test.py --csv
        if from_here and (name is None or not os.path.isfile(os.path.join(folder, name))):
            name = from_here
        if name is None:
            raise UserError(f'{labels_file}: line {number}: expected a file in {folder}, found '
                            f'{written}; put all pictures there, or name their folder with '
                            '--images')
        if texts.get(name, text) != text:
            raise UserError(f'{labels_file}: line {number}: expected one text for {name}, found '
                            f'{texts[name]} and {text}; delete the wrong line')
        if not os.path.isfile(os.path.join(folder, name)):
            bad.append((name, f'is in {labels_file} but not in {folder}'))
        else:
            texts[name] = text
    list_path = os.path.realpath(labels_file)
    for name in folders.files_below(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and name not in texts and os.path.realpath(path) != list_path:
            bad.append((name, f'has no line in {labels_file}'))
    return texts, bad


def path_inside(folder, name):
    """The path of a listed file, itself perhaps a link, in the folder; None if it leads outside."""
    inner, file = os.path.split(os.path.normpath(os.path.join(folder, name)))
    path = os.path.join(os.path.realpath(inner), file)
    inside = os.path.join(os.path.realpath(folder), '')
    return path.removeprefix(inside) if path.startswith(inside) else None


def read_list(folder, labels_file):
    """Yield (line number, file name, text) of a list, without a header line.

    Tabs, commas, semicolons or else blanks separate names and texts.
    """
    try:
        lines = decoded(labels_file).splitlines()
        first = lines[0] if lines else ''
        delimiter = max('\t,;', key=first.count) if re.search('[\t,;]', first) else ' '
        for number, row in enumerate(csv.reader(lines, delimiter=delimiter,
                                                skipinitialspace=True), 1):
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if len(cells) < 2 or not cells[0]:
                raise UserError(f'{labels_file}: line {number}: expected a file name and a text, '
                                f'found {row}; separate them with a comma or a tab, and save '
                                'the table without a column of line numbers')
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


def decoded(path):
    """The text of a file in UTF-8 or, if it is only valid in that, GBK."""
    with open(path, 'rb') as file:
        content = file.read()
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode('utf-8-sig')
    return content.decode('gbk')
