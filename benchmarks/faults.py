"""Fault injection: kills, damaged files, failing disks, and the memory of long runs.

Command:  python benchmarks/faults.py kills --number 200    stops every script that writes
          python benchmarks/faults.py stops --number 300    stops the trainings, 300 times each
          python benchmarks/faults.py inputs --number 1000  damaged copies of every kind of file
          python benchmarks/faults.py places                full disk, read-only folder, ...
          python benchmarks/faults.py length --number 100000  memory over 100,000 pictures
Reads:    data/ (MNIST)
Writes:   one table on stdout, each failure on stderr; all else in a temporary folder
Takes:    on two idle cores: a minute per four or five kills or stops, inputs two minutes, places
          five, length an hour

Exit status 1 if anything failed. All but `inputs` need Linux or macOS; the full and the read-only
disk are mounted, which needs root on Linux.
"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console

with console.quiet_start():
    import damaged_files
    import kills
    import length
    import places

PARTS = {'kills': (kills.kills, 60), 'stops': (kills.stops, 60),
         'inputs': (damaged_files.inputs, 200), 'places': (places.places, 1),
         'length': (length.length, 100_000)}  # {part: (rows of its table, default of --number)}


def main():
    parser = console.parser(__doc__)
    parser.add_argument('part', choices=PARTS)
    parser.add_argument('--number', type=console.positive_int,
                        help='stops, damaged files or pictures; steps: a fifth of it')
    parser.add_argument('--seed', type=console.seed_number, default=0,
                        help='default: %(default)s')
    parser.add_argument('--only', default='', metavar='WORD',
                        help='scripts, files or places with this word in their name')
    args = parser.parse_args()
    part, number = PARTS[args.part]
    rows = part(args.number or number, args.seed, args.only)
    head, failed = next(rows), 0
    print('| ' + ' | '.join(head) + ' |\n|---|' + '---:|' * (len(head) - 1))
    for row in rows:
        print('| ' + ' | '.join(map(str, row)) + ' |', flush=True)
        failed += row[-1]
    return 1 if failed else 0


if __name__ == '__main__':
    console.run(main)
