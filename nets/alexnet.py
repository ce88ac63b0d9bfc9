"""AlexNet v2 with four heads: the post's multi-task network for captchas of four characters.

The structure is that of slim's `alexnet_v2` (The TensorFlow Authors, 2016, Apache License 2.0) up
to fc7, which all four tasks share; four heads replace slim's fc8, each reading one character. Layer
scopes are the checkpoint's keys: `alexnet_v2/conv1/weights` and so on.

AlexNet: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks", 2012. Version 2: Krizhevsky, "One weird trick for parallelizing convolutional
neural networks", 2014.
"""
import tensorflow.compat.v1 as tf

from nets import methods, slim


def alexnet_v2_arg_scope(weight_decay=0.0005, initialization='post'):
    """Default arguments of the layers: ReLU, biases 0.1, L2 penalty, SAME convolutions.

    Args: initialization: a key of slim.INITIALIZERS, for conv1 to conv5; fc6 to fc8 keep the
      post's initialization either way.
    """
    with slim.arg_scope([slim.conv2d, slim.fully_connected],
                        activation_fn=tf.nn.relu,
                        weights_initializer=slim.INITIALIZERS[initialization](),
                        biases_initializer=tf.constant_initializer(0.1),
                        weights_regularizer=slim.l2_regularizer(weight_decay)):
        with slim.arg_scope([slim.conv2d], padding='SAME'):
            with slim.arg_scope([slim.max_pool2d], padding='VALID') as arg_scope:
                return arg_scope


def alexnet_v2(inputs, num_classes=1000, is_training=True, dropout_keep_prob=0.5,
               spatial_squeeze=True, scope='alexnet_v2', global_pool=False, num_heads=4):
    """Build the network.

    Args:
      inputs: float32 [batch, height, width, channels]; 224x224, or larger with `global_pool`.
      num_classes: classes of each head: 10 for digits, 36 for digits and letters.
      is_training: whether to apply dropout6 and dropout7.
      dropout_keep_prob: the share of values that dropout keeps.
      spatial_squeeze: remove the heads' two axes of size 1.
      scope: the variable scope.
      global_pool: average fc7's map before the heads, for inputs larger than 224x224.
      num_heads: 4 in the post; 1 gives a single head `fc8`, as in slim's own network.
    Returns:
      net0, net1, net2, net3: each head's logits, float32 [batch, num_classes], or
        [batch, 1, 1, num_classes] without `spatial_squeeze`; num_heads of them.
      end_points: {scope name: output} of every layer.
    """
    end_points = {}
    with tf.variable_scope(scope) as variable_scope:
        with slim.arg_scope([slim.conv2d, slim.max_pool2d, slim.dropout], end_points=end_points):
            net = slim.conv2d(inputs, 64, 11, stride=4, padding='VALID', scope='conv1')
            net = slim.max_pool2d(net, 3, stride=2, scope='pool1')  # [batch, 26, 26, 64]
            net = slim.conv2d(net, 192, 5, scope='conv2')
            net = slim.max_pool2d(net, 3, stride=2, scope='pool2')  # [batch, 12, 12, 192]
            net = slim.conv2d(net, 384, 3, scope='conv3')
            net = slim.conv2d(net, 384, 3, scope='conv4')
            net = slim.conv2d(net, 256, 3, scope='conv5')
            net = slim.max_pool2d(net, 3, stride=2, scope='pool5')  # [batch, 5, 5, 256]

            # Convolutions in place of fully connected layers slide over inputs above 224x224.
            with slim.arg_scope([slim.conv2d],
                                weights_initializer=tf.truncated_normal_initializer(stddev=0.005)):
                net = slim.conv2d(net, 4096, 5, padding='VALID', scope='fc6')
                net = slim.dropout(net, dropout_keep_prob, is_training, scope='dropout6')
                net = slim.conv2d(net, 4096, 1, scope='fc7')
                net = slim.dropout(net, dropout_keep_prob, is_training, scope='dropout7')
                if global_pool:
                    net = tf.reduce_mean(net, [1, 2], keepdims=True)  # [batch, 1, 1, 4096]
                scopes = methods.head_scopes(num_heads)
                heads = [slim.conv2d(net, num_classes, 1, activation_fn=None,
                                     biases_initializer=tf.zeros_initializer(),
                                     scope=head_scope) for head_scope in scopes]
        if spatial_squeeze:
            for k, head_scope in enumerate(scopes):
                heads[k] = tf.squeeze(heads[k], [1, 2], name=f'{head_scope}/squeezed')
                end_points[f'{variable_scope.name}/{head_scope}'] = heads[k]  # [batch, num_classes]
    return *heads, end_points


alexnet_v2.default_image_size = 224
