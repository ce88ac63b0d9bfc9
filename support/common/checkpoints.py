"""Checkpoints of TensorFlow's `Saver`: find the newest, restore, save, mark training as done.

A checkpoint is named by its prefix, `<folder>/<name>-<step>`, as the Saver names it:
./captcha/crack_captcha.model-6000, ./model/mnist_model-50000.
"""
import contextlib
import glob
import json
import os
import re

import tensorflow.compat.v1 as tf

from support.common.console import UserError

FINISHED = 'finished'  # our state file beside TensorFlow's `checkpoint`: see mark_finished
ABOUT = 'about'  # key of the string variable that describes the network: see note_about


def newest(folder, name):
    """The prefix of the checkpoint that was written last, or None.

    That is the one which TensorFlow's state file names, among those that exist. If that file is
    damaged or was not copied with the folder, it is the one with the highest step. If the file
    lists some and all are gone, it is the last listed, so that restoring fails loudly.
    Raises: UserError if TensorFlow would interpret the folder's name as a pattern.
    """
    found = kept(folder, name) or of_name(listed(folder), name)
    return found[-1] if found else None


def kept(folder, name):
    """The prefixes of all existing checkpoints, the newest last: see `newest`."""
    if glob.escape(folder) != folder:
        raise UserError(f'{folder}: expected a folder without * ? [ in its path, which '
                        'TensorFlow interprets as a pattern; use another one')
    existing = [path for path in of_name(listed(folder), name)
                if os.path.isfile(f'{path}.index')]
    if existing:
        return existing
    indexes = glob.glob(os.path.join(folder, f'{name}-*.index'))
    return sorted(of_name((index.removesuffix('.index') for index in indexes), name), key=step_of)


def of_name(prefixes, name):
    """Those of `prefixes` that are checkpoints of this name: two trainings may share a folder."""
    return [prefix for prefix in prefixes
            if re.fullmatch(rf'{re.escape(name)}(-\d+)?', os.path.basename(prefix))]


def listed(folder, state_file=None):
    """The prefixes that a state file lists, the newest last.

    The file, by default `checkpoint`, holds paths. Only their last parts count: the folder may have
    been copied or moved, or come from Windows.
    """
    try:
        state = tf.train.get_checkpoint_state(folder, state_file)
    except ValueError:  # a power failure while it was written
        state = None
    if not state:
        return []
    last, every = state.model_checkpoint_path, state.all_model_checkpoint_paths
    if every and every[-1] != last:  # damaged: TensorFlow writes the newest into both
        return []
    paths = [*every[:-1], last]
    return [os.path.join(folder, re.split(r'[\\/]', path)[-1]) for path in paths]


def step_of(checkpoint):
    """'./model/mnist_model-1001' -> 1001; 0 if the name has no number."""
    number = checkpoint.rpartition('-')[2]
    return int(number) if number.isdigit() else 0


def restore(saver, sess, checkpoint, advice):
    """Restore `checkpoint`.

    Raises: UserError, with `advice`, if it is missing, damaged or from another network.
    """
    try:
        saver.restore(sess, checkpoint)
        # TensorFlow itself would accept a value of any shape.
        variables = tf.trainable_variables()
        for variable, value in zip(variables, sess.run(variables)):
            if variable.shape != getattr(value, 'shape', ()):
                raise ValueError(f'{variable.op.name} of shape {value.shape}, '
                                 f'expected {tuple(variable.shape)}')
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(f'{checkpoint}: expected a whole checkpoint of this network, '
                        f'found: {reason(error)}; {advice}') from error


def save(saver, sess, prefix, step, again):
    """Save `<prefix>-<step>`; if that fails, earlier checkpoints stay.

    Args: again: how to resume the training then, for the message.
    Returns: the checkpoint's prefix.
    Raises: UserError, for example on a full disk.
    """
    files = f'{glob.escape(prefix)}-{step}.*'
    before = glob.glob(files)  # from an older run that got this far
    try:
        return saver.save(sess, prefix, global_step=step)
    except (tf.errors.OpError, OSError, ValueError) as error:  # disk full, folder gone
        for leftover in set(glob.glob(files)) - set(before):
            with contextlib.suppress(OSError):
                os.remove(leftover)
        last = newest(*os.path.split(prefix)) or 'none'
        raise UserError(f'{prefix}-{step}: cannot be written: {reason(error)}; last good '
                        f'checkpoint: {last}; make room there, then resume with {again}'
                        ) from error


def remove_halves(folder, name):
    """Remove the temporary files of a process that was killed while saving.

    TensorFlow writes under these names before it renames. Call this only where no other process
    saves: inside files.alone.
    """
    for pattern in f'{name}-*.tempstate*', f'{name}-*.meta.tmp*', 'checkpoint.tmp*':
        for path in glob.glob(os.path.join(glob.escape(folder), pattern)):
            os.remove(path)


def mark_finished(checkpoint):
    """Tell other processes, such as mnist_test.py, that training ended with `checkpoint`.

    A second state file beside TensorFlow's names it; the checkpoint gets no additional key.
    """
    if not finished(checkpoint):
        folder, name = os.path.split(checkpoint)
        tf.train.update_checkpoint_state(folder, name, latest_filename=FINISHED)


def mark_unfinished(folder):
    """Remove the mark: training resumes."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, FINISHED))


def finished(checkpoint):
    """Whether training ended with `checkpoint`, so that no newer one will come."""
    folder, name = os.path.split(checkpoint)
    return [os.path.basename(path) for path in listed(folder, FINISHED)][-1:] == [name]


def note_about(facts):
    """Add a string variable that describes the network, a dict as JSON, to the graph."""
    tf.get_variable(ABOUT, initializer=tf.constant(json.dumps(facts)), trainable=False)


def contents(checkpoint, advice):
    """A checkpoint's contents: {key: shape}, and a function that reads a key's value.

    Raises: UserError, with `advice`, if files are missing or damaged; so does the function.
    """
    def checked(read, *arguments):
        try:
            return read(*arguments)
        except Exception as error:  # tf.errors.DataLossError, NotFoundError, ValueError, IndexError
            raise UserError(f'{checkpoint}: expected a checkpoint, found damaged or missing files; '
                            f'{advice}') from error
    reader = checked(tf.train.load_checkpoint, checkpoint)
    return (checked(reader.get_variable_to_shape_map),
            lambda key: checked(reader.get_tensor, key))


def reason(error):
    """The useful part of a TensorFlow exception.

    TensorFlow reports a full disk ('<path>; No space left on device') below a page of graph, and
    the first missing key of a checkpoint within its own advice.
    """
    text = str(error)
    lacking = re.search(r'Key (\S+) not found in checkpoint', text)
    if lacking:
        return f'no {lacking[1]}'
    of_file_system = re.search(r'^\S.*; (\S.*)$', text, re.MULTILINE)
    return of_file_system[1] if of_file_system else text.strip().partition('\n')[0][:200]
