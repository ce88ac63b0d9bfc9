"""small_cnn with one thing changed: what `captcha_accuracy.py choices` trains beside the original.

The network is rewritten with its choices as arguments, whose defaults give nets/small_cnn.py with
`--method heads`. `register` gives each variant a name of its own in nets_factory.
"""
import functools

import tensorflow.compat.v1 as tf

from nets import methods, nets_factory, slim, small_cnn


def variant(inputs, num_classes, is_training=True, num_heads=4, averaged=True, strides=True,
            head_keep_prob=None):
    """nets/small_cnn.py's network, or a variant.

    Args:
      inputs, num_classes, is_training, num_heads: as there.
      averaged: start with the mean over 4x2 pixels; else with one of these eight pixels.
      strides: halve the map with strides of 2; else with 2x2 max pooling.
      head_keep_prob: of a dropout before each head; None: no dropout.
    Returns: the heads' logits, float32 [batch, num_classes] each, and no end points: {}.
    """
    with tf.variable_scope('small_cnn'), \
         slim.arg_scope([slim.batch_norm, slim.dropout], is_training=is_training):
        net = (slim.avg_pool2d(inputs, [4, 2], stride=[4, 2], scope='pool0') if averaged
               else inputs[:, 2::4, 1::2])  # [batch, 56, 112, 1]
        net = halved(net, 32, 5, strides, 'conv1')  # [batch, 28, 56, 32]
        net = halved(net, 64, 3, strides, 'conv2')  # [batch, 14, 28, 64]
        net = slim.conv2d(net, 64, 3, scope='conv3')
        net = halved(net, 96, 3, strides, 'conv4')  # [batch, 7, 14, 96]
        net = slim.conv2d(net, 128, 3, scope='conv5')
        net = halved(net, 128, 3, strides, 'conv6')  # [batch, 4, 7, 128]

        net = tf.reshape(net, [-1, 4 * 7 * 128])  # [batch, 3584]
        heads = [slim.fully_connected(slim.dropout(net, head_keep_prob) if head_keep_prob else net,
                                      num_classes, activation_fn=None, scope=head_scope)
                 for head_scope in methods.head_scopes(num_heads)]
    return *heads, {}


variant.default_image_size = small_cnn.small_cnn.default_image_size


def halved(net, channels, kernel, strides, scope):
    """A convolution that halves height and width, rounding up; see `variant`."""
    if strides:
        return slim.conv2d(net, channels, kernel, stride=2, scope=scope)
    return slim.max_pool2d(slim.conv2d(net, channels, kernel, scope=scope), 2, padding='SAME')


def biases_arg_scope(**kwargs):
    """small_cnn's shared arguments with biases instead of batch norm."""
    with slim.arg_scope(small_cnn.small_cnn_arg_scope(**kwargs)):
        with slim.arg_scope([slim.conv2d], normalizer_fn=None) as arg_scope:
            return arg_scope


def changed(**arguments):
    """`variant` with these arguments."""
    return functools.update_wrapper(functools.partial(variant, **arguments), variant)


NETWORKS = {  # name: (network, its arg_scope)
    'small_cnn_biases': (small_cnn.small_cnn, biases_arg_scope),
    'small_cnn_dropout': (changed(head_keep_prob=0.5), small_cnn.small_cnn_arg_scope),
    'small_cnn_maximum': (changed(strides=False), small_cnn.small_cnn_arg_scope),
    'small_cnn_eighth_pixel': (changed(averaged=False), small_cnn.small_cnn_arg_scope),
}


def register():
    """Register the variants with nets_factory in this process."""
    for name, (network, arg_scope) in NETWORKS.items():
        nets_factory.register(name, network, arg_scope)
