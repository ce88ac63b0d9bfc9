"""Train the small network that detects non-digits: support/digits/no_digit.npz.

Command:  python benchmarks/no_digits.py
Reads:    data/ (MNIST's training and validation digits), the fonts of the machine
Writes:   support/digits/no_digit.npz, and prints the curve that its threshold is from
Takes:    three minutes; needs scikit-learn

784-100-1, trained to tell digits (MNIST's, some redrawn with other pens, 1s with a long upstroke,
and those of fonts) from letters and symbols in fonts and drawn with a pen, shapes, faces, textures
(digits_on_forms.py) and pairs of MNIST's digits that touch, all prepared as mnist_app.py does.
Every second font is held out of training for digits_on_forms.py --half second.
"""
import os
import string
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.neural_network import MLPClassifier

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import digits_on_forms
import ink_on_paper
from support.captcha.fonts import lacking_characters
from support.common import console
from support.digits import input_data, no_digit, photographs

# --- number drawn of each kind
DIGITS, FONT_DIGITS, DRAWN_DIGITS, UPSTROKES = 30000, 1500, 300, 300  # the first are MNIST's
SIGNS, DRAWN_SIGNS, SHAPES, TEXTURES, FACES, PAIRS = 2000, 3000, 800, 400, 150, 1500
PIECES = 5         # at most, per picture: a texture has many
HIDDEN = 100


def slanted(picture, rng):
    """Rotated and slanted, as handwriting is."""
    turn, slant = np.radians(rng.normal(0, 7)), rng.normal(0, .15)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [
        [1, slant], [0, 1]]
    middle = np.array(picture.size) / 2
    offset = middle - matrix @ middle
    return picture.transform(picture.size, Image.Transform.AFFINE, (
        *matrix[0], offset[0], *matrix[1], offset[1]), Image.Resampling.BILINEAR, fillcolor=255)


def font_digits(part, count, rng):
    fonts = digits_on_forms.font_paths(part)
    found = []
    while len(found) < count:
        try:
            font = ImageFont.truetype(str(rng.choice(fonts)), 140)
        except OSError:
            continue
        digit = rng.choice(list(string.digits))
        if lacking_characters(font, digit):
            continue
        picture = Image.new('L', (240, 240), 255)
        ImageDraw.Draw(picture).text((120, 120), digit, 0, font, anchor='mm')
        found.append(picture)
    return found


def hand_drawn(count, rng):
    """Letters and symbols drawn with a pen, each of other proportions."""
    found = []
    for _ in range(count):
        strokes = digits_on_forms.HAND[rng.choice(list(digits_on_forms.HAND))]
        wide, tall = rng.uniform([.5, .7], 1)
        strokes = [[(.5 + wide * (x - .5) + rng.normal(0, .02),
                     .5 + tall * (y - .5) + rng.normal(0, .02)) for x, y in stroke]
                   for stroke in strokes]
        found.append(black_on_white(digits_on_forms.drawn(strokes, rng, pen=rng.uniform(5, 16))))
    return found


def black_on_white(cover):
    return Image.fromarray(np.uint8(255 * (1. - cover)))


def pairs(images, count, rng):
    """Two digits in one, side by side or one above the other, prepared: float32 [count, 784]."""
    found = []
    for one, other in rng.choice(images.reshape(-1, 28, 28), [count, 2]):
        axis = int(rng.integers(2))
        marks = [np.compress(digit.any(1 - axis), digit, axis) for digit in (one, other)]
        gap = np.zeros([28, rng.integers(3)] if axis else [rng.integers(3), 28], np.float32)
        mark = np.concatenate([marks[0], gap, marks[1]], axis)
        found.append(photographs.as_mnist(2 * mark, mark > .5))
    return np.concatenate(found)


def main():
    console.parser(__doc__).parse_args()
    rng = np.random.default_rng(0)
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'))

    def seen(pictures):
        for picture in pictures:
            picture.thumbnail((70, 70))  # saves two thirds of the time
        return np.concatenate([photographs.pre_digits(slanted(picture, rng))[:PIECES]
                               for picture in pictures])
    drawn = [black_on_white(ink_on_paper.stroke(
        digit.reshape(28, 28), rng.uniform(.5, 1.6), rng.uniform(-15, 15)))
        for digit in mnist.train.images[DIGITS:DIGITS + DRAWN_DIGITS]]
    upstrokes = [black_on_white(digits_on_forms.upstroke(None, rng)[0]) for _ in range(UPSTROKES)]
    good = np.concatenate([mnist.train.images[:DIGITS], seen(drawn), seen(upstrokes),
                           seen(font_digits(0, FONT_DIGITS, rng))])
    bad = np.concatenate([seen(made) for made in (
        digits_on_forms.signs(0, SIGNS, rng), hand_drawn(DRAWN_SIGNS, rng),
        digits_on_forms.shapes(SHAPES, rng), digits_on_forms.textures(TEXTURES, rng),
        digits_on_forms.faces(FACES, rng))] + [pairs(mnist.train.images, PAIRS, rng)])
    images = np.concatenate([good, bad])
    network = MLPClassifier([HIDDEN], alpha=1e-3, batch_size=200, max_iter=15, random_state=0)
    network.fit(images, np.r_[np.zeros(len(good)), np.ones(len(bad))])
    weights = [values.astype(np.float16) for pair in zip(network.coefs_, network.intercepts_)
               for values in pair]
    np.savez_compressed(no_digit.FILE, **dict(zip(('w1', 'b1', 'w2', 'b2'), weights)))
    other = {'MNIST, validation': mnist.validation.images,
             'digits, unseen fonts': seen(font_digits(1, 200, rng)),
             'letters, unseen fonts': seen(digits_on_forms.signs(1, 300, rng)),
             'letters, drawn': seen(digits_on_forms.by_hand(200, rng)),
             'pairs of digits': pairs(mnist.validation.images, 200, rng),
             'shapes': seen(digits_on_forms.shapes(100, rng)),
             'faces': seen(digits_on_forms.faces(100, rng)),
             'textures': seen(digits_on_forms.textures(100, rng))}
    limits = -2, -1, -.5, no_digit.LIMIT, 1, 2
    console.say(f'{"threshold":24}' + ''.join(f'{limit:8}' for limit in limits))
    for name, rows in other.items():
        shares = [np.mean(no_digit.score(rows) > limit) for limit in limits]
        console.say(f'{name:24}' + ''.join(f'{share:8.1%}' for share in shares))


if __name__ == '__main__':
    console.run(main)
