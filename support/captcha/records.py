"""TFRecord files of captchas, read and checked record by record, outside the graph."""
import collections
import glob
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

    Args: place: a file, a pattern such as captcha/train-*.tfrecords, or a folder with training
      records: train.tfrecords or its shards.
    Raises: UserError if there are none, both, or an incomplete set of shards.
    """
    wanted, shards = place, os.path.join(glob.escape(place), SHARDS)
    if os.path.isdir(place):
        wanted = os.path.join(place, os.path.basename(dataset.TRAIN_FILE))
        found = sorted(glob.glob(shards))
        if found and os.path.exists(wanted):
            raise UserError(f'{place}: expected one training set, found {wanted} and '
                            f'{len(found)} shards; name one: {shlex.quote(wanted)}, or '
                            f'{shlex.quote(os.path.join(place, SHARDS))}')
        found = found or [wanted]
    else:
        found = [place] if os.path.exists(place) else sorted(glob.glob(place)) or [place]
    if not os.path.isfile(found[0]):
        folder = os.path.dirname(wanted) or '.'
        if glob.glob(os.path.join(glob.escape(folder), SHARDS)):
            raise UserError(f'{place}: expected a TFRecord file, found none, but its shards; '
                            f'name their folder: {shlex.quote(folder)}')
        raise UserError(f'{wanted}: expected a TFRecord file, found none; make it with: '
                        f'{make_command(wanted)}')
    if place not in found:
        check_shards(place, found)
    return found


def held_out(place):
    """The file of held-out records: test.tfrecords if the place is a folder, else the place."""
    return beside(place) if os.path.isdir(place) else place


def beside(place):
    """The file of held-out records in the folder of the given training records."""
    return dataset.beside(place, os.path.basename(dataset.TEST_FILE))


def check_shards(place, found):
    """Raise a UserError unless the shards among the files `found` are one complete set."""
    matches = [re.fullmatch(r'(.*)-\d{5}-of-(\d{5})(\.\w+)', path) for path in found]
    sets = {(match[1] + match[3], int(match[2])) for match in matches if match}
    for whole, count in sorted(sets):
        missing = {dataset.shard_path(whole, number, count) for number in range(count)} - {*found}
        again = f'make them again with: {make_command(whole)} --shards {count} --overwrite'
        if missing:
            raise UserError(f'{place}: expected all of {count} shards, found none named '
                            f'{os.path.basename(min(missing))}; put it there, or {again}')
        if len(sets) > 1:
            raise UserError(f'{place}: expected the shards of one set, found those of {len(sets)};'
                            f' remove the others, or name the set with a pattern such as '
                            f'train-*-of-{count:05d}.tfrecords')


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
    Raises: UserError naming the file if it is missing, empty, damaged, of another format or of
      another data set than the first.
    """
    paths = files(place) if isinstance(place, str) else place
    heads = None  # the first record's number, unless dataset.json has it
    facts_of = [dataset.read_facts(path) for path in paths]
    expected = facts_of[0]
    for path, facts in zip(paths, facts_of):
        if facts != expected:  # a class would mean different characters
            raise UserError(f'{path}: expected {expected or "no dataset.json"}, as {paths[0]} has, '
                            f'found {facts or "none"}; make one set of both: python to_tfrecord.py '
                            '--images <the pictures of both>')
        for image, labels in read_file(path, facts, heads):
            heads = len(labels)
            yield image, labels


