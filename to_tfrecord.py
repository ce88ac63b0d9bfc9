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
what is measured on the test set was never seen, not even with other noise. Where that would cost a
tenth of the training pictures, because there are few texts, only equal pictures are left out.
"""
import contextlib
import glob
import os
import random
import shlex

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

from support.captcha import dataset, labels, records
from support.common import checkpoints, files, pictures

# --- files
IMAGES = dataset.IMAGE_FOLDER
OUT = os.path.dirname(dataset.TRAIN_FILE)

# --- data
_NUM_TEST = 500  # pictures of the test set
_RANDOM_SEED = 0  # of the shuffle that splits the files
SPLITS = 'text', 'picture'  # what no two sets share
COSTLY = 0.1  # share of the training pictures from which on a split by text is not made


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
      wanted: labels.Wanted, what is known of the texts.
      shards: files of the training set, one after the other gets a picture; None: train.tfrecords.
      split_by: one of SPLITS; None: by text unless that leaves too many pictures out.
    Returns: [(name, why)] of the files that could not be used.
    """
    if not os.path.isdir(folder):
        raise console.UserError(f'{folder}: expected a folder of pictures, found none; make it '
                                f'with: {draw_command(folder, wanted)}')
    labelled, bad, facts = labels.find_pictures(folder, wanted)
    check_enough(folder, len(labelled), num_test, bad, wanted)
    check_shards(shards, len(labelled) - num_test)
    path, text = labelled[0]
    print(f'{folder}: {len(labelled):,} pictures, {facts}; '
          f'{os.path.relpath(path, folder)} is read as {text}')
    random.Random(_RANDOM_SEED).shuffle(labelled)  # of a sorted list: the same split everywhere
    cost = share_left_out(labelled, num_test)
    split_by = split_by or ('text' if cost < COSTLY else 'picture')
    in_test, left_out, written = set(), 0, {'test': 0, 'train': 0}
    trained, every = set(), set().union(*(text for _, text in labelled))  # characters
    with contextlib.ExitStack() as stack:
        facts_part = stack.enter_context(files.whole_file(os.path.join(out, dataset.FACTS_NAME)))
        parts = {split: [stack.enter_context(files.whole_file(path)) for path in paths]
                 for split, paths in record_paths(out, shards).items()}
        # Closed before any file takes its name, for the last bytes may not fit on the disk.
        writers = {split: [stack.enter_context(tf.python_io.TFRecordWriter(part))
                           for part in parts[split]] for split in written}
        bar = stack.enter_context(console.progress(len(labelled), '>> Converting image', 'image'))
        loaded = pictures.load_all((path for path, _ in labelled), facts.pictures)
        for (path, text), load in zip(labelled, loaded):
            bar.update()
            try:
                image = load.result()
            except console.UserError as problem:
                bad.append((os.path.basename(path), str(problem)))
                continue
            what = text if split_by == 'text' else hash(image.tobytes())
            if written['test'] < num_test:
                split = 'test'
                in_test.add(what)
            elif what in in_test:
                left_out += 1
                continue
            else:
                split = 'train'
                trained |= set(text)
            example = image_to_tfexample(image.tobytes(), *facts.labels_of(text))
            writer = writers[split][written[split] % len(writers[split])]
            writer.write(example.SerializeToString())
            written[split] += 1
        check_enough(folder, sum(written.values()), num_test, bad, wanted, written['train'])
        check_shards(shards, written['train'])
        dataset.write_facts(facts_part, facts, {
            'train': written['train'], 'test': written['test'], 'split': split_by,
            'left_out_because_text_is_in_test': left_out, 'unusable_files': len(bad),
            'seed': _RANDOM_SEED})
        all_take_their_names = stack.pop_all()
    with console.signals_later():  # or some of them would be the old ones
        all_take_their_names.close()
    print(f'{out}: {written["test"]} test records, {written["train"]} training records, '
          f'{left_out} pictures left out because '
          f'{"their text" if split_by == "text" else "an equal one"} is in the test set')
    if split_by == 'picture':
        print(f'split by picture: a text may be in both sets, for a split by text would leave out '
              f'{cost:.0%} of the training pictures; --split text makes it')
    if every - trained:
        print(f'not in the training set: {" ".join(sorted(every - trained))}; a network cannot '
              'learn them; take a smaller --num-test, or more pictures')
    return bad


