"""The web service of examples/."""
import concurrent.futures
import http.client
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

from helpers import CAPTCHAS, ROOT, SAMPLES, TEXTS


def test_the_web_service(lite, lite_digits):
    service = subprocess.Popen([sys.executable, os.path.join(ROOT, 'examples', 'serve.py'),
                                '--captchas', lite, '--digits', lite_digits[0], '--port', '0'],
                               stdout=subprocess.PIPE, text=True)
    try:
        address = service.stdout.readline().strip()

        def post(path, body):
            try:
                with urllib.request.urlopen(address + path, body, timeout=60) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda path: post('/captcha', open(path, 'rb').read()), CAPTCHAS))
        assert [(status, read['text']) for status, read in found] == [(200, t) for t in TEXTS]
        assert post('/digits', open(SAMPLES[3], 'rb').read())[0] == 200
        status, read = post('/captcha', b'no picture')
        assert status == 400 and 'expected a picture file' in read['error']
        large = http.client.HTTPConnection(address.removeprefix('http://'), timeout=60)
        large.request('POST', '/captcha', headers={'Content-Length': '10000001'})
        assert large.getresponse().status == 413
        assert post('/other', b'x')[0] == 404
        with urllib.request.urlopen(address) as page:
            assert b'<canvas' in page.read()
    finally:
        service.terminate()
        assert service.wait(30) == 143  # SIGTERM
