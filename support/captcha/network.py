"""A captcha network out of its checkpoint, which TensorFlow runs."""
import os

import tensorflow.compat.v1 as tf

from nets import nets_factory
from nets.methods import METHODS, probabilities
from support.captcha import dataset, loading, models, preprocessing, reader, recipes, records
from support.common import checkpoints
from support.common.console import UserError

_first_process = []  # the process id of the first process to restore a network


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
        if model_dir != models.MODEL_DIR:
            train += ', with the --network and the --train that you want'
        below = models.folders_below(model_dir)
        found = f'found one in {below[0]}; use that folder, or' if below else 'found none;'
        raise UserError(f'{model_dir}: expected a checkpoint {models.MODEL_NAME}-<i>, '
                        f'{found} make it with: {train}')
    about = models.about(checkpoint)
    network, method = about.fields['network'], about.fields['method']
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
    check_process()
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.uint8, [None, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])
        softmax = build_softmax(pixels, about, views)
        session = tf.Session(graph=graph)
        checkpoints.restore(tf.train.Saver(), session, about.checkpoint,
                            models.train_again_command(os.path.dirname(about.checkpoint)))

    def softmax_of(images):
        check_process()
        return session.run(softmax, {pixels: images})
    return reader.Network(about.checkpoint, about.facts,
                          loading.captcha_loader(about.facts.pictures), softmax_of, session.close,
                          METHODS[about.fields['method']].of_columns)


def check_process():
    """Raise a UserError in a process that was forked after a network was restored.

    A fork does not copy TensorFlow's threads, so every call there would hang.
    """
    if not _first_process:
        _first_process.append(os.getpid())
    if os.getpid() != _first_process[0]:
        raise UserError('expected a process that was forked before TensorFlow was used, found '
                        'one forked later, in which every reader would hang; open the reader '
                        'after the fork (gunicorn without --preload), or start processes with '
                        "multiprocessing.get_context('spawn')")


def build_softmax(pixels, about, views=1):
    """The graph of a network's probabilities, of operations that can be exported.

    Args:
      pixels: uint8 [batch, 224, 224].
      about: models.About of the checkpoint.
      views: number of slightly shifted versions to read, 1 ... len(preprocessing.VIEWS).
    Returns: float32 [batch, outputs, classes], the mean of the views; outputs: heads or columns.
    """
    method = METHODS[about.fields['method']]
    network_fn = nets_factory.get_network_fn(
        about.fields['network'], num_classes=method.num_classes(about.facts), is_training=False,
        method=about.fields['method'], num_heads=about.facts.heads)
    x = records.scale(tf.cast(pixels, tf.float32))  # float32 [batch, 224, 224], -1 ... 1
    images = preprocessing.network_input(x, *(about.fields[field] for field in recipes.INPUT))
    softmax = []
    moves = preprocessing.VIEWS_OF_COLUMNS if method.of_columns else preprocessing.VIEWS
    for view in preprocessing.views(images, moves[:views]):
        with tf.variable_scope(tf.get_variable_scope(), reuse=bool(softmax)):
            *logits, _ = network_fn(view)
        softmax.append(probabilities(logits))
    return tf.add_n(softmax) / views
