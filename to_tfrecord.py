"""Convert labelled pictures into TFRecord files: a test set, and a training set for the rest.

Command:  python to_tfrecord.py
          python to_tfrecord.py --images my/pictures --num-test 100
Reads:    captcha/images/*: pictures of any size, mode and format that Pillow knows; the first
          four characters of the file name are the label
Writes:   captcha/test.tfrecords and captcha/train.tfrecords, 50 kB a picture, see
          captcha_data.py; captcha/dataset.json: what is in them, for people to read
Takes:    half a minute for 40,000 pictures on two cores; all cores convert

No text of the test set occurs in the training set: such pictures are left out and counted, so
what is measured on the test set was never seen, not even with other noise.
"""
import collections
import concurrent.futures
import contextlib
import json
import os
import random
import shlex

import captcha_data
import cli

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

# --- files
IMAGES = captcha_data.IMAGE_FOLDER
OUT = os.path.dirname(captcha_data.TRAIN_FILE)
FACTS_NAME = 'dataset.json'

# --- data
_NUM_TEST = 500  # pictures of the test set
_RANDOM_SEED = 0  # of the shuffle that splits the files
SYSTEM_FILES = 'Thumbs.db', 'desktop.ini'  # Windows' own, as names with a leading dot are others'


def int64_feature(value):
    """One whole number as a tf.train.Feature."""
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def bytes_feature(value):
    """One byte string as a tf.train.Feature."""
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def image_to_tfexample(image_data, label0, label1, label2, label3):
    """One record.

    Args:
      image_data: bytes, 224 * 224 values uint8, row by row.
      label0 ... label3: classes of the characters, left to right.
    Returns: a tf.train.Example.
    """
    features = {captcha_data.IMAGE_KEY: bytes_feature(image_data)}
    for key, label in zip(captcha_data.LABEL_KEYS, (label0, label1, label2, label3)):
        features[key] = int64_feature(label)
    return tf.train.Example(features=tf.train.Features(feature=features))


def label_text(path):
    """'captcha/images/0782_000123.jpg' -> '0782', whatever the system's path separator."""
    return os.path.basename(path)[:captcha_data.TEXT_LENGTH]


def draw_command(folder, charset):
    """The command that draws captchas into `folder`; `charset`: 'digits', 'alnum' or None."""
    letters = ' --charset alnum' if charset == 'alnum' else ''
    out = '' if folder == IMAGES else f' --out {shlex.quote(folder)}'
    return f'python gen_captcha.py{letters}{out}'


def list_pictures(folder, charset=None):
    """The files whose name begins with a label, in the order of the split.

    Args:
      folder: the folder of pictures.
      charset: a name of captcha_data.CHARSETS, or None for the one that most names fit.
    Returns:
      paths: sorted, then shuffled with _RANDOM_SEED: the same split wherever it is run.
      bad: [(name, why)] of everything else in the folder but hidden files.
      charset: the name of the character set.
    """
    if not os.path.isdir(folder):
        raise cli.UserError(f'{folder}: expected a folder of pictures, found none; make it with: '
                            f'{draw_command(folder, charset)}')
    names = sorted(name for name in os.listdir(folder)
                   if not name.startswith('.') and name not in SYSTEM_FILES)
    labelled = {name: captcha_data.charset_name(label_text(name)) for name in names
                if len(label_text(os.path.splitext(name)[0])) == captcha_data.TEXT_LENGTH}
    if charset is None:
        count = collections.Counter(labelled.values())
        charset = 'alnum' if count['alnum'] > count['digits'] else 'digits'
    paths, bad = [], []
    for name in names:
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            bad.append((name, 'is no file'))
        elif set(label_text(name)) <= set(captcha_data.CHARSETS[charset]) and name in labelled:
            paths.append(path)
        else:
            bad.append((name, f'does not begin with {captcha_data.TEXT_LENGTH} characters of '
                              f'{captcha_data.CHARSETS[charset]}'))
    random.Random(_RANDOM_SEED).shuffle(paths)
    return paths, bad, charset


