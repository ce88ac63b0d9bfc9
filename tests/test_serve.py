"""The web service of examples/."""
import base64
import concurrent.futures
import http.client
import json
import os
import queue
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from helpers import CAPTCHAS, ROOT, SAMPLES, TEXTS, many_scans
from support.captcha import dataset, reader
from test_reader import columns_of

sys.path.insert(0, os.path.join(ROOT, 'examples'))
import serve

FORM = {'Content-Type': 'multipart/form-data; boundary=XX'}


@pytest.fixture(scope='module')
def address(lite, lite_digits):
    """The address of a service, which is stopped afterwards."""
    command = [sys.executable, os.path.join(ROOT, 'examples', 'serve.py'),
               '--captchas', lite, '--digits', lite_digits[0], '--port']
    service = subprocess.Popen([*command, '0'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    address = service.stdout.readline().strip()
    yield address
    port = address.rpartition(':')[2]
    second = subprocess.run([*command, port], capture_output=True, text=True, check=False)
    assert (second.returncode, second.stdout) == (2, '')
    assert second.stderr.startswith(f'serve.py: --port {port}: expected a free port, found ')
    service.terminate()
    assert service.communicate(timeout=60) == ('', '') and service.returncode == 0


def post(url, body, headers=None):
    """The status and the JSON of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}),
                                    timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def content(path):
    with open(path, 'rb') as file:
        return file.read()


def form(name, value):
    return (f'--XX\r\nContent-Disposition: form-data; {name}\r\n\r\n'.encode() + value
            + b'\r\n--XX--\r\n')


def test_pictures_are_read_at_the_same_time(address):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda path: post(f'{address}/captcha', content(path)), CAPTCHAS))
    assert [(status, read['text']) for status, read in found] == [(200, t) for t in TEXTS]
    assert all(len(read['characters']) == 4 and 0 < read['confidence'] <= 1 for _, read in found)
    assert post(f'{address}/digits', content(SAMPLES[3]))[0] == 200
    with urllib.request.urlopen(address) as page:
        assert b'<canvas' in page.read()


def test_a_form_and_base64_are_read_as_the_picture_itself(address):
    picture = content(CAPTCHAS[0])
    coded = base64.b64encode(picture).decode()
    for body, headers in ((form('name="file"; filename="a.jpg"', picture), FORM),
                          (json.dumps({'image': coded}).encode(), {}),
                          (json.dumps({'any': f'data:image/jpeg;base64,{coded}'}).encode(),
                           {'Content-Type': 'application/json'})):
        status, found = post(f'{address}/captcha', body, headers)
        assert (status, found['text']) == (200, TEXTS[0])


def test_the_query_says_what_is_known(address):
    picture = content(CAPTCHAS[0])
    for query in 'charset=digits&length=4', 'system=mine&ignore-case', 'system=mine&length=4':
        status, found = post(f'{address}/captcha?{query}', picture)
        assert (status, found['text']) == (200, TEXTS[0])
    assert set(post(f'{address}/captcha?alphabet=01', picture)[1]['text']) <= {'0', '1'}
    for query, words in (('length=x', "found 'x'"), ('help', 'found help'),
                         ('csv=a.csv', 'found csv'), ('charset=runes', "'runes'")):
        status, found = post(f'{address}/captcha?{query}', picture)
        assert status == 400 and words in found['error']


def test_what_cannot_be_read_is_said(address):
    for body, headers, words in ((b'no picture', {}, 'expected a picture file'),
                                 (b'', {}, 'an empty file'),
                                 (b'{"image": 3}', {}, 'expected {"image": '),
                                 (b'{"image": "a", "b": "a"}', {}, 'too many values'),
                                 (form('name="a"', b'b'), FORM, 'expected a form with a file')):
        status, found = post(f'{address}/captcha', body, headers)
        assert status == 400 and words in found['error']
    assert post(f'{address}/other', b'x')[0] == 404
    assert post(f'{address}/captcha', bytes(20_000_000))[0] == 413
    host = address.removeprefix('http://')
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request('POST', '/captcha', headers={'Content-Length': 5000 * '9'})
    assert connection.getresponse().status == 431
    with socket.create_connection(host.split(':')) as leaving:
        leaving.sendall(b'POST /captcha HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc')
    assert post(f'{address}/captcha', content(CAPTCHAS[0]))[0] == 200


def test_a_process_that_takes_too_long_is_ended(lite, monkeypatch):
    folders, workers = {'captcha': str(lite)}, queue.Queue()
    process, pipe = serve.start(folders)
    workers.put((process, pipe))
    monkeypatch.setattr(serve, 'MAX_SECONDS', 0.5)
    found, status = serve.ask(workers, folders, 'captcha', (), None, many_scans(3000))
    assert (found, status) == ({'error': 'it took more than 0.5 s'}, 503)
    process.join(60)
    assert process.exitcode is not None

    monkeypatch.setattr(serve, 'MAX_SECONDS', 60)
    picture = content(CAPTCHAS[0])
    found, status = serve.ask(workers, folders, 'captcha', (), None, picture)
    assert (found['text'], status) == (TEXTS[0], 200)

    [(process, pipe)] = workers.queue
    process.kill()  # for lack of memory, say
    assert serve.ask(workers, folders, 'captcha', (), None, picture)[1] == 503
    assert serve.ask(workers, folders, 'captcha', (), None, picture)[1] == 200
    workers.get()[0].kill()


def test_pictures_of_one_system_help_one_another(monkeypatch):
    facts = dataset.Facts('0123456789O', 1, 8)
    texts = [*('0123', '4567', '8906') * 20, 'OO00']
    softmax = iter([columns_of(text, facts.alphabet, '0' if 'O' in text else None)[0]
                    for system in range(2) for text in texts])
    monkeypatch.setitem(serve.networks, 'captcha', reader.Network(
        'fake', facts, lambda source: [[0]], lambda inputs: next(softmax)[None], None, True))
    for system, last in (None, 'OO00'), ('mine', '0000'):
        found = [serve.read('captcha', (), system, b'') for _ in texts]
        assert found[-1][0] == 200 and found[-1][1]['text'] == last
