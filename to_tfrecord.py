"""Convert labelled pictures into TFRecord files: a test set, and a training set for the rest.

Command:  python to_tfrecord.py
          python to_tfrecord.py --images my/pictures --num-test 100
Reads:    captcha/images/*: pictures of any size, mode and format that Pillow knows; the file name
          up to the first _ - . or blank is the text, or a list has it (--labels)
Writes:   captcha/test.tfrecords and captcha/train.tfrecords, 50 kB a picture: `image` and
          `label0` ... `label3`; captcha/dataset.json: the alphabet, the lengths and the counts;
          with --shards 8 train-00000-of-00008.tfrecords ... instead of train.tfrecords
Takes:    half a minute for 40,000 pictures on two cores; all cores convert

No text of the test set occurs in the training set: such pictures are left out and counted. Where
that would cost a tenth of the training pictures, only identical pictures are left out.
"""
import random

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

from support.captcha import conversion, dataset, labels
from support.common import files

_NUM_TEST = 500  # pictures of the test set
_RANDOM_SEED = 0  # of the shuffle that splits the files


def int64_feature(value):
    """One whole number as a tf.train.Feature."""
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def bytes_feature(value):
    """One byte string as a tf.train.Feature."""
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def image_to_tfexample(image_data, label0, label1=None, label2=None, label3=None, *more_labels):
    """One record.

    Args:
      image_data: bytes, 224 * 224 values uint8, row by row.
      label0 ... label3: classes of the characters, left to right; as many as the longest text has.
    Returns: a tf.train.Example.
    """
    features = {dataset.IMAGE_KEY: bytes_feature(image_data)}
    for k, label in enumerate((label0, label1, label2, label3, *more_labels)):
        if label is not None:
            features[dataset.label_key(k)] = int64_feature(label)
    return tf.train.Example(features=tf.train.Features(feature=features))


def convert(folder, out, num_test=_NUM_TEST, wanted=labels.Wanted(), shards=None, split_by=None):
    """Write test.tfrecords, train.tfrecords and dataset.json, all of them or none.

    Args: the fields of conversion.Job.
    Returns: [(name, why)] of the files that could not be used.
    Raises: UserError if there are too few pictures.
    """
    job = conversion.Job(folder, out, num_test, shards, split_by)
    labelled, bad, facts = labels.find_pictures(folder, wanted)  # [(path, text)], sorted
    random.Random(_RANDOM_SEED).shuffle(labelled)
    job = conversion.with_split(job, labelled, bad)
    with (conversion.record_sets(job, facts, bad, _RANDOM_SEED) as write,
          console.progress(len(labelled), '>> Converting image', 'image') as bar):
        for name, image, text in conversion.split(job, labelled, facts.pictures, bad):
            example = image_to_tfexample(image.tobytes(), *facts.labels_of(text))
            write(name, example)
            bar.update()
    return bad


def main():
    args, wanted = conversion.options(__doc__, _NUM_TEST)
    if not args.overwrite and conversion.are_there(args.out, args.shards):
        return 0
    with files.alone(args.out, 'conversion'):
        bad = convert(args.images, args.out, args.num_test, wanted, args.shards, args.split)
    return conversion.exit_status(args.images, bad, args.skip_bad)


if __name__ == '__main__':
    console.run(main)
