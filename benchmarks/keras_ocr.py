"""The network of keras-io's example captcha_ocr, rewritten, on a folder of labelled captchas.

Command:  python benchmarks/keras_ocr.py real/captcha_images_v2 --minutes 17
Reads:    pictures named <text>_<number>.<ending>, all texts of one length
Writes:   a line per minute: epochs, loss, correct readings of the held-out tenth
Takes:    --minutes

The example (https://keras.io/examples/vision/captcha_ocr/) has two convolutions, a dense layer, two
bidirectional LSTMs and CTC, with 200x50 pictures, batches of 16 and Adam.
`few_labels.py --counts 936` fine-tunes models/general on the same folder.
"""
import os
import random
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console, option_types

with console.quiet_start():
    import numpy as np
    import tensorflow as tf
    from tensorflow.keras import layers

from PIL import Image

WIDTH, HEIGHT, BATCH_SIZE = 200, 50, 16


def data(folder):
    """Pictures float32 [n, 200, 50, 1], 0 ... 1, their texts, and the characters."""
    names = sorted(os.listdir(folder))
    random.Random(0).shuffle(names)
    images = []
    for name in names:
        with Image.open(os.path.join(folder, name)) as picture:
            grey = picture.convert('L').resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
        images.append(np.asarray(grey, np.float32).T[..., None] / 255)  # columns: time steps
    texts = [name.rpartition('_')[0].upper() for name in names]
    return np.stack(images), texts, sorted(set(''.join(texts)))


def network(classes):
    """A Keras model: [batch, 200, 50, 1] -> logits [batch, 50, classes + 1], the blank last."""
    inputs = tf.keras.Input([WIDTH, HEIGHT, 1])
    net = inputs
    for filters in 32, 64:
        net = layers.Conv2D(filters, 3, activation='relu', kernel_initializer='he_normal',
                            padding='same')(net)
        net = layers.MaxPooling2D(2)(net)
    net = layers.Reshape([WIDTH // 4, HEIGHT // 4 * 64])(net)
    net = layers.Dropout(0.2)(layers.Dense(64, activation='relu')(net))
    for units in 128, 64:
        net = layers.Bidirectional(layers.LSTM(units, return_sequences=True, dropout=0.25))(net)
    return tf.keras.Model(inputs, layers.Dense(classes + 1)(net))


def read(model, images, characters):
    """The texts that the model reads, decoded greedily."""
    logits = np.transpose(model.predict(images, verbose=0), [1, 0, 2])  # [columns, n, classes + 1]
    lengths = np.full(len(images), len(logits), np.int32)
    (found,), _ = tf.nn.ctc_greedy_decoder(logits, lengths)
    rows = tf.sparse.to_dense(found, default_value=-1).numpy()
    return [''.join(characters[k] for k in row if k >= 0) for row in rows]


def main():
    parser = console.parser(__doc__)
    parser.add_argument('folder', metavar='FOLDER')
    parser.add_argument('--minutes', type=option_types.positive_float, default=17)
    args = parser.parse_args()
    images, texts, characters = data(args.folder)
    labels = np.array([[characters.index(c) for c in text] for text in texts], np.int32)
    held_out = len(images) // 10
    model, adam = network(len(characters)), tf.keras.optimizers.Adam()
    batches = tf.data.Dataset.from_tensor_slices((images[held_out:], labels[held_out:])).shuffle(
        len(images)).batch(BATCH_SIZE)

    @tf.function
    def step(pictures, wanted):
        with tf.GradientTape() as tape:
            logits = model(pictures, training=True)
            count = tf.shape(logits)[0]
            loss = tf.reduce_mean(tf.nn.ctc_loss(
                tf.sparse.from_dense(wanted + 1).with_values(tf.reshape(wanted, [-1])), logits,
                None, tf.fill([count], tf.shape(logits)[1]), logits_time_major=False,
                blank_index=-1))
        adam.apply_gradients(zip(tape.gradient(loss, model.trainable_variables),
                                 model.trainable_variables))
        return loss
    begun, epochs, shown = time.monotonic(), 0, 0
    while shown < args.minutes:
        losses = [float(step(*batch)) for batch in batches]
        epochs += 1
        if time.monotonic() - begun >= 60 * (shown + 1):
            shown = int((time.monotonic() - begun) / 60)
            right = sum(a == b for a, b in zip(read(model, images[:held_out], characters), texts))
            print(f'{shown} minutes, {epochs} epochs: loss {np.mean(losses):.3f}, {right} of '
                  f'{held_out} read', flush=True)


if __name__ == '__main__':
    console.run(main)
