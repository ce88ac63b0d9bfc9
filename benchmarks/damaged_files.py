"""Damaged copies of every kind of file, and how the project handles them: `faults.py inputs`.

Has no main. damage.py has the ways in which the files are damaged.
"""
import collections
import gzip
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time

try:
    import resource
except ImportError:  # Windows
    resource = None

import numpy as np
import tensorflow.compat.v1 as tf

import damage
from support.captcha import dataset, labels, records
from support.common import checkpoints, console, pictures
from support.digits import input_data

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HANGS = 300  # seconds after which the reading process counts as stuck
SLOW = 10  # seconds that one damaged file may take
LARGE = 2 << 30  # bytes that reading it may take
KINDS = {'picture': 4, 'records': 2, 'dataset.json': 1, 'list of labels': 1, 'IDX, plain': 1,
         'IDX, gzipped': 1, 'checkpoint': 3, 'state file': 1}  # relative frequency


def make_inputs(folder):
    """One or more undamaged files of each kind. Returns: {kind: [path, ...]}."""
    paths = {'picture': list(damage.write_pictures(folder).values())}
    place = {name: os.path.join(folder, name) for name in ('records', 'labels', 'idx', 'model')}
    for path in place.values():
        os.mkdir(path)
    with tf.python_io.TFRecordWriter(os.path.join(place['records'], 'test.tfrecords')) as writer:
        for k in range(8):
            features = tf.train.Features(feature={
                dataset.IMAGE_KEY: tf.train.Feature(bytes_list=tf.train.BytesList(
                    value=[bytes([k]) * dataset.IMAGE_SIZE ** 2])),
                **{dataset.label_key(j): tf.train.Feature(int64_list=tf.train.Int64List(
                    value=[(k + j) % 10])) for j in range(4)}})
            writer.write(tf.train.Example(features=features).SerializeToString())
    paths['records'] = [os.path.join(place['records'], 'test.tfrecords')]
    paths['dataset.json'] = [damage.write_facts(place['records'], {
        **dataset.to_json(dataset.Facts()), 'train': 8, 'test': 8})]
    paths['list of labels'] = [damage.write_labels(place['labels'])]
    for name in input_data.NAMES:
        with gzip.open(os.path.join(ROOT, 'data', f'{name}.gz'), 'rb') as file:
            content = file.read()
        with open(os.path.join(place['idx'], name), 'wb') as file:
            file.write(content)
        shutil.copy(os.path.join(ROOT, 'data', f'{name}.gz'), place['idx'])
    names = ['t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte']
    paths['IDX, plain'] = [os.path.join(place['idx'], name) for name in names]
    paths['IDX, gzipped'] = [os.path.join(place['idx'], f'{name}.gz') for name in names]
    with tf.Graph().as_default(), tf.Session() as sess:
        variables = [tf.Variable(value, name=key) for key, value in damage.ARRAYS.items()]
        sess.run(tf.global_variables_initializer())
        saver = tf.train.Saver(variables, save_relative_paths=True)
        for step in 5, 7:
            prefix = saver.save(sess, os.path.join(place['model'], 'mnist_model'), step)
    paths['checkpoint'] = [f'{prefix}.index', f'{prefix}.data-00000-of-00001']
    paths['state file'] = [os.path.join(place['model'], 'checkpoint')]
    return paths


def value_of(kind, path):
    """What the project reads from a file of a kind, in a comparable form."""
    folder = os.path.dirname(path)
    if kind == 'picture':
        return pictures.load_captcha(path).tobytes()
    if kind == 'records':
        return [(image.tobytes(), found) for image, found in records.read_records(path)]
    if kind == 'dataset.json':
        return dataset.read_facts(path)
    if kind == 'list of labels':
        return labels.find_pictures(folder, labels.Wanted(labels_file=path))
    if kind.startswith('IDX'):
        name = os.path.basename(path).removesuffix('.gz')
        shape = [input_data.SIDE] * 2 if 'images' in name else []
        return input_data.read_idx(path, shape).tobytes()
    newest = checkpoints.newest(folder, 'mnist_model')
    shapes, value = checkpoints.contents(newest, 'train again')
    return newest, {key: np.asarray(value(key)).tobytes() for key in shapes}


