"""Which files of a folder are pictures: one rule for all scripts that take folders or patterns."""
import glob
import os
import re
import sys

NO_PICTURES = ('.csv', '.html', '.json', '.md', '.py', '.tfrecords', '.tsv', '.txt', '.xml', '.zip')
# Hidden files, Windows' own, and those that to_tfrecord.py may have written.
IGNORED = re.compile(
    r'\..*|Thumbs\.db|desktop\.ini|dataset\.json|test\.tfrecords|train(-\d+-of-\d+)?\.tfrecords')


def visible(folder):
    """The names in a folder that are a user's, sorted."""
    return sorted(name for name in os.listdir(folder) if not IGNORED.fullmatch(name))


def files_below(folder):
    """The paths, relative to a folder, of all files in it and its subfolders."""
    paths = []
    for name in visible(folder):
        path = os.path.join(folder, name)
        paths += ([os.path.join(name, inner) for inner in files_below(path)]
                  if os.path.isdir(path) and not os.path.islink(path) else [name])
    return paths


def file_names(names):
    """The picture files that a command line names.

    A folder stands for all pictures in it and its subfolders; how many files there are none, by
    their names, is said on stderr. A pattern, such as my/*.jpg, stands for what it matches where no
    file has its name: Windows' shells do not expand it.
    """
    found = []
    for name in names:
        for path in [name] if os.path.lexists(name) else sorted(glob.glob(name)) or [name]:
            below = files_below(path) if os.path.isdir(path) else []
            pictures = [os.path.join(path, inner) for inner in below
                        if not inner.lower().endswith(NO_PICTURES)]
            if len(pictures) < len(below):
                print(f'{path}: {len(below) - len(pictures)} files are not read, for they are no '
                      'pictures by their names', file=sys.stderr)
            found += pictures or [path]
    return found
