"""The registry of networks: maps a name to a function from images to the heads' logits."""
import functools

from nets import alexnet, line_cnn, slim, small_cnn
from nets.methods import METHODS

_NETWORKS = {}  # name: (network, its arg_scope, names of its methods)


def register(name, network, network_arg_scope, methods=('heads', 'vector')):
    """Add a network, or replace one: docs/captcha.md, "Add a network", says what each is.

    Args: methods: the keys of METHODS that the network supports.
    """
    _NETWORKS[name] = network, network_arg_scope, tuple(methods)


register('alexnet_v2', alexnet.alexnet_v2, alexnet.alexnet_v2_arg_scope)
register('small_cnn', small_cnn.small_cnn, small_cnn.small_cnn_arg_scope,
         ('heads', 'vector', 'attention', 'fine_attention', 'wide_attention'))
register('line_cnn', line_cnn.line_cnn, small_cnn.small_cnn_arg_scope, ('ctc',))
register('deep_line_cnn', line_cnn.deep_line_cnn, small_cnn.small_cnn_arg_scope, ('ctc',))


def names():
    """The names of all networks."""
    return sorted(_NETWORKS)


def methods_of(name):
    """The methods that the network `name` supports."""
    return _NETWORKS[name][-1]


def get_network_fn(name, num_classes, weight_decay=0.0, is_training=False, initialization='post',
                   method='heads', num_heads=4):
    """The network `name` as a function of the images.

    Args:
      num_classes: classes of each character.
      weight_decay: the L2 coefficient; the losses go into GraphKeys.REGULARIZATION_LOSSES.
      is_training: build it for training (dropout, batch statistics) or for inference.
      initialization: of the convolutions' weights, a key of slim.INITIALIZERS.
      method: one of `methods_of(name)`, see methods.METHODS.
      num_heads: number of characters.
    Returns: a function of float32 [batch, height, width, channels] that returns
      net0, net1, net2, net3, end_points; its `default_image_size` is the height and width, its
      `training_size` the (height, width) that training pictures need.
    Raises: ValueError for an unknown name or method.
    """
    if name not in _NETWORKS:
        raise ValueError(f'unknown network {name!r}; known: {", ".join(names())}')
    network, network_arg_scope, methods = _NETWORKS[name]
    if method not in methods:
        raise ValueError(f'unknown method {method!r} of {name}; known: {", ".join(methods)}')
    arg_scope = network_arg_scope(weight_decay=weight_decay, initialization=initialization)
    build, attention = METHODS[method].build, METHODS[method].attention
    attention = {'attention': attention} if attention else {}

    @functools.wraps(network)  # with its default_image_size
    def network_fn(images, **kwargs):
        with slim.arg_scope(arg_scope):
            return build(network, images, num_classes, num_heads, is_training=is_training,
                         **attention, **kwargs)
    network_fn.training_size = (network.training_size(num_heads, **attention)
                                if hasattr(network, 'training_size')
                                else (network.default_image_size,) * 2)
    return network_fn