# These have no checksum: damage may change what they hold.
ANY_VALUE = 'picture', 'list of labels', 'IDX, plain'


def judge(kind, path, right):
    """Read a damaged file. Returns: refused, right, another value, or what failed."""
    try:
        found = value_of(kind, path)
    except console.UserError as error:
        line, stem = str(error), os.path.basename(path).partition('.')[0]
        if '\n' in line:
            return f'FAILED: more than one line: {line}'
        named = stem in line or kind == 'state file' and os.path.dirname(path) in line
        return 'refused' if named else f'FAILED: the file is not named: {line}'
    except Exception as error:
        return f'FAILED: {type(error).__name__}: {error}'
    if found == right:
        return 'right'
    return 'another value' if kind in ANY_VALUE else 'FAILED: a wrong value in silence'


def judge_all(cases, folder, connection):
    """Worker: for each case, damage a file, judge how it is read, and restore it."""
    paths = make_inputs(folder)
    right = {}
    for number, (kind, which, way, seed) in cases:
        rng = random.Random(seed)
        path = paths[kind][which % len(paths[kind])]
        if path not in right:
            right[path] = value_of(kind, path)
        with open(path, 'rb') as file:
            content = file.read()
        if way == 'swap':
            others = [other for every in paths.values() for other in every if other != path]
            with open(rng.choice(others), 'rb') as file:
                changed = file.read()
        else:
            changed = getattr(damage, way)(content, rng)
        with open(path, 'wb') as file:
            file.write(changed)
        connection.send((number, None))  # begun
        begun = time.monotonic()
        verdict = judge(kind, path, right[path])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if resource else 0
        if time.monotonic() - begun > SLOW:
            verdict = f'FAILED: {time.monotonic() - begun:.0f} s'
        if memory > LARGE:
            verdict = f'FAILED: {memory >> 20} MiB'
        connection.send((number, verdict))
        with open(path, 'wb') as file:
            file.write(content)
    connection.send(('peak', memory))


def inputs(number, seed, only):
    """Damage files `number` times. Yields: the rows of the table."""
    rng = random.Random(seed)
    ways = [way.__name__ for way in damage.WAYS] + ['swap']
    kinds = [kind for kind in KINDS if not only or only in kind]
    cases = [(kind, rng.randrange(1000), rng.choice(ways), rng.random()) for kind in rng.choices(
        kinds, [KINDS[kind] for kind in kinds], k=number)]
    verdicts, peak, spawn = {}, 0, multiprocessing.get_context('spawn')
    while left := [(k, case) for k, case in enumerate(cases) if k not in verdicts]:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = spawn.Pipe()
            worker = spawn.Process(target=judge_all, args=(left, folder, theirs))
            worker.start()
            theirs.close()
            last, wait = None, HANGS
            try:
                while ours.poll(wait):
                    key, verdict = ours.recv()
                    if key == 'peak':
                        peak = max(peak, verdict)
                        break
                    last, wait = key, HANGS if verdict else 6 * SLOW
                    if verdict:
                        verdicts[key] = verdict
                else:
                    verdicts[last] = f'FAILED: no answer in {6 * SLOW} s'
            except EOFError:
                verdicts[last] = 'FAILED: the process ended'
            worker.kill()
            worker.join()
    table = collections.Counter()
    for k, (kind, which, way, case_seed) in enumerate(cases):
        outcome = 'failed' if verdicts[k].startswith('FAILED') else verdicts[k]
        table[kind, outcome] += 1
        if outcome == 'failed':
            print(f'{kind} {which}, {way}, seed {case_seed}: {verdicts[k]}', file=sys.stderr)
    print(f'peak memory of the reading process: {peak >> 20} MiB', file=sys.stderr)
    yield ('file', 'damaged copies', 'one-line error', 'correct value',
           'another value', 'failed')
    outcomes = 'refused', 'right', 'another value', 'failed'
    for kind in kinds:
        yield kind, sum(table[kind, o] for o in outcomes), *(table[kind, o] for o in outcomes)
