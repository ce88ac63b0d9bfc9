"""The labelling page of examples/: its order, its requests, its files, its training."""
import io
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

import pytest
from PIL import Image

from helpers import CAPTCHAS, ROOT, TEXTS
from support.captcha import labels, options
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
    """The requests of the page, answered in this process."""

    def __init__(self, labelling):
        app = label.build_app(labelling, label.Training(labelling, 'unused'), 'token')
        self.client = app.test_client()

    def get(self, path, **options):
        return self.client.get(f'/token/{path}', **options)

    def state(self, path='state'):
        return self.get(path).json

    def answer(self, name, text, before=None):
        found = self.client.post('/token/answer',
                                 json={'name': name, 'text': text, 'before': before})
        assert found.status_code == 200
        return found.json


def opened(folder, network, texts=None):
    """The page of a folder all of whose pictures have been read."""
    labelling = label.Labelling(str(folder), f'{folder}_labelled', texts)
    labelling.use(str(network))
    page = Page(labelling)
    while (found := page.state())['read'] < found['pictures']:
        time.sleep(.01)
    return page


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
    page = opened(folder, lite)
    found = page.state()
    assert found['pictures'] == len(CAPTCHAS) and found['labels'] == 0
    assert len(found['broken']) == 1 and 'broken.png: expected a picture' in found['broken'][0]
    first = found['picture']
    assert first['text'] == TEXTS[int(first['name'].split(',')[0])]
    second = page.answer(first['name'], ' 07 ８2 ')['picture']
    assert second['name'] != first['name'] and second['label'] is None
    assert stored(folder)[0] == {first['name']: '0782'}
    # another page that has not seen this answer gets it to see
    again = page.answer(first['name'], '9999')['picture']
    assert (again['name'], again['label']) == (first['name'], '0782')
    assert page.answer(first['name'], '0783', before='0782')['labels'] == 1
    skipped = page.answer(second['name'], '')
    assert skipped['labels'] == 1 and skipped['done'] == 2
    assert skipped['last'] == [[first['name'], '0783'], [second['name'], '']]
    asked = page.state('state?name=' + urllib.parse.quote(first['name']))['picture']
    assert (asked['name'], asked['label']) == (first['name'], '0783')

    texts, bad = stored(folder)
    assert texts == {first['name']: '0783', second['name']: ''}
    assert len(bad) == len(CAPTCHAS) - 1  # the rest, and the broken one
    found = opened(folder, lite).state()
    assert (found['labels'], found['done']) == (1, 2)
    assert found['picture']['name'] not in texts
    assert len(os.listdir(folder)) == len(CAPTCHAS) + 1


def test_pictures_are_shown_and_a_vanished_one_is_left_out(folder, lite):
    page = opened(folder, lite)
    assert b'<input id="text"' in page.get('label.html').data
    assert b'.text' in page.get('style.css').data
    name = page.state()['picture']['name']
    shown = page.get('picture/' + urllib.parse.quote(name, safe=''))
    assert shown.status_code == 200 and Image.open(io.BytesIO(shown.data)).format == 'PNG'
    os.remove(folder / name)
    assert page.get('picture/' + urllib.parse.quote(name, safe='')).status_code == 400
    found = page.state()
    assert found['picture']['name'] != name and 'no such file' in found['broken'][-1]
    assert found['pictures'] == found['read'] == len(CAPTCHAS) - 1


def test_only_who_knows_the_address_is_answered(folder, lite):
    page = opened(folder, lite)
    for path in '/', '/state', '/other/state', '/label.html', '/token/', '/token/label.py':
        assert page.client.get(path).status_code == 404, path
    for host in 'evil.example', 'evil.example:80':
        assert page.get('state', headers={'Host': host}).status_code == 400
    assert page.get('state', headers={'Host': '127.0.0.1:8000'}).status_code == 200
    assert page.get('picture/..%2Fmy%2F0,"ü".jpg').status_code == 404


