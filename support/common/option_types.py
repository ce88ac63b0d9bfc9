"""Types of command-line options: what argparse makes of a text, or why it does not."""
import argparse
import math
import re
import unicodedata


def positive_int(text):
    """argparse type: a whole number of at least 1."""
    if not re.fullmatch(r'\+?\d{1,18}', text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 1, found {text!r}')
    return int(text)


def seed_number(text):
    """argparse type: a whole number from 0 to 2**31 - 1, which every generator here accepts."""
    if not re.fullmatch(r'\d+', text) or int(text) >= 2 ** 31:
        raise argparse.ArgumentTypeError(
            f'expected a whole number from 0 to 2147483647, found {text!r}')
    return int(text)


def port(text):
    """argparse type: a TCP port; 0 is any free one."""
    if not re.fullmatch(r'\d{1,5}', text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'expected a port from 0 to 65535, found {text!r}')
    return int(text)


def positive_float(text):
    """argparse type: a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f'expected a number above 0, found {text!r}')
    return number


def share(text):
    """argparse type: a number from 0.000001 to 1."""
    number = positive_float(text)
    if not 1e-6 <= number <= 1:  # less rounds to 0 in float32
        raise argparse.ArgumentTypeError(f'expected a share from 0.000001 to 1, found {text!r}')
    return number


def length_range(text):
    """argparse type: '5' -> (5, 5), '4-6' -> (4, 6)."""
    match = re.fullmatch(r'(\d{1,2})(?:-(\d{1,2}))?', text)
    shortest, longest = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= shortest <= longest:
        raise argparse.ArgumentTypeError(
            f'expected a length such as 5 or 4-6, from 1 to 99, found {text!r}')
    return shortest, longest


def alphabet(text):
    """argparse type: distinct characters."""
    text = composed(text)
    twice = next((character for character in text if text.count(character) > 1), None)
    if not text or twice:
        found = f'{text!r}' + f' with {twice} more than once' * bool(twice)
        raise argparse.ArgumentTypeError('expected an alphabet, each character once, '
                                         f'found {found}')
    return text


def composed(text):
    """The text with accents and Hangul parts composed into single characters, as they are typed.

    File names from a Mac have them decomposed.
    """
    return unicodedata.normalize('NFC', text)

