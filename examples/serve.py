"""Read captchas and digits over HTTP: POST a picture, get JSON. An example to begin with.

Command:  python examples/serve.py    then open http://127.0.0.1:8000
          curl --data-binary @one.jpg http://127.0.0.1:8000/captcha
Reads:    models/general and models/mnist, or two folders that `python -m support.export` wrote;
          examples/serve.html and style.css, the page
Writes:   nothing
Takes:    a second to start, then until Ctrl-C

It answers {"text": "0782", "confidence": 0.97, "characters": [0.99, ...]}, or {"error": "..."}
with status 400 for what is not a picture, 413 for too large a one, 503 when it took too long.
"""
import argparse
import concurrent.futures
import http.server
import json
import multiprocessing
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

import captcha_lite

MAX_BYTES = 10_000_000  # of a picture
MAX_SECONDS = 20  # from a request to its answer
PROCESSES = 2  # that read pictures
NOT_HERE = {'error': 'open the address that the program has printed'}
readers = {}  # of such a process: {path of the URL: reader.Reader}


def open_readers(folders):
    readers.update({path: captcha_lite.open_reader(folder, threads=1)
                    for path, folder in folders.items()})


def read(path, picture):
    """A picture's bytes -> HTTP status and what to answer."""
    *found, problem = next(readers[path].read_each([picture]))
    if problem:
        return 400, {'error': str(problem)}
    return 200, dict(zip(['text', 'confidence', 'characters'], found))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection, in a thread of its own; `server` has folders and pool as well."""
    protocol_version = 'HTTP/1.1'  # many requests by one connection
    timeout = 10  # seconds without a byte
    wbufsize = -1  # an answer is sent whole
    pages = {'/': 'serve.html', '/style.css': 'style.css'}

    def do_GET(self):
        self.send_page(self.path)

    def send_page(self, path):
        if path not in self.pages:
            return self.answer(404, NOT_HERE)
        with open(os.path.join(HERE, self.pages[path]), 'rb') as page:
            self.send(200, f'text/{self.pages[path].rpartition(".")[2]}; charset=utf-8',
                      page.read())

    def do_POST(self):
        size = self.headers.get('Content-Length', '')
        if self.path not in self.server.folders or not size.isdecimal() or int(size) > MAX_BYTES:
            self.close_connection = True  # the picture is not read
            return self.answer(413 if self.path in self.server.folders else 404, {
                'error': f'POST at most {MAX_BYTES} bytes to {" or ".join(self.server.folders)}'})
        try:
            found = self.server.pool.submit(read, self.path, self.rfile.read(int(size)))
            self.answer(*found.result(MAX_SECONDS))
        except concurrent.futures.TimeoutError:
            found.cancel()
            self.answer(503, {'error': f'it took more than {MAX_SECONDS} s'})
        except concurrent.futures.process.BrokenProcessPool:  # out of memory, say
            self.answer(503, {'error': 'a process was killed; the service ends'})
            self.server.shutdown()

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


def serve(folders, port):
    """Serve until Ctrl-C. Args: folders: {path of the URL: folder of an exported network}."""
    for folder in folders.values():
        captcha_lite.open_reader(folder)  # refuses any other folder before anything starts
    with (concurrent.futures.ProcessPoolExecutor(
            PROCESSES, multiprocessing.get_context('spawn'), open_readers, [folders]) as pool,
          http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler) as server):
        server.folders, server.pool = folders, pool
        print(f'http://127.0.0.1:{server.server_port}', flush=True)
        server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--captchas', metavar='FOLDER', help='an exported network of captchas',
                        default=os.path.join(ROOT, 'models', 'general'))
    parser.add_argument('--digits', metavar='FOLDER', help='one of digits',
                        default=os.path.join(ROOT, 'models', 'mnist'))
    parser.add_argument('--port', type=int, default=8000, help='(default: %(default)s)')
    args = parser.parse_args()
    serve({'/captcha': args.captchas, '/digits': args.digits}, args.port)


if __name__ == '__main__':
    captcha_lite.console.run(main)
