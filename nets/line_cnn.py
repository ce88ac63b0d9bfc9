"""A CTC network that reads a line of any number of characters at any position.

Usage:  python captcha_train.py --network line_cnn ...; models/general is a deep_line_cnn.
Paper:  Shi et al. 2015, https://arxiv.org/abs/1507.05717 (CRNN); here convolutions along the line
        replace its recurrent layers: they cost a third and need no learning rate of their own.
        Residual connections: He et al. 2015, https://arxiv.org/abs/1512.03385

A 56x224 picture becomes 28 columns of two time steps each; these 56 steps hold up to 8 characters,
even where two equal ones need a blank between them.
"""
import functools

import tensorflow.compat.v1 as tf

from nets import slim

ROWS, COLUMNS = 56, 224  # size of the input of the first convolution
CONTEXT = 5  # columns, kernel width of a context layer
CONTEXT_LAYERS = 3, 6  # of line_cnn, of deep_line_cnn
STEPS = 2  # per column


def line_cnn(inputs, num_classes, is_training=True, deep=False, scope='line_cnn'):
    """Build the network.

    Args:
      inputs: float32 [batch, height, width, channels], multiples of 56 and 224.
      num_classes: classes of a character, without the blank.
      is_training: whether batch norm uses the batch's own mean and variance.
      deep: add more residual layers. They begin as identities, so that training can begin with the
        weights of a network without them.
      scope: the variable scope.
    Returns:
      logits: float32 [batch, 56, num_classes + 1], the blank last.
      end_points: {scope name: output} of every layer.
    """
    end_points = {}
    with (tf.variable_scope(scope),
          slim.arg_scope([slim.conv2d, slim.avg_pool2d], end_points=end_points),
          slim.arg_scope([slim.batch_norm], is_training=is_training)):
        height, width = inputs.shape.as_list()[1:3]
        shrink = [height // ROWS, width // COLUMNS]
        net = slim.avg_pool2d(inputs, shrink, stride=shrink, scope='pool0')  # [batch, 56, 224, 1]
        net = slim.conv2d(net, 32, 5, stride=2, scope='conv1')  # [batch, 28, 112, 32]
        net = shortcut(net, 'conv2')
        net = slim.conv2d(net, 64, 3, stride=2, scope='conv3')  # [batch, 14, 56, 64]
        net = shortcut(net, 'conv4')
        net = shortcut(net, 'conv4_more', new=True) if deep else net
        net = slim.conv2d(net, 128, 3, stride=2, scope='conv5')  # [batch, 7, 28, 128]
        net = shortcut(net, 'conv6')
        net = shortcut(net, 'conv6_more', new=True) if deep else net
        net = slim.conv2d(net, 192, 3, stride=[2, 1], scope='conv7')  # [batch, 4, 28, 192]
        net = shortcut(net, 'conv7_more', new=True) if deep else net
        net = slim.conv2d(net, 256, [4, 1], padding='VALID', scope='columns')  # [b, 1, 28, 256]
        for layer in range(1, CONTEXT_LAYERS[deep] + 1):
            net = shortcut(net, f'context{layer}', [1, CONTEXT], new=layer > CONTEXT_LAYERS[0])
        net = slim.conv2d(net, STEPS * 192, 1, scope='steps')  # [batch, 1, 28, 2 * 192]
        net = tf.reshape(net, [-1, 1, STEPS * net.shape[2], 192])  # [batch, 1, 56, 192]
        net = slim.conv2d(net, num_classes + 1, 1, activation_fn=None, normalizer_fn=None,
                          scope='fc8')
        logits = tf.squeeze(net, 1)  # [batch, 56, num_classes + 1]
    return logits, end_points


def shortcut(net, scope, kernel_size=3, new=False):
    """A residual connection: a convolution whose output is added to its input.

    Args: new: multiply the output by a learned factor that is 0 at first (Bachlechner et al. 2020,
      https://arxiv.org/abs/2003.04887), so that the layer begins as an identity.
    """
    change = slim.conv2d(net, net.shape[3], kernel_size, activation_fn=None, scope=scope)
    if new:
        change *= tf.get_variable(f'{scope}/factor', [1], initializer=tf.zeros_initializer())
    return tf.nn.relu(net + change)


deep_line_cnn = functools.partial(line_cnn, deep=True)  # twice the layers, the same scope
for network in line_cnn, deep_line_cnn:
    network.default_image_size = 224
    network.training_size = lambda num_heads: (2 * ROWS, COLUMNS)  # pixels of training pictures
