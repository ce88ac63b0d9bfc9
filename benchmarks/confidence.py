"""How many readings are right, and how far their confidence can be trusted.

Command:  python benchmarks/confidence.py FOLDER ...
Reads:    folders of captchas, each of one system, named <text>_<number>.<ext>; models/general
Writes:   tables on stdout: the share of right texts of each folder, read in three ways, and of all
          pictures by the confidence of those read together
Takes:    some ten milliseconds a picture
"""
import os
import random
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import captcha_lite
from support.captcha.reader import Reader
from support.common import console, option_types

BANDS = 1, 0.95, 0.9, 0.7, 0.5, 0.3, 0.1, 0


def right(readings, texts):
    """Which readings are right, case ignored: bool [n]."""
    return np.array([one.text.upper() == text for one, text in zip(readings, texts)])


def main():
    parser = console.parser(__doc__)
    parser.add_argument('folders', nargs='+', metavar='FOLDER')
    parser.add_argument('--model-dir', default=captcha_lite.MODEL_DIR, metavar='FOLDER',
                        help='the exported network (default: %(default)s)')
    parser.add_argument('--most', type=option_types.positive_int, default=100,
                        help='pictures of each folder, drawn at random (default: %(default)s)')
    args = parser.parse_args()
    with console.quiet_start():
        network = captcha_lite.load_network(args.model_dir)
    shares, sure, is_right = [], [], []
    print('| | pictures | alone | one by one, one system | together |\n|---|---:|---:|---:|---:|')
    for folder in args.folders:
        names = sorted(os.listdir(folder))
        random.Random(0).shuffle(names)
        names = names[:args.most]
        paths = [os.path.join(folder, name) for name in names]
        texts = [name.rpartition('_')[0].upper() for name in names]
        together = list(Reader(network).read_each(paths))
        ways = [right([next(reader.read_each([path])) for path in paths], texts)
                for reader in (Reader(network), Reader(network, one_system=True))]
        ways.append(right(together, texts))
        shares.append([way.mean() for way in ways])
        sure += [one.confidence for one in together]
        is_right += [*ways[-1]]
        print(f'| {os.path.basename(os.path.normpath(folder))} | {len(names)} | '
              + ' | '.join(f'{share:.1%}' for share in shares[-1]) + ' |')
    print(f'| mean | {len(sure)} | '
          + ' | '.join(f'{share:.1%}' for share in np.mean(shares, axis=0)) + ' |\n')
    sure, is_right = np.array(sure), np.array(is_right)
    print('| confidence | pictures | right |\n|---|---:|---:|')
    for most, least in zip(BANDS, BANDS[1:]):
        inside = (least <= sure) & ((sure < most) | (most == 1))
        if inside.any():
            print(f'| {least} to {most} | {inside.sum()} | {is_right[inside].mean():.1%} |')


if __name__ == '__main__':
    console.run(main)
