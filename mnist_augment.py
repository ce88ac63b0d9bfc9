"""Distort training digits, so that the network sees more writing than MNIST holds.

Use:      mnist = mnist_augment.distorted(mnist)   # the training set's next_batch now distorts
Reads:    nothing
Writes:   nothing
Takes:    2 s to prepare, then 1.5 ms for a batch of 200, while the step before it is running

Small turns, sizes, slants and shifts, elastic distortion as an unsteady hand makes it (Simard,
Steinkraus and Platt, Best Practices for Convolutional Neural Networks, 2003), and other pens.

Each output pixel lies between four input pixels, so a distortion is a matrix [784, 784] with four
numbers in a row, and distorting is multiplying by it. A stock of such matrices is made once.
"""
import numpy as np
from scipy import ndimage, sparse

import input_data

# ---- distortions: each drawn evenly between minus this and this ----
TURN = 12        # degrees
GROW = 0.12      # share of the size, for height and width apart
SLANT = 0.15     # pixels sideways for each pixel up
SHIFT = 1.5      # pixels, down and sideways
PEN = 0.5        # 1 would widen every stroke by a pixel on either side; below 0 narrows

# ---- elastic distortion ----
WAVE = 4         # pixels; standard deviation of the blur that makes a random field smooth
ELASTIC = 1.2    # pixels; standard deviation of the displacement

# ---- how many ----
STOCK = 2000     # distortions to draw from
GROUP = 10       # digits of a batch that are distorted alike
SIDE = input_data.SIDE  # pixels, height and width of a digit


def distorted(mnist, seed=None):
    """Datasets as of input_data -> the same, with `train.next_batch` distorting what it gives."""
    rng = np.random.default_rng(seed)
    stock = [distortion(rng) for _ in range(STOCK)]
    undistorted = mnist.train.next_batch

    def next_batch(batch_size):
        images, labels = undistorted(batch_size)  # float32 [batch, 784], 0 ... 1
        for start in range(0, batch_size, GROUP):
            matrix = stock[rng.integers(STOCK)]
            images[start:start + GROUP] = (matrix @ images[start:start + GROUP].T).T
        return other_pens(images, rng), labels
    mnist.train.next_batch = next_batch
    return mnist


def distortion(rng):
    """A random distortion: a sparse matrix float32 [784, 784]; matrix @ digit is distorted."""
    turn = np.radians(rng.uniform(-TURN, TURN))
    slant, (tall, wide) = rng.uniform(-SLANT, SLANT), 1 + rng.uniform(-GROW, GROW, 2)
    middle = (SIDE - 1) / 2
    place = np.mgrid[:SIDE, :SIDE].reshape(2, -1) - middle  # float64 [2, 784]: rows, columns
    source = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ place
    source = np.array([[tall, 0], [slant, wide]]) @ source
    source += rng.uniform(-SHIFT, SHIFT, [2, 1]) + middle
    for axis in source:
        wave = ndimage.gaussian_filter(rng.uniform(-1, 1, [SIDE, SIDE]), WAVE, mode='constant')
        axis += wave.ravel() * (ELASTIC / wave.std())

    # Each output pixel takes from the four input pixels around its source, the nearer the more.
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


def other_pens(images, rng):
    """Widen or narrow the strokes of digits, each by another amount: float32 [batch, 784].

    A mixture of the digit and of the lightest, or the darkest, of each pixel's neighbours.
    """
    amount = rng.uniform(-PEN, PEN, [len(images), 1, 1]).astype(np.float32)
    digits = images.reshape(-1, SIDE, SIDE)
    sign = np.where(amount < 0, np.float32(-1), np.float32(1))
    signed = digits * sign              # the darkest neighbour is the lightest of the negative
    widest = signed.copy()
    np.maximum(widest[:, 1:], signed[:, :-1], out=widest[:, 1:])
    np.maximum(widest[:, :-1], signed[:, 1:], out=widest[:, :-1])
    np.maximum(widest[:, :, 1:], signed[:, :, :-1], out=widest[:, :, 1:])
    np.maximum(widest[:, :, :-1], signed[:, :, 1:], out=widest[:, :, :-1])
    return (digits + abs(amount) * (widest * sign - digits)).reshape(images.shape)
