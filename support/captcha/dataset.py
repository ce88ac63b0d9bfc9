"""The facts of a captcha data set: its characters and lengths, its sizes, its files.

Nothing here imports TensorFlow, so that the generator's worker processes start at once.
"""
import argparse
import dataclasses
import itertools
import json
import os
import zlib

from support.common import option_types
from support.common.console import UserError

# --- characters: a character's class is its place in the alphabet, so A is 10 and Z is 35
_DIGITS, _UPPER = '0123456789', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
_LOWER = _UPPER.lower()
CHARSETS = {'digits': _DIGITS, 'upper': _UPPER, 'lower': _LOWER, 'letters': _UPPER + _LOWER,
            'alnum': _DIGITS + _UPPER, 'alnum_lower': _DIGITS + _LOWER,
            'all': _DIGITS + _UPPER + _LOWER}
# Charsets tried for a folder's texts; capitals count from 10 even where no digit occurs.
RECOGNISED = 'digits', 'alnum', 'alnum_lower', 'all'
MAX_LENGTH = 99  # characters; longer texts are not captchas
MANY_RUNS = 20  # of an alphabet; more are abbreviated
TEXT_LENGTH = 4  # characters of a captcha in the post = labels of a record = heads of the network

# --- pictures
IMAGE_WIDTH, IMAGE_HEIGHT = 160, 60  # of a captcha as drawn
IMAGE_SIZE = 224  # height and width in the record: the input of AlexNet v2
# How a picture becomes a record: 'post': stretched, grey; 'line': dark ink, keeping proportions
PICTURES = 'post', 'line'

# --- a record: one tf.train.Example with IMAGE_KEY and a label_key for each character
IMAGE_KEY = 'image'  # bytes: IMAGE_SIZE * IMAGE_SIZE values uint8, row by row

# --- files; each stage reads what the previous one wrote
IMAGE_FOLDER = './captcha/images'
TRAIN_FILE = './captcha/train.tfrecords'
TEST_FILE = './captcha/test.tfrecords'
FACTS_NAME = 'dataset.json'  # beside the records
EXPORTED, EXPORTED_FACTS = 'network.tflite', 'network.json'  # of support.export
FACTS_SUM = 'crc32'  # key of the checksum: a changed letter would change a class


@dataclasses.dataclass(frozen=True)
class Facts:
    """Characters, lengths and picture kind of a data set."""
    alphabet: str = CHARSETS['digits']
    shortest: int = TEXT_LENGTH  # characters
    longest: int = TEXT_LENGTH  # characters = labels of a record = heads of the network
    pictures: str = 'post'  # one of PICTURES

    @property
    def heads(self):
        return self.longest

    @property
    def num_classes(self):
        """Classes of a head: the alphabet and, where lengths vary, 'no character' after it."""
        return len(self.alphabet) + (self.shortest < self.longest)

    def covers(self, other):
        """Whether a network of these facts has each of the other's labels, with the same meaning.

        'No character' comes after the alphabet, so where it occurs the alphabets must be equal.
        """
        if (self.heads, self.pictures) != (other.heads, other.pictures):
            return False
        if other.shortest == other.longest:
            return self.alphabet.startswith(other.alphabet)
        return self.alphabet == other.alphabet and self.shortest < self.longest

    def possible(self, within):
        """Whether each character is in the Facts `within`; case counts if both cases are here."""
        wanted = set(within.alphabet)
        wanted |= {c.swapcase() for c in wanted if c not in self.alphabet}
        return [character in wanted for character in self.alphabet]

    def labels_of(self, text):
        """'0782' -> [0, 7, 8, 2]; a shorter text is padded with 'no character'.

        Raises: ValueError for a character outside the alphabet.
        """
        blank = len(self.alphabet)
        labels = [self.alphabet.index(character) for character in text]
        return labels + [blank] * (self.longest - len(text))

    def text_of(self, labels):
        """[0, 7, 8, 2] -> '0782', without 'no character'."""
        return ''.join(self.alphabet[label] for label in labels if label < len(self.alphabet))

    def __str__(self):
        return (f'{range_name(self.shortest, self.longest)} characters of '
                f'{alphabet_name(self.alphabet)}' + ', --pictures line' * (self.pictures == 'line'))


def range_name(shortest, longest):
    """(4, 4) -> '4', (4, 6) -> '4-6', as --length takes it."""
    return f'{shortest}' if shortest == longest else f'{shortest}-{longest}'


def facts_of(texts):
    """The Facts of some texts, at least one."""
    lengths = [*map(len, texts)]
    return Facts(alphabet_of(set().union(*texts)), min(lengths), max(lengths))


def alphabet_of(characters):
    """The alphabet of a set of characters: the smallest known charset, or just these, sorted."""
    return next((CHARSETS[name] for name in RECOGNISED if characters <= set(CHARSETS[name])),
                ''.join(sorted(characters)))