def test_wrong_labels_are_shown_and_corrected(tmp_path, lite):
    folder = tmp_path / 'my'
    folder.mkdir()
    for path in CAPTCHAS:
        shutil.copy(path, folder)
    wrong, right = f'9999{os.path.basename(CAPTCHAS[2])[4:]}', TEXTS[2]
    os.rename(folder / os.path.basename(CAPTCHAS[2]), folder / wrong)
    texts, _ = labels.find_texts(folder, labels.Wanted())
    page = opened(folder, lite, texts)
    shown = page.state()['picture']
    assert (shown['name'], shown['label'], shown['text']) == (wrong, '9999', right)
    assert page.answer(wrong, right, before='9999')['picture'] is None
    assert stored(folder)[0] == {**{os.path.basename(path): text for path, text in zip(
        CAPTCHAS, TEXTS) if text != right}, wrong: right}
    assert opened(folder, lite, texts).state()['done'] == 1


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / 'labels.csv').write_text('a.png,1')
    with pytest.raises(label.UserError, match='expected a folder of pictures, found none'):
        label.Labelling(str(tmp_path), str(tmp_path / 'out'))


def test_the_program_ends_with_the_command_that_reads(folder):
    command = [sys.executable, os.path.join(ROOT, 'examples', 'label.py'), folder.name]
    with subprocess.Popen(command, cwd=folder.parent, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as program:
        assert program.stdout.readline().startswith('http://127.0.0.1:')
        second = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
        assert second.returncode == 2 and 'another labelling' in second.stderr
        program.send_signal(signal.SIGINT)
        out, errors = program.communicate(timeout=60)
    assert (program.returncode, errors) == (0, '')
    assert out == (f'0 labels: {folder}_labelled/labels.csv; read with: python captcha_lite.py '
                   '--model-dir models/general my.jpg\n')
    assert not os.path.exists(f'{folder}_labelled')  # nothing was answered


# --- training

@pytest.fixture
def training(captchas, tmp_path):
    """A Training with forty labels."""
    labelling = label.Labelling(str(captchas / 'images'), str(tmp_path / 'out'))
    labelling.texts = labelling.store(label.LABELS, {
        name: name[:4] for name in sorted(labelling.names)[:40]})
    return label.Training(labelling, os.path.join(ROOT, 'models', 'general'), 2)


def test_the_scripts_take_the_commands(training, run_here, monkeypatch):
    convert, train, export = training.commands()
    ended = run_here(*convert)
    assert ended.returncode == 0 and '4 test records, 36 training records' in ended.stdout
    monkeypatch.setattr(sys, 'argv', train)
    recipe, run = options.parse('')
    assert (recipe.network, recipe.steps) == ('deep_line_cnn', 2)
    assert os.path.isfile(run.train_file) and os.path.isfile(run.test_file)
    assert export == ['-m', 'support.export', run.model_dir, '--to', training.next('network')]


def test_progress_comes_from_what_the_commands_print(training, lite):
    print_lines = ('print("training 0/251 |  | ?it/s, ? left", end=""); print("Iter:0 Loss:1.0"); '
                   'print("\\rtraining 201/251 |###| 2.0it/s, 01:25 leftIter:200 Loss:0.1"); '
                   'print("Held-out after iteration 250: characters 0.9, '
                   'whole captchas 0.75 of 4")')
    training.run([['-c', print_lines], ['-c', '']], str(lite))
    assert training.shown == {'commands': [], 'at': 1, 'step': '200', 'steps': '251',
                              'left': '01:25', 'right': '0.75', 'held_out': '4'}
    assert training.labelling.network == str(lite)
    training.run([['-c', 'print("one"); raise SystemExit("x.py: why")'], ['-c', '']], 'unused')
    assert training.shown['problem'] == 'ended with status 1: x.py: why\n'
    assert training.shown['at'] == 0


def test_a_training_is_stopped_and_can_be_resumed(training, monkeypatch):
    assert not training.state()['resumable']
    model, commands = training.next('model'), training.commands()
    os.makedirs(model)
    monkeypatch.setattr(training, 'commands', lambda: [
        ['-c', f'import time; open({model + "/a.index"!r}, "w"); print(1, flush=True); '
               'time.sleep(60)'], ['-c', 'raise SystemExit("not stopped")']])
    training.start()
    while not os.path.exists(model + '/a.index'):
        time.sleep(.01)
    assert training.state()['running'] and not training.state()['resumable']
    training.stop()
    assert training.shown['problem'] == 'stopped'
    assert training.state()['resumable'] and not training.state()['running']
    monkeypatch.undo()
    assert training.commands() == commands[1:]  # with the records that it began with


def test_without_tensorflow_one_line_says_so(training, monkeypatch):
    monkeypatch.setattr(label.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(label.UserError, match='expected TensorFlow, found none'):
        training.start()