def load_all(paths):
    """Yield (path, uint8 [224, 224] or the UserError that tells why not) in the order of `paths`.

    Threads are enough to keep all cores busy, because Pillow decodes and resizes outside
    Python's lock. Only a few pictures are in memory at a time, however many there are.
    """
    def load(path):
        try:
            return path, captcha_data.load_picture(path)
        except cli.UserError as error:
            return path, error

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting, rest = collections.deque(), iter(paths)
        try:
            while True:
                for path in rest:
                    waiting.append(pool.submit(load, path))
                    if len(waiting) >= 32 * os.cpu_count():
                        break
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def convert(folder, out, num_test=None, charset=None):
    """Write test.tfrecords, train.tfrecords and dataset.json, all of them or none.

    Args:
      folder: pictures.
      out: folder for the three files.
      num_test: pictures of the test set; None: _NUM_TEST.
      charset: a name of captcha_data.CHARSETS, or None for the one that most names fit.
    Returns: [(name, why)] of the files that could not be used.
    """
    num_test = num_test or _NUM_TEST
    paths, bad, charset = list_pictures(folder, charset)
    characters = captcha_data.CHARSETS[charset]
    check_enough(folder, charset, len(paths), num_test, bad)
    warn_of_long_texts(paths, characters)
    test_texts, left_out, written = set(), 0, {'test': 0, 'train': 0}
    with contextlib.ExitStack() as files:
        parts = {split: files.enter_context(cli.whole_file(path))
                 for split, path in {'facts': os.path.join(out, FACTS_NAME),
                                     **record_paths(out)}.items()}
        # Closed before any of the three takes its name, for the last bytes may not fit on the disk.
        writers = {split: files.enter_context(tf.python_io.TFRecordWriter(parts[split]))
                   for split in written}
        bar = files.enter_context(cli.progress(len(paths), '>> Converting image', 'image'))
        for path, image in load_all(paths):
            bar.update()
            text = label_text(path)
            if isinstance(image, cli.UserError):
                bad.append((os.path.basename(path), str(image)))
                continue
            if written['test'] < num_test:
                split = 'test'
                test_texts.add(text)
            elif text in test_texts:
                left_out += 1
                continue
            else:
                split = 'train'
            example = image_to_tfexample(image.tobytes(),
                                         *captcha_data.labels_of(text, characters))
            writers[split].write(example.SerializeToString())
            written[split] += 1
        check_enough(folder, charset, sum(written.values()), num_test, bad, written['train'])
        facts = {'charset': characters, 'train': written['train'], 'test': written['test'],
                 'left_out_because_text_is_in_test': left_out, 'unusable_files': len(bad),
                 'image_height': captcha_data.IMAGE_SIZE, 'image_width': captcha_data.IMAGE_SIZE,
                 'seed': _RANDOM_SEED}
        with open(parts['facts'], 'w', encoding='utf-8') as file:
            json.dump(facts, file, indent=2)
            file.write('\n')
    print(f'{out}: {written["test"]} test records, {written["train"]} training records, '
          f'{left_out} pictures left out because their text is in the test set')
    return bad


def warn_of_long_texts(paths, characters):
    """Say so if names go on after the label as a longer text would: 12345.png."""
    end = captcha_data.TEXT_LENGTH
    longer = [name for name in map(os.path.basename, paths)
              if os.path.splitext(name)[0][end:end + 1] in set(characters)]
    if longer:
        print(f'{len(longer)} names go on with another digit or letter after the {end} of the '
              f'label, such as {longer[0]}; a text of more than {end} characters is cut')


def check_enough(folder, charset, usable, num_test, bad, train=None):
    """Raise a UserError unless `usable` pictures make a test set of `num_test` and leave more."""
    if usable > num_test and train != 0:
        return
    found = f'found {usable}'
    if bad:
        found += f' ({len(bad)} files cannot be used, the first: {bad[0][0]}: {bad[0][1]})'
    elif train == 0:
        found += ' whose texts all occur in the test set'
    raise cli.UserError(
        f'{folder}: expected more than {num_test} pictures, the size of the test set, {found}; '
        'take a smaller test set with --num-test, put more pictures there, or draw them with: '
        f'{draw_command(folder, charset)}')


def record_paths(out):
    """The record files in the folder `out`, under the names that the trainer reads."""
    files = {'train': captcha_data.TRAIN_FILE, 'test': captcha_data.TEST_FILE}
    return {split: os.path.join(out, os.path.basename(path)) for split, path in files.items()}


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--images', default=IMAGES, metavar='FOLDER',
                        help='folder of pictures (default: %(default)s)')
    parser.add_argument('--out', default=OUT, metavar='FOLDER',
                        help='folder for the records (default: %(default)s)')
    parser.add_argument('--num-test', type=cli.positive_int, default=_NUM_TEST,
                        help='pictures of the test set (default: %(default)s)')
    parser.add_argument('--charset', choices=captcha_data.CHARSETS,
                        help='what labels are made of (default: what most file names fit)')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace records that are there already')
    parser.add_argument('--skip-bad', action='store_true',
                        help='exit with status 0 even if some files could not be used')
    args = parser.parse_args()

    there = [path for path in record_paths(args.out).values() if os.path.exists(path)]
    if len(there) == 2 and not args.overwrite:
        print(f'{" and ".join(there)} exist already and are kept; '
              'replace them with: the same command and --overwrite')
        return 0
    if there and not args.overwrite:
        raise cli.UserError(f'{there[0]}: expected both record files or none, found only this '
                            'one; make both with: the same command and --overwrite')
    cli.writable_folder(args.out)
    try:
        bad = convert(args.images, args.out, args.num_test, args.charset)
    except tf.errors.OpError as error:  # TFRecordWriter's own way to say: disk full
        raise cli.UserError(f'{args.out}: the records cannot be written: {cli.reason(error)}; make '
                            'room there and run the same command again') from error
    for name, why in bad:
        print(f'not used: {name}: {why}')
    if bad and not args.skip_bad:
        return cli.complain(f'{args.images}: {len(bad)} files were not used, see the list; '
                            'the others were converted; to accept that use --skip-bad')
    return 0


if __name__ == '__main__':
    cli.run(main)
