"""Label captchas in the browser: the network's reading stands there already, Enter accepts it.

Command:  python examples/label.py my/pictures            then open the address that it prints
          python examples/label.py --check my/pictures    labelled ones: likely mistakes first
Reads:    the pictures; models/general, or another folder with a checkpoint and its export;
          examples/label.html, the page
Writes:   my/pictures_labelled/labels.csv, whole after each answer, as to_tfrecord.py --labels takes
          it; with the page's button Train also records, model-1 and network-1, then -2 ... there
Takes:    a second to start, a few seconds a picture, three minutes to train
Needs:    requirements-lite.txt; to train, requirements.txt

The pictures stay as they are. The same command goes on where it stopped.
"""
import collections
import csv
import glob
import http.server
import importlib.util
import io
import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

import captcha_lite
from support.captcha import dataset, labels
from support.common import console, files, folders, labelled, option_types, pictures
from support.common.console import UserError

LABELS, CHECKED = 'labels.csv', 'checked.csv'  # the latter: the answers given to --check
ENOUGH = 36  # labels to train on: a tenth is held out, and a batch has 32
BLOCK = 32  # pictures read before the page shows them
LAST = 10  # answers shown as thumbnails
MAX_BYTES = 10_000  # of a request
PAGES = {'': 'label.html', 'style.css': 'style.css'}  # by what follows the token in the address
NOT_HERE = {'error': 'open the address that the program has printed'}


# --- which picture comes next; readings: {name: reader.Reading}
def weakest(reading):
    """The character that a network is least certain of; '' if it has read none."""
    places = range(len(reading.characters))
    return reading.text[min(places, key=reading.characters.__getitem__)] if places else ''


def least_certain(readings, answered):
    """The name of the picture to label next, or None: of those not answered the least certain.

    Each answer with the same weakest character divides a picture's uncertainty, so that fifty of
    one confusion do not come first.
    """
    seen = collections.Counter(weakest(readings[name]) for name in answered if name in readings)
    return max((name for name in readings if name not in answered), default=None, key=lambda name: (
        (1 - readings[name].confidence) / (1 + seen[weakest(readings[name])])))


def confusions(text, other):
    """{(character, other character), ...} where two texts differ, or their two lengths."""
    pairs = set(zip(text, other)) if len(text) == len(other) else {(len(text), len(other))}
    return {(one, two) for one, two in pairs if one != two}


def likely_wrong(readings, texts, checked):
    """The name of the labelled picture to check next, or None: a sure reading that differs.

    The more often it differs in this way (0 for O, say), the more likely the network is wrong.
    """
    differ = {name: confusions(text.upper(), readings[name].text.upper())
              for name, text in texts.items() if name in readings}
    often = collections.Counter(pair for pairs in differ.values() for pair in pairs)
    return max((name for name, pairs in differ.items() if pairs and name not in checked),
               default=None, key=lambda name: (
                   readings[name].confidence / min(often[pair] for pair in differ[name])))


