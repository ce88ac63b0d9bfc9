"""Augment the training digits, so that the network sees more handwriting than MNIST holds.

    mnist = augmentation.distorted(mnist, seed)   # mnist.train.next_batch gives distorted digits

Small rotations, scalings, slants and shifts, elastic distortion as by an unsteady hand (Simard,
Steinkraus and Platt, Best Practices for Convolutional Neural Networks, 2003), other pens, and the
long upstroke that many writers give a 1.

Each output pixel interpolates four input pixels, so a distortion is a matrix [784, 784] with four
values per row, and applying it is a matrix product. A stock of such matrices is built once, in 2 s;
distorting a batch of 200 then takes 1.5 ms.
"""
import dataclasses

import numpy as np
from scipy import ndimage, sparse

from support.digits.input_data import SIDE, DataSet


@dataclasses.dataclass(frozen=True)
class Strength:
    """How strongly and in how many ways digits are distorted."""
    # drawn uniformly from -value ... value
    turn: float = 10      # degrees
    grow: float = 0.12    # share of the size, height and width independently
    slant: float = 0.15   # pixels sideways per pixel up
    shift: float = 0.75   # pixels, down and sideways
    pen: float = 0.3      # 1 would widen every stroke by a pixel on either side; negative narrows
    upstroke: float = 0.3  # share of the 1s that get one
    # elastic distortion
    wave: float = 4       # pixels; standard deviation of the blur that smooths the random field
    elastic: float = 1.1  # pixels; standard deviation of the displacement
    # how many
    stock: int = 2000     # distortions to draw from
    alike: int = 10       # digits of a batch that share a distortion


def distorted(mnist, seed=None, strength=Strength()):
    """input_data.Datasets -> the same, but `train.next_batch` returns distorted digits.

    They are the digits that the `train` of `read_data_sets(seed=seed)` returns.
    """
    return mnist._replace(train=DistortedSet(mnist.train, seed, strength))


class DistortedSet(DataSet):
    """A DataSet, its labels one-hot, whose batches are distorted; `images` are not."""

    def __init__(self, train, seed, strength):
        super().__init__(train.images, train.labels, seed)
        self._rng, self._strength = np.random.default_rng(seed), strength
        self._stock = [distortion(self._rng, strength) for _ in range(strength.stock)]

    def next_batch(self, batch_size):
        images, labels = super().next_batch(batch_size)  # float32 [batch, 784], 0 ... 1
        chosen, pens, strokes = self._draw(batch_size)
        for n in np.flatnonzero((labels[:, 1] == 1) & (strokes[:, 0] < self._strength.upstroke)):
            images[n] = with_upstroke(images[n], strokes[n, 1:])
        for number, place in enumerate(chosen):
            group = slice(number * self._strength.alike, (number + 1) * self._strength.alike)
            images[group] = (self._stock[place] @ images[group].T).T
        return other_pens(images, pens), labels

    def skip_batches(self, count, batch_size):
        super().skip_batches(count, batch_size)
        for _ in range(count):
            self._draw(batch_size)

    def _draw(self, batch_size):
        """A batch's distortions, as indices into the stock, its pens and its upstrokes.

        Pens: float64 [batch, 1, 1]. Upstrokes: float64 [batch, 3], 0 ... 1.
        """
        groups = -(-batch_size // self._strength.alike)
        pen = self._strength.pen
        return (self._rng.integers(self._strength.stock, size=groups),
                self._rng.uniform(-pen, pen, [batch_size, 1, 1]), self._rng.random([batch_size, 3]))


def distortion(rng, strength):
    """A random distortion: a sparse matrix float32 [784, 784]; matrix @ digit applies it."""
    turn = np.radians(rng.uniform(-strength.turn, strength.turn))
    slant = rng.uniform(-strength.slant, strength.slant)
    tall, wide = 1 + rng.uniform(-strength.grow, strength.grow, 2)
    middle = (SIDE - 1) / 2
    place = np.mgrid[:SIDE, :SIDE].reshape(2, -1) - middle  # float64 [2, 784]: rows, columns
    source = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ place
    source = np.array([[tall, 0], [slant, wide]]) @ source
    source += rng.uniform(-strength.shift, strength.shift, [2, 1]) + middle
    for axis in source:
        field = ndimage.gaussian_filter(rng.uniform(-1, 1, [SIDE, SIDE]), strength.wave,
                                        mode='constant')
        axis += field.ravel() * (strength.elastic / field.std())

    # Each output pixel interpolates the four input pixels around its source bilinearly.
    corners = np.floor(source)[:, np.newaxis] + np.reshape([[0, 0, 1, 1], [0, 1, 0, 1]], [2, 4, 1])
    weights = (1 - abs(source[:, np.newaxis] - corners)).prod(0)  # float64 [4, 784]
    corner, row = np.nonzero(((0 <= corners) & (corners < SIDE)).all(0))
    y, x = corners[:, corner, row].astype(int)
    return sparse.csr_matrix((weights[corner, row].astype(np.float32), (row, y * SIDE + x)),
                             [SIDE * SIDE] * 2)


def with_upstroke(image, place):
    """A 1 with a stroke that begins on its left and rises to its top: float32 [784].

    Args: place: where it begins, float64 [2], 0 ... 1, from near the top to far on the left.
    """
    ink = image.reshape(SIDE, SIDE)
    top = np.argwhere(ink > 0.5)[0]                                  # int [2]: row, column
    row = min(SIDE - 1, round(top[0] + 6 + 9 * place[0]))
    stroke = np.array([row, ink[row].argmax() - 3 - 5 * place[1]]) - top  # pixels, from the top
    pixels = np.mgrid[:SIDE, :SIDE].reshape(2, -1).T - top
    along = (pixels @ stroke / (stroke @ stroke)).clip(0, 1)         # 0 at the top ... 1
    away = np.hypot(*(pixels - along[:, np.newaxis] * stroke).T)
    ink = np.maximum(ink, (2 - away).clip(0, 1).reshape(SIDE, SIDE).astype(np.float32))
    return np.roll(ink, round(1 + 2 * place[1]), 1).ravel()          # in the middle again


def other_pens(images, pens):
    """Widen or narrow the strokes of each digit by its own amount: float32 [batch, 784].

    Blends the digit with the lightest of each pixel's neighbours, or the darkest if its pen is
    negative. Args: pens: the shares of the latter, float [batch, 1, 1], -1 ... 1.
    """
    amount = pens.astype(np.float32)
    digits = images.reshape(-1, SIDE, SIDE)
    sign = np.where(amount < 0, np.float32(-1), np.float32(1))
    signed = digits * sign              # the darkest neighbour is the lightest of the negative
    widest = np.max([np.roll(signed, step, axis) for axis in (1, 2) for step in (-1, 0, 1)], 0)
    return (digits + abs(amount) * (widest * sign - digits)).reshape(images.shape)
