"""Print texts for the generators of this folder, one a line, as `gen_captcha.py --varied` has them.

Command:  python benchmarks/generators/texts.py --num 9000 --seed 1 > texts.txt
          python benchmarks/generators/texts.py --num 4000 --alphabet 0123456789 > digits.txt

The shares of digits, letters and sums and the lengths are those of support/captcha/random_texts.py.
"""
import argparse
import os
import random
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from support.captcha import chances, random_texts


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--num', type=int, default=9000, help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument('--alphabet', nargs='+', metavar='CHARACTERS',
                        help='instead of the mixture: draw each text from one of these')
    args = parser.parse_args()
    random.seed(args.seed)
    for _ in range(args.num):
        if args.alphabet:
            length = chances.chosen(random_texts.LENGTHS)
            print(''.join(random.choices(random.choice(args.alphabet), k=length)))
        else:
            print(random_texts.random_text())


if __name__ == '__main__':
    main()
