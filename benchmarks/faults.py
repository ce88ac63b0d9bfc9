"""What goes wrong on purpose, and what is left then: kills, damaged files, places that fail.

Command:  python benchmarks/faults.py kills --number 60     stops every script that writes
          python benchmarks/faults.py inputs --number 1000  damaged copies of every kind of file
          python benchmarks/faults.py places                full disk, read-only folder, ...
Reads:    data/ (MNIST)
Writes:   one table on stdout, each failure on stderr; all else in a temporary folder
Takes:    on two idle cores: kills a minute for three, inputs two minutes, places three

Exit status 1 if anything failed. `kills` and `places` need Linux or macOS, a full and a read-only
disk need root on Linux, for they are mounted.
"""
import collections
import contextlib
import dataclasses
import glob
import gzip
import io
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

try:
    import resource
except ImportError:  # Windows
    resource = None

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support import console  # noqa: E402  (after the path to it)

with console.quiet_start():
    import numpy as np  # noqa: E402
    import tensorflow.compat.v1 as tf  # noqa: E402
    from PIL import Image  # noqa: E402

import damage  # noqa: E402
import places as harsh  # noqa: E402
import mnist_backward  # noqa: E402
from support import checkpoints, dataset, input_data, labels  # noqa: E402
from support import models, pictures, records  # noqa: E402

HANGS = 300  # seconds after which a script is taken for stuck
SLOW = 10  # seconds that one damaged file may take
LARGE = 2 << 30  # bytes that reading it may take
SIGKILL = 9  # Windows has no name for it
SIGNALS = signal.SIGINT, signal.SIGTERM, SIGKILL
LEFTOVERS = '.*.part', '.training.lock', '*.tempstate*', '*_temp'  # no run that ended well has any


# --- kills
@dataclasses.dataclass(frozen=True)
class Script:
    """A command that writes, in a folder that `prepare` has filled."""
    arguments: str
    needs: tuple = ()  # of what stands in the folder of prepared things
    heavy: bool = False  # is stopped less often: a checkpoint has half a gigabyte


SCRIPTS = {
    'gen_captcha.py': Script('--num 400 --out captcha/images'),
    'to_tfrecord.py': Script('--num-test 20', ('captcha/images',)),
    'captcha_train.py, small_cnn': Script('--network small_cnn --steps 30 --batch-size 4',
                                          ('captcha',)),
    'captcha_train.py, alexnet_v2': Script('--steps 4 --batch-size 2', ('captcha',), heavy=True),
    'mnist_backward.py': Script('--steps 1200', ('data',)),
    'mnist_app.py --show': Script('--show 7.jpg', ('7.jpg', 'model'))}


def command(name):
    """The command line of a row of SCRIPTS."""
    script = re.match(r'\w+\.py', name)[0]
    return [sys.executable, os.path.join(ROOT, script), *SCRIPTS[name].arguments.split()]


def start(name, folder, **options):
    """Start a script as a shell does, so that Ctrl-C reaches it."""
    return subprocess.Popen(
        command(name), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, 'PYTHONFAULTHANDLER': '1'},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), **options)


def prepare(folder):
    """Fill a folder with what the scripts read."""
    os.symlink(os.path.join(ROOT, 'data'), os.path.join(folder, 'data'))
    shutil.copy(os.path.join(ROOT, 'samples', '7.jpg'), folder)
    for script, arguments in (('gen_captcha.py', '--num 200 --seed 1'),
                              ('to_tfrecord.py', '--num-test 20'),
                              ('mnist_backward.py', '--steps 200')):
        subprocess.run([sys.executable, os.path.join(ROOT, script), *arguments.split()],
                       cwd=folder, check=True, capture_output=True)


def fresh(prepared, name, top):
    """A new folder with copies of what a script needs. Returns: its path."""
    folder = tempfile.mkdtemp(dir=top)
    for needed in SCRIPTS[name].needs:
        source, target = os.path.join(prepared, needed), os.path.join(folder, needed)
        if os.path.isdir(source) and needed != 'data':
            shutil.copytree(source, target)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(os.path.realpath(source), target)
    return folder


def listing(folder):
    """All paths below a folder, with their sizes."""
    found = set()
    for where, _, names in os.walk(folder):
        with contextlib.suppress(FileNotFoundError):
            found |= {(os.path.join(where, n), os.path.getsize(os.path.join(where, n)))
                      for n in names}
    return found


def wait_to_kill(process, folder, seconds, rng):
    """Wait until a moment that is drawn: at any time, at the start, near the end, or in a save."""
    moment = rng.choice(['any', 'start', 'end', 'save', 'save'])
    share = {'any': rng.random(), 'start': 0.1 * rng.random(), 'end': 0.85 + 0.2 * rng.random(),
             'save': 2}[moment]
    changes, before, end = rng.randint(1, 6), listing(folder), time.monotonic() + share * seconds
    while process.poll() is None and time.monotonic() < end and changes:
        time.sleep(0.002 if moment == 'save' else 0.01)
        if moment == 'save' and (now := listing(folder)) != before:
            changes, before = changes - 1, now


