"""Texts as captchas have them: alphabets, lengths and sums in realistic shares."""
import random
import string

from support.captcha.chances import chance, chosen

SIGNS = '+-*/=?'  # of sums
ALIKE = '0OoIl1'  # look-alikes, which most captchas with both cases omit
KINDS = {  # characters of a text: share of the pictures
    string.digits: 22, string.digits + string.ascii_uppercase: 19,
    string.digits + string.ascii_lowercase: 21, string.digits + string.ascii_letters: 15,
    string.ascii_uppercase: 5, string.ascii_lowercase: 6, string.ascii_letters: 3, 'sum': 10}
CONFUSED = ('QO0D', 'Z27z', 'T71Il', 'KRXx', '4A', '65bG', 'S5s', 'B8', 'UVvu', 'CGc', 'gq9', 'ijl',
            'EF', 'MNW', 'hnb', '3B8', 'DO', 'PRF', 'YVX', 'tf')  # shapes that readers mix up
LENGTHS = {1: 3, 2: 3, 3: 5, 4: 36, 5: 20, 6: 19, 7: 7, 8: 7}


def random_text(longest=8):
    """A text of one of KINDS, of up to `longest` characters."""
    kind = chosen(KINDS)
    if kind == 'sum':
        return random_sum()
    length = min(chosen(LENGTHS), longest)
    both_cases = kind.upper() != kind != kind.lower()
    if len(kind) > 10 and chance(0.7 if both_cases else 0.2):
        kind = ''.join(character for character in kind if character not in ALIKE)
    elif chance(0.3):  # side by side, so that the network learns the difference
        kind += ''.join(character for character in ALIKE if character in kind) * 4
    if chance(0.15):
        kind += ''.join(c for c in ''.join(random.sample(CONFUSED, 2)) if c in kind) * 6
    return ''.join(random.choices(kind, k=length))


def random_sum():
    """A sum as captchas ask for, of at most 8 characters: 5-3=, 12+7=?, 3×4."""
    most = random.choice([9, 9, 20, 99])
    sign, end = random.choice('++----×××*/÷x'), random.choice(['=', '=', '=', '=?', ''])
    return f'{random.randint(0, most)}{sign}{random.randint(0, most)}{end}'
