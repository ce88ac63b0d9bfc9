"""Types of command-line options: what they take, and what they refuse."""
import argparse

import pytest

from support.common import option_types


@pytest.mark.parametrize('convert, good, bad', [
    (option_types.positive_int, {'1': 1, '50000': 50000}, ['0', '-1', '1.5', 'x', '', '1e3']),
    (option_types.seed_number, {'0': 0, '2147483647': 2147483647}, ['-1', '2147483648', 'x']),
    (option_types.port, {'0': 0, '65535': 65535}, ['65536', '-1', 'x', '']),
    (option_types.positive_float, {'0.1': 0.1, '1e-4': 1e-4}, ['0', '-1', 'nan', 'inf', 'x']),
    (option_types.share, {'1': 1, '0.5': 0.5}, ['0', '1.5', '-1']),
    (option_types.length_range, {'5': (5, 5), '4-6': (4, 6)}, ['0', '6-4', '4-', 'x', '-1', '']),
    (option_types.alphabet, {'01ab': '01ab', '验证码': '验证码'}, ['', '010'])])
def test_numbers(convert, good, bad):
    assert {text: convert(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match='expected'):
            convert(text)
