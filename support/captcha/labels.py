"""Which pictures a data set is made of, and the text of each: from file names or from a list.

What is found decides the data set's facts, so what looks like an accident (one long name among
thousands of short ones, one letter that occurs once) is refused until the user says what is meant.
"""
import collections
import csv
import dataclasses
import itertools
import os
import re
import shlex

from support.captcha import dataset
from support.common.console import UserError, composed

SEPARATORS = re.compile(r'[_\-.\s]')  # the text of a file name ends at the first of these
NO_PICTURES = ('.csv', '.html', '.json', '.md', '.py', '.tfrecords', '.tsv', '.txt', '.xml', '.zip')
SYSTEM_FILES = 'Thumbs.db', 'desktop.ini'  # Windows' own, as names with a leading dot are others'
OWN_FILES = re.compile(  # what to_tfrecord.py may have written into the same folder
    r'dataset\.json|test\.tfrecords|train(-\d+-of-\d+)?\.tfrecords')
# An accident: a length of at most this share of the pictures ...
RARE_LENGTH = 0.01
# ... a character that occurs at most this share as often as the mean one, where that one is common
RARE_CHARACTER, COMMON = 0.02, 5


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the user says about the texts; None: to be found out."""
    labels_file: str | None = None  # CSV or TSV, a file name and a text a line; None: file names
    alphabet: str | None = None
    lengths: tuple[int, int] | None = None  # (shortest, longest) in characters
    ignore_case: bool = False
    pictures: str = 'post'  # how they become records: one of dataset.PICTURES


def label_text(name):
    """'0782_000123.jpg' -> '0782': the file name up to the first _ - . or blank."""
    return SEPARATORS.split(name, maxsplit=1)[0]


def find_pictures(folder, wanted=Wanted()):
    """The pictures of a folder with their texts.

    Args: folder: of pictures. wanted: Wanted.
    Returns:
      pictures: [(path, text), ...], sorted by path.
      bad: [(name, why), ...] of everything else in the folder but hidden files.
      facts: dataset.Facts; None if there are no pictures.
    Raises: UserError if the list of labels is unusable or a text looks like an accident.
    """
    if wanted.labels_file is None:
        texts, bad = texts_of_names(folder)
    else:
        texts, bad = texts_of_list(folder, wanted.labels_file)
    texts = {name: same_case(composed(text), wanted) for name, text in sorted(texts.items())}
    usable = {}
    for name, text in texts.items():
        if not text:
            bad.append((name, 'has no text' if wanted.labels_file else
                        'has no text before the first _ - . or blank'))
        elif len(text) > dataset.MAX_LENGTH:
            bad.append((name, f'has a text of more than {dataset.MAX_LENGTH} characters'))
        elif wanted.lengths and not wanted.lengths[0] <= len(text) <= wanted.lengths[1]:
            bad.append((name, f'has {len(text)} characters, wanted: '
                              f'{dataset.range_name(*wanted.lengths)}'))
        elif wanted.alphabet and set(text) - set(wanted.alphabet):
            bad.append((name, f'has characters that are not of {wanted.alphabet}'))
        else:
            usable[name] = text
    if not wanted.lengths:
        refuse_rare_lengths(usable)
    if not wanted.alphabet:
        refuse_rare_characters(usable)
    if not usable:
        return [], bad, None
    lengths = wanted.lengths or (min(map(len, usable.values())), max(map(len, usable.values())))
    facts = dataset.Facts(wanted.alphabet or dataset.alphabet_of(set().union(*usable.values())),
                          *lengths, wanted.pictures)
    return [(os.path.join(folder, name), text) for name, text in usable.items()], bad, facts


def same_case(text, wanted):
    """The text as the alphabet has its letters, where the user says that case does not matter."""
    if not wanted.ignore_case:
        return text
    alphabet = wanted.alphabet or text.upper()
    other = {c: c.swapcase() for c in text if len(c.swapcase()) == 1}  # but 'ß', which is 'SS'
    return ''.join(c if c in alphabet else other.get(c, c) for c in text)


def texts_of_names(folder):
    """({file name: text}, [(name, why)]) of a folder whose file names begin with the text."""
    texts, bad = {}, []
    for name in visible(folder):
        if not os.path.isfile(os.path.join(folder, name)):
            bad.append((name, 'is no file'))
        elif name.lower().endswith(NO_PICTURES):
            bad.append((name, 'is no picture, by its name'))
        else:
            texts[name] = label_text(name)
    return texts, bad


def visible(folder):
    """The names in a folder, but those that the system hides and to_tfrecord.py's own."""
    return [name for name in os.listdir(folder)
            if not name.startswith('.') and name not in SYSTEM_FILES
            and not OWN_FILES.fullmatch(name)]


