"""The registry of networks: a name gives a function from images to the heads' logits."""
import functools
import inspect

import tensorflow.compat.v1 as tf

from nets import alexnet, slim, small_cnn

# Method 2 of the post, its subject; Method 1; and Method 2 with heads that share their weights
METHODS = ('heads', 'vector', 'attention', 'fine_attention', 'wide_attention')
_NETWORKS = {}  # name: (network, its arg_scope)


def register(name, network, network_arg_scope):
    """Add a network, or replace one.

    Args:
      network: a function of images float32 [batch, height, width, channels], num_classes and the
        keywords is_training and num_heads that returns the heads' logits, [batch, num_classes]
        each, and end_points last; its `default_image_size` is the height and width. If it takes
        a keyword `attention` as well, it can be built by all METHODS, else by two. A network that
        shrinks its input first may have a function `training_size` of num_heads and attention:
        the smallest (height, width) that loses nothing.
      network_arg_scope: a function of weight_decay and initialization that makes the scope.
    """
    _NETWORKS[name] = network, network_arg_scope


register('alexnet_v2', alexnet.alexnet_v2, alexnet.alexnet_v2_arg_scope)
register('small_cnn', small_cnn.small_cnn, small_cnn.small_cnn_arg_scope)


def names():
    """The names of all networks."""
    return sorted(_NETWORKS)


def methods(name):
    """The methods by which the network `name` can be built."""
    network, _ = _NETWORKS[name]
    can_look = 'attention' in inspect.signature(network).parameters
    return METHODS if can_look else METHODS[:2]


def get_network_fn(name, num_classes, weight_decay=0.0, is_training=False, initialization='post',
                   method='heads', num_heads=4):
    """The network `name` as a function of the images.

    Args:
      name: one of `names()`.
      num_classes: classes of each character.
      weight_decay: the L2 coefficient; the losses go into GraphKeys.REGULARIZATION_LOSSES.
      is_training: build it for training (dropout, batch norm by the batch) or for use.
      initialization: how the convolutions' weights start, see slim.INITIALIZERS.
      method: 'heads': a head of num_classes for each character; 'vector': one head of
        num_heads * num_classes, whose equal parts are the characters' logits; 'attention',
        'fine_attention', 'wide_attention': heads that share their weights, see
        small_cnn.heads_that_look.
      num_heads: characters.
    Returns: a function of float32 [batch, height, width, channels] that returns
      net0, net1, net2, net3, end_points; its `default_image_size` is the height and width, its
      `training_size` the (height, width) that training pictures need.
    Raises: ValueError for an unknown name, method or initialization.
    """
    if name not in _NETWORKS:
        raise ValueError(f'unknown network {name!r}; known: {", ".join(names())}')
    if method not in methods(name):
        raise ValueError(f'unknown method {method!r} of {name}; known: {", ".join(methods(name))}')
    network, network_arg_scope = _NETWORKS[name]
    arg_scope = network_arg_scope(weight_decay=weight_decay, initialization=initialization)

    attention = {'attention': method} if 'attention' in method else {}

    @functools.wraps(network)
    def network_fn(images, **kwargs):
        kwargs = dict(is_training=is_training, **attention, **kwargs)
        with slim.arg_scope(arg_scope):
            if method != 'vector':
                return network(images, num_classes, num_heads=num_heads, **kwargs)
            vector, end_points = network(images, num_heads * num_classes, num_heads=1, **kwargs)
            return *tf.split(vector, num_heads, axis=1), end_points  # each [batch, num_classes]
    size = network.default_image_size
    network_fn.default_image_size = size
    network_fn.training_size = (network.training_size(num_heads, **attention)
                                if hasattr(network, 'training_size') else (size, size))
    return network_fn
