"""What surrounds the post's conversion: checks, the split, complete files only."""
import contextlib
import glob
import os
import shlex

import tensorflow.compat.v1 as tf

from support.captcha import dataset, labels, records
from support.common import files, pictures
from support.common.console import UserError, signals_later

SPLITS = 'text', 'picture'  # what the two sets may not share
COSTLY = 0.1  # share of the training pictures that a split by text may leave out


# --- before
def find_pictures(folder, wanted, num_test, shards=None):
    """`labels.find_pictures`; prints what was found.

    Raises: UserError if there are too few pictures for both sets.
    """
    if not os.path.isdir(folder):
        raise UserError(f'{folder}: expected a folder of pictures, found none; make it '
                        f'with: {draw_command(folder, wanted)}')
    labelled, bad, facts = labels.find_pictures(folder, wanted)
    check_enough(folder, num_test, wanted, bad, len(labelled))
    check_shards(shards, len(labelled) - num_test)
    path, text = labelled[0]
    print(f'{folder}: {len(labelled):,} pictures, {facts}; '
          f'{os.path.relpath(path, folder)} is read as {text}')
    return labelled, bad, facts


def check_enough(folder, num_test, wanted, bad, usable, train=None):
    """Raise a UserError unless `usable` pictures suffice for `num_test` and some to train on.

    Args: bad: [(name, why)] of other files. train: number of training pictures, once known.
    """
    if usable > num_test and train != 0:
        return
    found = f'found {usable}'
    if bad:
        found += f' ({len(bad)} files cannot be used, the first: {bad[0][0]}: {bad[0][1]})'
    elif train == 0:
        found += ' whose texts all occur in the test set; split them with --split picture'
    draw = f', or draw them with: {draw_command(folder, wanted)}'  # not into a user's own pictures
    raise UserError(
        f'{folder}: expected more than {num_test} pictures, the size of the test set, {found}; '
        'take a smaller test set with --num-test, or put more pictures there'
        + (draw if folder == dataset.IMAGE_FOLDER or not usable and not bad else ''))


def check_shards(shards, training_pictures):
    """Raise a UserError if a shard would be empty."""
    if shards and training_pictures < shards:
        raise UserError(f'--shards {shards}: expected at least as many training pictures, '
                        f'found {training_pictures}; take fewer')


def draw_command(folder, wanted):
    """The command that draws what is wanted, four digits by default, into `folder`."""
    alphabet = wanted.alphabet or dataset.CHARSETS['digits']
    charset = dataset.charset_name(alphabet)
    command = 'python gen_captcha.py'
    if charset != 'digits':
        command += f' --charset {charset}' if charset else f' --alphabet {shlex.quote(alphabet)}'
    if wanted.lengths not in (None, (dataset.TEXT_LENGTH, dataset.TEXT_LENGTH)):
        command += f' --length {dataset.range_name(*wanted.lengths)}'
    return command + ('' if folder == dataset.IMAGE_FOLDER else f' --out {shlex.quote(folder)}')


# --- the split
def readable(labelled, how, bad, bar):
    """Yield image uint8 [224, 224] and text of each readable picture in [(path, text)].

    Args: how: one of dataset.PICTURES. bad: a list to which (name, why) of the others are added.
      bar: of progress.
    """
    loads = pictures.load_all((path for path, _ in labelled), how)
    for (path, text), load in zip(labelled, loads):
        bar.update()
        try:
            yield load.result(), text
        except UserError as problem:
            bad.append((os.path.basename(path), str(problem)))


def split(images, num_test, split_by):
    """Yield 'test', 'train' or 'left out', and the image and the text, of each (image, text).

    The first `num_test` are the test set. A later picture is left out if one of them has the same
    text or, split by picture, the same pixels.
    """
    in_test = set()
    for number, (image, text) in enumerate(images):
        what = text if split_by == 'text' else hash(image.tobytes())  # not 50 kB for each
        if number < num_test:
            in_test.add(what)
            yield 'test', image, text
        else:
            yield 'left out' if what in in_test else 'train', image, text


def share_left_out(labelled, num_test):
    """The share of the training pictures that a split by text leaves out, if all can be read."""
    in_test = {text for _, text in labelled[:num_test]}
    return sum(text in in_test for _, text in labelled[num_test:]) / (len(labelled) - num_test)


# --- the files
def record_paths(out, shards=None):
    """The record files of each split in the folder `out`, under the names the trainer reads."""
    test, train = (os.path.join(out, os.path.basename(path))
                   for path in (dataset.TEST_FILE, dataset.TRAIN_FILE))
    return {'test': [test], 'train': [train] if shards is None else
            [dataset.shard_path(train, number, shards) for number in range(shards)]}


def other_training_files(out, shards=None):
    """The training records in `out` with another number of shards, or in a single file."""
    found = {*glob.glob(os.path.join(glob.escape(out), records.SHARDS)),
             *glob.glob(record_paths(glob.escape(out))['train'][0])}
    return sorted(found - {*record_paths(out, shards)['train']})


def are_there(out, shards=None):
    """Whether the records exist already; if so, print it.

    Raises: UserError if only some exist, or another number of shards.
    """
    paths = [path for split_paths in record_paths(out, shards).values() for path in split_paths]
    existing = [path for path in paths if os.path.exists(path)]
    others = other_training_files(out, shards)
    if others or existing and existing != paths:
        raise UserError(f'{[*others, *existing][0]}: expected all record files or none, found only '
                        'some, or those of another --shards; make them with: the same command and '
                        '--overwrite')
    if existing:
        shown = paths if len(paths) == 2 else [paths[0], f'{shards} shards']
        print(f'{" and ".join(shown)} exist already and are kept; '
              'replace them with: the same command and --overwrite')
    return bool(existing)


@contextlib.contextmanager
def whole_files(out, shards=None):
    """Open all files of a data set; at the end all of them take their names, or none.

    Yields: the path to write dataset.json to, and {'test': [a writer], 'train': one or more}.
    """
    with contextlib.ExitStack() as stack:
        facts_part = stack.enter_context(files.whole_file(os.path.join(out, dataset.FACTS_NAME)))
        parts = {name: [stack.enter_context(files.whole_file(path)) for path in paths]
                 for name, paths in record_paths(out, shards).items()}
        # Closed before any file takes its name, because the last bytes may not fit on the disk.
        with contextlib.ExitStack() as writing:
            yield facts_part, {
                name: [writing.enter_context(tf.python_io.TFRecordWriter(path)) for path in paths]
                for name, paths in parts.items()}
        all_take_their_names = stack.pop_all()
    with signals_later():  # or a mix of old and new files would remain
        all_take_their_names.close()
