"""Augment the training digits, so that the network sees more handwriting than MNIST holds.

    mnist = augmentation.distorted(mnist)   # now mnist.train.next_batch gives distorted digits

Small rotations, scalings, slants and shifts, elastic distortion as by an unsteady hand (Simard,
Steinkraus and Platt, Best Practices for Convolutional Neural Networks, 2003), and other pens.

Each output pixel interpolates four input pixels, so a distortion is a matrix [784, 784] with four
values per row, and applying it is a matrix product. A stock of such matrices is built once, in 2 s;
distorting a batch of 200 then takes 1.5 ms.
"""
import collections.abc
import copy
import dataclasses

import numpy as np
from scipy import ndimage, sparse

from support.digits.input_data import SIDE


@dataclasses.dataclass(frozen=True)
class Strength:
    """How strongly and in how many ways digits are distorted."""
    # drawn uniformly from -value ... value
    turn: float = 10      # degrees
    grow: float = 0.12    # share of the size, height and width independently
    slant: float = 0.15   # pixels sideways per pixel up
    shift: float = 0.75   # pixels, down and sideways
    pen: float = 0.3      # 1 would widen every stroke by a pixel on either side; negative narrows
    # elastic distortion
    wave: float = 4       # pixels; standard deviation of the blur that smooths the random field
    elastic: float = 1.1  # pixels; standard deviation of the displacement
    # how many
    stock: int = 2000     # distortions to draw from
    alike: int = 10       # digits of a batch that share a distortion


@dataclasses.dataclass(frozen=True)
class DistortedSet:
    """Stands in for a DataSet; the batches are distorted, `images` are not."""
    images: np.ndarray    # float32 [n, 784], 0 ... 1
    labels: np.ndarray    # float64 [n, 10] one-hot, or uint8 [n]
    num_examples: int
    next_batch: collections.abc.Callable
    skip_batches: collections.abc.Callable  # as in input_data.DataSet


def distorted(mnist, seed=None, strength=Strength()):
    """input_data.Datasets -> a copy whose `train.next_batch` returns distorted digits.

    They are the digits that `mnist.train.next_batch` would return; `mnist` itself is unchanged.
    """
    rng = np.random.default_rng(seed)
    stock = [distortion(rng, strength) for _ in range(strength.stock)]
    undistorted = copy.copy(mnist.train)

    def draw(batch_size):
        """A batch's distortions, as indices into the stock, and its pens: float64 [batch, 1, 1]."""
        chosen = [rng.integers(strength.stock) for _ in range(0, batch_size, strength.alike)]
        return chosen, rng.uniform(-strength.pen, strength.pen, [batch_size, 1, 1])

    def next_batch(batch_size):
        images, labels = undistorted.next_batch(batch_size)  # float32 [batch, 784], 0 ... 1
        chosen, pens = draw(batch_size)
        for number, place in enumerate(chosen):
            group = slice(number * strength.alike, (number + 1) * strength.alike)
            images[group] = (stock[place] @ images[group].T).T
        return other_pens(images, pens), labels

    def skip_batches(count, batch_size):
        undistorted.skip_batches(count, batch_size)
        for _ in range(count):
            draw(batch_size)
    return mnist._replace(train=DistortedSet(undistorted.images, undistorted.labels,
                                             undistorted.num_examples, next_batch, skip_batches))


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
    matrix = sparse.csr_matrix((SIDE * SIDE, SIDE * SIDE), dtype=np.float32)
    low = np.floor(source).astype(int)
    for down in 0, 1:
        for right in 0, 1:
            y, x = low[0] + down, low[1] + right
            weight = (1 - abs(source[0] - y)) * (1 - abs(source[1] - x))
            inside = (0 <= y) & (y < SIDE) & (0 <= x) & (x < SIDE)
            row = np.nonzero(inside)[0]
            matrix += sparse.csr_matrix((weight[inside].astype(np.float32),
                                         (row, (y * SIDE + x)[inside])), matrix.shape)
    return matrix


def other_pens(images, pens):
    """Widen or narrow the strokes of each digit by its own amount: float32 [batch, 784].

    Blends the digit with the lightest of each pixel's neighbours, or the darkest if its pen is
    negative. Args: pens: the shares of the latter, float [batch, 1, 1], -1 ... 1.
    """
    amount = pens.astype(np.float32)
    digits = images.reshape(-1, SIDE, SIDE)
    sign = np.where(amount < 0, np.float32(-1), np.float32(1))
    signed = digits * sign              # the darkest neighbour is the lightest of the negative
    widest = signed.copy()
    np.maximum(widest[:, 1:], signed[:, :-1], out=widest[:, 1:])
    np.maximum(widest[:, :-1], signed[:, 1:], out=widest[:, :-1])
    np.maximum(widest[:, :, 1:], signed[:, :, :-1], out=widest[:, :, 1:])
    np.maximum(widest[:, :, :-1], signed[:, :, 1:], out=widest[:, :, :-1])
    return (digits + abs(amount) * (widest * sign - digits)).reshape(images.shape)
