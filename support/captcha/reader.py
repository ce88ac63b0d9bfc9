"""The reader of captchas and digits, whatever runs its network; it takes no TensorFlow.

captcha_test.py and captcha_lite.py open one, with TensorFlow and with LiteRT.
"""
import argparse
import collections
import contextlib
import dataclasses
import functools
import itertools
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from support.captcha import dataset, decoding, priors
from support.common import console, files, folders, option_types, pictures

BATCH_SIZE = 50  # pictures read at a time; affects only memory and speed
TOGETHER = 500  # pictures whose texts are estimated together: of one call, or the last ones
DOUBT = 0.7  # confidence of a path below which the picture is read in another preparation
ROUNDS = 2  # of reading them by what was usual the time before


@dataclasses.dataclass(frozen=True)
class Network:
    """A trained network that is ready to run."""
    path: str  # of its checkpoint or its export
    facts: dataset.Facts
    # a source of `Reader.read` -> inputs [n, ...]: one captcha, or the digits in a picture. With
    # again=True the same captcha in other preparations, for when the first reading is doubtful
    load: Callable
    softmax_of: Callable  # inputs [n, ...] -> float32 [n, outputs, classes]
    close: Callable  # of nothing
    of_columns: bool = False  # whether an output belongs to a column of the picture
    several: bool = False  # whether a picture has several inputs that each give a character


class Reading(NamedTuple):
    """The result for one picture."""
    text: str
    confidence: float  # 0 ... 1, of the whole text; 0 if there is none
    characters: tuple  # the confidence of each character, 0 ... 1
    problem: Exception | None = None  # why the picture could not be read, a UserError


class Reader(contextlib.AbstractContextManager):
    """Reads with a network. Close it, or use it in a `with` statement."""

    def __init__(self, network, *, alphabet=None, length=None, ignore_case=False,
                 one_system=False):
        """
        Args:
          network: Network; several readers may share it.
          alphabet, length: the only possible characters and lengths, as for `priors.told`.
          ignore_case: read capitals for the letters that the network knows in both cases.
          one_system: the pictures of all calls are of one system: what was read helps to read on.
        Raises: UserError if the network cannot read such texts.
        """
        self.network, self.facts = network, network.facts
        self._fold = None
        if ignore_case:
            known = network.facts.alphabet
            letters = [one.upper() if one.upper() in known else one for one in known]
            folded = ''.join(dict.fromkeys(letters))
            self.facts = dataclasses.replace(network.facts, alphabet=folded)
            self._fold = np.float32([[one == other for other in folded] for one in letters])
        self._told = priors.told(self.facts, alphabet, length)
        self._seen = collections.deque(maxlen=TOGETHER) if one_system else None

    def close(self):
        """Free the network's memory and threads."""
        self.network.close()

    def __exit__(self, *_):
        self.close()

    def classify(self, inputs):
        """Read pictures in the form of records, each on its own.

        Args: inputs: uint8 [n, 224, 224]; of digits float32 [n, 784].
        Returns: classes int32 [n, heads] and the confidence of each, float32 [n, heads].
        """
        return self._decode(self._softmax_of(inputs), self._told)

    def _softmax_of(self, inputs):
        """Inputs [n, ...] -> float32 [n, outputs, classes], where case counts if it should."""
        softmax = self.network.softmax_of(inputs)
        if self._fold is None:
            return softmax
        letters = len(self._fold)  # 'no character' may follow
        return np.concatenate([softmax[..., :letters] @ self._fold, softmax[..., letters:]], axis=2)

    def _decode(self, softmax, prior):
        """float32 [n, outputs, classes] -> classes int32 and confidence float32, [n, heads]."""
        decode = decoding.of_columns if self.network.of_columns else decoding.of_heads
        return decode(softmax, self.facts, prior)

    def read(self, sources):
        """Read pictures; many of one site improve the accuracy: see `priors.usual`.

        Args: sources: paths, the bytes of picture files or Pillow pictures, as many as you like,
          best of one system.
        Returns: [(text, confidence 0 ... 1), ...].
        Raises: UserError for a source that is not a picture.
        """
        if isinstance(sources, (str, bytes)):
            raise TypeError(f'expected a list of pictures, found one: [{sources[:40]!r}]')
        found = []
        for reading in self.read_each(sources):
            if reading.problem:
                raise reading.problem
            found.append(reading[:2])
        return found

    def read_each(self, sources):
        """Yield a Reading for each source of `read`, in order; a bad one has its `problem`."""
        seen = collections.deque(maxlen=TOGETHER) if self._seen is None else self._seen
        found = self._each_softmax(sources)
        while block := list(itertools.islice(found, TOGETHER)):
            good = iter(self._decode_together([one for one, problem in block if not problem], seen))
            for _, problem in block:
                yield Reading('', 0.0, (), problem) if problem else self._reading(*next(good))

    def _each_softmax(self, sources):
        """Yield (float32 [outputs, classes], None) for each source, or (None, its problem)."""
        loaded, sources = itertools.tee(sources)
        loads = pictures.load_all(loaded, self.network.load)
        while batch := list(itertools.islice(loads, BATCH_SIZE)):
            problems = [load.exception() for load in batch]
            good = [(load.result(), source) for load, source, problem
                    in zip(batch, sources, problems) if not problem]
            found = iter(self._most_confident(*zip(*good)) if good else [])
            yield from ((None, problem) if problem else (next(found), None)
                        for problem in problems)

    def _most_confident(self, inputs, sources):
        """float32 [outputs, classes] of each picture; of a doubtful one in its best preparation.

        Args: inputs: of `Network.load`, for each source.
        """
        if self.network.several:
            return [self._softmax_of(one)[:, 0] for one in inputs]
        found = [*self._softmax_of(np.concatenate(inputs))]

        def confidence(softmax):
            return softmax.max(axis=1).prod()
        doubtful = [place for place, one in enumerate(found) if confidence(one) < DOUBT]
        loads = pictures.load_all([sources[place] for place in doubtful],
                                  functools.partial(self.network.load, again=True))
        ways = {place: [*load.result()] for place, load in zip(doubtful, loads)
                if not load.exception()}
        while left := [place for place in ways if ways[place] and confidence(found[place]) < DOUBT]:
            softmax = self._softmax_of(np.stack([ways[place].pop(0) for place in left]))
            for place, one in zip(left, softmax):
                found[place] = max(found[place], one, key=confidence)
        return found

    def _decode_together(self, softmax, seen):
        """Classes and confidence, [heads] each, of each picture of a list.

        Args: softmax: float32 [outputs, classes] of each. seen: evidence, if any, and classes of
          pictures that were read before; these are added.
        """
        if self.network.several or not softmax:
            return [[found[0] for found in self._decode(one[None], self._told)] for one in softmax]
        before, block = list(seen), np.stack(softmax)
        block = decoding.weighted(block, self._told.characters)
        classes, confidence = self._decode(block, self._told)
        found = [None] * len(block)
        if decoding.has_sums(self.facts.alphabet):  # a network of all systems, not of one
            found = priors.evidence(self.facts, block, classes)
            known = np.stack([*(one for one, _ in before), *found])
            likely = priors.of_alphabets(self.facts, known)[len(before):]
            block = decoding.weighted(block, likely[:, None])
        for _ in range(ROUNDS):
            usual = priors.usual(self.facts, np.stack([*(one for _, one in before), *classes]))
            classes, confidence = self._decode(block, self._told.times(usual))
        seen.extend(zip(found, classes))
        return zip(classes, confidence)

    def _reading(self, classes, confidence):
        """A Reading of classes int32 [heads] and the confidence of each."""
        text = self.facts.text_of(classes)
        there = classes < len(self.facts.alphabet)  # the others mean 'no character'
        return Reading(text, float(confidence.prod()) if text else 0.0,
                       tuple(map(float, confidence[there])))