# --- the answers
class Labelling:
    """The pictures of a folder, their readings and their labels; threads may share it."""

    def __init__(self, folder, out, network, texts=None):
        """
        Args: out: folder for the labels. network: folder of the network that reads.
          texts: {name: label} to check; None: label what has no label.
        """
        self.folder, self.out, self.check = folder, out, texts is not None
        self.names = [name for name in folders.files_below(folder)
                      if not name.lower().endswith(folders.NO_PICTURES)]
        self.texts = self.stored(LABELS) or texts or {}  # '': unreadable
        self.checked = self.stored(CHECKED)
        self.readings, self.broken = {}, {}  # by name: Reading; why it is left out
        self.lock = threading.Lock()
        self.use(network)

    def stored(self, name):
        path = os.path.join(self.out, name)
        return {name: text for _, name, text in labelled.read_list(self.folder, path)} if (
            os.path.exists(path)) else {}

    def use(self, network):
        """Read all pictures with a network, in a thread, those without a label first."""
        with console.quiet_start():  # LiteRT logs on stderr
            self.network, self.reader = network, captcha_lite.open_reader(network, one_system=True)
        threading.Thread(target=self.read_all, args=[self.reader], daemon=True).start()

    def read_all(self, reader):
        names = sorted(self.names, key=lambda name: name in self.texts)
        for begin in range(0, len(names), BLOCK):
            block = names[begin:begin + BLOCK]
            found = reader.read_each([os.path.join(self.folder, name) for name in block])
            for name, reading in zip(block, found):
                if self.reader is not reader:  # another network is to read
                    return
                if reading.problem:
                    self.leave_out(name, reading.problem)
                else:
                    self.readings[name] = reading

    def leave_out(self, name, problem):
        with self.lock:
            self.broken[name] = str(problem)
            self.readings.pop(name, None)

    def picture(self, name):
        """A picture as the network sees it: PNG. Raises: UserError; then it is left out."""
        try:
            with io.BytesIO() as file:
                pictures.open_picture(os.path.join(self.folder, name)).save(file, 'PNG')
                return file.getvalue()
        except UserError as problem:
            self.leave_out(name, problem)
            raise

    def answer(self, name, text, before):
        """Store an answer. Returns: whether the label still was `before`, so that it is stored."""
        with self.lock:
            if self.texts.get(name) != before:  # another page was faster
                return False
            self.texts = self.store(LABELS, {**self.texts, name: text})
            if self.check:
                self.checked = self.store(CHECKED, {**self.checked, name: text})
            return True

    def store(self, name, texts):
        """Replace a list, which is whole at any time, even if the machine stops."""
        with files.whole_file(os.path.join(self.out, name)) as part, open(
                part, 'w', encoding='utf-8', newline='') as file:
            csv.writer(file).writerows([('name', 'text'), *texts.items()])
            file.flush()
            os.fsync(file.fileno())
        return texts

    def state(self, name=None):
        """What the page shows. Args: name: of the picture; None: the next one."""
        with self.lock:
            readings, done = self.readings.copy(), self.checked if self.check else self.texts
            if name not in readings:
                name = (likely_wrong(readings, self.texts, done) if self.check else
                        least_certain(readings, done))
            picture = name and {'name': name, 'label': self.texts.get(name),
                                **readings[name]._asdict()}
            return {'picture': picture, 'check': self.check,
                    'file': os.path.join(self.out, LABELS),
                    'pictures': len(self.names) - len(self.broken), 'read': len(readings),
                    'labels': sum(map(bool, self.texts.values())), 'done': len(done),
                    'last': [[name, done[name]] for name in list(done)[-LAST:]],
                    'broken': [*self.broken.values()], 'enough': ENOUGH}


# --- training
def newest(out):
    """The number of the newest network that was trained here, or 0."""
    found = glob.glob(os.path.join(glob.escape(out), 'network-*'))
    return max((int(path.rpartition('-')[2]) for path in found if path[-1].isdecimal()), default=0)


