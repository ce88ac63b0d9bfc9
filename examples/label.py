"""Label captchas in the browser: the network's reading is already filled in, Enter accepts it.

Command:  pip install -r examples/requirements.txt
          python examples/label.py my/pictures            then open the address that it prints
          python examples/label.py --check my/pictures    labelled ones: likely mistakes first
Reads:    the pictures; models/general; examples/label.html and style.css, the page
Writes:   my/pictures_labelled/labels.csv, whole after each answer, as to_tfrecord.py --labels takes
          it; the page's button Train adds records, model-1 and network-1, then -2 ... there
Takes:    a second to start, a few seconds to read a thousand pictures, minutes to train
Needs:    examples/requirements.txt; to train, requirements.txt

The pictures stay as they are. The same command goes on where it stopped.
"""
import collections
import csv
import glob
import importlib.util
import io
import itertools
import os
import re
import secrets
import shlex
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

import flask
import waitress

import captcha_lite
from support.captcha import dataset, labels
from support.common import console, files, folders, labelled, option_types, pictures
from support.common.console import UserError

LABELS, CHECKED = 'labels.csv', 'checked.csv'  # the latter: the answers given to --check
ENOUGH = 36  # labels to train on: a tenth is held out, and a batch has 32
BLOCK = 32  # pictures read before the page shows them
LAST = 10  # answers shown as thumbnails
# What the page shows of the training's output.
PROGRESS = re.compile(r'Iter:(?P<step>\d+)|training \d+/(?P<steps>\d+) .* (?P<left>[\d:]+) left|'
                      r'whole captchas (?P<right>[\d.]+) of (?P<held_out>\d+)')


# --- which picture comes next; readings: {name: reader.Reading}
def least_certain(readings, answered):
    """The name of the picture to label next, or None: of those not answered the least certain.

    Each answer with the same weakest character divides a picture's uncertainty, so that fifty of
    one confusion do not come first.
    """
    weakest = {name: min(zip(reading.characters, reading.text), default=(0, ''))[1]
               for name, reading in readings.items()}
    seen = collections.Counter(weakest[name] for name in answered if name in readings)
    return max((name for name in readings if name not in answered), default=None,
               key=lambda name: (1 - readings[name].confidence) / (1 + seen[weakest[name]]))


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
    often = collections.Counter(itertools.chain.from_iterable(differ.values()))
    return max((name for name, pairs in differ.items() if pairs and name not in checked),
               default=None, key=lambda name: (
                   readings[name].confidence / min(often[pair] for pair in differ[name])))


