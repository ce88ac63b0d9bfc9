"""Transfer learning: what a new training takes from the checkpoint of another network."""
import tensorflow.compat.v1 as tf

from support.common import checkpoints
from support.common.console import UserError

ADVICE = 'name another one with --init-from'
CLASSES, PLACES = '/fc8', '/attention/'  # in names of weights whose last axis is classes, or heads


def begin_with(sess, about, facts):
    """Load all weights of a checkpoint whose name and shape fit; print which are new.

    Heads of another size get the overlapping part: the weights of the characters in both alphabets
    (a missing letter starts as its other case, one that stands for both cases as their mean) and of
    the first places. Adam's moments and the learning rate start as in any new training.

    Args: about: models.About, of the checkpoint. facts: dataset.Facts of the new training.
    Raises: UserError if nothing fits.
    """
    shapes, value_of = checkpoints.contents(about.checkpoint, ADVICE)
    weights = {v.op.name: v for v in [*tf.trainable_variables(),
                                      *tf.get_collection(tf.GraphKeys.MODEL_VARIABLES)]}
    new = []
    for name, variable in weights.items():
        shape, found = variable.shape.as_list(), shapes.get(name)
        renumbered = CLASSES in name and about.facts.alphabet != facts.alphabet
        if found == shape and not renumbered:
            variable.load(value_of(name), sess)
            continue
        both = shared(name, found, shape, about.facts, facts) if found else {}
        if len(both) < shape[-1]:
            new.append((name, shape, len(both)))
        if both:
            value, old = sess.run(variable), value_of(name)
            for place, before in both.items():
                value[..., place] = old[..., before].mean(axis=-1)
            variable.load(value, sess)
    if len(new) == len(weights) and not any(both for _, _, both in new):
        raise UserError(f'{about.checkpoint}: expected weights of this network, found none that '
                        f'fit; {ADVICE}')
    print(f'initialized {len(weights) - len(new)} of {len(weights)} weights from '
          f'{about.checkpoint}' + ''.join(
              f'; new: {name} {shape}' + f' but for {both} of {shape[-1]}' * bool(both)
              for name, shape, both in new), flush=True)


def shared(name, found, wanted, old, new):
    """The places of a weight's last axis whose meaning is unchanged.

    Args: found, wanted: shapes. old, new: dataset.Facts.
    Returns: {place now: [places before]}; two where both cases become one letter.
    """
    if found[:-1] != wanted[:-1]:
        return {}
    more = wanted[-1] - len(new.alphabet), found[-1] - len(old.alphabet)
    if CLASSES in name and {*more} <= {0, 1}:  # 1: 'no character', or the blank, comes last
        both = {}
        for place, c in enumerate(new.alphabet):
            known = [old.alphabet.index(one) for one in dict.fromkeys((c, c.swapcase()))
                     if one in old.alphabet]
            if known:
                both[place] = known[:1] if c.swapcase() in new.alphabet else known
        return both | {len(new.alphabet): [len(old.alphabet)]} if more == (1, 1) else both
    if PLACES in name and (found[-1], wanted[-1]) == (old.heads, new.heads):
        return {place: [place] for place in range(min(old.heads, new.heads))}
    return {}