# --- the command line of captcha_test.py and captcha_lite.py
def add_options(parser):
    """Add what is known of the texts, and how to report them, to an argument parser."""
    dataset.add_options(parser)
    parser.add_argument('--ignore-case', action='store_true',
                        help='read capitals for small letters')
    parser.add_argument('--least', type=option_types.share, default=0, metavar='SHARE',
                        help='the least confidence that is enough, such as 0.7; of other pictures '
                             'no text is written')
    parser.add_argument('--csv', type=table, metavar='FILE',
                        help='write file, text and confidence of each FILE there')


def table(path):
    """argparse type: the name of a table."""
    if not path.lower().endswith('.csv'):  # a picture, by mistake
        raise argparse.ArgumentTypeError(f'expected a file name that ends in .csv, found {path}; '
                                         'name the table first, then the pictures')
    return path


def known(args):
    """What the options of `add_options` say of the texts, as keywords of `Reader`."""
    return {'alphabet': args.alphabet, 'length': args.length, 'ignore_case': args.ignore_case}


def read_files(reader, args):
    """Print `<file> <text> <confidence>` for each picture; a bad one does not stop the others.

    `-` stands for no text: nothing was found, or with too little confidence.
    Args: args: of `add_options`, and its `files`; with `csv`, a table is written instead.
    Returns: exit status, 2 if any file could not be read.
    """
    print(f'reading with {reader.network.path}', file=sys.stderr)
    if args.csv:
        files.writable_folder(os.path.dirname(args.csv) or '.')
    paths, bad = folders.file_names(args.files), 0
    columns = 'file', 'text', 'confidence', 'characters'
    with files.whole_table(args.csv, columns, len(paths)) as add:
        for path, reading in zip(paths, reader.read_each(paths)):
            text = reading.text if reading.confidence >= args.least else ''
            if reading.problem:
                console.complain(reading.problem)
                bad += 1
            elif not args.csv:
                console.say(f'{path} {text or "-"} {reading.confidence:.2f}')
            add(path, text, f'{reading.confidence:.4f}',
                ' '.join(f'{one:.2f}' for one in reading.characters))
    if args.csv:
        print(f'{args.csv}: {len(paths) - bad} of {len(paths)} pictures read')
    return 2 if bad else 0
