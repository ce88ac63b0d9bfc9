"""The pictures of a captcha data set and the text of each, with its facts.

The texts determine the facts, so apparent mistakes are refused until the user says what is meant.
"""
import collections
import dataclasses
import itertools
import os
import re
import shlex

from support.captcha import dataset
from support.common import labelled
from support.common.console import UserError
from support.common.option_types import composed

# A mistake: a length or a character that occurs once or at most this often relative to the mean,
# if they are common on average; or at least so many names that count upwards
RARE, COMMON, COUNTED = 0.02, 10, 100


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the user says about the texts; None: to be determined."""
    labels_file: str | None = None  # as for labelled.find_texts
    alphabet: str | None = None
    lengths: tuple[int, int] | None = None  # (shortest, longest) in characters
    ignore_case: bool = False
    pictures: str = 'post'  # how they become records: one of dataset.PICTURES


def find_pictures(folder, wanted=Wanted()):
    """The pictures of a folder with their texts; prints what was found.

    Returns: [(path, text), ...], sorted; [(name, why), ...] of everything else in the folder except
      hidden files; dataset.Facts.
    Raises: UserError if there are none, the list of labels is unusable or a text looks like a
      mistake.
    """
    texts, bad = find_texts(folder, wanted) if os.path.isdir(folder) else ({}, [])
    shortest, longest = wanted.lengths or (1, dataset.MAX_LENGTH)
    usable = {}
    for name, text in sorted(texts.items()):
        text = same_case(composed(text), wanted)
        if not shortest <= len(text) <= longest:
            bad.append((name, f'has a text of {len(text)} characters, wanted: '
                              f'{dataset.range_name(shortest, longest)}'))
        elif wanted.alphabet and set(text) - set(wanted.alphabet):
            bad.append((name, f'has characters outside {wanted.alphabet}'))
        else:
            usable[name] = text
    if not usable:
        first = f' but {len(bad)} files, the first {bad[0][0]}: {bad[0][1]}' if bad else ''
        raise UserError(f'{folder}: expected pictures with texts, found none{first}; say '
                        'where their texts are with --labels, or draw some with: '
                        f'python gen_captcha.py --out {shlex.quote(folder)}')
    refuse_rare(usable, wanted)
    found = dataset.facts_of(usable.values())
    facts = dataset.Facts(wanted.alphabet or found.alphabet,
                          *(wanted.lengths or (found.shortest, found.longest)), wanted.pictures)
    name, text = next(iter(usable.items()))
    print(f'{folder}: {len(usable):,} pictures, {facts}; {name} is read as {text}')
    return [(os.path.join(folder, name), text) for name, text in usable.items()], bad, facts


def find_texts(folder, wanted):
    """`labelled.find_texts`. Raises: UserError as well if a text looks like a mistake."""
    texts, bad = labelled.find_texts(folder, wanted.labels_file, wanted.alphabet or '')
    if wanted.labels_file is None and not wanted.alphabet and not wanted.lengths:
        refuse_running_numbers(folder, texts)
    if wanted.labels_file not in (None, labelled.FOLDERS):
        least = wanted.lengths[0] if wanted.lengths else 0
        texts = {name: text.zfill(least) if text.isdigit() else text  # spreadsheets drop zeros
                 for name, text in texts.items()}
    return texts, bad


def same_case(text, wanted):
    """The text in the alphabet's case, if the user says that case does not matter."""
    if not wanted.ignore_case:
        return text
    return ''.join(c if c in wanted.alphabet else c.swapcase()
                   for c in text) if wanted.alphabet else text.upper()


def refuse_running_numbers(folder, names):
    """Raise a UserError if file names only count or all start alike: they contain no texts."""
    texts = {labelled.label_text(name) for name in names}
    numbers = [re.fullmatch(r'\D*(\d+)', os.path.splitext(name)[0]) for name in names]
    values = {int(number[1]) for number in numbers if number}
    if len(names) >= COUNTED and (len(texts) == 1 or len(values) == len(names) > 0.9 * (
            max(values) - min(values))):
        raise UserError(f'{folder}: expected file names that begin with their texts, found '
                        f'{len(names)} that only count, such as {min(names)}; give a list of names '
                        'and texts with --labels, or say that they are texts with --length')


def refuse_rare(texts, wanted):
    """Raise a UserError if a length or a character of {name: text} is rare: probably a mistake."""
    odd_lengths = set() if wanted.lengths else rare(map(len, texts.values()))
    characters = [*itertools.chain.from_iterable(texts.values())]
    odd = set() if wanted.alphabet else rare(characters)
    odd -= set(dataset.alphabet_of(set(characters) - odd))  # a rare digit among digits is none
    usual = {name: text for name, text in texts.items()
             if len(text) not in odd_lengths and not odd & set(text)}
    if not usual or len(usual) == len(texts):
        return
    name = next(name for name in texts if name not in usual)
    facts = dataset.facts_of(usual.values())
    lower = any(character.swapcase() in facts.alphabet for character in odd)
    leave, take = (options_of(one, wanted) for one in (facts, dataset.facts_of(texts.values())))
    advice = ('add --ignore-case, ' * lower
              + f'leave such pictures out with {leave}, ' * (leave != take))
    raise UserError(f'{name}: expected {facts} as in nearly all of {len(texts)} pictures, found '
                    f'{texts[name]}; rename it, {advice}or take them all with {take}')


def rare(items):
    """The items that occur far less often than the others."""
    count = collections.Counter(items)
    mean = sum(count.values()) / len(count)
    return {item for item, times in count.items()
            if mean >= COMMON and times <= max(1, RARE * mean)}


def options_of(facts, wanted):
    """The options that say of the texts what `wanted` leaves open; a long alphabet is cut short."""
    length = f'--length {dataset.range_name(facts.shortest, facts.longest)}'
    alphabet = facts.alphabet if len(facts.alphabet) < 60 else f'{facts.alphabet[:20]}...'
    characters = next((f'--charset {name}' for name, charset in dataset.CHARSETS.items()
                       if charset == facts.alphabet), f'--alphabet {shlex.quote(alphabet)}')
    return ' '.join([length] * (not wanted.lengths) + [characters] * (not wanted.alphabet))
