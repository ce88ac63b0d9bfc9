"""A captcha data set's facts: names of alphabets, files."""
import pytest

from support.captcha import dataset
from support.common.console import UserError


@pytest.mark.parametrize('alphabet, name', [
    ('0123456789ABC', '0-9 A-C'), ('abx', 'ab x'), ('*+-/0123456789=', '*+-/ 0-9 ='),
    ('()*+', '()*+'), ('89:;', '89 :;')])
def test_names_of_alphabets(alphabet, name):
    assert dataset.alphabet_name(alphabet) == name


def test_of_a_long_alphabet_the_ends_are_named():
    name = dataset.alphabet_name(''.join(chr(0x4e00 + 7 * k) for k in range(300)))
    assert '... (300 characters) ...' in name and len(name) < 70


def test_facts_are_read_as_they_were_written(tmp_path):
    facts = dataset.Facts('0123+', 2, 5, 'line')
    dataset.write_facts(str(tmp_path / 'dataset.json'), facts, {'seed': 0})
    assert dataset.read_facts(str(tmp_path)) == facts
    text = (tmp_path / 'dataset.json').read_text()
    (tmp_path / 'dataset.json').write_text(text.replace('line', 'post'))
    with pytest.raises(UserError, match='expected the facts of a data set'):
        dataset.read_facts(str(tmp_path))
