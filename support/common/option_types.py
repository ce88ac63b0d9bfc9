"""Types of command-line options: what argparse makes of a text, or why it does not."""
import argparse
import math
import re
import unicodedata


def whole_number(text, least, most=math.inf):
    """The number of a text. Raises: argparse.ArgumentTypeError, as all types do."""
    if not re.fullmatch('[0-9]{1,18}', text) or not least <= int(text) <= most:
        wanted = f'of at least {least}' if most == math.inf else f'from {least} to {most}'
        raise argparse.ArgumentTypeError(f'expected a whole number {wanted}, found {text!r}')
    return int(text)


def positive_int(text):
    """argparse type: a whole number of at least 1."""
    return whole_number(text, 1)


def seed_number(text):
    """argparse type: a whole number that every generator here accepts."""
    return whole_number(text, 0, 2 ** 31 - 1)


def port(text):
    """argparse type: a TCP port; 0 is any free one."""
    return whole_number(text, 0, 65535)


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
    """argparse type: a number above 0, at most 1."""
    number = positive_float(text)
    if number > 1:
        raise argparse.ArgumentTypeError(f'expected a share of at most 1, found {text!r}')
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
    if not text or len(set(text)) < len(text):
        raise argparse.ArgumentTypeError(
            f'expected an alphabet, each character once, found {text!r}')
    return text


def composed(text):
    """The text in Unicode's NFKC: accents composed, which a Mac's file names have decomposed, and
    the full-width letters and digits of Chinese keyboards as ordinary ones."""
    return unicodedata.normalize('NFKC', text)