def expected_status(number, status, err):
    """Whether a process that was sent a signal ended as it should; it may have been done before."""
    if status == 0:
        return True
    if number == SIGKILL:
        return status == -number
    # While Python and its own library load, the system or Python itself ends it.
    early = (status == -number and (not err or 'KeyboardInterrupt' in err)
             or number == signal.SIGINT and status == 1 and '<frozen site>' in err)
    return (status == 128 + number and 'Traceback' not in err) or early


def saved_files(folder):
    """What is under final names: {path: bytes} of pictures, records, and checkpoints' prefixes."""
    return {path for path, _ in listing(folder) if not os.path.basename(path).startswith('.')
            and '/log/' not in path}


def check_whole(name, folder):
    """Raise an exception if a file under a final name is not whole."""
    for path in saved_files(folder):
        if path.endswith(('.jpg', '.png')):
            with Image.open(path) as picture:
                picture.load()
        elif path.endswith('.tfrecords'):
            sum(1 for _ in records.read_records(path))
    for where, prefix in ('captcha', models.MODEL_NAME), ('model', mnist_backward.model_name):
        newest = checkpoints.newest(os.path.join(folder, where), prefix)
        if newest:
            shapes, value_of = checkpoints.contents(newest, '')
            for key in shapes:
                value_of(key)


def check_end(name, folder, before):
    """Raise an AssertionError unless a script that ended well has left what it should.

    Args: before: the saved files that were there when it began.
    """
    after = saved_files(folder)
    left = [path for pattern in LEFTOVERS
            for path in glob.glob(os.path.join(folder, '**', pattern), recursive=True,
                                  include_hidden=True)]
    assert not left, f'left over: {left}'
    if name == 'gen_captcha.py':
        numbers = [path[-10:-4] for path in after]
        assert before <= after, 'pictures are lost'
        assert len(after) == len(before) + 400, f'{len(before)} pictures became {len(after)}'
        assert len(set(numbers)) == len(numbers), 'a number twice'
    if name == 'to_tfrecord.py':
        facts = json.load(open(os.path.join(folder, 'captcha', dataset.FACTS_NAME)))
        for split, path in record_files(folder).items():
            count = sum(1 for _ in records.read_records(path))
            assert count == facts[split], f'{split}: {count} records, expected {facts[split]}'
    if name.startswith('captcha_train'):
        steps = int(re.search(r'--steps (\d+)', SCRIPTS[name].arguments)[1])
        found = models.newest(os.path.join(folder, 'captcha'))
        assert checkpoints.step_of(found) == steps - 1, f'the newest is {found}'
    if name == 'mnist_backward.py':
        found = checkpoints.newest(os.path.join(folder, 'model'), mnist_backward.model_name)
        assert checkpoints.step_of(found) == 1200 and checkpoints.finished(found)
    if name.startswith('mnist_app'):
        assert os.path.join(folder, '7.read.png') in after, 'no drawing'


def record_files(folder):
    """{split: path} of to_tfrecord.py's two files."""
    return {split: os.path.join(folder, 'captcha', f'{split}.tfrecords')
            for split in ('train', 'test')}


def kill_once(name, prepared, top, seconds, number, rng):
    """Stop a script once and run it again. Returns: what was wrong, or None; how it was stopped."""
    folder = fresh(prepared, name, top)
    try:
        process = start(name, folder)
        wait_to_kill(process, folder, seconds, rng)
        process.send_signal(number)
        out, err = process.communicate(timeout=HANGS)  # also waits for its child processes
        stopped = process.returncode
        if not expected_status(number, stopped, err):
            return f'status {stopped} after signal {int(number)}: {err[-2000:]}', stopped
        check_whole(name, folder)
        before = saved_files(folder)
        again = start(name, folder)
        out, err = again.communicate(timeout=HANGS)
        if again.returncode:
            return f'run again: status {again.returncode}: {err[-2000:]}', stopped
        check_whole(name, folder)
        check_end(name, folder, before)
        return None, stopped
    except subprocess.TimeoutExpired as error:
        return f'hangs: {error}', None
    except Exception as error:  # whatever the checks found
        return f'{type(error).__name__}: {error}', None
    finally:
        shutil.rmtree(folder)


