"""The part of TF1's `tf.contrib.slim` that the networks use, on `tensorflow.compat.v1`.

A layer is one call that makes its variables (`<scope>/weights`, `<scope>/biases`), applies
them and collects its output as an end point. `arg_scope` gives many layers the same arguments:

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


def add_arg_scope(layer):
    """Decorator: let `arg_scope` set default arguments of the function `layer`."""
    @functools.wraps(layer)
    def with_defaults(*args, **kwargs):
        return layer(*args, **{**_scopes[-1].get(layer.__name__, {}), **kwargs})
    return with_defaults


@contextlib.contextmanager
def arg_scope(layers_or_scope, **defaults):
    """Give `layers` default arguments inside the block, or re-enter an earlier scope.

    Args:
      layers_or_scope: a list of decorated functions, or what an earlier `with arg_scope(...) as
        scope` yielded (then without `defaults`).
      **defaults: arguments for each of the functions; an inner scope and the call itself win.
    Yields: the scope, which can be re-entered.
    """
    if isinstance(layers_or_scope, dict):
        if defaults:
            raise ValueError('a scope that is entered again takes no new defaults')
        scope = layers_or_scope
    else:
        scope = dict(_scopes[-1])
        for layer in layers_or_scope:
            scope[layer.__name__] = {**scope.get(layer.__name__, {}), **defaults}
    _scopes.append(scope)
    try:
        yield scope
    finally:
        _scopes.pop()


def l2_regularizer(scale):
    """A function of the weights that returns the scalar scale · Σw²/2; None if scale is 0."""
    if not scale:
        return None
    return lambda weights: scale * tf.nn.l2_loss(weights)


# Initializers of the convolutions. 'post': Glorot uniform, slim's default. 'he': a truncated
# normal of variance 2/fan-in (He et al. 2015), designed for ReLU: preserves the signal's variance
# across layers.
INITIALIZERS = {
    'post': tf.glorot_uniform_initializer,
    'he': functools.partial(tf.variance_scaling_initializer, scale=2.0, mode='fan_in'),
}


def initializer(name):
    """The initializer `name`, a key of INITIALIZERS. Raises: ValueError for an unknown name."""
    if name not in INITIALIZERS:
        raise ValueError(f"initialization must be one of {', '.join(INITIALIZERS)}, not {name!r}")
    return INITIALIZERS[name]()


def convert_collection_to_dict(collection):
    """The end points collected under the name `collection`: {scope name: output tensor}."""
    return dict(tf.get_collection(collection))


def _collect(collection, name, output):
    """Register `output` as the end point `name`, unless `collection` is None."""
    if collection is not None:
        tf.add_to_collection(collection, (name, output))
    return output


def _weights_and_biases(shape, weights_initializer, weights_regularizer, biases_initializer):
    """The variables `weights` [..., in, out] and `biases` [out] of the current scope.

    A regularizer's loss goes into GraphKeys.REGULARIZATION_LOSSES, once per variable however often
    it is reused. `biases_initializer` None: no biases.
    """
    weights = tf.get_variable('weights', shape, initializer=weights_initializer,
                              regularizer=weights_regularizer)
    if biases_initializer is None:
        return weights, None
    return weights, tf.get_variable('biases', shape[-1:], initializer=biases_initializer)


def _finish(net, biases, activation_fn):
    """Add the biases, if any, and apply the activation, if any."""
    if biases is not None:
        net = tf.nn.bias_add(net, biases)
    return net if activation_fn is None else activation_fn(net)


def _same_conv2d(inputs, weights):
    """A SAME convolution of stride 1 and odd kernel whose input gradient is a forward convolution.

    Each input value reaches the outputs around it through the kernel rotated by 180 degrees, so
    its gradient is the output gradient convolved with that kernel, channels swapped. TensorFlow's
    forward convolution computes this faster than its own input gradient.
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


def _pair(size):
    """A kernel or stride given as one number or as two: (height, width)."""
    return (size, size) if isinstance(size, int) else tuple(size)


