"""How well real captchas are read untrained, and after minutes on a few labelled ones.

Command:  python benchmarks/few_labels.py real/henan4 real/zhengfang4 ... --counts 50 100 300
Reads:    folders of pictures named <text>_<number>.<ending>, and --init-from
Writes:   a table on stdout, what each training prints on stderr; all else in a temporary folder
Takes:    two cores: three minutes for each folder and count

Of each folder at most 500 pictures are held out; --counts of the others are trained on. The
training's length is fixed and its rate falls to 0, so the held-out pictures choose nothing. They
are read together; case is ignored, and nothing is said about the texts.
"""
import csv
import os
import random
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console  # noqa: E402  (after the path to it)

with console.quiet_start():
    from support.captcha import models, reader  # noqa: E402

HELD_OUT = 500  # pictures at most


def labelled(folder):
    """[(path, text), ...] of a folder, in a random order that is always the same."""
    found = [(os.path.join(folder, name), name.rpartition('_')[0].upper())
             for name in sorted(os.listdir(folder))]
    random.Random(0).shuffle(found)
    return found


def share_read(model_dir, pairs):
    """The share of pictures of [(path, text), ...] whose whole text a network reads."""
    with reader.open_reader(model_dir) as opened:
        found = opened.read([path for path, _ in pairs])
    return sum(read.upper() == text for (read, _), (_, text) in zip(found, pairs)) / len(pairs)


def trained_on(pairs, init_from, top):
    """Train on labelled pictures as a user does. Returns: the model's folder, the seconds."""
    with open(os.path.join(top, 'labels.csv'), 'w', encoding='utf-8', newline='') as file:
        csv.writer(file).writerows(pairs)
    folder = os.path.dirname(pairs[0][0])
    lengths = [len(text) for _, text in pairs]
    begun = time.monotonic()
    for command in (
            ['to_tfrecord.py', '--images', folder, '--labels', os.path.join(top, 'labels.csv'),
             '--out', top, '--num-test', str(len(pairs) // 10), '--pictures', 'line', '--split',
             'picture', '--length', f'{min(lengths)}-{max(lengths)}', '--skip-bad', '--overwrite'],
            ['captcha_train.py', '--init-from', init_from, '--train',
             os.path.join(top, 'train.tfrecords'), '--model-dir', os.path.join(top, 'model'),
             '--restart']):
        subprocess.run([sys.executable, os.path.join(ROOT, command[0]), *command[1:]], check=True,
                       stdout=sys.stderr)
    return os.path.join(top, 'model'), time.monotonic() - begun


def main():
    parser = console.parser(__doc__)
    parser.add_argument('folders', nargs='+', metavar='FOLDER')
    parser.add_argument('--counts', nargs='*', type=console.positive_int, default=[100],
                        help='labelled pictures, a tenth of them only measured on (default: 100)')
    parser.add_argument('--init-from', default=models.GENERAL, metavar='PLACE',
                        help='the network to begin with (default: models/general)')
    args = parser.parse_args()
    print('| | held out | untrained | ' + ' | '.join(f'{count} labelled | minutes'
                                                    for count in args.counts) + ' |')
    print('|---|---:|---:|' + '---:|---:|' * len(args.counts), flush=True)
    for folder in args.folders:
        pairs = labelled(folder)
        held_out = pairs[:min(HELD_OUT, len(pairs) - max(args.counts, default=0))]
        cells = [f'{share_read(args.init_from, held_out):.1%}']
        for count in args.counts:
            with tempfile.TemporaryDirectory() as top:
                model, seconds = trained_on(pairs[len(held_out):][:count], args.init_from, top)
                cells += [f'{share_read(model, held_out):.1%}', f'{seconds / 60:.1f}']
        print(f'| {os.path.basename(os.path.normpath(folder))} | {len(held_out)} | '
              f'{" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
    console.run(main)