def kills(number, seed, only):
    """Stop scripts in turn, `number` times in all. Yields: the rows of the table."""
    yield 'script', 'stops', 'of these after its end', 'failed'
    rng = random.Random(seed)
    names = [name for name in SCRIPTS if not only or only in name]
    weights = [0.3 if SCRIPTS[name].heavy else 1 for name in names]
    counts = collections.Counter(names)  # at least one of each
    counts.update(rng.choices(names, weights, k=max(0, number - len(names))))
    with tempfile.TemporaryDirectory() as top:
        prepared = os.path.join(top, 'prepared')
        os.mkdir(prepared)
        prepare(prepared)
        for name in names:
            begun = time.monotonic()
            folder = fresh(prepared, name, top)
            whole = start(name, folder)
            _, err = whole.communicate(timeout=HANGS)
            if whole.returncode:
                raise console.UserError(f'{name}: expected a run without stops to end well, '
                                        f'found: {err[-500:]}')
            shutil.rmtree(folder)
            seconds, ended, wrong = time.monotonic() - begun, collections.Counter(), 0
            for k in range(counts[name]):
                problem, status = kill_once(name, prepared, top, seconds,
                                            SIGNALS[k % len(SIGNALS)], rng)
                ended['at its end' if status == 0 else status] += 1
                if problem:
                    wrong += 1
                    print(f'{name}: {problem}', file=sys.stderr, flush=True)
            yield name, counts[name], ended['at its end'], wrong


# --- damaged inputs
KINDS = {'picture': 4, 'records': 2, 'dataset.json': 1, 'list of labels': 1, 'IDX, plain': 1,
         'IDX, gzipped': 1, 'checkpoint': 3, 'state file': 1}  # how often, relative to each other


def make_inputs(folder):
    """One undamaged file of each kind or some. Returns: {kind: [path, ...]}."""
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
    for name in input_data.SHA256:  # MNIST's own, because their digests are known
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
    """What the project reads from a file of a kind, in a form that can be compared."""
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
        paths = {other: os.path.join(folder, other + '.gz' * path.endswith('.gz'))
                 for other in input_data.SHA256}
        input_data.warn_of_mixture(paths | {name: path})
        return input_data.read_idx(path, [input_data.SIDE] * 2 if 'images' in name else []).tobytes()
    newest = checkpoints.newest(folder, 'mnist_model')
    shapes, value = checkpoints.contents(newest, 'train again')
    return newest, {key: np.asarray(value(key)).tobytes() for key in shapes}


# A picture or a list of texts has no checksum: what it holds after the damage is its value.
ANY_VALUE = 'picture', 'list of labels'


def judge(kind, path, right):
    """Read a damaged file. Returns: 'refused', 'warned', 'right', 'another value' or what failed."""
    screen = io.StringIO()
    try:
        with contextlib.redirect_stderr(screen):
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
    if 'warning: ' + path in screen.getvalue():
        return 'warned'
    return 'another value' if kind in ANY_VALUE else 'FAILED: a wrong value in silence'


def judge_all(cases, folder, connection):
    """In a process of its own: damage a file, judge it, put it back, for each of the cases."""
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
    yield ('file', 'damaged copies', 'one line', 'warning', 'right value', 'other picture, text',
           'failed')
    outcomes = 'refused', 'warned', 'right', 'another value', 'failed'
    for kind in kinds:
        yield kind, sum(table[kind, o] for o in outcomes), *(table[kind, o] for o in outcomes)


# --- places
def places(_number, _seed, only):
    """Run scripts where they cannot write as they should. Yields: the rows of the table."""
    yield 'place', 'script', 'failed'
    with tempfile.TemporaryDirectory() as top:
        prepared = os.path.join(top, 'prepared')
        os.mkdir(prepared)
        prepare(prepared)
        for place, name, problem in harsh.measure(start, SCRIPTS, prepared, top, only):
            if problem:
                print(f'{place}: {name}: {problem}', file=sys.stderr, flush=True)
            yield place, name, int(bool(problem))


def main():
    parser = console.parser(__doc__)
    parser.add_argument('part', choices=['kills', 'inputs', 'places'])
    parser.add_argument('--number', type=console.positive_int, default=60,
                        help='stops or damaged files in all (default: %(default)s)')
    parser.add_argument('--seed', type=console.seed_number, default=0,
                        help='of what is drawn (default: %(default)s)')
    parser.add_argument('--only', default='', metavar='WORD',
                        help='scripts, files or places with this word in their name')
    args = parser.parse_args()
    part = {'kills': kills, 'inputs': inputs, 'places': places}[args.part]
    rows = part(args.number, args.seed, args.only)
    head, failed = next(rows), 0
    print('| ' + ' | '.join(head) + ' |\n|---|' + '---:|' * (len(head) - 1))
    for row in rows:
        print('| ' + ' | '.join(map(str, row)) + ' |', flush=True)
        failed += row[-1]
    return 1 if failed else 0


if __name__ == '__main__':
    console.run(main)
