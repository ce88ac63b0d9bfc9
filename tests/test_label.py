"""The labelling page of examples/: its order, its requests, its files, its training."""
import contextlib
import http.client
import io
import json
import os
import shutil
import subprocess
import sys
import urllib.parse

import pytest
from PIL import Image

from helpers import CAPTCHAS, ROOT, TEXTS
from support.captcha import options
from support.captcha.reader import Reading
from support.common import labelled

sys.path.insert(0, os.path.join(ROOT, 'examples'))
import label

# --- which picture comes next

def test_the_least_certain_picture_comes_first_but_not_one_confusion_only():
    readings = {'a': Reading('1O', .2, (.9, .2)), 'b': Reading('2O', .3, (.9, .3)),
                'c': Reading('37', .5, (.9, .6)), 'd': Reading('', .9, ())}
    order = []
    while name := label.least_certain(readings, order):
        order.append(name)
    assert order == ['a', 'c', 'b', 'd']  # b: 0.7, but halved because a was an O, too


def test_a_label_that_differs_as_no_other_does_comes_first():
    texts = {'a': '10', 'b': '20', 'c': '37', 'd': '44', 'e': '55'}
    readings = {'a': Reading('1O', .9, ()), 'b': Reading('2O', .8, ()), 'c': Reading('31', .5, ()),
                'd': Reading('44', .9, ()), 'e': Reading('5', .1, ())}
    order = []
    while name := label.likely_wrong(readings, texts, order):
        order.append(name)
    assert order == ['c', 'a', 'b', 'e']


# --- the page's requests

