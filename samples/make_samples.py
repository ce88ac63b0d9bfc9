"""Write the ten sample pictures: black digits on white, one jpg a digit.

Command:  python samples/make_samples.py
Reads:    data/ (MNIST's test pictures)
Writes:   samples/0.jpg ... samples/9.jpg, 280x280
Takes:    a second

Of each digit it takes the *first* test picture, whether or not the network reads it correctly.
"""
import os
import sys

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from support.common import console
from support.digits import input_data

SIDE = 280     # pixels, ten times MNIST's 28
QUALITY = 95   # of the jpg, 1 ... 95


def make_samples(data_folder, folder):
    """Write the first test picture of each digit in `data_folder` to `folder`/<digit>.jpg."""
    test = input_data.read_data_sets(data_folder).test
    for digit in range(input_data.CLASSES):
        first = int(np.argmax(test.labels == digit))
        ink = np.rint(test.images[first].reshape(28, 28) * 255).astype(np.uint8)  # 0 ... 255
        picture = Image.fromarray(255 - ink).resize((SIDE, SIDE), Image.BICUBIC)  # black on white
        picture.save(os.path.join(folder, f'{digit}.jpg'), quality=QUALITY)


def main():
    console.parser(__doc__).parse_args()
    make_samples(os.path.join(os.path.dirname(HERE), 'data'), HERE)


if __name__ == '__main__':
    console.run(main)
