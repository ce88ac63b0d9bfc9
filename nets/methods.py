"""Output methods of a network: its heads, their loss, and how their output is decoded to text.

A method is a row of METHODS. It builds a network whose output is a list of logits, float32
[batch, classes] each, one per character of the text. The class after the alphabet's last,
where there is one, means 'no character here'.
"""
import dataclasses
import math
from collections.abc import Callable

import tensorflow.compat.v1 as tf

from nets import ctc


@dataclasses.dataclass(frozen=True)
class Attention:
    """Attention heads, which share their weights: see small_cnn.heads_that_look."""
    columns: int  # width in pixels of the shrunken input; the feature map has an eighth
    context_layers: int  # convolutions over neighbouring columns


def head_scopes(num_heads):
    """The scopes of a network's heads: fc8_0, fc8_1, ...; a single head is slim's fc8."""
    return ['fc8'] if num_heads == 1 else [f'fc8_{k}' for k in range(num_heads)]


# --- build: images float32 [batch, height, width, channels] -> *logits, end_points
def build_heads(network, images, num_classes, num_heads, **kwargs):
    """One head per character."""
    return network(images, num_classes, num_heads=num_heads, **kwargs)


def build_vector(network, images, num_classes, num_heads, **kwargs):
    """One head of num_heads * num_classes logits, split evenly among the characters."""
    vector, end_points = network(images, num_heads * num_classes, num_heads=1, **kwargs)
    return *tf.split(vector, num_heads, axis=1), end_points


# --- loss; Method 2's is the post's own, captcha_train.build_loss
def vector_loss(logits, labels, num_classes):
    """Method 1's loss: the four characters as one vector, trained like MNIST.

    Args: logits: float32 [batch, num_classes] per character. labels: classes [batch] for each.
    Returns: float32 scalar, the mean softmax cross-entropy of the 4 * num_classes logits with
      the label vector, whose four ones count a quarter each; ln 4 for a perfect network.
    """
    vector = tf.concat([tf.one_hot(tf.cast(label, tf.int32), num_classes) for label in labels],
                       axis=1)  # [batch, 4 * num_classes]
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(
        labels=vector / len(labels), logits=tf.concat(logits, axis=1)))


# --- decode: probabilities -> classes and their confidence
def probabilities(logits):
    """Logits as `build` returns them -> their softmax, float32 [batch, heads, classes]."""
    return tf.nn.softmax(tf.stack(logits, axis=1))


def decode_heads(softmax, facts):
    """Each head's likeliest class.

    Args: softmax: float32 [batch, heads, classes]. facts: the network's dataset.Facts.
    Returns: classes int32 [batch, heads]; the probability of each, float32 [batch, heads].
    """
    del facts  # as many heads as the longest text has characters
    return tf.argmax(softmax, axis=2, output_type=tf.int32), tf.reduce_max(softmax, axis=2)


# --- the table
@dataclasses.dataclass(frozen=True)
class Method:
    """An output method."""
    build: Callable = build_heads
    loss: Callable | None = None  # as `vector_loss`; None: captcha_train.build_loss
    decode: Callable = decode_heads
    attention: Attention | None = None  # the network's keyword, if any
    # of one character's loss and num_heads: the loss of guessing
    chance: Callable = lambda loss, num_heads: loss
    # of dataset.Facts: as `build` and `loss` take them
    num_classes: Callable = lambda facts: facts.num_classes
    of_columns: bool = False  # whether an output belongs to a column of the picture
    offered: bool = True  # for new trainings


METHODS = {
    'heads': Method(),  # Method 2 of the post, its subject
    'vector': Method(build_vector, vector_loss,  # Method 1
                     chance=lambda loss, num_heads: loss + math.log(num_heads)),
    'attention': Method(attention=Attention(112, 3)),
    'fine_attention': Method(attention=Attention(224, 3), offered=False),  # of older checkpoints
    'wide_attention': Method(attention=Attention(224, 6)),
    'ctc': Method(ctc.ctc_build, ctc.ctc_loss, ctc.ctc_decode, of_columns=True,
                  chance=lambda loss, num_heads: loss * num_heads,  # of the whole text
                  num_classes=lambda facts: len(facts.alphabet)),
}
