"""The part of TF1's `tf.contrib.slim` that the networks use, on `tensorflow.compat.v1`.

A layer is one call that makes its variables (`<scope>/weights`, `<scope>/biases`) and applies them.
`arg_scope` gives many layers the same arguments:

    with arg_scope([conv2d], padding='SAME', weights_regularizer=l2_regularizer(0.0005)):
        net = conv2d(net, 64, 11, stride=4, padding='VALID', scope='conv1')  # overrides padding
        net = conv2d(net, 192, 5, scope='conv2')

Names, defaults and variable shapes are tf.contrib.slim's, so checkpoints are interchangeable. Only
the way in which some convolutions are computed is ours: see `conv2d`.
"""
import contextlib
import functools

import tensorflow.compat.v1 as tf

# The defaults in force, innermost `arg_scope` last: {function name: {argument: value}}.
_scopes = [{}]

# Of the convolutions' weights. 'post': slim's default. 'he' (He et al. 2015): of variance 2/fan-in,
# which preserves the signal's variance across layers of ReLU.
INITIALIZERS = {'post': tf.glorot_uniform_initializer, 'he': tf.initializers.he_normal}


def layer(default_scope):
    """Decorator: make a function of tensors a layer, which takes two more keywords.

    scope: the variable scope of the call. end_points: a dict that gets the output under its name.
    """
    def decorated(function):
        @functools.wraps(function)
        def in_scope(*args, scope=default_scope, **kwargs):
            kwargs = {**_scopes[-1].get(function.__name__, {}), **kwargs}
            end_points = kwargs.pop('end_points', {})
            with tf.variable_scope(scope) as variable_scope:
                net = end_points[variable_scope.name] = function(*args, **kwargs)
            return net
        return in_scope
    return decorated


@contextlib.contextmanager
def arg_scope(layers_or_scope, **defaults):
    """Give `layers` default arguments inside the block, or re-enter an earlier scope.

    Args: layers_or_scope: layers, or what an earlier `with arg_scope(...) as scope` yielded.
      **defaults: arguments for each of the layers; an inner scope and the call itself win.
    """
    scope = layers_or_scope
    if not isinstance(scope, dict):
        scope = {**_scopes[-1], **{one.__name__: {**_scopes[-1].get(one.__name__, {}), **defaults}
                                   for one in layers_or_scope}}
    _scopes.append(scope)
    try:
        yield scope
    finally:
        _scopes.pop()


def l2_regularizer(scale):
    """A function of the weights that returns the scalar scale · Σw²/2; None if scale is 0."""
    return (lambda weights: scale * tf.nn.l2_loss(weights)) if scale else None


def _same_conv2d(inputs, weights):
    """A SAME convolution of stride 1 and odd kernel whose input gradient is a forward convolution.

    The input gradient is the output gradient convolved with the kernel rotated by 180 degrees,
    channels swapped. TensorFlow's forward convolution is faster than its own input gradient.
    """
    @tf.custom_gradient
    def conv2d(inputs, weights):
        def gradient(output_gradient):
            turned = tf.transpose(tf.reverse(weights, [0, 1]), [0, 1, 3, 2])  # [kh, kw, out, in]
            return (tf.nn.conv2d(output_gradient, turned, strides=1, padding='SAME'),
                    tf.nn.conv2d_backprop_filter(inputs, weights.shape, output_gradient,
                                                 strides=[1, 1, 1, 1], padding='SAME'))
        return tf.nn.conv2d(inputs, weights, strides=1, padding='SAME'), gradient
    return conv2d(inputs, tf.convert_to_tensor(weights))