@add_arg_scope
def conv2d(inputs, num_outputs, kernel_size, stride=1, padding='SAME',
           activation_fn=tf.nn.relu,
           weights_initializer=tf.glorot_uniform_initializer(),
           weights_regularizer=None,
           biases_initializer=tf.zeros_initializer(),
           normalizer_fn=None,
           outputs_collections=None, scope='Conv'):
    """A 2-D convolution: variables `<scope>/weights` [kh, kw, in, out], `<scope>/biases` [out].

    Args:
      inputs: float32 [batch, height, width, in], static except the batch.
      num_outputs: channels of the output.
      kernel_size, stride: one number or [height, width].
      padding: 'SAME' or 'VALID'.
      activation_fn: a function of the output, or None.
      normalizer_fn: a function that replaces the biases, such as `batch_norm`, or None.
      outputs_collections: the collection of end points, or None.
    Returns: float32 [batch, height', width', num_outputs].
    """
    with tf.variable_scope(scope) as variable_scope:
        kernel, strides = _pair(kernel_size), _pair(stride)
        size = tuple(inputs.shape[1:3].as_list())
        shape = [*kernel, int(inputs.shape[3]), num_outputs]
        weights, biases = _weights_and_biases(
            shape, weights_initializer, weights_regularizer,
            None if normalizer_fn else biases_initializer)
        # A kernel that covers its whole VALID input has a single position, as has a 1x1 kernel on
        # a 1x1 map with any padding: the convolution is a matrix product. TensorFlow's CPU kernels
        # do not exploit this, and their backward passes over such shapes dominate a training step
        # of AlexNet (fc6, fc7); as matrix products they run at full speed. The variable keeps its
        # four axes, so the checkpoint stays slim's.
        if size == kernel and (padding == 'VALID' or kernel == (1, 1)):
            inputs_per_output = shape[0] * shape[1] * shape[2]
            net = tf.matmul(tf.reshape(inputs, [-1, inputs_per_output]),
                            tf.reshape(weights, [inputs_per_output, num_outputs]))
            net = tf.reshape(net, [-1, 1, 1, num_outputs])  # [batch, 1, 1, num_outputs]
        elif padding == 'SAME' and strides == (1, 1) and kernel[0] % 2 == kernel[1] % 2 == 1:
            net = _same_conv2d(inputs, weights)
        else:
            net = tf.nn.conv2d(inputs, weights, strides=strides, padding=padding)
        if normalizer_fn is not None:
            net = normalizer_fn(net)
        return _collect(outputs_collections, variable_scope.name,
                        _finish(net, biases, activation_fn))


@add_arg_scope
def batch_norm(inputs, decay=0.999, epsilon=0.001, is_training=True, scope='BatchNorm'):
    """Normalize each channel to mean 0, variance 1, then add a learned beta (Ioffe, Szegedy 2015).

    Training uses the mean and variance of the batch; operations in tf.GraphKeys.UPDATE_OPS, to
    be run with each step, update their moving averages. Inference uses these averages, so that a
    picture's result does not depend on the rest of its batch.
    Variables: `<scope>/beta`, `<scope>/moving_mean`, `<scope>/moving_variance`, all [channels].
    A gamma would be unnecessary before a ReLU and a convolution.

    Args:
      inputs: float32 [batch, height, width, channels].
      decay: of the moving averages, which span about 1 / (1 - decay) steps.
      epsilon: added to the variance.
    """
    with tf.variable_scope(scope):
        def variable(name, initial, trainable):
            return tf.get_variable(name, inputs.shape[-1:], trainable=trainable,
                                   initializer=tf.constant_initializer(initial),
                                   collections=[tf.GraphKeys.GLOBAL_VARIABLES,
                                                tf.GraphKeys.MODEL_VARIABLES])
        beta = variable('beta', 0.0, True)
        gamma = tf.ones_like(beta)
        moving_mean = variable('moving_mean', 0.0, False)
        moving_variance = variable('moving_variance', 1.0, False)
        if not is_training:
            return tf.nn.fused_batch_norm(inputs, gamma, beta, moving_mean, moving_variance,
                                          epsilon, is_training=False)[0]
        net, mean, variance = tf.nn.fused_batch_norm(inputs, gamma, beta, epsilon=epsilon)
        for average, value in (moving_mean, mean), (moving_variance, variance):
            tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign_sub(
                average, (1 - decay) * (average - value)))
        return net


@add_arg_scope
def fully_connected(inputs, num_outputs,
                    activation_fn=tf.nn.relu,
                    weights_initializer=tf.glorot_uniform_initializer(),
                    weights_regularizer=None,
                    biases_initializer=tf.zeros_initializer(),
                    outputs_collections=None, scope='fully_connected'):
    """A linear layer on [batch, in]: `<scope>/weights` [in, out]; returns [batch, num_outputs]."""
    with tf.variable_scope(scope) as variable_scope:
        weights, biases = _weights_and_biases(
            [int(inputs.shape[1]), num_outputs], weights_initializer, weights_regularizer,
            biases_initializer)
        return _collect(outputs_collections, variable_scope.name,
                        _finish(tf.matmul(inputs, weights), biases, activation_fn))


@add_arg_scope
def max_pool2d(inputs, kernel_size, stride=2, padding='VALID',
               outputs_collections=None, scope='MaxPool2D'):
    """Max pooling; [batch, height, width, channels] in and out."""
    with tf.variable_scope(scope) as variable_scope:
        net = tf.nn.max_pool2d(inputs, _pair(kernel_size), _pair(stride), padding)
        return _collect(outputs_collections, variable_scope.name, net)


@add_arg_scope
def avg_pool2d(inputs, kernel_size, stride=2, padding='VALID',
               outputs_collections=None, scope='AvgPool2D'):
    """Average pooling; [batch, height, width, channels] in and out."""
    with tf.variable_scope(scope) as variable_scope:
        net = tf.nn.avg_pool2d(inputs, _pair(kernel_size), _pair(stride), padding)
        return _collect(outputs_collections, variable_scope.name, net)


@add_arg_scope
def dropout(inputs, keep_prob=0.5, is_training=True, outputs_collections=None, scope='Dropout'):
    """In training: keep each value with probability `keep_prob`, scaled by 1/keep_prob."""
    with tf.variable_scope(scope) as variable_scope:
        net = tf.nn.dropout(inputs, rate=1 - keep_prob) if is_training else tf.identity(inputs)
        return _collect(outputs_collections, variable_scope.name, net)
