"""Read captchas or digits with an exported network: without TensorFlow, started in half a second.

Command:  python captcha_lite.py one.jpg other.png    each file's text and confidence; many of one
                                                      system together are read better
          python captcha_lite.py my/pictures --csv read.csv    a whole folder, as a table
          python captcha_lite.py --charset digits --length 4 my.jpg    what you know about the text
Reads:    the picture files, and network.tflite and network.json as `python -m support.export`
          writes them: beside this file, or in models/general, or in --model-dir
Writes:   nothing; with --csv a table of file, text, confidence and each character's confidence
Takes:    half a second to start, then a few milliseconds a captcha
Needs:    requirements-lite.txt, and the modules of support/ that an export includes

From a program: `open_reader`, docs/deploy.md
"""
import json
import os
import threading

import numpy as np

from support.captcha import dataset, loading, reader
from support.common import console
from support.common.console import UserError

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL_DIR = os.path.join(HERE, 'models', 'general')
if os.path.isfile(os.path.join(HERE, dataset.EXPORTED_FACTS)):  # this file is in an export
    MODEL_DIR = HERE


def open_reader(model_dir=MODEL_DIR, threads=None, **known):
    """Load an exported network.

    Args: threads: for each picture; None: as many as there are processors. known: keywords of
      reader.Reader: alphabet, length, ignore_case, one_system.
    Returns: reader.Reader; threads may share it.
    Raises: UserError if the folder holds none.
    """
    return reader.Reader(load_network(model_dir, threads), **known)


def load_network(model_dir=MODEL_DIR, threads=None):
    """The reader.Network of an export. Args, raises: as for `open_reader`."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UserError(f'expected the packages of requirements-lite.txt, found: {error}; install '
                        'them with: pip install -r requirements-lite.txt') from error
    path = os.path.join(model_dir, dataset.EXPORTED_FACTS)
    try:
        with open(path, encoding='utf-8') as file:
            found = json.load(file)
        facts = dataset.from_json(found)
        load, columns = LOADERS[found['reads']](facts.pictures), found['gives'] == 'columns'
        path = os.path.join(model_dir, dataset.EXPORTED)
        with open(path, 'rb') as file:
            interpreter = Interpreter(model_content=file.read(),
                                      num_threads=threads or os.cpu_count())
        interpreter.allocate_tensors()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'{path}: expected an exported network, found {type(error).__name__}: '
                        f'{error}; make it with: python -m support.export FOLDER --to OUT'
                        ) from error
    [pixels], [softmax] = interpreter.get_input_details(), interpreter.get_output_details()
    lock = threading.Lock()

    def softmax_of(inputs):
        found = np.empty([len(inputs), *softmax['shape'][1:]], np.float32)
        for number, one in enumerate(inputs):
            with lock:
                interpreter.set_tensor(pixels['index'], one[np.newaxis])
                interpreter.invoke()
                found[number] = interpreter.get_tensor(softmax['index'])[0]
        return found
    return reader.Network(model_dir, facts, load, softmax_of, lambda: None, columns,
                          found['reads'] == 'digits')


def digit_loader(_kind):
    """A function of a source that returns its digits: float32 [n, 784], 0 ... 1."""
    from support.digits import photographs  # takes SciPy, which captchas do without
    return photographs.pre_digits


LOADERS = {'captchas': loading.captcha_loader, 'digits': digit_loader}  # by what a network reads


def main():
    parser = console.parser(__doc__)
    parser.add_argument('files', nargs='+', metavar='FILE', help='pictures or folders to read')
    parser.add_argument('--model-dir', default=MODEL_DIR, metavar='FOLDER',
                        help='folder of the exported network (default: %(default)s)')
    reader.add_options(parser)
    args = parser.parse_args()
    with console.quiet_start():  # LiteRT logs on stderr
        opened = open_reader(args.model_dir, **reader.known(args))
    return reader.read_files(opened, args)


if __name__ == '__main__':
    console.run(main)
