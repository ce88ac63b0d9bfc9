"""A training step of AlexNet in Keras 3 on TensorFlow, the same layers as Dense.

Command:  python benchmarks/train_step_keras.py keras3 --batch 25 --steps 4
Reads:    nothing
Writes:   one line of JSON on stdout: seconds of each step and peak memory
Takes:    seconds per step

`train_on_batch`, compiled. train_step.py runs it as one of its rows.
"""
import os
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console

os.environ['KERAS_BACKEND'] = 'tensorflow'  # read when Keras is imported
with console.quiet_start():
    import keras
    from keras import layers

import step_timing
from step_timing import HEADS, IMAGE_SIZE, LEARNING_RATE, NUM_CLASSES


def keras3(batch, steps):
    """Keras 3 on TensorFlow, the same layers as Dense, `train_on_batch` compiled."""
    inputs = keras.Input([IMAGE_SIZE, IMAGE_SIZE, 1])
    net = layers.Conv2D(64, 11, 4, activation='relu')(inputs)
    net = layers.MaxPooling2D(3, 2)(net)
    net = layers.Conv2D(192, 5, padding='same', activation='relu')(net)
    net = layers.MaxPooling2D(3, 2)(net)
    for filters in 384, 384, 256:
        net = layers.Conv2D(filters, 3, padding='same', activation='relu')(net)
    net = layers.Flatten()(layers.MaxPooling2D(3, 2)(net))
    for _ in range(2):
        net = layers.Dropout(0.5)(layers.Dense(4096, activation='relu')(net))
    model = keras.Model(inputs, [layers.Dense(NUM_CLASSES)(net) for _ in range(HEADS)])
    assert model.count_params() == step_timing.PARAMETERS
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), [cross_entropy] * HEADS, jit_compile=False)
    images, labels = step_timing.data(batch)
    images, labels = images[..., np.newaxis], list(labels)  # [batch, 224, 224, 1]
    return step_timing.timed(lambda: model.train_on_batch(images, labels), steps)


ROWS = {'keras3': keras3}


def main():
    step_timing.run_row(ROWS, __doc__)


if __name__ == '__main__':
    console.run(main)