class Training:
    """The README's commands one after the other, as child processes, and how far they are."""

    def __init__(self, labelling, init_from, steps=None):
        """Args: init_from: the folder to begin with. steps: iterations; None: as usual."""
        self.labelling, self.init_from, self.steps = labelling, init_from, steps
        self.child, self.thread, self.lock = None, None, threading.Lock()
        self.shown = {'commands': []}  # by the page

    def place(self, kind, number=None):
        """The folder of the next model or network, or of that with a number."""
        number = newest(self.labelling.out) + 1 if number is None else number
        return os.path.join(self.labelling.out, f'{kind}-{number}')

    @property
    def running(self):
        return self.thread is not None and self.thread.is_alive()

    @property
    def resumable(self):
        """Whether a training was stopped."""
        return bool(glob.glob(glob.escape(self.place('model')) + '/*.index')) and not self.running

    def commands(self, resume):
        """What python is to be called with. Args: resume: go on with what was stopped."""
        out, model = self.labelling.out, self.place('model')
        export = ['-m', 'support.export', model, '--to', self.place('network')]
        if resume:
            return [['captcha_train.py', '--model-dir', model], export]
        lengths = sorted(len(text) for text in self.labelling.texts.values() if text)
        return [['to_tfrecord.py', '--images', self.labelling.folder, '--labels',
                 os.path.join(out, LABELS), '--out', out, '--num-test', str(len(lengths) // 10),
                 '--pictures', 'line', '--split', 'picture', '--ignore-case', '--length',
                 f'{lengths[0]}-{lengths[-1]}', '--skip-bad', '--overwrite'],
                ['captcha_train.py', '--init-from', self.init_from, '--model-dir', model,
                 '--train', os.path.join(out, 'train.tfrecords'), '--restart',
                 *(['--steps', str(self.steps)] if self.steps else [])], export]

    def start(self, resume):
        """Run the commands; then the new network reads. Raises: UserError without TensorFlow."""
        if not importlib.util.find_spec('tensorflow'):
            raise UserError('Train: expected TensorFlow, found none; stop this program, run: pip '
                            'install -r requirements.txt, and start it again')
        if not self.running:
            with self.labelling.lock:  # those to check may have come from the file names
                self.labelling.store(LABELS, self.labelling.texts)
            commands = self.commands(resume)
            self.shown = {'commands': [f'python {shlex.join(one)}' for one in commands]}
            self.thread = threading.Thread(target=self.run, args=[commands, self.place('network')])
            self.thread.start()

    def run(self, commands, network):
        shown, line = self.shown, ''
        for shown['at'], arguments in enumerate(commands):
            with self.lock:
                if 'stopped' in shown:
                    break
                self.child = subprocess.Popen(
                    [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    text=True, errors='replace', start_new_session=True)  # Ctrl-C is not for it
            begun = None
            with self.child.stdout as lines:
                for line in filter(str.strip, lines):
                    begun = note(line, shown, begun)
            if self.child.wait():
                break
        else:
            self.labelling.use(network)
            shown['at'] = len(commands)
            return
        shown['problem'] = 'stopped' if 'stopped' in shown else line

    def stop(self):
        """Stop as Ctrl-C does: the training is saved first."""
        if self.running:
            with self.lock:
                if self.child and 'stopped' not in self.shown:  # it saves at the first signal
                    self.child.terminate()
                self.shown['stopped'] = True
            self.thread.join()


def note(line, shown, begun):
    """Take from a line of captcha_train.py what the page shows: iterations, minutes, accuracy.

    Args: begun: (iteration, seconds) of the first such line, or None. Returns: the same.
    """
    if found := re.match(r'(?:Iter:|training )(\d+)(?:/(\d+))?', line):
        step, shown['steps'] = int(found[1]), int(found[2] or shown.get('steps', 1))
        shown['step'], now = step, time.monotonic()
        begun = begun or (step, now)
        if step > begun[0]:
            shown['minutes'] = (now - begun[1]) / (step - begun[0]) * (shown['steps'] - step) / 60
    if found := re.search(r'whole captchas ([\d.]+) of (\d+)', line):
        shown['held_out'] = float(found[1]), int(found[2])
    return begun


# --- the service
class Handler(http.server.BaseHTTPRequestHandler):
    """Answers who knows the address; `server` has token, labelling and training as well."""
    protocol_version = 'HTTP/1.1'  # many requests by one connection
    timeout = 10  # seconds without a byte
    wbufsize = -1  # an answer is sent whole

    def asked(self):
        """The address after the token, and its query; None, '' for any other request."""
        where, _, query = self.path.partition('?')
        token, port = f'/{self.server.token}/', self.server.server_port
        if not where.startswith(token) or self.headers.get('Host') not in (
                f'127.0.0.1:{port}', f'localhost:{port}'):
            return None, ''
        return where.removeprefix(token), urllib.parse.unquote(query)

    def do_GET(self):
        where, name = self.asked()
        try:
            if where == 'state':
                self.answer_state(name)
            elif where == 'picture' and name in self.server.labelling.names:
                self.send(200, 'image/png', self.server.labelling.picture(name))
            elif where in PAGES:
                with open(os.path.join(HERE, PAGES[where]), 'rb') as page:
                    self.send(200, f'text/{PAGES[where].rpartition(".")[2]}; charset=utf-8',
                              page.read())
            else:
                self.answer(404, NOT_HERE)
        except UserError as problem:
            self.answer(404, {'error': str(problem)})

    def do_POST(self):
        training, size = self.server.training, self.headers.get('Content-Length', '')
        action = {'answer': self.take_answer, 'stop': training.stop, 'train': training.start}.get(
            self.asked()[0])
        if not action or not size.isdecimal() or int(size) > MAX_BYTES:
            self.close_connection = True  # the rest is not read
            return self.answer(404, NOT_HERE)
        try:
            self.answer_state(action(**json.loads(self.rfile.read(int(size)))))
        except (ValueError, TypeError, AttributeError, LookupError, OSError, UserError) as problem:
            self.answer(400, {'error': str(problem)})

    def take_answer(self, name, text, before):
        """Store a label. Returns: the name, if another page was faster and it is shown again."""
        text = ''.join(text.split())
        if name not in self.server.labelling.names or not text.isprintable() or (
                len(text) > dataset.MAX_LENGTH):
            raise ValueError(f'expected at most {dataset.MAX_LENGTH} characters for a picture of '
                             f'the folder, found {text[:20]} for {name}')
        return None if self.server.labelling.answer(name, text, before) else name

    def answer_state(self, name=None):
        training, labelling = self.server.training, self.server.labelling
        self.answer(200, {**labelling.state(name), 'training': training.shown,
                          'running': training.running, 'resumable': training.resumable,
                          'trained': newest(labelling.out), 'use': use(labelling.network)})

    def answer(self, status, found):
        self.send(status, 'application/json', json.dumps(found).encode())

    def send(self, status, kind, content):
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """No line for each request."""


def use(network):
    return f'python captcha_lite.py --model-dir {shlex.quote(network)} my.jpg'


def main():
    parser = console.parser(__doc__)
    parser.add_argument('pictures', metavar='FOLDER', help='pictures, also in folders below it')
    parser.add_argument('--out', metavar='FOLDER', help='for labels, records and networks '
                                                        '(default: FOLDER_labelled)')
    parser.add_argument('--check', action='store_true',
                        help='show labelled pictures, likely mistakes first')
    parser.add_argument('--labels', metavar='FILE', help='the labels to check: a CSV or TSV with '
                        'a file name and its text a line (default: the names of the files)')
    parser.add_argument('--init-from', default=captcha_lite.MODEL_DIR, metavar='FOLDER',
                        help='the network to begin with (default: %(default)s)')
    parser.add_argument('--steps', type=option_types.positive_int, help='iterations of a training')
    parser.add_argument('--port', type=option_types.port, default=0, help='(default: any free one)')
    args = parser.parse_args()

    def place(path):  # as the commands are called with it, in the project's folder
        path = os.path.abspath(path)
        return os.path.relpath(path, ROOT) if path.startswith(os.path.join(ROOT, '')) else path
    folder, init_from = place(args.pictures), place(args.init_from)
    out = place(args.out or args.pictures.rstrip(r'\/') + '_labelled')
    listed = args.labels and place(args.labels)
    os.chdir(ROOT)
    if not os.path.isdir(folder):
        raise UserError(f'{args.pictures}: expected a folder of pictures, found none; name one')
    texts = None
    if args.check:
        texts, _ = labels.find_texts(folder, labels.Wanted(listed))
    with files.alone(out, 'labelling'):
        network = os.path.join(out, f'network-{newest(out)}') if newest(out) else init_from
        labelling = Labelling(folder, out, network, texts)
        training = Training(labelling, init_from, args.steps)
        with http.server.ThreadingHTTPServer(('127.0.0.1', args.port), Handler) as server:
            server.labelling, server.training = labelling, training
            server.token = secrets.token_urlsafe(16)
            print(f'http://127.0.0.1:{server.server_port}/{server.token}/', flush=True)
            try:
                server.serve_forever()
            finally:
                training.stop()
                print(f'{sum(map(bool, labelling.texts.values()))} labels: '
                      f'{os.path.join(out, LABELS)}; read with: {use(labelling.network)}')


if __name__ == '__main__':
    console.run(main)
