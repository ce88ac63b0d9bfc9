"""Checkpoints of TensorFlow's `Saver`: find the newest, restore, save.

A checkpoint is named by its prefix, `<folder>/<name>-<step>`, as the Saver names it:
./captcha/crack_captcha.model-6000, ./model/mnist_model-50000.
"""
import glob
import json
import os
import re

import tensorflow.compat.v1 as tf

from support.common.console import UserError

ABOUT = 'about'  # key of the string variable that describes the network: see note_about


def newest(folder, name):
    """The prefix of the checkpoint that was written last, or None. Raises: as `kept`."""
    found = kept(folder, name)
    return found[-1] if found else None


def kept(folder, name):
    """The prefixes of all checkpoints of this name, the newest last.

    The order is that of TensorFlow's state file, or of the steps if that is damaged or missing.
    Raises: UserError if TensorFlow would interpret the folder's name as a pattern.
    """
    if glob.escape(folder) != folder:
        raise UserError(f'{folder}: expected a folder without * ? [ in its path, which '
                        'TensorFlow interprets as a pattern; use another one')
    existing = [index.removesuffix('.index') for index in glob.glob(os.path.join(folder, '*.index'))
                if re.fullmatch(rf'{re.escape(name)}(-\d+)?\.index', os.path.basename(index))]
    return ([prefix for prefix in listed(folder) if prefix in existing]
            or sorted(existing, key=step_of))


def listed(folder):
    """The prefixes that the state file `checkpoint` lists, the newest last, wherever it is now."""
    try:
        state = tf.train.get_checkpoint_state(folder)
    except ValueError:  # a power failure while it was written
        state = None
    if not state:
        return []
    last, every = state.model_checkpoint_path, state.all_model_checkpoint_paths
    if every and every[-1] != last:  # damaged: TensorFlow writes the newest into both
        return []
    return [os.path.join(folder, re.split(r'[\\/]', path)[-1]) for path in every or [last]]


def step_of(checkpoint):
    """'./model/mnist_model-1001' -> 1001; 0 if the name has no number."""
    number = checkpoint.rpartition('-')[2]
    return int(number) if number.isdigit() else 0


def restore(saver, sess, checkpoint, advice):
    """Restore it. Raises: UserError, with `advice`, if it is damaged or of another network."""
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
    try:
        return saver.save(sess, prefix, global_step=step)
    except (tf.errors.OpError, OSError, ValueError) as error:  # disk full, folder gone
        remove_halves(*os.path.split(prefix))
        last = newest(*os.path.split(prefix)) or 'none'
        raise UserError(f'{prefix}-{step}: cannot be written: {reason(error)}; last good '
                        f'checkpoint: {last}; make room there, then resume with {again}'
                        ) from error


def remove_halves(folder, name):
    """Remove what a save that failed or was killed left, inside files.alone."""
    for pattern in f'{name}-*.tempstate*', f'{name}-*.meta.tmp*', 'checkpoint.tmp*':
        for path in glob.glob(os.path.join(glob.escape(folder), pattern)):
            os.remove(path)


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
    """The useful part of a TensorFlow exception, which may stand below a page of graph."""
    text = str(error)
    if lacking := re.search(r'Key (\S+) not found in checkpoint', text):
        return f'no {lacking[1]}'
    disk_full = re.search(r'^\S.*; (\S.*)$', text, re.MULTILINE)  # <path>; No space left on ...
    return disk_full[1] if disk_full else text.strip().partition('\n')[0][:200]
