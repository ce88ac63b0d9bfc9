"""The pictures of a captcha data set and the text of each, with its facts.

The texts determine the data set's facts. So apparent mistakes (one long name among thousands of
short ones, a letter that occurs once) are refused until the user says what is meant.
"""
import collections
import dataclasses
import itertools
import os
import re
import shlex
import unicodedata

from support.captcha import dataset
from support.common import labelled
from support.common.console import UserError
from support.common.option_types import composed

# A mistake: a length of at most this share of the pictures ...
RARE_LENGTH = 0.01
# ... a character at most this often relative to the mean, if characters are common on average
RARE_CHARACTER, COMMON = 0.02, 5
# ... this many names that count upwards, or numbers of several lengths without a leading zero
COUNTED, WITHOUT_ZERO = 100, 20


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the user says about the texts; None: to be determined."""
    labels_file: str | None = None  # as for labelled.find_texts
    alphabet: str | None = None
    lengths: tuple[int, int] | None = None  # (shortest, longest) in characters
    ignore_case: bool = False
    pictures: str = 'post'  # how they become records: one of dataset.PICTURES


def find_pictures(folder, wanted=Wanted()):
    """The pictures of a folder with their texts.

    Args: folder: of pictures. wanted: Wanted.
    Returns:
      pictures: [(path, text), ...], sorted by path.
      bad: [(name, why), ...] of everything else in the folder except hidden files.
      facts: dataset.Facts; None if there are no pictures.
    Raises: UserError if the list of labels is unusable or a text looks like a mistake.
    """
    texts, bad = find_texts(folder, wanted)
    wide = next((text for text in texts.values() if text != half_width(text)), None)
    if wide:
        print(f'{folder}: full-width letters and digits are read as others are: {wide} as '
              f'{half_width(wide)}')
    texts = {name: same_case(composed(half_width(text)), wanted)
             for name, text in sorted(texts.items())}
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
            bad.append((name, f'has characters outside {wanted.alphabet}'))
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


def find_texts(folder, wanted):
    """`labelled.find_texts`. Raises: UserError as well if a text looks like a mistake."""
    texts, bad = labelled.find_texts(folder, wanted.labels_file, wanted.alphabet or '')
    if wanted.labels_file is None and not wanted.alphabet and not wanted.lengths:
        refuse_running_numbers(folder, texts)
    if wanted.labels_file not in (None, labelled.FOLDERS):
        texts = with_zeros(texts, wanted)
    return texts, bad


def same_case(text, wanted):
    """The text in the alphabet's case, if the user says that case does not matter."""
    if not wanted.ignore_case:
        return text
    alphabet = wanted.alphabet or text.upper()
    other = {c: c.swapcase() for c in text if len(c.swapcase()) == 1}  # not 'ß' -> 'SS'
    return ''.join(c if c in alphabet else other.get(c, c) for c in text)


def half_width(text):
    """A text with full-width letters and digits, from Chinese keyboards, made ordinary."""
    return ''.join(unicodedata.normalize('NFKC', c)
                   if c.isalnum() and unicodedata.east_asian_width(c) == 'F' else c for c in text)


def with_zeros(texts, wanted):
    """{name: text} of a list, numbers padded with zeros to --length if that is a single number.

    Raises: UserError for numbers that look as if a spreadsheet had dropped their zeros.
    """
    if not all(text.isdigit() for text in texts.values()):
        return texts
    lengths = {len(text) for text in texts.values()}
    if wanted.lengths:
        shortest, longest = wanted.lengths
        return {name: text.zfill(longest) if shortest == longest else text
                for name, text in texts.items()}
    if len(lengths) > 1 and len(texts) >= WITHOUT_ZERO and not any(
            text.startswith('0') for text in texts.values()):
        name, text = min(texts.items(), key=lambda item: len(item[1]))
        raise UserError(f'{wanted.labels_file}: expected some numbers that begin with 0, found '
                        f'none, and {text} for {name}, which a spreadsheet may have made of '
                        f'0{text}; pad them with --length {max(lengths)}, or keep them with '
                        f'--length {dataset.range_name(min(lengths), max(lengths))}')
    return texts


def refuse_running_numbers(folder, names):
    """Raise a UserError if file names only count or all start alike: they contain no texts."""
    stems = [os.path.splitext(name)[0] for name in names]
    if len(stems) < COUNTED:
        return
    numbers = [re.fullmatch(r'(\D*)(\d+)', stem) for stem in stems]
    counted = all(numbers) and len({number[1] for number in numbers}) == 1
    values = {int(number[2]) for number in numbers} if counted else set()
    if (counted and len(values) == len(stems) > 0.9 * (max(values) - min(values))
            or len({labelled.label_text(name) for name in names}) == 1):
        raise UserError(f'{folder}: expected file names that begin with their texts, found '
                        f'{len(names)} that only count, such as {min(names)}; give a list of names '
                        'and texts with --labels, or say that they are texts with --length')


def refuse_rare_lengths(texts):
    """Raise a UserError if a length is so rare in {name: text} that it is probably a mistake."""
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
    """Raise a UserError if a character is so rare in {name: text} that it is probably a mistake."""
    count = collections.Counter(itertools.chain.from_iterable(texts.values()))
    mean = sum(count.values()) / max(1, len(count))
    rare = {character for character, times in count.items()
            if mean >= COMMON and times <= max(1, RARE_CHARACTER * mean)}
    usual = dataset.alphabet_of(set(count) - rare)
    rare -= set(usual)  # a rare digit among digits is not a mistake
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
    """The command-line option for an alphabet; a long one is abbreviated."""
    charset = dataset.charset_name(alphabet)
    if charset:
        return f'--charset {charset}'
    return f'--alphabet {shlex.quote(alphabet if len(alphabet) < 60 else alphabet[:20] + "...")}'