# --- the answers
class Labelling:
    """The pictures of a folder, their readings and their labels; threads may share it."""

    def __init__(self, folder, out, texts=None):
        """
        Args: out: folder for the labels. texts: {name: label} to check; None: to label.
        Raises: UserError if there are no pictures.
        """
        self.folder, self.out, self.check = folder, out, texts is not None
        self.names = [name for name in folders.files_below(folder)
                      if not name.lower().endswith(folders.NO_PICTURES)]
        if not self.names:
            raise UserError(f'{folder}: expected a folder of pictures, found none in it; name '
                            'another one')
        self.texts = self.stored(LABELS) or texts or {}  # '': unreadable
        self.checked = self.stored(CHECKED)
        self.readings, self.broken = {}, {}  # by name: Reading; why it is left out
        self.lock = threading.Lock()

    def stored(self, name):
        path = os.path.join(self.out, name)
        return {name: text for _, name, text in labelled.read_list(self.folder, path)} if (
            os.path.exists(path)) else {}

    def use(self, network):
        """Read all pictures with a network, in a thread, those without a label first."""
        with console.quiet_start():  # LiteRT logs on stderr
            self.network, self.reader = network, captcha_lite.open_reader(network, one_system=True)
        self.readings = {}
        threading.Thread(target=self.read_all, daemon=True).start()

    def read_all(self):
        names = sorted(self.names, key=self.texts.__contains__)
        for begin in range(0, len(names), BLOCK):
            block = names[begin:begin + BLOCK]
            found = self.reader.read_each([os.path.join(self.folder, name) for name in block])
            for name, reading in zip(block, found):
                if reading.problem:
                    self.leave_out(name, reading.problem)
                else:
                    self.readings[name] = reading

    def leave_out(self, name, problem):
        self.broken[name] = str(problem)
        self.readings.pop(name, None)

    def answer(self, name, text, before):
        """Store an answer. Returns: None; the name if its label is no longer `before`."""
        with self.lock:
            if self.texts.get(name) != before:  # another page was faster
                return name
            text = option_types.composed(''.join(text.split()))
            self.texts = self.store(LABELS, {**self.texts, name: text})
            if self.check:
                self.checked = self.store(CHECKED, {**self.checked, name: text})
            return None

    def store(self, name, texts):
        with files.whole_file(os.path.join(self.out, name)) as part, open(
                part, 'w', encoding='utf-8', newline='') as file:
            csv.writer(file).writerows([('name', 'text'), *texts.items()])
        return texts

    def trained(self):
        """How many networks were trained: network-1, network-2 ..."""
        return len(glob.glob(os.path.join(glob.escape(self.out), 'network-*')))

    def state(self, name=None):
        """What the page shows. Args: name: of the picture; None: the next one."""
        readings, done = self.readings.copy(), self.checked if self.check else self.texts
        if name not in readings:
            name = (likely_wrong(readings, self.texts, done) if self.check else
                    least_certain(readings, done))
        return {'picture': name and {'name': name, 'label': self.texts.get(name),
                                     **readings[name]._asdict()},
                'check': self.check, 'file': os.path.join(self.out, LABELS), 'enough': ENOUGH,
                'pictures': len(self.names) - len(self.broken), 'read': len(readings),
                'labels': sum(map(bool, self.texts.values())), 'done': len(done),
                'last': [*done.items()][-LAST:], 'broken': [*self.broken.values()],
                'trained': self.trained(),
                'use': f'python captcha_lite.py --model-dir {shlex.quote(self.network)} my.jpg'}


