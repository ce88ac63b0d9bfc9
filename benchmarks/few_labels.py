"""How well real captchas are read untrained, and after minutes on a few labelled ones.

Command:  python benchmarks/few_labels.py real/henan4 real/zhengfang4 ... --counts 50 100 300
          python benchmarks/few_labels.py real/* --counts 50 --choose uncertain
Reads:    folders of pictures named <text>_<number>.<ending>, and --init-from
Writes:   a table on stdout, what each training prints on stderr; all else in a temporary folder
Takes:    two cores: three minutes for each folder and count

Of each folder at most 500 pictures are held out; --counts of the others are trained on. The
training's length is fixed and its rate falls to 0, so the held-out pictures choose nothing. They
are read together; case is ignored, and nothing is said about the texts. With --choose uncertain
those are labelled that examples/label.py shows first, of all; the others are thus easier.
"""
import os
import random
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'examples')]

from support.common import console, option_types

with console.quiet_start():
    from support.captcha import models, network

import label

HELD_OUT = 500  # pictures at most


def labelled(folder):
    """[(path, text), ...] of a folder, in a random order that is always the same."""
    found = [(os.path.join(folder, name), name.rpartition('_')[0].upper())
             for name in sorted(os.listdir(folder))]
    random.Random(0).shuffle(found)
    return found


def least_certain_last(pairs, count, model_dir):
    """[(path, text), ...] with those at its end that label.py shows first, `count` of them."""
    texts, order = dict(pairs), []
    with network.open_reader(model_dir) as opened:
        readings = dict(zip(texts, opened.read_each(texts)))
    while len(order) < count:
        order.append(label.least_certain(readings, order))
    return [(path, text) for path, text in pairs if path not in order] + [
        (path, texts[path]) for path in order]


def share_read(model_dir, pairs):
    """The share of pictures of [(path, text), ...] whose whole text a network reads."""
    with network.open_reader(model_dir) as opened:
        found = opened.read([path for path, _ in pairs])
    return sum(read.upper() == text for (read, _), (_, text) in zip(found, pairs)) / len(pairs)


def trained_on(pairs, init_from, top):
    """Train on labelled pictures as examples/label.py does.

    Returns: the model's folder, the seconds.
    """
    begun = time.monotonic()
    labelling = label.Labelling(os.path.dirname(pairs[0][0]), top)
    labelling.texts = labelling.store(label.LABELS, {
        os.path.basename(path): text for path, text in pairs})
    training = label.Training(labelling, init_from)
    convert, train, _ = training.commands()
    for command in convert, train:
        subprocess.run([sys.executable, os.path.join(ROOT, command[0]), *command[1:]], check=True,
                       stdout=sys.stderr)
    return training.next('model'), time.monotonic() - begun


def main():
    parser = console.parser(__doc__)
    parser.add_argument('folders', nargs='+', metavar='FOLDER')
    parser.add_argument('--counts', nargs='*', type=option_types.positive_int, default=[100],
                        help='labelled pictures, a tenth of them only measured on (default: 100)')
    parser.add_argument('--choose', choices=['random', 'uncertain'], default='random',
                        help='which pictures are labelled (default: %(default)s)')
    parser.add_argument('--init-from', default=models.GENERAL, metavar='PLACE',
                        help='the network to begin with (default: models/general)')
    args = parser.parse_args()
    print('| | held out | untrained | ' + ' | '.join(f'{count} labelled | minutes'
                                                    for count in args.counts) + ' |')
    print('|---|---:|---:|' + '---:|---:|' * len(args.counts), flush=True)
    for folder in args.folders:
        pairs, most = labelled(folder), max(args.counts, default=0)
        held_out = pairs[:min(HELD_OUT, len(pairs) - most)]
        to_label = pairs[len(held_out):]
        if args.choose == 'uncertain':
            pairs = least_certain_last(pairs, most, args.init_from)
            held_out, to_label = pairs[:len(held_out)], pairs[-most:]
        cells = [f'{share_read(args.init_from, held_out):.1%}']
        for count in args.counts:
            with tempfile.TemporaryDirectory() as top:
                model, seconds = trained_on(to_label[:count], args.init_from, top)
                cells += [f'{share_read(model, held_out):.1%}', f'{seconds / 60:.1f}']
        print(f'| {os.path.basename(os.path.normpath(folder))} | {len(held_out)} | '
              f'{" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
    console.run(main)
