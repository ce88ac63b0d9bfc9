"""Read captchas and digits over HTTP: POST a picture, get JSON. An example to begin with.

Command:  pip install -r examples/requirements.txt
          python examples/serve.py    then open http://127.0.0.1:8000
          curl -F file=@one.jpg http://127.0.0.1:8000/captcha
          curl --data-binary @one.jpg 'http://127.0.0.1:8000/captcha?charset=digits&length=4'
          curl --json '{"image": "<base64>"}' 'http://127.0.0.1:8000/captcha?system=NAME'
Reads:    models/general and models/mnist, or two folders that `python -m support.export` wrote;
          examples/serve.html and style.css, the page
Writes:   nothing
Takes:    a second to start, then until Ctrl-C

It answers {"text": "0782", "confidence": 0.97, "characters": [0.99, ...]}, or {"error": "..."}
with status 400 for what is not a picture, 413 for too large a one, 503 when it took too long.
The query says what is known of the texts (charset, alphabet, length, ignore-case, as
captcha_lite.py's options do); pictures with the same `system` are read
together, which improves accuracy: docs/captcha.md.
"""
import base64
import contextlib
import functools
import json
import logging
import multiprocessing.resource_tracker
import os
import queue
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

import flask
import waitress
import werkzeug.exceptions

import captcha_lite
from support.captcha import reader
from support.common import console, option_types, signals
from support.common.console import UserError

MAX_BYTES = 10_000_000  # of a request
RECEIVED = 25_000_000  # of a request; beyond that the client is cut off and sees no answer
CONNECTIONS = 50  # at a time; requests wait on disk
MAX_SECONDS = 10  # for one picture; then its process is killed and another one started
PROCESSES = 2  # that read pictures, besides one for all systems
SYSTEMS = 1000  # that are remembered
KNOWN = 'charset', 'alphabet', 'length', 'ignore-case'  # of the query
networks = {}  # of a process that reads: {'captcha' or 'digits': reader.Network}


# --- in a process that reads
def load_networks(folders):
    with console.quiet_start():  # LiteRT logs on stderr
        networks.update({kind: captcha_lite.load_network(folder, threads=1)
                         for kind, folder in folders.items()})


def work(pipe, folders):
    """Read what comes through a pipe, until the service ends."""
    load_networks(folders)
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send('ready')
            pipe.send(read(*pipe.recv()))


@functools.lru_cache(SYSTEMS)
def reader_of(kind, options, system):
    """The reader of a system, or of pictures of any. Args: options: as captcha_lite.py takes."""
    parser = console.parser('')
    reader.add_options(parser)
    known = reader.known(parser.parse_args(options))
    return reader.Reader(networks[kind], one_system=system is not None, **known)


def read(kind, options, system, picture):
    """The bytes of a picture file -> HTTP status and what to answer."""
    try:
        [reading] = reader_of(kind, options, system).read_each([picture])
        if reading.problem:
            raise reading.problem
    except UserError as error:
        return 400, {'error': str(error)}
    return 200, {'text': reading.text, 'confidence': reading.confidence,
                 'characters': reading.characters}


# --- in the service
def start(folders):
    """Start a process that reads. Returns: it, and the pipe to it."""
    context = multiprocessing.get_context('spawn')
    pipe, its_pipe = context.Pipe()
    process = context.Process(target=work, args=[its_pipe, folders], daemon=True)
    process.start()
    its_pipe.close()  # or its end would not be noticed
    return process, pipe


def ask(workers, folders, *job):
    """Let a process `read`; one that takes too long is killed, and another one started.

    Args: workers: a queue of what `start` returned. Returns: what to answer, and HTTP status.
    """
    process, pipe = workers.get()
    try:
        pipe.recv()  # it is ready
        pipe.send(job)
        status, found = pipe.recv() if pipe.poll(MAX_SECONDS) else (
            503, {'error': f'it took more than {MAX_SECONDS} s'})
    except (EOFError, OSError):
        status, found = 503, {'error': 'its process was killed, perhaps for lack of memory'}
    if status == 503:
        process.kill()
        process, pipe = start(folders)
    workers.put((process, pipe))
    return found, status


def picture_of(request):
    """The bytes of the picture in a request: a form's file, base64 in JSON, or the body."""
    if request.mimetype == 'multipart/form-data':
        if not request.files:
            raise UserError('expected a form with a file, found none; curl -F file=@one.jpg')
        return next(iter(request.files.values())).read()
    body = request.get_data()
    if not body.startswith(b'{'):
        return body
    try:
        [text] = json.loads(body).values()
        return base64.b64decode(text.rpartition(',')[2])  # of a data: URL
    except (ValueError, AttributeError) as error:
        raise UserError(f'expected {{"image": "<a picture in base64>"}}, found {error}') from error


def build_app(folders):
    """The web application. Args: folders: {'captcha' or 'digits': folder of an export}."""
    app = flask.Flask(__name__, static_folder=None)
    app.config['MAX_CONTENT_LENGTH'] = MAX_BYTES
    any_system, one_system = queue.Queue(), queue.Queue()
    for workers in *[any_system] * PROCESSES, one_system:
        workers.put(start(folders))

    @app.get('/')
    def page():
        return flask.send_from_directory(HERE, 'serve.html')

    @app.get('/style.css')
    def style():
        return flask.send_from_directory(HERE, 'style.css')

    @app.post('/<any(captcha, digits):kind>')
    def answer(kind):
        query = flask.request.args.to_dict()
        system = query.pop('system', None)
        if unknown := set(query) - set(KNOWN):
            raise UserError(f'expected {", ".join(KNOWN)} or system in the query, found '
                            f'{min(unknown)}')
        options = tuple(f'--{name}={value}' if value else f'--{name}'
                        for name, value in query.items())
        return ask(any_system if system is None else one_system, folders,
                   kind, options, system, picture_of(flask.request))

    @app.errorhandler(UserError)
    def bad_request(error):
        return {'error': str(error)}, 400

    @app.errorhandler(werkzeug.exceptions.HTTPException)
    def refuse(error):
        return {'error': error.description}, error.code
    return app


def serve(folders, port):
    """Serve until Ctrl-C. Args: as for `build_app`."""
    load_networks(folders)  # refuses any other folder before anything starts
    logging.getLogger('waitress').setLevel(logging.ERROR)  # not each request that waits
    if os.name != 'nt':  # Ctrl-C is for this thread, not for others and the processes they start
        multiprocessing.resource_tracker.ensure_running()  # its start would unblock signals
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        server = waitress.create_server(
            build_app(folders), host='127.0.0.1', port=port, threads=2 * PROCESSES,
            connection_limit=CONNECTIONS, max_request_body_size=RECEIVED,
            max_request_header_size=4_000)  # Python reads no number of more digits
    except OSError as error:
        raise UserError(f'--port {port}: expected a free port, found {error.strerror}; name '
                        'another one') from error
    print(f'http://127.0.0.1:{server.effective_port}', flush=True)
    with signals.hearing():
        server.run()


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--captchas', metavar='FOLDER', help='an exported network of captchas',
                        default=os.path.join(ROOT, 'models', 'general'))
    parser.add_argument('--digits', metavar='FOLDER', help='one of digits',
                        default=os.path.join(ROOT, 'models', 'mnist'))
    parser.add_argument('--port', type=option_types.port, default=8000,
                        help='(default: %(default)s)')
    args = parser.parse_args()
    serve({'captcha': args.captchas, 'digits': args.digits}, args.port)


if __name__ == '__main__':
    console.run(main)
