"""A trained network that reads captchas, for captcha_test.py and for programs.

    with open_reader('captcha/small_cnn') as reader:
        for text, confidence in reader.read(['one.jpg', png_bytes, pillow_picture]):
            print(text, confidence)
"""
import itertools
import os
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from nets import nets_factory
from nets.methods import METHODS, probabilities
from support.captcha import dataset, models, preprocessing, recipes, records
from support.common import checkpoints, pictures
from support.common.console import UserError

BATCH_SIZE = 50  # pictures read at a time: only memory and speed depend on it
_first_process = []  # the number of the process that was the first to open a reader


class Reading(NamedTuple):
    """What was read on one picture."""
    text: str
    confidence: float  # 0 ... 1, of the whole text
    characters: tuple  # the confidence of each character, 0 ... 1
    problem: UserError | None = None  # why the picture could not be read


class Reader:
    """A restored network. Close it, or use it in a `with` statement: it holds a session."""

    def __init__(self, about, views=1, within=None):
        """Restore a network.

        Args: about: models.About of the checkpoint. views, within: as for `build_reader`.
        Raises: UserError if the checkpoint does not fit its network.
        """
        check_process()
        self.facts, self.checkpoint = about.facts, about.checkpoint
        with tf.Graph().as_default() as graph:
            self._x = tf.placeholder(tf.float32, [None, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])
            self._outputs = build_reader(self._x, about, views, within)
            self._session = tf.Session(graph=graph)
            checkpoints.restore(tf.train.Saver(), self._session, about.checkpoint,
                                models.train_again_command(os.path.dirname(about.checkpoint)))

    def close(self):
        """Give the session's memory and threads back."""
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def classify(self, images):
        """Read pictures as they stand in records.

        Args: images: uint8 [n, 224, 224].
        Returns: classes int32 [n, heads] and the confidence of each, float32 [n, heads].
        """
        check_process()
        return self._session.run(self._outputs, {self._x: records.scale(images)})

    def read(self, sources):
        """Read pictures.

        Args: sources: paths, the bytes of picture files or Pillow pictures, as many as you like.
        Returns: [(text, confidence 0 ... 1), ...].
        Raises: UserError for what is not a picture.
        """
        if isinstance(sources, (str, bytes)):
            raise TypeError(f'expected a list of pictures, found one: [{sources[:40]!r}]')
        found = []
        for reading in self.read_each(sources):
            if reading.problem:
                raise reading.problem
            found.append((reading.text, reading.confidence))
        return found

    def read_each(self, sources):
        """Yield a Reading for each source of `read`, in order; a bad one has its `problem`."""
        loads = pictures.load_all(sources, self.facts.pictures)
        while batch := list(itertools.islice(loads, BATCH_SIZE)):
            images, problems = [], []
            for load in batch:
                try:
                    images.append(load.result())
                    problems.append(None)
                except UserError as problem:
                    problems.append(problem)
            found = iter(self._readings(np.stack(images)) if images else [])
            yield from (Reading('', 0.0, (), problem) if problem else next(found)
                        for problem in problems)

    def _readings(self, images):
        """A Reading of each image uint8 [n, 224, 224]."""
        for classes, confidence in zip(*self.classify(images)):
            there = classes < len(self.facts.alphabet)  # the others are no characters
            yield Reading(self.facts.text_of(classes), float(confidence.prod()),
                          tuple(map(float, confidence[there])))


def check_process():
    """Raise a UserError in a process that was forked after a reader was opened.

    TensorFlow's threads are not copied, so whatever it is asked to run there waits for ever.
    """
    if not _first_process:
        _first_process.append(os.getpid())
    if os.getpid() != _first_process[0]:
        raise UserError('expected a process that TensorFlow was not used in before it was forked, '
                        'found one in which every reader would wait for ever; open the reader '
                        'after the fork (gunicorn without --preload), or start processes with '
                        "multiprocessing.get_context('spawn')")


def build_reader(x, about, views=1, within=None):
    """The graph that reads captchas.

    Args:
      x: float32 [batch, 224, 224], -1 ... 1.
      about: models.About of the checkpoint.
      views: how often each picture is read, a little moved, 1 ... len(preprocessing.VIEWS).
      within: dataset.Facts to whose characters and lengths the texts are restricted, or None.
    Returns:
      classes: int32 [batch, heads].
      confidence: float32 [batch, heads], the views' mean softmax of each; their product is
        that of the text.
    """
    method = METHODS[about.fields['method']]
    network_fn = nets_factory.get_network_fn(
        about.fields['network'], num_classes=method.num_classes(about.facts), is_training=False,
        method=about.fields['method'], num_heads=about.facts.heads)
    images = preprocessing.network_input(x, *(about.fields[field] for field in recipes.INPUT))
    softmax = []
    moves = preprocessing.VIEWS_OF_COLUMNS if method.of_columns else preprocessing.VIEWS
    for view in preprocessing.views(images, moves[:views]):
        with tf.variable_scope(tf.get_variable_scope(), reuse=bool(softmax)):
            *logits, _ = network_fn(view)
        softmax.append(probabilities(logits))  # [batch, heads, classes]
    return method.decode(tf.add_n(softmax) / views, about.facts, within)


def restricted(facts, alphabet=None, length=None):
    """The Facts to which texts of a network's `facts` are restricted, or None.

    Args: alphabet: characters. length: (shortest, longest). None: as the network has them.
    Raises: UserError if the network cannot read such texts.
    """
    if alphabet is None and length is None:
        return None
    shortest, longest = length or (facts.shortest, facts.longest)
    within = dataset.Facts(alphabet or facts.alphabet, shortest, longest)
    if longest > facts.longest or longest < facts.shortest or not any(facts.possible(within)):
        raise UserError(f'--alphabet, --length: expected some of {facts}, which the network '
                        f'reads, found {within}; leave them out or use another --model-dir')
    return within


def open_reader(model_dir=None, views=1, alphabet=None, length=None):
    """Restore the newest checkpoint of a folder.

    Args:
      model_dir: the folder; None: models.default_dir().
      views: as for `build_reader`.
      alphabet, length: the only characters and lengths to be read, as for `restricted`.
    Returns: Reader.
    Raises: UserError if there is no checkpoint or it does not fit the network.
    """
    model_dir = models.default_dir() if model_dir is None else model_dir
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
    return Reader(about, views, restricted(about.facts, alphabet, length))
