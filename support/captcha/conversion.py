"""What surrounds the series' conversion: options, checks, the split, complete files only."""
import collections
import contextlib
import dataclasses
import functools
import glob
import os

import tensorflow.compat.v1 as tf

from support.captcha import dataset, labels, loading, records
from support.common import checkpoints, console, files, option_types, pictures
from support.common.console import UserError

COSTLY = 0.1  # share of the training pictures that a split by text may leave out


@dataclasses.dataclass(frozen=True)
class Job:
    """What is converted, and how."""
    folder: str  # of pictures
    out: str  # folder of the records
    num_test: int  # pictures of the test set
    shards: int | None = None  # training files, filled in turn; None: train.tfrecords
    split_by: str | None = None  # 'text' or 'picture'; None: by text unless it is COSTLY


# --- before
def options(doc, num_test):
    """The command line. Args: num_test: the default. Returns: the arguments, labels.Wanted."""
    parser = console.parser(doc)
    parser.add_argument('--images', default=dataset.IMAGE_FOLDER, metavar='FOLDER',
                        help='folder of pictures (default: %(default)s)')
    parser.add_argument('--out', default=os.path.dirname(dataset.TRAIN_FILE), metavar='FOLDER',
                        help='folder for the records (default: %(default)s)')
    parser.add_argument('--num-test', type=option_types.positive_int, default=num_test,
                        help='pictures of the test set (default: %(default)s)')
    parser.add_argument('--labels', metavar='FILE',
                        help='a CSV or TSV with a file name and its text a line; folders: the text '
                             'is the name of the folder that a picture lies in (default: the file '
                             'name up to the first _ - . or blank)')
    dataset.add_options(parser)
    parser.add_argument('--ignore-case', action='store_true',
                        help='take small letters for capitals, or as --alphabet has them')
    parser.add_argument('--split', choices=['text', 'picture'],
                        help='text: no text in both sets; picture: no picture in both sets '
                             '(default: text, but picture where that would leave out a tenth)')
    parser.add_argument('--shards', type=option_types.positive_int, metavar='N',
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
    return args, labels.Wanted(args.labels, args.alphabet, args.length, args.ignore_case,
                               args.pictures)


def check_enough(job, bad, usable, left_out=0):
    """Raise a UserError unless `usable` pictures suffice for the test set and the training."""
    needed = job.num_test + (job.shards or 1)
    if usable < needed:
        first = f', such as {": ".join(bad[0])}' if bad else ''
        raise UserError(
            f'{job.folder}: expected at least {needed} pictures, {job.num_test} of them for the '
            f'test set, found {usable}, {left_out} that equal one of the test set and {len(bad)} '
            f'that cannot be used{first}; put more there, or take a smaller --num-test, fewer '
            '--shards or --split picture')


# --- the split
def with_split(job, labelled, bad):
    """The job with its `split_by` determined. Raises: UserError if there are too few pictures."""
    check_enough(job, bad, len(labelled))
    in_test = {text for _, text in labelled[:job.num_test]}
    rest = [text for _, text in labelled[job.num_test:]]
    cost = sum(text in in_test for text in rest) / len(rest)
    if job.split_by or cost < COSTLY:
        return dataclasses.replace(job, split_by=job.split_by or 'text')
    print(f'split by picture: a text may be in both sets, for a split by text would leave out '
          f'{cost:.0%} of the training pictures; --split text makes it')
    return dataclasses.replace(job, split_by='picture')


def split(job, labelled, kind, bad):
    """Yield 'test', 'train' or 'left out', image and text of each readable one in [(path, text)].

    The first are the test set. A later picture is left out if one of them has the same text or,
    split by picture, the same pixels.
    Args: kind: one of dataset.PICTURES. bad: a list to which (name, why) of the others are added.
    """
    in_test, number = set(), 0
    loads = pictures.load_all((path for path, _ in labelled),
                              functools.partial(loading.load_captcha, kind=kind))
    for (path, text), load in zip(labelled, loads):
        try:
            image = load.result()  # uint8 [224, 224]
        except UserError as problem:
            bad.append((os.path.basename(path), str(problem)))
            continue
        what = text if job.split_by == 'text' else hash(image.tobytes())  # not 50 kB for each
        name = 'test' if number < job.num_test else 'left out' if what in in_test else 'train'
        if name == 'test':
            in_test.add(what)
        number += 1
        yield name, image, text


# --- the files
def record_paths(out, shards=None):
    """The record files of each split in the folder `out`, under the names the trainer reads."""
    test, train = (os.path.join(out, os.path.basename(path))
                   for path in (dataset.TEST_FILE, dataset.TRAIN_FILE))
    return {'test': [test], 'train': [train] if shards is None else
            [dataset.shard_path(train, number, shards) for number in range(shards)]}


def existing(out):
    """The record files in the folder `out`, of any number of shards."""
    return sorted(path for name in (dataset.TEST_FILE, dataset.TRAIN_FILE, records.SHARDS)
                  for path in glob.glob(os.path.join(glob.escape(out), os.path.basename(name))))


def are_there(out, shards=None):
    """Whether the records exist already; if so, print it.

    Raises: UserError if only some exist, or another number of shards.
    """
    found, wanted = existing(out), sorted(sum(record_paths(out, shards).values(), []))
    if found and found != wanted:
        raise UserError(f'{found[0]}: expected all record files or none, found only some, or those '
                        'of another --shards; make them with: the same command and --overwrite')
    if found:
        print(f'{found[0]} and {found[-1]} exist already and are kept; replace them with: the same '
              'command and --overwrite')
    return bool(found)


@contextlib.contextmanager
def record_sets(job, facts, bad, seed):
    """Open all files of a data set; at the end all of them take their names, or none.

    Args: bad: a list of the files that could not be used. seed: of the split, for dataset.json.
    Yields: a function of 'test', 'train' or 'left out' and a tf.train.Example, that writes it
      unless it is left out.
    Raises: UserError if too little is written, or it does not fit on the disk.
    """
    paths = sum(record_paths(job.out, job.shards).values(), [])
    count = collections.Counter()
    try:
        with files.whole_files([os.path.join(job.out, dataset.FACTS_NAME), *paths]) as parts:
            # Closed before any file takes its name, because the last bytes may not fit.
            with contextlib.ExitStack() as writing:
                test, *train = (writing.enter_context(tf.python_io.TFRecordWriter(part))
                                for part in parts[1:])
                writers = {'test': [test], 'train': train}

                def write(name, example):
                    if name in writers:
                        writer = writers[name][count[name] % len(writers[name])]
                        writer.write(example.SerializeToString())
                    count[name] += 1
                yield write
            check_enough(job, bad, count['test'] + count['train'], count['left out'])
            dataset.write_facts(parts[0], facts, {
                'train': count['train'], 'test': count['test'], 'split': job.split_by,
                'left_out_because_text_is_in_test': count['left out'], 'unusable_files': len(bad),
                'seed': seed})
    except tf.errors.OpError as error:  # TFRecordWriter's error for a full disk
        raise UserError(f'{job.out}: the records cannot be written: {checkpoints.reason(error)}; '
                        'make room there and run the same command again') from error
    for path in {*existing(job.out)} - {*paths}:
        os.remove(path)  # there may be only one training set
    print(f'{job.out}: {count["test"]} test records, {count["train"]} training records, '
          f'{count["left out"]} pictures left out because '
          f'{"their text" if job.split_by == "text" else "an equal one"} is in the test set')


def exit_status(folder, bad, skip_bad):
    """List the files that could not be used. Returns: 2 if there are any, unless `skip_bad`."""
    for name, why in bad:
        print(f'not used: {name}: {why}')
    if bad and not skip_bad:
        return console.complain(f'{folder}: {len(bad)} files were not used, see the list; the '
                                'others were converted; to accept that use --skip-bad')
    return 0