def share_left_out(labelled, num_test):
    """The share of the pictures after the first `num_test` whose text is among theirs."""
    texts = {text for _, text in labelled[:num_test]}
    rest = [text for _, text in labelled[num_test:]]
    return sum(text in texts for text in rest) / len(rest)


def check_enough(folder, usable, num_test, bad, wanted, train=None):
    """Raise a UserError unless `usable` pictures make a test set of `num_test` and leave more."""
    if usable > num_test and train != 0:
        return
    found = f'found {usable}'
    if bad:
        found += f' ({len(bad)} files cannot be used, the first: {bad[0][0]}: {bad[0][1]})'
    elif train == 0:
        found += ' whose texts all occur in the test set; split them with --split picture'
    draw = f', or draw them with: {draw_command(folder, wanted)}'  # not among a user's own
    raise console.UserError(
        f'{folder}: expected more than {num_test} pictures, the size of the test set, {found}; '
        'take a smaller test set with --num-test, or put more pictures there'
        + (draw if folder == IMAGES or not usable and not bad else ''))


def check_shards(shards, training_pictures):
    """Raise a UserError if a shard would have no picture."""
    if shards and training_pictures < shards:
        raise console.UserError(f'--shards {shards}: expected at least as many training pictures, '
                                f'found {training_pictures}; take fewer')


def draw_command(folder, wanted):
    """The command that draws what is wanted, four digits if nothing is, into `folder`."""
    alphabet = wanted.alphabet or dataset.CHARSETS['digits']
    charset = dataset.charset_name(alphabet)
    command = 'python gen_captcha.py'
    if charset != 'digits':
        command += f' --charset {charset}' if charset else f' --alphabet {shlex.quote(alphabet)}'
    if wanted.lengths not in (None, (dataset.TEXT_LENGTH, dataset.TEXT_LENGTH)):
        command += f' --length {dataset.range_name(*wanted.lengths)}'
    return command + ('' if folder == IMAGES else f' --out {shlex.quote(folder)}')


def record_paths(out, shards=None):
    """The record files of each split in the folder `out`, under the names the trainer reads."""
    test, train = (os.path.join(out, os.path.basename(path))
                   for path in (dataset.TEST_FILE, dataset.TRAIN_FILE))
    return {'test': [test], 'train': [train] if shards is None else
            [dataset.shard_path(train, number, shards) for number in range(shards)]}


def other_training_files(out, paths):
    """The training records in `out` that are not among `paths`: one file, or other shards."""
    pattern = os.path.join(glob.escape(out), records.SHARDS)
    found = {*glob.glob(pattern), *glob.glob(record_paths(glob.escape(out))['train'][0])}
    return sorted(found - {*paths})


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
    parser.add_argument('--split', choices=SPLITS,
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

    paths = [path for split in record_paths(args.out, args.shards).values() for path in split]
    existing = [path for path in paths if os.path.exists(path)]
    others = other_training_files(args.out, paths)
    if existing == paths and not others and not args.overwrite:
        shown = paths if len(paths) == 2 else [paths[0], f'{args.shards} shards']
        print(f'{" and ".join(shown)} exist already and are kept; '
              'replace them with: the same command and --overwrite')
        return 0
    if (others or existing) and not args.overwrite:
        raise console.UserError(f'{[*others, *existing][0]}: expected all record files or none, '
                                'found only some, or those of another --shards; make them '
                                'with: the same command and --overwrite')
    files.writable_folder(args.out)
    wanted = labels.Wanted(args.labels, args.alphabet or dataset.CHARSETS.get(args.charset),
                           args.length, args.ignore_case, args.pictures)
    try:
        with files.alone(args.out, 'conversion'):
            bad = convert(args.images, args.out, args.num_test, wanted, args.shards, args.split)
            for path in others:  # of another number of shards: two training sets would be too many
                os.remove(path)
    except tf.errors.OpError as error:  # TFRecordWriter's own way to say: disk full
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
