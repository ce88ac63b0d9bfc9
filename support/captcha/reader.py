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
from support.captcha import dataset, models, preprocessing, priors, recipes, records
from support.common import checkpoints, pictures
from support.common.console import UserError

BATCH_SIZE = 50  # pictures read at a time; affects only memory and speed
TOGETHER = 500  # pictures whose probabilities are kept until it is known what is usual among them
ROUNDS = 2  # of reading them by what was usual the time before
_first_process = []  # the process id of the first process to open a reader


class Reading(NamedTuple):
    """The result for one picture."""
    text: str
    confidence: float  # 0 ... 1, of the whole text
    characters: tuple  # the confidence of each character, 0 ... 1
    problem: UserError | None = None  # why the picture could not be read


class Reader:
    """A restored network. Close it, or use it in a `with` statement: it holds a session."""

    def __init__(self, about, views, told):
        """Restore a network.

        Args: about: models.About of the checkpoint. views: as for `build_softmax`.
          told: priors.Prior of what is known of the texts.
        Raises: UserError if the checkpoint does not fit its network.
        """
        check_process()
        self.facts, self.checkpoint, self._told = about.facts, about.checkpoint, told
        with tf.Graph().as_default() as graph:
            self._x = tf.placeholder(tf.float32, [None, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])
            self._softmax = build_softmax(self._x, about, views)
            self._prior = priors.Prior(*(tf.placeholder(tf.float32, factors.shape)
                                         for factors in self._told))
            self._outputs = METHODS[about.fields['method']].decode(self._softmax, about.facts,
                                                                   self._prior)
            self._session = tf.Session(graph=graph)
            checkpoints.restore(tf.train.Saver(), self._session, about.checkpoint,
                                models.train_again_command(os.path.dirname(about.checkpoint)))

    def close(self):
        """Free the session's memory and threads."""
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def classify(self, images):
        """Read pictures in the form of records, each on its own.

        Args: images: uint8 [n, 224, 224].
        Returns: classes int32 [n, heads] and the confidence of each, float32 [n, heads].
        """
        return self._decode({self._x: records.scale(images)}, self._told)

    def _decode(self, feed, prior):
        """Pictures or their probabilities -> classes int32 and confidence float32, [n, heads]."""
        return self._run(self._outputs, feed | dict(zip(self._prior, prior)))

    def _run(self, outputs, feed):
        check_process()
        return self._session.run(outputs, feed)

    def read(self, sources):
        """Read pictures, which help one another: see `priors.usual`.

        Args: sources: paths, the bytes of picture files or Pillow pictures, as many as you like,
          best of one system.
        Returns: [(text, confidence 0 ... 1), ...].
        Raises: UserError for a source that is not a picture.
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
        seen = np.zeros([0, self.facts.heads], np.int32)  # classes of the pictures so far
        softmax = self._each_softmax(pictures.load_all(sources, self.facts.pictures))
        while block := list(itertools.islice(softmax, TOGETHER)):
            good = [one for one, problem in block if problem is None]
            found = iter(())
            if good:
                feed = {self._softmax: np.stack(good)}
                classes, confidence = self._decode(feed, self._told)
                for _ in range(ROUNDS):
                    usual = priors.usual(self.facts, np.concatenate([seen, classes]))
                    classes, confidence = self._decode(feed, self._told.times(usual))
                seen, found = np.concatenate([seen, classes]), zip(classes, confidence)
            for _, problem in block:
                yield Reading('', 0.0, (), problem) if problem else self._reading(*next(found))

    def _each_softmax(self, loads):
        """Yield (float32 [heads, classes], None) for each of `loads`, or (None, its problem)."""
        while batch := list(itertools.islice(loads, BATCH_SIZE)):
            images, problems = [], []
            for load in batch:
                try:
                    images.append(load.result())
                    problems.append(None)
                except UserError as problem:
                    problems.append(problem)
            found = iter(self._run(self._softmax, {self._x: records.scale(np.stack(images))})
                         if images else [])
            yield from ((None, problem) if problem else (next(found), None)
                        for problem in problems)

    def _reading(self, classes, confidence):
        """A Reading of classes int32 [heads] and the confidence of each."""
        there = classes < len(self.facts.alphabet)  # the others mean 'no character'
        return Reading(self.facts.text_of(classes), float(confidence.prod()),
                       tuple(map(float, confidence[there])))


def check_process():
    """Raise a UserError in a process that was forked after a reader was opened.

    A fork does not copy TensorFlow's threads, so every call there would hang.
    """
    if not _first_process:
        _first_process.append(os.getpid())
    if os.getpid() != _first_process[0]:
        raise UserError('expected a process that was forked before TensorFlow was used, found '
                        'one forked later, in which every reader would hang; open the reader '
                        'after the fork (gunicorn without --preload), or start processes with '
                        "multiprocessing.get_context('spawn')")


def build_softmax(x, about, views=1):
    """The graph of a network's probabilities.

    Args:
      x: float32 [batch, 224, 224], -1 ... 1.
      about: models.About of the checkpoint.
      views: number of slightly shifted versions to read, 1 ... len(preprocessing.VIEWS).
    Returns: float32 [batch, heads, classes], the mean of the views.
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
        softmax.append(probabilities(logits))
    return tf.add_n(softmax) / views


def build_reader(x, about):
    """The graph that reads captchas one by one, of operations that can be exported.

    Args: x, about: as for `build_softmax`.
    Returns: classes int32 [batch, heads] and the confidence of each, float32 [batch, heads], whose
      product is the text's.
    """
    return METHODS[about.fields['method']].decode(build_softmax(x, about), about.facts)


def open_reader(model_dir=None, views=1, alphabet=None, length=None):
    """Restore the newest checkpoint of a folder.

    Args:
      model_dir: the folder; None: models.default_dir().
      views: as for `build_softmax`.
      alphabet, length: the only possible characters and lengths, as for `priors.told`.
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
    return Reader(about, views, priors.told(about.facts, alphabet, length))