def alphabet_name(alphabet):
    """'0123456789ABC+-' -> '0-9 A-C +-': runs are shortened, of very many only the ends named."""
    runs = [''.join(character for _, character in run) for _, run in itertools.groupby(
        enumerate(alphabet), lambda item: ord(item[1]) - item[0] if item[1].isalnum() else 'sign')]
    named = [f'{run[0]}-{run[-1]}' if len(run) > 2 and run[0].isalnum() else run for run in runs]
    if len(named) > MANY_RUNS:
        named[MANY_RUNS // 2:-3] = [f'... ({len(alphabet)} characters) ...']
    return ' '.join(named)


def label_key(number):
    """The key of a record's label: 'label0' is the first character's class."""
    return f'label{number}'


def shard_path(records, number, count):
    """('train.tfrecords', 0, 8) -> 'train-00000-of-00008.tfrecords', in the same folder."""
    stem, extension = os.path.splitext(records)
    return f'{stem}-{number:05d}-of-{count:05d}{extension}'


def facts_path(records):
    """The file that describes a record file, or a folder of them."""
    return beside(records, FACTS_NAME)


def beside(records, name):
    """The path of a file in the folder `records`, or beside the file `records`."""
    return os.path.join(records if os.path.isdir(records) else os.path.dirname(records), name)


def read_facts(records):
    """The facts stored beside a record file, or None. Raises: UserError if they are damaged."""
    path = facts_path(records)
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding='utf-8') as file:
            found = json.load(file)
        expected = found.pop(FACTS_SUM, None)  # older files have none
        if expected is not None and expected != checksum(found):
            raise ValueError(f'values that do not fit their {FACTS_SUM}')
        return from_json(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'{path}: expected the facts of a data set as to_tfrecord.py writes them, '
                        f'found {type(error).__name__}: {error}; make the records again with '
                        'python to_tfrecord.py and --overwrite') from error


def noted(records, name=FACTS_SUM):
    """A value in the facts beside a record file, or None; the checksum tells data sets apart."""
    try:
        with open(facts_path(records), encoding='utf-8') as file:
            return json.load(file).get(name)
    except (OSError, ValueError, AttributeError):  # missing; `read_facts` reports damage
        return None


def checksum(found):
    """CRC-32 of a dict that JSON can hold, as eight hexadecimal digits."""
    return f'{zlib.crc32(json.dumps(found, sort_keys=True).encode()):08x}'


def write_facts(path, facts, more):
    """Write the file that `read_facts` reads; `more`: {name: value} for people."""
    known = {**to_json(facts), **more}
    known[FACTS_SUM] = checksum(known)
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(known, file, indent=2)
        file.write('\n')


def to_json(facts):
    """Facts as a dict that JSON can hold."""
    found = {'charset': facts.alphabet, 'lengths': [facts.shortest, facts.longest]}
    return found if facts.pictures == 'post' else {**found, 'pictures': facts.pictures}


def from_json(found):
    """The inverse of `to_json`; older files without lengths and pictures have the post's.

    Raises: ValueError, KeyError, TypeError or AttributeError if `found` is something else.
    """
    alphabet = found['charset']
    shortest, longest = found.get('lengths', [TEXT_LENGTH, TEXT_LENGTH])
    pictures = found.get('pictures', 'post')
    if not (isinstance(alphabet, str) and alphabet and len(set(alphabet)) == len(alphabet)
            and isinstance(shortest, int) and isinstance(longest, int)
            and 1 <= shortest <= longest <= MAX_LENGTH and pictures in PICTURES):
        raise ValueError(f'charset {alphabet!r}, lengths {shortest!r} to {longest!r}, '
                         f'pictures {pictures!r}')
    return Facts(alphabet, shortest, longest, pictures)


# --- options
def add_options(parser):
    """Add --charset and --alphabet, of which args.alphabet is the characters, and --length."""
    characters = parser.add_mutually_exclusive_group()
    characters.add_argument('--charset', dest='alphabet', type=charset, metavar='NAME',
                            help='the characters of the texts: ' + '; '.join(
                                f'{name}: {alphabet_name(one)}' for name, one in CHARSETS.items()))
    characters.add_argument('--alphabet', type=option_types.alphabet, metavar='CHARACTERS',
                            help='the same, any characters, such as 0123456789abcdef')
    parser.add_argument('--length', type=option_types.length_range, metavar='N[-M]',
                        help='the number of characters of a text, such as 5 or 4-6')


def charset(name):
    """argparse type: the name of a character set."""
    if name not in CHARSETS:
        raise argparse.ArgumentTypeError(f'expected one of {", ".join(CHARSETS)}, found {name!r}')
    return CHARSETS[name]
