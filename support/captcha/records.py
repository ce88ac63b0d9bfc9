"""TFRecord files of captchas, read and checked record by record, outside the graph."""
import collections
import glob
import itertools
import math
import os
import re
import shlex

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError

from support.captcha import dataset
from support.common import checkpoints
from support.common.console import UserError

SHARDS = 'train-*-of-*.tfrecords'  # as to_tfrecord.py --shards names them
MANY = 1000  # records from which the frequencies of their labels are meaningful


def scale(pixels):
    """float32 0 ... 255, an array or a tensor, -> -1 ... 1, as `read_and_decode` does it."""
    return (pixels / 255 - 0.5) * 2


def files(place):
    """The record files of a place, sorted.

    Args: place: a file, a pattern of a folder's files such as captcha/train-*.tfrecords, or a
      folder; train.tfrecords, also of a folder, stands for its shards where there is no such file.
    Raises: UserError if there are none, or an incomplete set of shards.
    """
    folder = os.path.isdir(place)
    whole = dataset.beside(place, os.path.basename(dataset.TRAIN_FILE)) if folder else place
    shards = sorted(glob.glob('{}-*-of-*{}'.format(*os.path.splitext(glob.escape(whole)))))
    names = os.path.join(glob.escape(os.path.dirname(place)), os.path.basename(place))
    found = [whole] if os.path.isfile(whole) else shards or sorted(glob.glob(names))
    if not found or not os.path.isfile(found[0]):
        raise UserError(f'{whole}: expected a TFRecord file, found none; make it with: '
                        f'{make_command(whole)}')
    shard = re.fullmatch(r'(.*)-\d{5}-of-(\d{5})(\.\w+)', found[0])
    if shard and found != [place]:
        whole, count = shard[1] + shard[3], int(shard[2])
        missing = {dataset.shard_path(whole, number, count) for number in range(count)} - {*found}
        if missing:
            raise UserError(f'{place}: expected all of {count} shards, found none named '
                            f'{os.path.basename(min(missing))}; put it there, or make them again '
                            f'with: {make_command(whole)} --shards {count} --overwrite')
    return found


def held_out(place):
    """argparse type: the held-out records of a folder, or a file of them."""
    return beside(place) if os.path.isdir(place) else place


def beside(place):
    """The file of held-out records in the folder of the given training records."""
    return dataset.beside(place, os.path.basename(dataset.TEST_FILE))


def make_command(path):
    """The command that makes a record file."""
    if path in (dataset.TRAIN_FILE, dataset.TEST_FILE):
        return 'python to_tfrecord.py'
    out = shlex.quote(os.path.dirname(path) or '.')
    return f'python to_tfrecord.py --images <its pictures> --out {out}'


def read_records(place):
    """Yield each record of TFRecord files once, in order, checked.

    Args: place: as for `files`, or a list of files.
    Yields: image uint8 [224, 224] and labels, a list of ints, one for each character.
    Raises: UserError naming the file if it is missing, empty, damaged or of another format.
    """
    paths = files(place) if isinstance(place, str) else place
    facts = dataset.read_facts(paths[0])
    heads = facts.heads if facts else None  # without dataset.json as many as the first record has
    classes = facts.num_classes if facts else len(dataset.CHARSETS['alnum'])
    for path in paths:
        number, problem = 0, None
        try:
            for number, record in enumerate(tf.io.tf_record_iterator(path), 1):
                image, labels = parse(tf.train.Example.FromString(record), heads, classes)
                heads = len(labels)
                yield image, labels
            if number == 0:
                problem = 'records, found an empty file'
        except ValueError as fault:
            problem = f'{fault} in record {number}'
        except (tf.errors.OpError, DecodeError) as error:
            problem = ('whole records, found damage after '
                       f'{number} records: {checkpoints.reason(error)}')
        if problem:
            raise UserError(f'{path}: expected {problem}; make it again with: '
                            f'{make_command(path)} --overwrite')


def example(image, labels):
    """One record's bytes. Args: image: uint8 [224, 224]. labels: the classes of its characters."""
    made = tf.train.Example()
    made.features.feature[dataset.IMAGE_KEY].bytes_list.value.append(image.tobytes())
    for k, label in enumerate(labels):
        made.features.feature[dataset.label_key(k)].int64_list.value.append(label)
    return made.SerializeToString()


def parse(record, heads, classes):
    """Check one tf.train.Example.

    Returns: image uint8 [224, 224] and labels, `heads` ints below `classes`.
    Raises: ValueError, '<what was expected>, found <what was found>'.
    """
    feature, size = record.features.feature, dataset.IMAGE_SIZE
    present = sorted(feature)  # before a look-up below adds its key
    heads = heads or sum(key.startswith('label') for key in present) or dataset.TEXT_LENGTH
    keys = [dataset.label_key(k) for k in range(heads)]
    pixels = feature[dataset.IMAGE_KEY].bytes_list.value
    labels = [feature[key].int64_list.value for key in keys]
    if (len(pixels) != 1 or any(len(label) != 1 for label in labels)
            or dataset.label_key(heads) in present):
        raise ValueError(f'one value each of {dataset.IMAGE_KEY}, {", ".join(keys)}, found keys '
                         f'{", ".join(present) or "none"}')
    if len(pixels[0]) != size ** 2:
        raise ValueError(f'an image of {size}x{size} = {size ** 2} bytes, found {len(pixels[0])}')
    labels = [label[0] for label in labels]
    if not all(0 <= label < classes for label in labels):
        raise ValueError(f'labels from 0 to {classes - 1}, found {labels}')
    return np.frombuffer(pixels[0], np.uint8).reshape(size, size), labels


def read_batches(place, batch_size):
    """`read_records` in batches, of which the last may be smaller.

    Yields: images uint8 [n, 224, 224] and labels int [n, heads].
    """
    found = read_records(place)
    while batch := list(itertools.islice(found, batch_size)):
        images, labels = zip(*batch)
        yield np.stack(images), np.array(labels)


def survey(place):
    """Read TFRecord files once, with every check.

    Args: place: as for `read_records`.
    Returns: record count, Facts, and the loss of a network that guesses: ln(classes), or the mean
      entropy of the labels if some classes are rarer than others (only capitals, varying lengths).
    """
    count, classes = 0, collections.defaultdict(collections.Counter)  # of each head
    for _, labels in read_records(place):
        count += 1
        for k, label in enumerate(labels):
            classes[k][label] += 1
    highest = max(max(counter) for counter in classes.values())
    facts = dataset.read_facts(place if isinstance(place, str) else place[0])
    if not facts:  # the original code wrote no dataset.json
        alphabet = dataset.CHARSETS['digits' if highest < 10 else 'alnum']
        facts = dataset.Facts(alphabet, len(labels), len(labels))
    chance = math.log(facts.num_classes)
    entropy = np.mean([-sum(n / count * math.log(n / count) for n in counter.values())
                       for counter in classes.values()])
    if facts.shortest < facts.longest or (count >= MANY and entropy < 0.97 * chance):
        chance = float(entropy)
    return count, facts, chance
