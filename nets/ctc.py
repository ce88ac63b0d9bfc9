"""Connectionist temporal classification (CTC): reads text without character positions.

For each column of the picture the network outputs a distribution over the classes and a blank, the
last class. Decoding takes the likeliest class of each column, merges equal neighbours and drops the
blanks; the loss sums over all alignments of the columns with the text.
Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf
"""
import tensorflow.compat.v1 as tf


def ctc_build(network, images, num_classes, num_heads, **kwargs):
    """As methods.build_heads, but with logits per column, not per character."""
    del num_heads  # CTC reads any number
    logits, end_points = network(images, num_classes, **kwargs)
    return *tf.unstack(logits, axis=1), end_points


def ctc_loss(logits, labels, num_classes):
    """The mean over the batch of -ln p(text).

    Args: logits: float32 [batch, num_classes + 1] per column, the blank last. labels: classes
      [batch] per character; num_classes means no character.
    Returns: float32 scalar.
    """
    logits = tf.stack(logits, axis=1)  # [batch, columns, num_classes + 1]
    labels = tf.stack([tf.cast(label, tf.int32) for label in labels], axis=1)
    there = tf.where(labels < num_classes)  # int64 [total characters, 2]
    texts = tf.SparseTensor(there, tf.gather_nd(labels, there), tf.shape(labels, out_type=tf.int64))
    columns = tf.fill(tf.shape(logits)[:1], tf.shape(logits)[1])
    return tf.reduce_mean(tf.nn.ctc_loss(texts, tf.cast(logits, tf.float32), columns,
                                         time_major=False, ignore_longer_outputs_than_inputs=True))


def ctc_decode(softmax, facts):
    """The likeliest class of each column, equal neighbours merged and blanks dropped.

    It uses only operations that every runtime has.

    Args: softmax: float32 [batch, columns, num_classes + 1], the blank last. facts: dataset.Facts.
    Returns:
      classes: int32 [batch, longest]; num_classes where there is no character.
      confidence: float32 [batch, longest], per character: the product of the softmax values from
        its first column up to the next character; columns before the first character count
        towards that one. The product of them all is the probability of the path. Of a text that is
        longer than `longest`, and cut, it is 0.
    """
    num_classes = len(facts.alphabet)
    path = tf.argmax(softmax, axis=2, output_type=tf.int32)  # [batch, columns]
    before = tf.pad(path[:, :-1], [[0, 0], [1, 0]], constant_values=num_classes)
    begins = tf.cast(tf.logical_and(tf.not_equal(path, num_classes), tf.not_equal(path, before)),
                     tf.int32)  # 1 where a character begins
    place = tf.cumsum(begins, axis=1) - 1  # int32 [batch, columns], -1 before the first
    here = tf.one_hot(tf.maximum(place, 0), facts.longest)  # float32 [batch, columns, longest]
    first = here * tf.cast(begins, tf.float32)[..., None]
    found = tf.reduce_sum(first * tf.cast(path, tf.float32)[..., None], axis=1)
    empty = 1 - tf.reduce_sum(first, axis=1)  # float32 [batch, longest], 1: no character
    sure = tf.log(tf.reduce_max(softmax, axis=2))  # [batch, columns]
    whole = tf.cast(place[:, -1:] < facts.longest, tf.float32)  # [batch, 1]
    return (tf.cast(found + empty * num_classes, tf.int32),
            whole * tf.exp(tf.reduce_sum(here * sure[..., None], axis=1)))