def read_file(path, facts, heads):
    """`read_records` of one file.

    Args: facts: from its dataset.json; None: there is none. heads: labels per record without it;
      None: as in the first record.
    """
    again = f'make it again with: {make_command(path)} --overwrite'
    heads = facts.heads if facts else heads
    classes = facts.num_classes if facts else len(dataset.CHARSETS['alnum'])
    number = 0
    try:
        for number, record in enumerate(tf.io.tf_record_iterator(path), 1):
            feature = tf.train.Example.FromString(record).features.feature
            heads = heads or count_labels(feature) or dataset.TEXT_LENGTH
            yield parse(feature, heads, classes)
    except ValueError as fault:
        raise UserError(f'{path}: record {number}: expected {fault}; {again}') from fault
    except (tf.errors.PermissionDeniedError, tf.errors.UnknownError) as error:  # the disk's fault
        raise UserError(f'{path}: cannot be read: {checkpoints.reason(error)}; fix that and run '
                        'the same command again') from error
    except (tf.errors.OpError, DecodeError) as error:
        raise UserError(f'{path}: expected whole records, found damage after {number} records; '
                        f'{again}') from error
    if number == 0:
        raise UserError(f'{path}: expected records, found an empty file; {again}')


def example(image, labels):
    """One record's bytes. Args: image: uint8 [224, 224]. labels: the classes of its characters."""
    made = tf.train.Example()
    made.features.feature[dataset.IMAGE_KEY].bytes_list.value.append(image.tobytes())
    for k, label in enumerate(labels):
        made.features.feature[dataset.label_key(k)].int64_list.value.append(label)
    return made.SerializeToString()


def parse(feature, heads, classes):
    """Check the features of one tf.train.Example.

    Returns: image uint8 [224, 224] and labels, `heads` ints below `classes`.
    Raises: ValueError, '<what was expected>, found <what was found>'.
    """
    present = sorted(feature)  # before a look-up below adds its key
    size = dataset.IMAGE_SIZE
    keys = [dataset.label_key(k) for k in range(heads)]
    pixels = feature[dataset.IMAGE_KEY].bytes_list.value
    labels = [feature[key].int64_list.value for key in keys]
    if (len(pixels) != 1 or any(len(label) != 1 for label in labels)
            or dataset.label_key(heads) in feature):
        raise ValueError(f'one value each of {dataset.IMAGE_KEY}, {", ".join(keys)}, found keys: '
                         f'{", ".join(present) or "none"}')
    if len(pixels[0]) != size ** 2:
        raise ValueError(f'an image of {size}x{size} = {size ** 2} bytes, found {len(pixels[0])} '
                         'bytes')
    labels = [label[0] for label in labels]
    if not all(0 <= label < classes for label in labels):
        raise ValueError(f'labels from 0 to {classes - 1}, found {labels}')
    return np.frombuffer(pixels[0], np.uint8).reshape(size, size), labels


def count_labels(feature):
    """How many of label0, label1, ... a record has, without a gap."""
    count = 0
    while dataset.label_key(count) in feature:
        count += 1
    return count


def read_batches(place, batch_size):
    """Group `read_records`: yield images uint8 [n, 224, 224] and labels [n, heads].

    The last batch may be smaller, so every record is seen exactly once.
    """
    images, labels = [], []
    for image, label in read_records(place):
        images.append(image)
        labels.append(label)
        if len(images) == batch_size:
            yield np.stack(images), np.array(labels)
            images, labels = [], []
    if images:
        yield np.stack(images), np.array(labels)


def survey(place):
    """Read TFRecord files once, with every check; return their record count and Facts."""
    return survey_with_chance(place)[:2]


def survey_with_chance(place):
    """Read TFRecord files once, with every check.

    Without a dataset.json, which the original code did not write, the labels distinguish digits
    from digits and capitals.

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
    digits, alnum = dataset.CHARSETS['digits'], dataset.CHARSETS['alnum']
    alphabet = digits if highest < len(digits) else alnum
    known = dataset.read_facts(place if isinstance(place, str) else place[0])
    facts = known or dataset.Facts(alphabet, len(labels), len(labels))
    chance = math.log(facts.num_classes)
    entropy = np.mean([-sum(n / count * math.log(n / count) for n in counter.values())
                       for counter in classes.values()])
    if facts.shortest < facts.longest or (count >= MANY and entropy < 0.97 * chance):
        chance = float(entropy)
    return count, facts, chance
