"""A network for people without a GPU: AlexNet's task for a sixteenth of its multiplications.

On two cores it learns from ten times as many pictures a second as AlexNet, and reads 98 of 100
captchas it has never seen after three or four minutes (`benchmarks/captcha_accuracy.py networks`;
docs/captcha.md has the table). What each choice buys; the figures are by
`benchmarks/captcha_accuracy.py choices`, which changes one thing and trains 1,001 iterations. With
nothing changed that gave 96.6 to 98.4 %, so two points may be chance:

- The mean over 4x2 pixels comes first. A record holds a captcha of 60x160 stretched to 224x224;
  56x112 is about what was drawn, and every later layer costs an eighth of what it would. Every
  eighth pixel would do as well: 97.6 %.
- Strides of 2 halve the map where the channels grow, so that no layer costs more than 14 of the 43
  million multiplications. A maximum over 2x2 in their place computes four values for each that it
  keeps: 250 pictures a second instead of 485, for 96.4 %.
- Channels come in multiples of 32, because a processor multiplies 8 or 16 of them at a time.
- Batch norm keeps each layer's output in the range where ReLU works, whatever the layers below
  do. With biases in its place one seed read 94.6 %; another never left chance at this rate.
- The rate falls to 0 along a cosine (support/recipes.py): at a constant one 91.6 %.
- The heads read the last map directly. AlexNet's fc6 and fc7 hold 43 of its 46 million weights;
  without such layers 513 thousand do, and a checkpoint takes 7 MB instead of 556.
- No dropout: before the heads it brought nothing, 97.0 and 96.0 %.
"""
import tensorflow.compat.v1 as tf

from nets import slim


def small_cnn_arg_scope(weight_decay=0.0005, initialization='post'):
    """The layers' shared arguments: ReLU, SAME convolutions with batch norm, L2 on the weights.

    Args: initialization: a key of slim.INITIALIZERS, for the convolutions.
    """
    with slim.arg_scope([slim.conv2d, slim.fully_connected],
                        weights_regularizer=slim.l2_regularizer(weight_decay)):
        with slim.arg_scope([slim.conv2d], padding='SAME', normalizer_fn=slim.batch_norm,
                            weights_initializer=slim.initializer(initialization)):
            with slim.arg_scope([slim.batch_norm], decay=0.99) as arg_scope:
                return arg_scope


def small_cnn(inputs, num_classes, is_training=True, scope='small_cnn', num_heads=4):
    """Build the network.

    Args:
      inputs: float32 [batch, 224, 224, channels].
      num_classes: classes of each head: 10 for digits, 36 for digits and letters.
      is_training: whether batch norm uses the batch's own mean and variance (and collects the
        operations that average them, in tf.GraphKeys.UPDATE_OPS).
      scope: the variable scope.
      num_heads: 4, or 1 for a single head `fc8`.
    Returns:
      net0, net1, net2, net3: each head's logits, float32 [batch, num_classes]; as many as
        num_heads.
      end_points: {scope name: output} of every layer.
    """
    with tf.variable_scope(scope) as variable_scope:
        end_points_collection = variable_scope.original_name_scope + 'end_points'
        with slim.arg_scope([slim.conv2d, slim.fully_connected, slim.avg_pool2d],
                            outputs_collections=end_points_collection), \
             slim.arg_scope([slim.batch_norm], is_training=is_training):
            net = slim.avg_pool2d(inputs, [4, 2], stride=[4, 2], scope='pool0')  # [b, 56, 112, 1]
            net = slim.conv2d(net, 32, 5, stride=2, scope='conv1')  # [batch, 28, 56, 32]
            net = slim.conv2d(net, 64, 3, stride=2, scope='conv2')  # [batch, 14, 28, 64]
            net = slim.conv2d(net, 64, 3, scope='conv3')
            net = slim.conv2d(net, 96, 3, stride=2, scope='conv4')  # [batch, 7, 14, 96]
            net = slim.conv2d(net, 128, 3, scope='conv5')
            net = slim.conv2d(net, 128, 3, stride=2, scope='conv6')  # [batch, 4, 7, 128]

            net = tf.reshape(net, [-1, 4 * 7 * 128])  # [batch, 3584]
            heads = [slim.fully_connected(net, num_classes, activation_fn=None, scope=head_scope)
                     for head_scope in slim.head_scopes(num_heads)]
        end_points = slim.convert_collection_to_dict(end_points_collection)
    return *heads, end_points


small_cnn.default_image_size = 224