class Page:
    """A running label.py: the address that it prints, and requests as the page makes them."""

    def __init__(self, *arguments, cwd=None):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, 'examples', 'label.py'), *map(str, arguments)],
            stdout=subprocess.PIPE, text=True, cwd=cwd)
        self.address = urllib.parse.urlsplit(self.process.stdout.readline().strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.last_line, _ = self.process.communicate(timeout=30)

    def ask(self, what, body=None, path=None, **headers):
        """Status and content, JSON decoded."""
        connection = http.client.HTTPConnection(self.address.netloc, timeout=60)
        with contextlib.closing(connection):
            connection.request('POST' if body is not None else 'GET',
                               (self.address.path if path is None else path) + what,
                               body and json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        is_json = answer.getheader('Content-Type') == 'application/json'
        return answer.status, json.loads(content) if is_json else content

    def state(self, what='state', body=None):
        status, found = self.ask(what, body)
        assert status == 200, found
        return found

    def all_read(self):
        """The state after every picture has been read."""
        while (found := self.state())['read'] < found['pictures']:
            pass
        return found

    def answer(self, name, text, before=None):
        return self.state('answer', {'name': name, 'text': text, 'before': before})


@pytest.fixture
def folder(tmp_path):
    """The sample captchas, without their texts in the names, and a broken file."""
    made = tmp_path / 'my'
    made.mkdir()
    for number, path in enumerate(CAPTCHAS):
        shutil.copy(path, made / f'{number},"ü".jpg')
    (made / 'broken.png').write_text('no picture')
    return made


def stored(folder):
    """{name: text} as to_tfrecord.py takes the labels, and its [(name, why)]."""
    return labelled.of_list(str(folder), f'{folder}_labelled/labels.csv')


def test_labels_are_stored_at_once_and_the_next_start_goes_on(folder, lite):
    with Page(folder, '--init-from', lite) as page:
        found = page.all_read()
        assert found['pictures'] == len(CAPTCHAS) and found['labels'] == 0
        assert len(found['broken']) == 1 and 'broken.png: expected a picture' in found['broken'][0]
        assert b'<input id="text"' in page.ask('')[1] and b'.text' in page.ask('style.css')[1]
        first = found['picture']
        assert first['text'] == TEXTS[int(first['name'].split(',')[0])]
        status, shown = page.ask('picture?' + urllib.parse.quote(first['name']))
        assert status == 200 and Image.open(io.BytesIO(shown)).format == 'PNG'

        second = page.answer(first['name'], ' 07 82 ')['picture']
        assert second['name'] != first['name'] and second['label'] is None
        assert stored(folder)[0] == {first['name']: '0782'}
        # another page that has not seen this answer gets it to see
        again = page.answer(first['name'], '9999')['picture']
        assert (again['name'], again['label']) == (first['name'], '0782')
        assert page.answer(first['name'], '0783', before='0782')['labels'] == 1
        skipped = page.answer(second['name'], '')
        assert skipped['labels'] == 1 and skipped['done'] == 2
        assert skipped['last'] == [[first['name'], '0783'], [second['name'], '']]
    assert 'captcha_lite.py --model-dir' in page.last_line
    texts, bad = stored(folder)
    assert texts == {first['name']: '0783', second['name']: ''}
    assert len(bad) == len(CAPTCHAS) - 1  # the rest, and the broken one
    with Page(folder, '--init-from', lite) as page:
        found = page.all_read()
        assert (found['labels'], found['done']) == (1, 2)
        assert found['picture']['name'] not in texts
        os.remove(folder / found['picture']['name'])
        assert page.ask('picture?' + urllib.parse.quote(found['picture']['name']))[0] == 404
        assert page.state()['picture']['name'] != found['picture']['name']
        assert 'no such file' in page.state()['broken'][-1]
    assert len(os.listdir(folder)) == len(CAPTCHAS)  # one removed, one broken; no other changed


def test_only_who_knows_the_address_is_answered(folder):
    with Page('my', cwd=folder.parent) as page:  # models/general reads, wherever it is started
        name = page.all_read()['picture']['name']
        refused = 404, {'error': 'open the address that the program has printed'}
        for path in '/', '//', '/other/', '':
            assert page.ask('state', path=path or '/') == refused
        assert page.ask('state', Host='evil.example') == refused
        assert page.ask('answer', {'name': name, 'text': 'x', 'before': None},
                        Host='evil.example') == refused
        assert page.ask('picture?' + urllib.parse.quote('../my/' + name)) == refused
        assert page.ask('answer', {'name': 'x' * 10_001, 'text': '', 'before': None}) == refused
        for body in ({'name': '../other', 'text': 'x', 'before': None}, {'name': name}, [1],
                     {'name': name, 'text': 100 * 'x', 'before': None},
                     {'name': name, 'text': 'a\0', 'before': None}):
            assert page.ask('answer', body)[0] == 400, body
        second = subprocess.run(
            [sys.executable, os.path.join(ROOT, 'examples', 'label.py'), folder],
            capture_output=True, text=True, timeout=60)
        assert second.returncode == 2 and 'another labelling' in second.stderr
    assert not os.path.exists(f'{folder}_labelled')


def test_wrong_labels_are_shown_and_corrected(tmp_path, lite):
    folder = tmp_path / 'my'
    folder.mkdir()
    for path in CAPTCHAS:
        shutil.copy(path, folder)
    wrong, right = f'9999{os.path.basename(CAPTCHAS[2])[4:]}', TEXTS[2]
    os.rename(folder / os.path.basename(CAPTCHAS[2]), folder / wrong)
    with Page('--check', folder, '--init-from', lite) as page:
        shown = page.all_read()['picture']
        assert (shown['name'], shown['label'], shown['text']) == (wrong, '9999', right)
        assert page.answer(wrong, right, before='9999')['picture'] is None
    assert stored(folder)[0] == {**{os.path.basename(path): text for path, text in zip(
        CAPTCHAS, TEXTS) if text != right}, wrong: right}
    with Page('--check', folder, '--init-from', lite) as page:
        assert page.all_read()['done'] == 1


# --- training

@pytest.fixture
def training(captchas, lite, tmp_path):
    """A Training with forty labels."""
    labelling = label.Labelling(str(captchas / 'images'), str(tmp_path / 'out'), str(lite))
    for name in sorted(labelling.names)[:40]:
        assert labelling.answer(name, name[:4], None)
    return label.Training(labelling, os.path.join(ROOT, 'models', 'general'), 2)


def test_the_scripts_take_the_commands(training, run_here, monkeypatch):
    convert, train, export = training.commands(resume=False)
    ended = run_here(*convert)
    assert ended.returncode == 0 and '4 test records, 36 training records' in ended.stdout
    monkeypatch.setattr(sys, 'argv', train)
    recipe, run = options.parse('')
    assert (recipe.network, recipe.steps, run.restart) == ('deep_line_cnn', 2, True)
    assert os.path.isfile(run.train_file) and os.path.isfile(run.test_file)
    assert export[2:] == [run.model_dir, '--to', training.place('network', 1)]
    resumed, again = training.commands(resume=True)
    assert again == export and resumed == ['captcha_train.py', '--model-dir', run.model_dir]


def test_progress_comes_from_what_the_commands_print(training, lite):
    print_lines = ('print("training 0/251 |  | ?it/s"); print("Iter:0 Loss:1.0"); '
                   'print("Iter:200 Loss:0.1\\rtraining 201/251"); '
                   'print("Held-out after iteration 250: characters 0.9, '
                   'whole captchas 0.75 of 4")')
    training.run([['-c', print_lines], ['-c', '']], str(lite))
    assert training.shown['at'] == 2 and training.shown['held_out'] == (0.75, 4)
    assert (training.shown['step'], training.shown['steps']) == (201, 251)
    assert 0 <= training.shown['minutes'] < 1 and 'problem' not in training.shown
    training.run([['-c', 'print("one"); raise SystemExit("x.py: why")'], ['-c', '']], str(lite))
    assert training.shown['problem'] == 'x.py: why\n' and training.shown['at'] == 0


def test_a_training_is_stopped_and_can_be_resumed(training, monkeypatch):
    assert not training.resumable
    model = training.place('model')
    os.makedirs(model)
    monkeypatch.setattr(training, 'commands', lambda resume: [
        ['-c', f'import time; open({model + "/a.index"!r}, "w"); print(1, flush=True); '
               'time.sleep(60)'], ['-c', 'raise SystemExit("not stopped")']])
    os.remove(os.path.join(training.labelling.out, label.LABELS))  # as before a first answer
    training.start(resume=False)
    assert os.path.exists(os.path.join(training.labelling.out, label.LABELS))
    while not os.path.exists(model + '/a.index'):
        pass
    assert training.running and not training.resumable
    training.stop()
    assert training.shown['problem'] == 'stopped' and not training.running and training.resumable


def test_without_tensorflow_one_line_says_so(training, monkeypatch):
    monkeypatch.setattr(label.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(label.UserError, match='expected TensorFlow, found none'):
        training.start(resume=False)
