"""Checkpoints of TensorFlow's `Saver`: find the newest, restore, save, say that training is done.

Both chains use these. A checkpoint is named by its prefix, `<folder>/<name>-<step>`, as the Saver
names it: ./captcha/crack_captcha.model-6000, ./model/mnist_model-50000.
"""
import contextlib
import glob
import json
import os
import re

import tensorflow.compat.v1 as tf

from support.common.console import UserError

FINISHED = 'finished'  # a state file of ours beside TensorFlow's `checkpoint`: see mark_finished
ABOUT = 'about'  # the key of the string variable that says what a network is: see note_about


def newest(folder, name):
    """The prefix of the checkpoint that was written last, or None.

    That is the one which TensorFlow's state file names, of those that are there; where that file
    is damaged or was left behind when the folder was copied, the one of the highest step. Only
    where the state file lists some and none is left, the last it lists, so that restoring fails
    loudly.
    Raises: UserError if TensorFlow would take the folder's name for a pattern.
    """
    found = kept(folder, name) or of_name(listed(folder), name)
    return found[-1] if found else None


def kept(folder, name):
    """The prefixes of all checkpoints that are there, the newest last: see `newest`."""
    if glob.escape(folder) != folder:
        raise UserError(f'{folder}: expected a folder without * ? [ in its path, because '
                        'TensorFlow takes these for a pattern; use another one')
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

    The file, `checkpoint` unless another is named, holds paths. Only the names count: the folder
    may have been copied or moved since, or come from Windows.
    """
    try:
        state = tf.train.get_checkpoint_state(folder, state_file)
    except ValueError:  # the power failed while it was written
        state = None
    if not state:
        return []
    last, every = state.model_checkpoint_path, state.all_model_checkpoint_paths
    if every and every[-1] != last:  # damaged: TensorFlow writes the newest into both
        return []
    paths = [*every[:-1], last]
    return [os.path.join(folder, re.split(r'[\\/]', path)[-1]) for path in paths]


def step_of(checkpoint):
    """'./model/mnist_model-1001' -> 1001; 0 where the name has no number."""
    number = checkpoint.rpartition('-')[2]
    return int(number) if number.isdigit() else 0


def restore(saver, sess, checkpoint, advice):
    """Restore `checkpoint`.

    Raises: UserError, with `advice`, if it is missing, damaged or another network's.
    """
    try:
        saver.restore(sess, checkpoint)
        # TensorFlow itself would take a value of any shape.
        variables = tf.trainable_variables()
        for variable, value in zip(variables, sess.run(variables)):
            if variable.shape != getattr(value, 'shape', ()):
                raise ValueError(f'{variable.op.name} of shape {value.shape}, '
                                 f'expected {tuple(variable.shape)}')
    except (tf.errors.AbortedError, tf.errors.UnavailableError):
        raise  # a cluster's connection, not the checkpoint
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(f'{checkpoint}: expected a whole checkpoint of this network, '
                        f'found: {reason(error)}; {advice}') from error


def save(saver, sess, prefix, step, again):
    """Save `<prefix>-<step>`; what was saved before stays if that fails.

    Args: again: the command that resumes the training then, in words.
    Returns: the checkpoint's prefix.
    Raises: UserError, say on a full disk.
    """
    files = f'{glob.escape(prefix)}-{step}.*'
    before = glob.glob(files)  # of an older run that got so far
    try:
        return saver.save(sess, prefix, global_step=step)
    except (tf.errors.AbortedError, tf.errors.UnavailableError):
        raise  # a cluster's connection, not the disk
    except (tf.errors.OpError, OSError, ValueError) as error:  # disk full, folder gone
        for leftover in set(glob.glob(files)) - set(before):
            with contextlib.suppress(OSError):
                os.remove(leftover)
        last = newest(*os.path.split(prefix)) or 'none'
        raise UserError(f'{prefix}-{step}: cannot be written: {reason(error)}; last good '
                        f'checkpoint: {last}; make room there, then resume with {again}'
                        ) from error


def remove_halves(folder, name):
    """Remove what a process that was killed while it saved has left beside the checkpoints.

    These are the names under which TensorFlow writes before it renames. Call it where no other
    process saves: in files.alone.
    """
    for pattern in f'{name}-*.tempstate*', f'{name}-*.meta.tmp*', 'checkpoint.tmp*':
        for path in glob.glob(os.path.join(glob.escape(folder), pattern)):
            os.remove(path)


def mark_finished(checkpoint):
    """Tell other processes, such as mnist_test.py, that training ended with `checkpoint`.

    It is named in a second state file beside TensorFlow's own; no key is added to the checkpoint.
    """
    if not finished(checkpoint):
        folder, name = os.path.split(checkpoint)
        tf.train.update_checkpoint_state(folder, name, latest_filename=FINISHED)


def mark_unfinished(folder):
    """Take the mark away: training is resumed."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, FINISHED))


def finished(checkpoint):
    """Whether training ended with `checkpoint`, so that no newer one will come."""
    folder, name = os.path.split(checkpoint)
    return [os.path.basename(path) for path in listed(folder, FINISHED)][-1:] == [name]


def note_about(facts):
    """Add the string variable to the graph that says what the network is: a dict, as JSON."""
    tf.get_variable(ABOUT, initializer=tf.constant(json.dumps(facts)), trainable=False)


def contents(checkpoint, advice):
    """What a checkpoint holds: {key: shape}, and a function of a key that reads its value.

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
    """The part of an exception of TensorFlow's that a person needs.

    TensorFlow puts a full disk, as '<path>; No space left on device', below a page of graph, and
    the first key that a checkpoint lacks among its own advice.
    """
    text = str(error)
    lacking = re.search(r'Key (\S+) not found in checkpoint', text)
    if lacking:
        return f'no {lacking[1]}'
    of_file_system = re.search(r'^\S.*; (\S.*)$', text, re.MULTILINE)
    return of_file_system[1] if of_file_system else text.strip().partition('\n')[0][:200]
