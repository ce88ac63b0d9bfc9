"""A trained network in a program: startup, latency, memory and disk, compared with ddddocr.

Command:  python benchmarks/deploy.py captchas FOLDER --ddddocr PYTHON --lite PYTHON
          python benchmarks/deploy.py agreement FOLDER
          python benchmarks/deploy.py service FOLDER --requests 1000
Reads:    FOLDER: captchas, the text first in their names, as gen_captcha.py draws them; the network
          in --model-dir
Writes:   the tables on stdout; exports in a temporary folder
Takes:    a minute each

captchas   each reader in a separate process, --rounds times in turn: the median of each figure.
           Seconds are processor time of all threads, so that other load does not count.
           PYTHON: an interpreter that has ddddocr, and one that has requirements-lite.txt
agreement  the texts and confidences of the exports compared with the checkpoint's
service    examples/serve.py on this machine, with eight concurrent clients
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console, option_types

PICTURES = 100  # that a reader reads after its first
CLIENTS = 8
OPENED = {  # how a reader is opened: lines of Python that define `read`, a function of a path
    'captcha_lite.py': 'import captcha_lite\n'
                       'reader = captcha_lite.open_reader(folder)\n'
                       'read = lambda path: reader.read([path])[0][0]',
    'captcha_test.py': 'import captcha_test\n'
                       'reader = captcha_test.open_reader(folder)\n'
                       'read = lambda path: reader.read([path])[0][0]',
    'ddddocr': 'import ddddocr\n'
               'reader = ddddocr.DdddOcr(show_ad=False)\n'
               'read = lambda path: reader.classification(open(path, "rb").read())'}
PACKAGES = {'captcha_lite.py': ['ai-edge-litert', 'numpy', 'pillow', 'tqdm'],
            'captcha_test.py': ['tensorflow', 'numpy', 'pillow', 'tqdm', 'scipy'],
            'ddddocr': ['ddddocr']}
PROBE = r'''
import importlib.metadata, json, re, sys, time
folder, packages, paths = json.loads(sys.argv[1])
{opened}
texts, seconds = [], [0, time.process_time()]  # of the process, until it can read
for part in paths[:1], paths[1:]:
    texts += map(read, part)
    seconds.append(time.process_time())
seconds = [after - before for before, after in zip(seconds, seconds[1:])]
memory = int(re.search(r'VmHWM:\s+(\d+)', open('/proc/self/status').read())[1]) / 1000
found, waiting, size = set(), list(packages), 0
while waiting:  # the packages and what they need
    name = re.sub('[-_.]+', '-', waiting.pop().lower())
    if name in found:
        continue
    try:
        package = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        continue  # for another system, or optional
    found.add(name)
    size += sum(file.size or 0 for file in package.files or [])
    waiting += [re.match('[A-Za-z0-9._-]+', need)[0] for need in package.requires or []
                if 'extra ==' not in need]
print(json.dumps([*seconds, memory, size / 1e6, texts]))
'''
COLUMNS = 'start', 'first', f'{PICTURES} more', 'memory', 'packages'


def labelled(folder):
    """[(path, text), ...] of the captchas in a folder, sorted."""
    return [(os.path.join(folder, name), name.split('_')[0])
            for name in sorted(os.listdir(folder))]


def probe(row, python, folder, paths):
    """One reader in a separate process: what PROBE prints."""
    arguments = json.dumps([folder, PACKAGES[row], paths])
    ended = subprocess.run([python, '-c', PROBE.format(opened=OPENED[row]), arguments],
                           cwd=ROOT, capture_output=True, text=True)
    if ended.returncode:
        raise console.UserError(f'{python}: expected an interpreter for {row}, found: '
                                f'{ended.stderr.strip().splitlines()[-1]}')
    return json.loads(ended.stdout.splitlines()[-1])


def compare(folder, model_dir, pythons, rounds):
    """Print the table of `captchas`; pythons: {row: interpreter}."""
    known = labelled(folder)[:PICTURES + 1]
    with tempfile.TemporaryDirectory() as exported:
        write(model_dir, exported)
        folders = {'captcha_lite.py': os.path.join(exported, 'tflite'),
                   'captcha_test.py': model_dir, 'ddddocr': None}
        found = {row: [] for row in pythons}
        for _ in range(rounds):
            for row, python in pythons.items():
                found[row].append(probe(row, python, folders[row], [path for path, _ in known]))
    print(f'{"":16}' + ''.join(f'{name:>12}' for name in COLUMNS) + f'{"right":>12}')
    for row, runs in found.items():
        figures = [statistics.median(values) for values in zip(*(run[:-1] for run in runs))]
        right = sum(text == read for (_, text), read in zip(known, runs[0][-1]))
        print(f'{row:16}' + ''.join(f'{figure:10.2f} s' for figure in figures[:3])
              + ''.join(f'{figure:9.0f} MB' for figure in figures[3:])
              + f'{right:8} of {len(known)}')


def write(model_dir, folder):
    """Export a network in both formats, in a separate process."""
    for form in 'tflite', 'saved_model':
        subprocess.run([sys.executable, '-m', 'support.export', model_dir, '--to',
                        os.path.join(folder, form), '--format', form], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)


def agreement(folder, model_dir):
    """Print the table of `agreement`."""
    with console.quiet_start():
        import tensorflow.compat.v1 as tf
    import captcha_lite
    from support.captcha import network
    known = labelled(folder)
    paths, texts = zip(*known)
    with tempfile.TemporaryDirectory() as exported:
        write(model_dir, exported)
        with network.open_reader(model_dir) as opened:
            expected = opened.read(paths)
        found = {'tflite': captcha_lite.open_reader(os.path.join(exported, 'tflite')).read(paths)}
        with tf.Graph().as_default(), tf.Session() as sess:
            signature = tf.saved_model.loader.load(sess, ['serve'], os.path.join(
                exported, 'saved_model')).signature_def['serving_default']
            outputs = [signature.outputs[name].name for name in ('text', 'confidence')]
            found['saved_model, picture files'] = []
            for start in range(0, len(paths), 50):
                encoded = [open(path, 'rb').read() for path in paths[start:start + 50]]
                read = sess.run(outputs, {signature.inputs['pictures'].name: encoded})
                found['saved_model, picture files'] += [
                    (text.decode(), sure) for text, sure in zip(*read)]
    print(f'{"":28}{"right":>14}{"same text":>14}  largest difference in confidence')
    print(f'{"checkpoint":28}{right(expected, texts):6} of {len(texts)}')
    for name, pairs in found.items():
        same = sum(one[0] == other[0] for one, other in zip(pairs, expected))
        apart = max(abs(one[1] - other[1]) for one, other in zip(pairs, expected))
        print(f'{name:28}{right(pairs, texts):6} of {len(texts)}{same:6} of {len(texts)}  '
              f'{apart:.5f}')


def right(pairs, texts):
    return sum(text == read for (read, _), text in zip(pairs, texts))


def service(folder, model_dir, requests):
    """Print throughput, latency and memory of examples/serve.py."""
    pictures = [open(path, 'rb').read() for path, _ in labelled(folder)]
    with tempfile.TemporaryDirectory() as exported:
        write(model_dir, exported)
        network = os.path.join(exported, 'tflite')
        process = subprocess.Popen([sys.executable, 'examples/serve.py', '--captchas', network,
                                    '--port', '0'], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.DEVNULL)
        try:
            host = process.stdout.readline().strip().removeprefix('http://')
            connections = threading.local()

            def ask(number):
                if not hasattr(connections, 'own'):
                    connections.own = http.client.HTTPConnection(host, timeout=60)
                start = time.perf_counter()
                connections.own.request('POST', '/captcha', pictures[number % len(pictures)])
                answer = connections.own.getresponse()
                answer.read()
                return time.perf_counter() - start, answer.status
            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                for part in 'first', 'next', 'last':  # memory is flat
                    start = time.perf_counter()
                    seconds, statuses = zip(*pool.map(ask, range(requests)))
                    lasted = time.perf_counter() - start
                    ranked = sorted(1000 * one for one in seconds)
                    print(f'{part} {requests} requests, {CLIENTS} at a time: '
                          f'{requests / lasted:.0f} a second, median {ranked[requests // 2]:.0f} '
                          f'ms, 99th percentile {ranked[requests * 99 // 100]:.0f} ms; '
                          f'status 200: {statuses.count(200)}; '
                          f'memory of all processes {memory(process.pid):.0f} MB')
        finally:
            process.terminate()
            process.wait()


def memory(pid):
    """The memory of a process and its children in MB; shared pages count proportionally."""
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as file:
        used = next(int(line.split()[1]) for line in file if line.startswith('Pss:')) / 1000
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/children', encoding='ascii') as file:
            used += sum(memory(int(child)) for child in file.read().split())
    return used


def main():
    parser = console.parser(__doc__)
    parser.add_argument('part', choices=['captchas', 'agreement', 'service'])
    parser.add_argument('folder', metavar='FOLDER')
    parser.add_argument('--model-dir', default=os.path.join('models', 'digits'), metavar='FOLDER',
                        help='the network (default: %(default)s)')
    parser.add_argument('--ddddocr', metavar='PYTHON', help=argparse.SUPPRESS)
    parser.add_argument('--lite', metavar='PYTHON', default=sys.executable, help=argparse.SUPPRESS)
    parser.add_argument('--rounds', type=option_types.positive_int, default=5)
    parser.add_argument('--requests', type=option_types.positive_int, default=1000)
    args = parser.parse_args()
    folder = os.path.abspath(args.folder)
    model_dir = os.path.abspath(os.path.join(ROOT, args.model_dir))
    if args.part == 'agreement':
        agreement(folder, model_dir)
    elif args.part == 'service':
        service(folder, model_dir, args.requests)
    else:
        pythons = {'captcha_lite.py': args.lite, 'captcha_test.py': sys.executable}
        if args.ddddocr:
            pythons['ddddocr'] = args.ddddocr
        compare(folder, model_dir, pythons, args.rounds)


if __name__ == '__main__':
    console.run(main)
