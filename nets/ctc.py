"""Connectionist temporal classification: a line of characters without saying where each stands.

The network gives each column of the picture a distribution over the classes and a blank, the last
class. A text is read off the columns by taking each one's likeliest class, joining equal
neighbours and leaving the blanks out; the loss sums over all ways in which the columns can say the
text. Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf
"""
import tensorflow.compat.v1 as tf


def ctc_build(network, images, num_classes, num_heads, **kwargs):
    """As methods.build_heads; the logits are of columns, not of characters."""
    del num_heads  # it reads any number
    logits, end_points = network(images, num_classes, **kwargs)
    return *tf.unstack(logits, axis=1), end_points


def ctc_loss(logits, labels, num_classes):
    """The mean over the batch of -ln p(text).

    Args:
      logits: a tensor float32 [batch, num_classes + 1] for each column, the blank last.
      labels: a tensor of classes [batch] for each character; num_classes: no character here.
    Returns: float32 scalar.
    """
    logits = tf.stack(logits, axis=1)  # [batch, columns, num_classes + 1]
    labels = tf.stack([tf.cast(label, tf.int32) for label in labels], axis=1)
    there = tf.where(labels < num_classes)  # int64 [characters in all, 2]
    texts = tf.SparseTensor(there, tf.gather_nd(labels, there), tf.shape(labels, out_type=tf.int64))
    columns = tf.fill(tf.shape(logits)[:1], tf.shape(logits)[1])
    return tf.reduce_mean(tf.nn.ctc_loss(texts, tf.cast(logits, tf.float32), columns,
                                         time_major=False, ignore_longer_outputs_than_inputs=True))


def ctc_decode(softmax, facts, within=None):
    """The likeliest class of each column, equal neighbours joined and blanks left out.

    Made of operations that every runtime has, so that it can be exported.

    Args:
      softmax: float32 [batch, columns, num_classes + 1], the blank last; or a mean of several.
      facts: the network's dataset.Facts.
      within: dataset.Facts of the only characters that a text may have, and of its longest; what
        comes after these is left out. None: those of the network.
    Returns:
      classes: int32 [batch, longest]; num_classes where there is no character.
      confidence: float32 [batch, longest], of each character: the product of its columns'
        softmax values up to the next character, the columns before the first character in the
        first one's. So their product is the probability of the path.
    """
    num_classes, within = len(facts.alphabet), within or facts
    allowed = [character in within.alphabet for character in facts.alphabet] + [True]
    softmax *= tf.constant(allowed, tf.float32)
    softmax /= tf.maximum(tf.reduce_sum(softmax, axis=2, keepdims=True), 1e-30)
    path = tf.argmax(softmax, axis=2, output_type=tf.int32)  # [batch, columns]
    before = tf.pad(path[:, :-1], [[0, 0], [1, 0]], constant_values=num_classes)
    begins = tf.cast(tf.logical_and(tf.not_equal(path, num_classes), tf.not_equal(path, before)),
                     tf.int32)  # 1 where a character begins
    place = tf.cumsum(begins, axis=1) - 1  # int32 [batch, columns], -1 before the first
    here = tf.one_hot(tf.maximum(place, 0), facts.longest)  # float32 [batch, columns, longest]
    first = here * tf.cast(begins, tf.float32)[..., None]
    found = tf.reduce_sum(first * tf.cast(path, tf.float32)[..., None], axis=1)
    empty = 1 - tf.reduce_sum(first, axis=1)  # float32 [batch, longest], 1: no character
    classes = tf.cast(found + empty * num_classes, tf.int32)
    sure = tf.log(tf.reduce_max(softmax, axis=2))  # [batch, columns]
    confidence = tf.exp(tf.reduce_sum(here * sure[..., None], axis=1))
    return classes, confidence
