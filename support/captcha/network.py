"""A captcha network out of its checkpoint, which TensorFlow runs."""
import glob
import os

import tensorflow.compat.v1 as tf

from nets import nets_factory
from nets.methods import METHODS, probabilities
from support.captcha import dataset, loading, models, preprocessing, reader, records
from support.common import checkpoints
from support.common.console import UserError


def open_reader(model_dir=None, views=1, **known):
    """Restore the newest checkpoint of a folder.

    Args:
      model_dir: the folder; None: models.default_dir().
      views: as for `build_softmax`.
      known: keywords of reader.Reader: alphabet, length, ignore_case, one_system.
    Returns: reader.Reader. Close it, or use it in a `with` statement: it holds a session.
    Raises: UserError if there is no checkpoint or it does not fit the network.
    """
    about = trained(models.default_dir() if model_dir is None else model_dir)
    return reader.Reader(restore(about, views), **known)


def trained(model_dir):
    """models.About of the newest checkpoint of a folder.

    Raises: UserError if there is none, or it is of no network that is known.
    """
    train = models.command('captcha_train.py', model_dir)
    checkpoint = models.newest(model_dir)
    if checkpoint is None:
        below = sorted(glob.glob(f'{glob.escape(model_dir)}/*/{models.MODEL_NAME}-*.index'))
        found = f'found one in {os.path.dirname(below[0])}; use that folder, or' if below else (
            'found none;')
        raise UserError(f'{model_dir}: expected a checkpoint {models.MODEL_NAME}-<i>, {found} make '
                        f'it with: {train}')
    about = models.about(checkpoint)
    network, method = about.recipe.network, about.recipe.method
    if network not in nets_factory.names() or method not in nets_factory.methods_of(network):
        raise UserError(f'{checkpoint}: expected one of the networks '
                        f'{", ".join(nets_factory.names())} and a method of it, found '
                        f'{network}, {method}; train one of them with: {train} --restart')
    return about


def restore(about, views=1):
    """The reader.Network of a checkpoint.

    Args: about: models.About of the checkpoint. views: as for `build_softmax`.
    Raises: UserError if the checkpoint does not fit its network.
    """
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.uint8, [None, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])
        softmax = build_softmax(pixels, about, views)
        session = tf.Session(graph=graph)
        checkpoints.restore(tf.train.Saver(), session, about.checkpoint,
                            models.train_again_command(os.path.dirname(about.checkpoint)))
    process = os.getpid()

    def softmax_of(images):
        if os.getpid() != process:  # a fork copies none of TensorFlow's threads: it would hang
            raise UserError('expected the process that opened the reader, found one forked from '
                            'it; open the reader after the fork (gunicorn without --preload)')
        return session.run(softmax, {pixels: images})
    return reader.Network(about.checkpoint, about.facts,
                          loading.captcha_loader(about.facts.pictures), softmax_of, session.close,
                          METHODS[about.recipe.method].of_columns)


def build_softmax(pixels, about, views=1):
    """The graph of a network's probabilities, of operations that can be exported.

    Args:
      pixels: uint8 [batch, 224, 224].
      about: models.About of the checkpoint.
      views: number of slightly shifted versions to read, 1 ... len(preprocessing.VIEWS).
    Returns: float32 [batch, outputs, classes], the mean of the views; outputs: heads or columns.
    """
    recipe, method = about.recipe, METHODS[about.recipe.method]
    network_fn = nets_factory.get_network_fn(
        recipe.network, num_classes=method.num_classes(about.facts), is_training=False,
        method=recipe.method, num_heads=about.facts.heads)
    x = records.scale(tf.cast(pixels, tf.float32))  # float32 [batch, 224, 224], -1 ... 1
    images = preprocessing.network_input(x, recipe.standardize, recipe.dark_ink)
    moves = preprocessing.VIEWS_OF_COLUMNS if method.of_columns else preprocessing.VIEWS
    softmax = []
    for view in preprocessing.views(images, moves[:views]):
        with tf.variable_scope(tf.get_variable_scope(), reuse=bool(softmax)):
            *logits, _ = network_fn(view)
        softmax.append(probabilities(logits))
    return tf.add_n(softmax) / views
