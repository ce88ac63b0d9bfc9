"""A network for machines without a GPU: AlexNet's task at an eleventh of its multiplications.

It reads 98 % of unseen captchas after two minutes of training on two cores (docs/figures.md). What
makes it small and quick to learn; benchmarks/HISTORY.md has a figure for most:

- The mean over 4x2 pixels comes first: 56x112 is about the size of a captcha as drawn (60x160).
  `--method wide_attention` takes the mean over 4x1, for wider pictures or thin strokes.
- Strides of 2 halve the map where the channels grow, so that no layer costs more than 14 million
  multiplications. Channels come in multiples of 32, as processors multiply 8 or 16 at a time.
- Batch norm keeps each layer's output in the range where ReLU works, whatever the layers below do.
- The heads read the last feature map, without AlexNet's fc6 and fc7, which hold 43 of its 46
  million weights, and without dropout. `heads_that_look` are the default.
"""
import tensorflow.compat.v1 as tf

from nets import methods, slim

ROWS = 56  # height in pixels of the shrunken input
MOST_HEADS = 6  # more characters need attention heads on 28 columns
CONTEXT = 9  # columns, kernel width of a context layer
LONG = methods.Attention(224, 3)  # for more than MOST_HEADS characters


def small_cnn_arg_scope(weight_decay=0.0005, initialization='post'):
    """Default arguments of the layers: SAME convolutions with batch norm, L2 penalty.

    Args: initialization: a key of slim.INITIALIZERS, for the convolutions.
    """
    with (slim.arg_scope([slim.conv2d, slim.fully_connected],
                         weights_regularizer=slim.l2_regularizer(weight_decay)),
          slim.arg_scope([slim.conv2d], normalizer_fn=slim.batch_norm,
                         weights_initializer=slim.INITIALIZERS[initialization]()),
          slim.arg_scope([slim.batch_norm], decay=0.99) as arg_scope):
        return arg_scope


def small_cnn(inputs, num_classes, is_training=True, scope='small_cnn', num_heads=4,
              attention=None):
    """Build the network; arguments and results as in alexnet.alexnet_v2.

    Args:
      inputs: float32 [batch, 224, 224, channels]; `training_size` is enough for training.
      attention: a methods.Attention, see `heads_that_look`; for more than 6 characters the input
        keeps its full width. None: heads with separate weights, or LONG for more than 6.
    """
    end_points = {}
    with (tf.variable_scope(scope),
          slim.arg_scope([slim.conv2d, slim.fully_connected, slim.avg_pool2d],
                         end_points=end_points),
          slim.arg_scope([slim.batch_norm], is_training=is_training)):
        if num_heads > MOST_HEADS:
            attention = attention or LONG
        height, width = inputs.shape.as_list()[1:3]
        shrink = [height // ROWS, width // columns(num_heads, attention)]  # 4x2 of 224x224
        net = slim.avg_pool2d(inputs, shrink, stride=shrink, scope='pool0')  # [batch, 56, 112, 1]
        net = slim.conv2d(net, 32, 5, stride=2, scope='conv1')  # [batch, 28, 56, 32]
        net = slim.conv2d(net, 64, 3, stride=2, scope='conv2')  # [batch, 14, 28, 64]
        net = slim.conv2d(net, 64, 3, scope='conv3')
        net = slim.conv2d(net, 96, 3, stride=2, scope='conv4')  # [batch, 7, 14, 96]
        net = slim.conv2d(net, 128, 3, scope='conv5')
        net = slim.conv2d(net, 128, 3, stride=[2, 1] if attention else 2,
                          scope='conv6')  # [batch, 4, 7 or 14 or 28, 128]
        if attention:
            heads = heads_that_look(net, num_classes, num_heads, attention.context_layers)
        else:
            net = tf.reshape(net, [-1, 4 * 7 * 128])  # [batch, 3584]
            heads = [slim.fully_connected(net, num_classes, activation_fn=None, scope=head_scope)
                     for head_scope in methods.head_scopes(num_heads)]
    return *heads, end_points


def columns(num_heads, attention):
    """The width of the shrunken input, in pixels."""
    if num_heads > MOST_HEADS:
        return LONG.columns
    return attention.columns if attention else 112


def heads_that_look(net, num_classes, num_heads, context_layers):
    """The heads of `--method attention`: each finds its character among the map's columns.

    The position of the fifth of six characters depends on all the others, but a character looks
    the same at any position. So each head computes attention weights (a softmax over the columns,
    from context layers that know their position) and averages the columns with them; all heads
    classify the result with the same weights, `fc8`.

    Args: net: float32 [batch, 4, width, 128]. context_layers: convolutions over 4 columns on either
      side. Three see nearly all of 14 columns, six nearly all of 28, and so the text's beginning.
    Returns: each head's logits, float32 [batch, num_classes].
    """
    height, width, channels = net.shape[1:].as_list()
    columns = tf.reshape(tf.transpose(net, [0, 2, 1, 3]), [-1, 1, width, height * channels])
    strokes = slim.conv2d(columns, 256, [1, 3], scope='columns')  # [batch, 1, width, 256]
    context = slim.conv2d(columns, 128, 1, scope='context0')  # [batch, 1, width, 128]
    places = tf.tile(tf.reshape(tf.eye(width), [1, 1, width, width]), [tf.shape(net)[0], 1, 1, 1])
    context = tf.concat([context, places], axis=-1)  # [batch, 1, width, 128 + width]
    for layer in range(1, context_layers + 1):
        context = slim.conv2d(context, 128, [1, CONTEXT], scope=f'context{layer}')
    looks = slim.conv2d(context, num_heads, 1, activation_fn=None, normalizer_fn=None,
                        scope='attention')  # [batch, 1, width, heads]
    looks = tf.nn.softmax(tf.reshape(looks, [-1, width, num_heads]), axis=1)  # sums to 1 over width
    seen = tf.concat([tf.reshape(strokes, [-1, width, 256]),
                      tf.reshape(context, [-1, width, 128])], axis=-1)  # [batch, width, 384]
    seen = tf.reshape(tf.matmul(looks, seen, transpose_a=True), [-1, 384])  # [batch * heads, 384]
    logits = slim.fully_connected(seen, num_classes, activation_fn=None, scope='fc8')
    return tf.unstack(tf.reshape(logits, [-1, num_heads, num_classes]), axis=1)


small_cnn.default_image_size = 224
# (height, width) in pixels that training pictures need
small_cnn.training_size = lambda num_heads, attention=None: (
    2 * ROWS, columns(num_heads, attention))
