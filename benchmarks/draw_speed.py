"""How fast gen_captcha.py draws with a given number of processes.

Command:  python benchmarks/draw_speed.py FOLDER --num 3000 --workers 1
Reads:    nothing
Writes:   the pictures into FOLDER; on stdout one number, pictures per second
Takes:    ten seconds for 3,000 with one process

pipeline.py starts it. Each worker process imports the main script, which therefore must not import
TensorFlow.
"""
import contextlib
import io
import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import gen_captcha
from support.common import console


def pictures_per_second(folder, num, seed, workers):
    """Draw `num` captchas into `folder`; workers: processes, None: all cores."""
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        gen_captcha.gen_captcha(folder, num, seed=seed, workers=workers)
    return num / (time.perf_counter() - start)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('folder', metavar='FOLDER')
    parser.add_argument('--num', type=console.positive_int, default=3000,
                        help='pictures (default: %(default)s)')
    parser.add_argument('--workers', type=console.positive_int,
                        help='processes (default: one per core)')
    parser.add_argument('--seed', type=console.seed_number, default=0,
                        help='default: %(default)s')
    args = parser.parse_args()
    print(pictures_per_second(args.folder, args.num, args.seed, args.workers))


if __name__ == '__main__':
    console.run(main)