@layer('Conv')
def conv2d(inputs, num_outputs, kernel_size, stride=1, padding='SAME',
           activation_fn=tf.nn.relu,
           weights_initializer=tf.glorot_uniform_initializer(),
           weights_regularizer=None,
           biases_initializer=tf.zeros_initializer(),
           normalizer_fn=None):
    """A 2-D convolution: variables `<scope>/weights` [kh, kw, in, out], `<scope>/biases` [out].

    Args:
      inputs: float32 [batch, height, width, in], static except the batch.
      num_outputs: channels of the output.
      kernel_size, stride: one number or [height, width].
      activation_fn: a function of the output, or None.
      normalizer_fn: a function that replaces the biases, such as `batch_norm`, or None.
    Returns: float32 [batch, height', width', num_outputs].
    """
    kernel = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    size, channels = inputs.shape.as_list()[1:3], int(inputs.shape[3])
    weights = tf.get_variable('weights', [*kernel, channels, num_outputs],
                              initializer=weights_initializer, regularizer=weights_regularizer)
    # A kernel that covers its whole input has a single position: the convolution is a matrix
    # product. TensorFlow's CPU kernels do not exploit this, and their backward passes over such
    # shapes dominate a training step of AlexNet (fc6, fc7).
    if size == kernel and (padding == 'VALID' or kernel == [1, 1]):
        inputs_per_output = kernel[0] * kernel[1] * channels
        net = tf.matmul(tf.reshape(inputs, [-1, inputs_per_output]),
                        tf.reshape(weights, [inputs_per_output, num_outputs]))
        net = tf.reshape(net, [-1, 1, 1, num_outputs])
    elif padding == 'SAME' and stride == 1 and kernel[0] % 2 == kernel[1] % 2 == 1:
        net = _same_conv2d(inputs, weights)
    else:
        net = tf.nn.conv2d(inputs, weights, strides=stride, padding=padding)
    if normalizer_fn is None:
        net = tf.nn.bias_add(net, tf.get_variable('biases', [num_outputs],
                                                  initializer=biases_initializer))
    else:
        net = normalizer_fn(net)
    return net if activation_fn is None else activation_fn(net)


@layer('fully_connected')
def fully_connected(inputs, num_outputs,
                    activation_fn=tf.nn.relu,
                    weights_initializer=tf.glorot_uniform_initializer(),
                    weights_regularizer=None,
                    biases_initializer=tf.zeros_initializer()):
    """A linear layer on [batch, in]: `<scope>/weights` [in, out]; returns [batch, num_outputs]."""
    weights = tf.get_variable('weights', [int(inputs.shape[1]), num_outputs],
                              initializer=weights_initializer, regularizer=weights_regularizer)
    biases = tf.get_variable('biases', [num_outputs], initializer=biases_initializer)
    net = tf.nn.xw_plus_b(inputs, weights, biases)
    return net if activation_fn is None else activation_fn(net)


@layer('BatchNorm')
def batch_norm(inputs, decay=0.999, epsilon=0.001, is_training=True):
    """Normalize each channel to mean 0, variance 1, then add a learned beta (Ioffe, Szegedy 2015).

    Training uses the mean and variance of the batch; operations in tf.GraphKeys.UPDATE_OPS, to
    be run with each step, update their moving averages. Inference uses these averages.
    Variables: `<scope>/beta`, `<scope>/moving_mean`, `<scope>/moving_variance`, all [channels].
    A gamma would be unnecessary before a ReLU and a convolution.

    Args: inputs: float32 [batch, height, width, channels]. decay: of the moving averages.
    """
    beta, *averages = (tf.get_variable(
        name, inputs.shape[-1:], initializer=initializer, trainable=name == 'beta',
        collections=[tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.MODEL_VARIABLES])
        for name, initializer in [('beta', tf.zeros_initializer()),
                                  ('moving_mean', tf.zeros_initializer()),
                                  ('moving_variance', tf.ones_initializer())])
    net, *moved = tf.nn.fused_batch_norm(
        inputs, tf.ones_like(beta), beta, *averages, epsilon, is_training=is_training,
        exponential_avg_factor=1 - decay if is_training else 1.)
    if is_training:
        for average, value in zip(averages, moved):
            tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign(average, value))
    return net


@layer('MaxPool2D')
def max_pool2d(inputs, kernel_size, stride=2, padding='VALID'):
    """Max pooling; [batch, height, width, channels] in and out."""
    return tf.nn.max_pool2d(inputs, kernel_size, stride, padding)


@layer('AvgPool2D')
def avg_pool2d(inputs, kernel_size, stride=2, padding='VALID'):
    """Average pooling; [batch, height, width, channels] in and out."""
    return tf.nn.avg_pool2d(inputs, kernel_size, stride, padding)


@layer('Dropout')
def dropout(inputs, keep_prob=0.5, is_training=True):
    """In training: keep each value with probability `keep_prob`, scaled by 1/keep_prob."""
    return tf.nn.dropout(inputs, rate=1 - keep_prob) if is_training else inputs