def files_below(folder):
    """The paths of all files in a folder and the folders in it, from the folder on."""
    paths = []
    for name in visible(folder):
        path = os.path.join(folder, name)
        paths += ([os.path.join(name, inner) for inner in files_below(path)]
                  if os.path.isdir(path) and not os.path.islink(path) else [name])
    return paths


def texts_of_list(folder, labels_file):
    """({file name: text}, [(name, why)]) by a list of file names, relative to the folder.

    Raises: UserError if the list cannot be read, leads out of the folder or contradicts itself.
    """
    texts, bad = {}, []
    below = files_below(folder)
    as_stored = {composed(name): name for name in below}
    for number, written, text in read_list(folder, labels_file):
        name = path_inside(folder, written)
        from_here = path_inside(folder, os.path.abspath(written))  # as captcha_test.py --csv has it
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
            bad.append((name, f'is in {labels_file} and not in {folder}'))
        else:
            texts[name] = text
    list_path = os.path.realpath(labels_file)
    for name in below:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and name not in texts and os.path.realpath(path) != list_path:
            bad.append((name, f'has no line in {labels_file}'))
    return texts, bad


def path_inside(folder, name):
    """The path of a list's file from the folder on, however it was written; None if it leads out.

    A link in the folder is the user's own, and is read; both may also be written by way of one.
    """
    for resolved in os.path.abspath, os.path.realpath:
        inside, path = os.path.join(resolved(folder), ''), resolved(os.path.join(folder, name))
        if path.startswith(inside):
            return path.removeprefix(inside)
    return None


def read_list(folder, labels_file):
    """Yield (line number, file name, text) of a CSV or TSV, but for a first line of headings."""
    try:
        with open(labels_file, encoding='utf-8-sig', newline='') as file:
            first = file.readline()
            delimiter = max('\t,;', key=first.count)
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
                                    f'text, found {row}; separate them by a comma or a tab')
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
                        'save it so, or name another with --labels') from error


def refuse_rare_lengths(texts):
    """Raise a UserError if a length is so rare among {name: text} that it must be an accident."""
    count = collections.Counter(map(len, texts.values()))
    usual = {length for length, times in count.items() if times > max(1, RARE_LENGTH * len(texts))}
    if not usual or len(texts) < 20:
        return
    for name, text in texts.items():
        if len(text) not in usual:
            usually, all_lengths = (dataset.range_name(min(lengths), max(lengths))
                                    for lengths in (usual, count))
            leave = f'leave such pictures out with --length {usually}, ' * (
                not min(usual) < len(text) < max(usual))
            raise UserError(
                f'{name}: expected {usually} characters as in nearly all of {len(texts)} pictures, '
                f'found {len(text)}: {text}; rename it, {leave}or take them all with '
                f'--length {all_lengths}')


def refuse_rare_characters(texts):
    """Raise a UserError if a character is so rare in {name: text} that it must be an accident."""
    count = collections.Counter(itertools.chain.from_iterable(texts.values()))
    mean = sum(count.values()) / max(1, len(count))
    rare = {character for character, times in count.items()
            if mean >= COMMON and times <= max(1, RARE_CHARACTER * mean)}
    usual = dataset.alphabet_of(set(count) - rare)
    rare -= set(usual)  # a rare digit among digits is none
    for name, text in texts.items():
        if rare & set(text):
            found = ''.join(sorted(rare & set(text)))
            case = ', add --ignore-case' if found.swapcase() in usual else ''
            raise UserError(
                f'{name}: expected characters of {dataset.alphabet_name(usual)}, found {found}, '
                f'which is rare in {len(texts)} pictures; rename it{case}, leave such pictures out '
                f'with {alphabet_option(usual)}, or take them all with '
                f'{alphabet_option(dataset.alphabet_of(set(count)))}')


def alphabet_option(alphabet):
    """How an alphabet is given on the command line; of a long one only how it begins."""
    charset = dataset.charset_name(alphabet)
    if charset:
        return f'--charset {charset}'
    return f'--alphabet {shlex.quote(alphabet if len(alphabet) < 60 else alphabet[:20] + "...")}'
