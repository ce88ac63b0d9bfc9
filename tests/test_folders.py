"""One rule for folders and patterns: what is read, and what is said to be left out."""
import os

import pytest

from support.common import folders


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A working directory with a folder of pictures, a subfolder and other files."""
    for path in 'z.png', 'a.png', '.hidden', 'sub/b.jpg', 'read.csv', 'Thumbs.db':
        (tmp_path / 'p[1]' / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'p[1]' / path).touch()
    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path)


def test_a_folder_stands_for_its_pictures_and_those_below(pictures, capsys):
    inside = [os.path.join('p[1]', *path) for path in (['a.png'], ['sub', 'b.jpg'], ['z.png'])]
    assert folders.file_names(['c.png', 'p[1]', 'empty']) == ['c.png', *inside, 'empty']
    assert capsys.readouterr().err == (
        'p[1]: 1 files are not read, for they are no pictures by their names\n')


def test_a_pattern_that_the_shell_left_is_expanded(pictures, capsys):
    """As Windows' shells do: README's first command has one."""
    found = [os.path.join('p[1]', 'a.png'), os.path.join('p[1]', 'z.png')]
    assert folders.file_names([os.path.join('p[[]1]', '*.png'), '*.gif']) == [*found, '*.gif']
    assert folders.file_names([os.path.join('p[1]', 'a.png')]) == found[:1]  # no pattern: a file
    assert capsys.readouterr().err == ''
