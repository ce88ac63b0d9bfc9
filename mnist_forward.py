"""The network of the MNIST post: 784 pixels -> 500 hidden units -> 10 digits.

Use:      import mnist_forward
          y = mnist_forward.forward(x, regularizer)
Takes:    milliseconds: it only adds operations to the current graph

The variables have no explicit names, so a checkpoint's keys are TensorFlow's defaults in the
order of creation: Variable (w1), Variable_1 (b1), Variable_2 (w2), Variable_3 (b2). Checkpoints
of the post's own code on TensorFlow 1.14 have the same keys; keep the order.
"""
from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

# --- layers
INPUT_NODE = 784   # 28 x 28 pixels
OUTPUT_NODE = 10   # digits 0 ... 9
LAYER1_NODE = 500  # hidden units


def get_weight(shape, regularizer):
    """A weight variable of `shape`, drawn from a truncated normal of stddev 0.1.

    With a `regularizer`, the penalty regularizer * sum(w ** 2) / 2 joins the collection 'losses'.
    """
    w = tf.Variable(tf.truncated_normal(shape, stddev=0.1))
    if regularizer is not None:
        # what tf.contrib.layers.l2_regularizer(regularizer)(w) computed; contrib is gone
        tf.add_to_collection('losses', regularizer * tf.nn.l2_loss(w))
    return w


def get_bias(shape):
    """A bias variable of `shape`, all zeros."""
    return tf.Variable(tf.zeros(shape))


def forward(x, regularizer):
    """Pictures x, float32 [batch, 784], 0 ... 1 -> logits, float32 [batch, 10], any range.

    `regularizer` is the coefficient of the L2 penalty, or None for none (inference).
    """
    w1 = get_weight([INPUT_NODE, LAYER1_NODE], regularizer)
    b1 = get_bias([LAYER1_NODE])
    y1 = tf.nn.relu(tf.matmul(x, w1) + b1)  # float32 [batch, 500], 0 ...

    w2 = get_weight([LAYER1_NODE, OUTPUT_NODE], regularizer)
    b2 = get_bias([OUTPUT_NODE])
    y = tf.matmul(y1, w2) + b2              # float32 [batch, 10]; no softmax, the loss applies it
    return y
