"""Read captchas or digits with an exported network: without TensorFlow, started in half a second.

Command:  python captcha_lite.py one.jpg other.png    each file's text and confidence
Reads:    the picture files, and network.tflite and network.json as `python -m support.export`
          writes them: beside this file, or in models/general, or in --model-dir
Writes:   nothing
Takes:    half a second to start, then a few milliseconds a captcha
Needs:    requirements-lite.txt, and those modules of support/ that an export brings along

From a program:

    from captcha_lite import open_reader
    reader = open_reader('my/network')
    for text, confidence in reader.read(['one.jpg', png_bytes, pillow_picture]):
        print(text, confidence)
"""
import json
import os
import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from support.captcha import dataset
from support.common import console, pictures
from support.common.console import UserError

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL_DIR = os.path.join(HERE, 'models', 'general')
if os.path.isfile(os.path.join(HERE, dataset.EXPORTED_FACTS)):  # this file is in an export
    MODEL_DIR = HERE


class Reading(NamedTuple):
    """The result for one picture."""
    text: str
    confidence: float  # 0 ... 1, of the whole text
    characters: tuple  # the confidence of each character, 0 ... 1


class Reader:
    """An exported network; threads may share it."""

    def __init__(self, network, facts, prepare, threads):
        """
        Args:
          network: the bytes of a .tflite file, whose network takes `pixels` [1, ...] and gives
            `classes` int32 [1, heads] and the `confidence` of each, float32 [1, heads].
          facts: dataset.Facts.
          prepare: a function of a source of `read` that returns a list of `pixels`.
        """
        self.facts, self._prepare, self._lock = facts, prepare, threading.Lock()
        self._network = Interpreter(model_content=network, num_threads=threads)
        self._network.allocate_tensors()
        self._index = {tensor['name']: tensor['index'] for tensor in [
            *self._network.get_input_details(), *self._network.get_output_details()]}

    def classify(self, pixels):
        """Pixels as `prepare` gives them -> classes int32 [heads], confidence float32 [heads]."""
        with self._lock:
            self._network.set_tensor(self._index['pixels'], pixels[np.newaxis])
            self._network.invoke()
            return [self._network.get_tensor(self._index[name])[0]
                    for name in ('classes', 'confidence')]

    def read_one(self, source):
        """Read a picture: a path, a file's bytes or a Pillow picture. Returns: Reading.

        Raises: UserError for a source that is not a picture.
        """
        found = [self.classify(pixels) for pixels in self._prepare(source)]
        classes, confidence = np.concatenate(found or [np.zeros([2, 0], int)], axis=1)
        return Reading(self.facts.text_of(classes.astype(int)), float(confidence.prod()),
                       tuple(map(float, confidence[classes < len(self.facts.alphabet)])))

    def read(self, sources):
        """Read pictures, as captcha_test.py's Reader does.

        Args: sources: any number of paths, bytes of picture files or Pillow pictures.
        Returns: [(text, confidence 0 ... 1), ...].
        Raises: UserError for a source that is not a picture.
        """
        if isinstance(sources, (str, bytes)):
            raise TypeError(f'expected a list of pictures, found one: [{sources[:40]!r}]')
        return [self.read_one(source)[:2] for source in sources]


def open_reader(model_dir=MODEL_DIR, threads=None):
    """Load an exported network.

    Args: threads: for each picture; None: as many as there are processors.
    Returns: Reader.
    Raises: UserError if the folder holds none.
    """
    path = os.path.join(model_dir, dataset.EXPORTED_FACTS)
    try:
        with open(path, encoding='utf-8') as file:
            found = json.load(file)
        facts, prepare = dataset.from_json(found), PREPARE[found['reads']]
        path = os.path.join(model_dir, dataset.EXPORTED)
        with open(path, 'rb') as file:
            return Reader(file.read(), facts, prepare(facts), threads or os.cpu_count())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'{path}: expected an exported network, found {type(error).__name__}: '
                        f'{error}; make it with: python -m support.export FOLDER --to OUT'
                        ) from error


def captcha_pixels(facts):
    """How a captcha is prepared: a function of a source -> [uint8 [224, 224]]."""
    return lambda source: [pictures.load_captcha(source, facts.pictures)]


def digit_pixels(_facts):
    """How a picture of digits is prepared: a function of a source -> float32 [n, 784], 0 ... 1."""
    from support.digits import photographs  # takes SciPy, which captchas do without
    return photographs.pre_digits


PREPARE: dict[str, Callable] = {'captchas': captcha_pixels, 'digits': digit_pixels}


def main():
    parser = console.parser(__doc__)
    parser.add_argument('files', nargs='+', metavar='FILE', help='pictures or folders to read')
    parser.add_argument('--model-dir', default=MODEL_DIR, metavar='FOLDER',
                        help='folder of the exported network (default: %(default)s)')
    args = parser.parse_args()
    with console.quiet_start():  # LiteRT logs on stderr
        reader = open_reader(args.model_dir)
    status = 0
    for path in console.file_names(args.files):
        try:
            text, confidence, _ = reader.read_one(path)
            console.say(f'{path} {text} {confidence:.2f}')
        except UserError as error:
            status = console.complain(error)
    return status


if __name__ == '__main__':
    console.run(main)