# --- training
class Training:
    """The README's commands one after the other, as child processes, and how far they are."""

    def __init__(self, labelling, init_from, steps=None):
        """Args: init_from: the folder to begin with. steps: iterations; None: as usual."""
        self.labelling, self.init_from, self.steps = labelling, init_from, steps
        self.child, self.stopping, self.lock = None, False, threading.Lock()
        self.thread, self.shown = threading.Thread(), {'commands': []}

    def next(self, kind):
        """The folder of the next model or network."""
        return os.path.join(self.labelling.out, f'{kind}-{self.labelling.trained() + 1}')

    def state(self):
        """What the page shows."""
        running = self.thread.is_alive()
        model = glob.escape(self.next('model'))
        stopped = not running and glob.glob(os.path.join(model, '*.index'))
        return {'training': self.shown, 'running': running, 'resumable': bool(stopped)}

    def commands(self):
        """What python is to be called with: everything, or what is left of a stopped training."""
        out, model = self.labelling.out, self.next('model')
        texts = [*filter(None, self.labelling.texts.values())]
        lengths = sorted(map(len, texts))
        alphabet = dataset.alphabet_of(set(''.join(texts).upper()))  # a rare one is no mistake
        convert = ['to_tfrecord.py', '--images', self.labelling.folder, '--labels',
                   os.path.join(out, LABELS), '--out', out, '--num-test', str(len(lengths) // 10),
                   '--pictures', 'line', '--split', 'picture', '--ignore-case',
                   f'--alphabet={alphabet}', '--length', f'{lengths[0]}-{lengths[-1]}',
                   '--skip-bad', '--overwrite']
        train = ['captcha_train.py', '--init-from', self.init_from, '--model-dir', model,
                 '--train', os.path.join(out, 'train.tfrecords'),
                 *(['--steps', str(self.steps)] if self.steps else [])]
        export = ['-m', 'support.export', model, '--to', self.next('network')]
        return [train, export] if self.state()['resumable'] else [convert, train, export]

    def start(self):
        """Run the commands; then the new network reads. Raises: UserError without TensorFlow."""
        if not importlib.util.find_spec('tensorflow'):
            raise UserError('Train: expected TensorFlow, found none; stop this program, run: pip '
                            'install -r requirements.txt, and start it again')
        if not self.thread.is_alive():
            commands, self.stopping = self.commands(), False
            self.shown = {'commands': [f'python {shlex.join(one)}' for one in commands]}
            self.thread = threading.Thread(target=self.run, args=[commands, self.next('network')])
            self.thread.start()

    def run(self, commands, network):
        shown, line = self.shown, ''
        for shown['at'], arguments in enumerate(commands):
            with self.lock:
                if self.stopping:
                    return
                self.child = subprocess.Popen(
                    [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    text=True, errors='replace', start_new_session=True)  # Ctrl-C is not for it
            with self.child:
                for line in filter(str.strip, self.child.stdout):
                    for found in PROGRESS.finditer(line):
                        shown.update((key, one) for key, one in found.groupdict().items() if one)
            if self.child.returncode:
                shown['problem'] = 'stopped' if self.stopping else (
                    f'ended with status {self.child.returncode}: {line}')
                return
        self.labelling.use(network)

    def stop(self):
        """Stop as Ctrl-C does: the training is saved first."""
        with self.lock:
            if self.child and not self.stopping:  # at a second signal it would not save
                self.child.terminate()
            self.stopping = True
        if self.thread.is_alive():
            self.thread.join()


# --- the service
def build_app(labelling, training, token):
    """The web application, for who knows the token in its addresses."""
    app = flask.Flask(__name__, static_folder=None)
    app.config['TRUSTED_HOSTS'] = ['127.0.0.1', 'localhost']  # not another name for this machine

    @app.get(f'/{token}/<any("label.html", "style.css"):name>')
    def page(name):
        return flask.send_from_directory(HERE, name)

    @app.get(f'/{token}/picture/<path:name>')
    def picture(name):
        """A picture as the network sees it, whatever its format."""
        if name not in labelling.names:
            flask.abort(404)
        try:
            seen, file = pictures.open_picture(os.path.join(labelling.folder, name)), io.BytesIO()
        except UserError as problem:  # damaged or removed since it was read
            labelling.leave_out(name, problem)
            raise
        seen.save(file, 'PNG')
        return flask.Response(file.getvalue(), mimetype='image/png')

    @app.get(f'/{token}/state')
    def state(name=None):
        return {**labelling.state(name or flask.request.args.get('name')), **training.state()}

    @app.post(f'/{token}/answer')
    def answer():
        return state(labelling.answer(**flask.request.get_json(force=True)))

    @app.post(f'/{token}/<any(start, stop):action>')
    def train(action):
        getattr(training, action)()
        return state()

    @app.errorhandler(OSError)  # a full disk, say
    @app.errorhandler(UserError)
    def refuse(error):
        return {'error': str(error)}, 400
    return app


def main():
    parser = console.parser(__doc__)
    parser.add_argument('pictures', metavar='FOLDER', help='pictures, also in folders below it')
    parser.add_argument('--check', action='store_true',
                        help='show labelled pictures, likely mistakes first')
    parser.add_argument('--labels', metavar='FILE', help='the labels to check: a CSV or TSV with '
                        'a file name and its text a line (default: the names of the files)')
    parser.add_argument('--steps', type=option_types.positive_int, help='iterations of a training')
    args = parser.parse_args()

    def place(path):  # as the README writes it, in the project's folder
        return os.path.abspath(path).removeprefix(os.path.join(ROOT, ''))
    folder, general = place(args.pictures), place(captcha_lite.MODEL_DIR)
    out, listed, texts = f'{folder}_labelled', args.labels and place(args.labels), None
    os.chdir(ROOT)
    if args.check or listed:
        texts, _ = labels.find_texts(folder, labels.Wanted(listed))
    labelling = Labelling(folder, out, texts)
    training = Training(labelling, general, args.steps)
    with files.alone(out, 'labelling'):
        trained = labelling.trained()
        labelling.use(os.path.join(out, f'network-{trained}') if trained else general)
        token = secrets.token_urlsafe(16)
        server = waitress.create_server(build_app(labelling, training, token), host='127.0.0.1',
                                        port=0, threads=8)  # a browser asks six times at once
        print(f'http://127.0.0.1:{server.effective_port}/{token}/label.html', flush=True)
        server.run()  # until Ctrl-C
        training.stop()
    print('{labels} labels: {file}; read with: {use}'.format(**labelling.state()))


if __name__ == '__main__':
    console.run(main)
