"""TFRecord files of captchas, read record by record with every check, outside the graph."""
import collections
import math
import os
import shlex

import numpy as np
import tensorflow.compat.v1 as tf

from support import checkpoints, dataset
from support.console import UserError

MANY = 1000  # records from which on their labels' frequencies count


def scale(pixels):
    """uint8 0 ... 255 -> float32 -1 ... 1, in NumPy what `read_and_decode` does in the graph."""
    return (np.asarray(pixels, np.float32) / 255 - 0.5) * 2


def read_records(path):
    """Yield each record of a TFRecord file once, in order, checked.

    Yields: image uint8 [224, 224] and labels, a list of ints, one for each character.
    Raises: UserError naming the file if it is missing, empty, damaged or of another format.
    """
    make = 'python to_tfrecord.py'
    if path not in (dataset.TRAIN_FILE, dataset.TEST_FILE):
        make += f' --images <its pictures> --out {shlex.quote(os.path.dirname(path) or ".")}'
    again = make + ' --overwrite'
    if not os.path.isfile(path):
        raise UserError(f'{path}: expected a TFRecord file, found none; make it with: {make}')
    facts = dataset.read_facts(path)
    heads = facts.heads if facts else None  # else as many as the first record has
    classes = facts.num_classes if facts else len(dataset.CHARSETS['alnum'])
    size = dataset.IMAGE_SIZE
    number = 0
    try:
        for number, record in enumerate(tf.io.tf_record_iterator(path), 1):
            feature = tf.train.Example.FromString(record).features.feature
            present = sorted(feature)  # before a look-up below adds its key
            heads = heads or count_labels(feature) or dataset.TEXT_LENGTH
            keys = [dataset.label_key(k) for k in range(heads)]
            pixels = feature[dataset.IMAGE_KEY].bytes_list.value
            labels = [feature[key].int64_list.value for key in keys]
            if (len(pixels) != 1 or any(len(label) != 1 for label in labels)
                    or dataset.label_key(heads) in feature):
                raise UserError(f'{path}: record {number}: expected one value each of '
                                f'{dataset.IMAGE_KEY}, {", ".join(keys)}, found keys: '
                                f'{", ".join(present) or "none"}; make it with: {again}')
            if len(pixels[0]) != size ** 2:
                raise UserError(f'{path}: record {number}: expected an image of {size}x{size} = '
                                f'{size ** 2} bytes, found {len(pixels[0])} bytes; '
                                f'make it again with: {again}')
            labels = [label[0] for label in labels]
            if not all(0 <= label < classes for label in labels):
                raise UserError(f'{path}: record {number}: expected labels from 0 to '
                                f'{classes - 1}, found {labels}; make it again with: {again}')
            yield np.frombuffer(pixels[0], np.uint8).reshape(size, size), labels
    except UserError:
        raise
    except (tf.errors.PermissionDeniedError, tf.errors.UnknownError) as error:  # the disk's fault
        raise UserError(f'{path}: cannot be read: {checkpoints.reason(error)}; fix that and run '
                        'the same command again') from error
    except Exception as error:  # tf.errors.DataLossError, protobuf's DecodeError
        raise UserError(f'{path}: expected whole records, found damage after {number} records; '
                        f'make it again with: {again}') from error
    if number == 0:
        raise UserError(f'{path}: expected records, found an empty file; '
                        f'make it again with: {again}')


def count_labels(feature):
    """How many of label0, label1, ... a record has, without a gap."""
    count = 0
    while dataset.label_key(count) in feature:
        count += 1
    return count


def read_batches(path, batch_size):
    """Group `read_records`: yield images uint8 [n, 224, 224] and labels [n, heads].

    The last n is the rest, so that every record is seen exactly once.
    """
    images, labels = [], []
    for image, label in read_records(path):
        images.append(image)
        labels.append(label)
        if len(images) == batch_size:
            yield np.stack(images), np.array(labels)
            images, labels = [], []
    if images:
        yield np.stack(images), np.array(labels)


def survey(path):
    """Read a TFRecord file once, with every check; return its record count and Facts."""
    return survey_with_chance(path)[:2]


def survey_with_chance(path):
    """Read a TFRecord file once, with every check.

    Without dataset.json beside it, as the original code left it, the labels tell digits from
    digits and capitals.

    Returns: its record count, its Facts, and the loss of a network that guesses: ln(classes), or
      where some classes are rarer than others (no letters but capitals, lengths that vary) the
      mean entropy of the labels.
    """
    count, classes = 0, collections.defaultdict(collections.Counter)  # of each head
    for _, labels in read_records(path):
        count += 1
        for k, label in enumerate(labels):
            classes[k][label] += 1
    highest = max(max(counter) for counter in classes.values())
    digits, alnum = dataset.CHARSETS['digits'], dataset.CHARSETS['alnum']
    alphabet = digits if highest < len(digits) else alnum
    facts = dataset.read_facts(path) or dataset.Facts(alphabet, len(labels), len(labels))
    chance = math.log(facts.num_classes)
    entropy = np.mean([-sum(n / count * math.log(n / count) for n in counter.values())
                       for counter in classes.values()])
    if facts.shortest < facts.longest or (count >= MANY and entropy < 0.97 * chance):
        chance = float(entropy)
    return count, facts, chance
