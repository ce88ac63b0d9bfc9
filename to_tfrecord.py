"""Convert labelled pictures into TFRecord files: a test set, and a training set for the rest.

Command:  python to_tfrecord.py
          python to_tfrecord.py --images my/pictures --num-test 100
Reads:    captcha/images/*: pictures of any size, mode and format that Pillow knows; the file name
          up to the first _ - . or blank is the text, or a list has it (--labels)
Writes:   captcha/test.tfrecords and captcha/train.tfrecords, 50 kB a picture: `image` and
          `label0` ... `label3`; captcha/dataset.json: the alphabet, the lengths and the counts;
          with --shards 8 train-00000-of-00008.tfrecords ... instead of train.tfrecords
Takes:    half a minute for 40,000 pictures on two cores; all cores convert

No text of the test set occurs in the training set: such pictures are left out and counted, so
the test texts are unseen even with other noise. Where that would cost a tenth of the training
pictures, because there are few texts, only identical pictures are left out.
"""
import os
import random

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

from support.captcha import conversion, dataset, labels
from support.common import checkpoints, files

# --- files
IMAGES = dataset.IMAGE_FOLDER
OUT = os.path.dirname(dataset.TRAIN_FILE)

# --- data
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

    Args:
      folder: pictures.
      out: folder for the three files.
      num_test: pictures of the test set.
      wanted: labels.Wanted, what is known about the texts.
      shards: number of training files, filled in turn; None: train.tfrecords.
      split_by: one of conversion.SPLITS; None: by text unless that leaves too many pictures out.
    Returns: [(name, why)] of the files that could not be used.
    Raises: UserError if there are too few pictures.
    """
    labelled, bad, facts = conversion.find_pictures(folder, wanted, num_test, shards)
    random.Random(_RANDOM_SEED).shuffle(labelled)  # sorted, so the split is the same everywhere
    cost = conversion.share_left_out(labelled, num_test)
    split_by = split_by or ('text' if cost < conversion.COSTLY else 'picture')
    written = {'test': 0, 'train': 0, 'left out': 0}  # pictures
    trained = set()  # characters
    with conversion.whole_files(out, shards) as (facts_path, writers):
        with console.progress(len(labelled), '>> Converting image', 'image') as bar:
            images = conversion.readable(labelled, facts.pictures, bad, bar)
            for name, image, text in conversion.split(images, num_test, split_by):
                if name != 'left out':
                    example = image_to_tfexample(image.tobytes(), *facts.labels_of(text))
                    writer = writers[name][written[name] % len(writers[name])]
                    writer.write(example.SerializeToString())
                if name == 'train':
                    trained |= set(text)
                written[name] += 1
        conversion.check_enough(folder, num_test, wanted, bad, sum(written.values()),
                                written['train'])
        conversion.check_shards(shards, written['train'])
        dataset.write_facts(facts_path, facts, {
            'train': written['train'], 'test': written['test'], 'split': split_by,
            'left_out_because_text_is_in_test': written['left out'], 'unusable_files': len(bad),
            'seed': _RANDOM_SEED})
    print(f'{out}: {written["test"]} test records, {written["train"]} training records, '
          f'{written["left out"]} pictures left out because '
          f'{"their text" if split_by == "text" else "an equal one"} is in the test set')
    if split_by == 'picture':
        print(f'split by picture: a text may be in both sets, for a split by text would leave out '
              f'{cost:.0%} of the training pictures; --split text makes it')
    untrained = set().union(*(text for _, text in labelled)) - trained
    if untrained:
        print(f'not in the training set: {" ".join(sorted(untrained))}; a network cannot '
              'learn them; take a smaller --num-test, or more pictures')
    return bad


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--images', default=IMAGES, metavar='FOLDER',
                        help='folder of pictures (default: %(default)s)')
    parser.add_argument('--out', default=OUT, metavar='FOLDER',
                        help='folder for the records (default: %(default)s)')
    parser.add_argument('--num-test', type=console.positive_int, default=_NUM_TEST,
                        help='pictures of the test set (default: %(default)s)')
    parser.add_argument('--labels', metavar='FILE',
                        help='a CSV or TSV with a file name and its text a line; folders: the text '
                             'is the name of the folder that a picture lies in (default: the file '
                             'name up to the first _ - . or blank)')
    parser.add_argument('--length', type=console.length_range, metavar='N[-M]',
                        help='characters of a text, such as 5 or 4-6; others are not used '
                             '(default: what is found)')
    characters = parser.add_mutually_exclusive_group()
    characters.add_argument('--charset', choices=dataset.CHARSETS,
                            help='what texts are made of (default: what is found)')
    characters.add_argument('--alphabet', type=console.alphabet, metavar='CHARACTERS',
                            help='the same, any characters; their order is that of the classes')
    parser.add_argument('--ignore-case', action='store_true',
                        help='take small letters for capitals, or as --alphabet has them')
    parser.add_argument('--split', choices=conversion.SPLITS,
                        help='text: no text in both sets; picture: no picture in both sets '
                             '(default: text, but picture where that would leave out a tenth)')
    parser.add_argument('--shards', type=console.positive_int, metavar='N',
                        help='write the training records into N files, for several machines '
                             '(default: into one)')
    parser.add_argument('--pictures', choices=dataset.PICTURES, default='post',
                        help='post: stretched and grey, as in the post; line: dark ink on white '
                             'without margins, in its own proportions, for captchas of any size '
                             'and colours and for --init-from models/general (default: '
                             '%(default)s)')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace records that are there already')
    parser.add_argument('--skip-bad', action='store_true',
                        help='exit with status 0 even if some files could not be used')
    args = parser.parse_args()

    if not args.overwrite and conversion.are_there(args.out, args.shards):
        return 0
    files.writable_folder(args.out)
    wanted = labels.Wanted(args.labels, args.alphabet or dataset.CHARSETS.get(args.charset),
                           args.length, args.ignore_case, args.pictures)
    try:
        with files.alone(args.out, 'conversion'):
            bad = convert(args.images, args.out, args.num_test, wanted, args.shards, args.split)
            for path in conversion.other_training_files(args.out, args.shards):
                os.remove(path)  # there may be only one training set
    except tf.errors.OpError as error:  # TFRecordWriter's error for a full disk
        raise console.UserError(f'{args.out}: the records cannot be written: '
                                f'{checkpoints.reason(error)}; make room there and run the same '
                                'command again') from error
    for name, why in bad:
        print(f'not used: {name}: {why}')
    if bad and not args.skip_bad:
        return console.complain(f'{args.images}: {len(bad)} files were not used, see the list; '
                                'the others were converted; to accept that use --skip-bad')
    return 0


if __name__ == '__main__':
    console.run(main)
