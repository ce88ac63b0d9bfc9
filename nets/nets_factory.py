"""The registry of networks: a name gives a function from images to four heads' logits."""
import functools

import tensorflow.compat.v1 as tf

from nets import alexnet, slim, small_cnn

# name: (network, its arg_scope)
NETWORKS = {
    'alexnet_v2': (alexnet.alexnet_v2, alexnet.alexnet_v2_arg_scope),
    'small_cnn': (small_cnn.small_cnn, small_cnn.small_cnn_arg_scope),
}

METHODS = ('heads', 'vector')  # Method 2 of the post, its subject, and Method 1


def get_network_fn(name, num_classes, weight_decay=0.0, is_training=False, initialization='post',
                   method='heads'):
    """The network `name` as a function of the images.

    Args:
      name: a key of NETWORKS.
      num_classes: classes of each character.
      weight_decay: the L2 coefficient; the losses go into GraphKeys.REGULARIZATION_LOSSES.
      is_training: build it for training (dropout, batch norm by the batch) or for use.
      initialization: how the weights start: see the network.
      method: 'heads': four heads of num_classes; 'vector': one head of 4 * num_classes, whose
        quarters are the four characters' logits.
    Returns: a function of float32 [batch, height, width, channels] that returns
      net0, net1, net2, net3, end_points; its `default_image_size` is the height and width.
    Raises: ValueError for an unknown name or method.
    """
    if name not in NETWORKS:
        raise ValueError(f'unknown network {name!r}; known: {", ".join(sorted(NETWORKS))}')
    if method not in METHODS:
        raise ValueError(f'unknown method {method!r}; known: {", ".join(METHODS)}')
    network, network_arg_scope = NETWORKS[name]

    @functools.wraps(network)
    def network_fn(images, **kwargs):
        kwargs = dict(is_training=is_training, initialization=initialization, **kwargs)
        with slim.arg_scope(network_arg_scope(weight_decay=weight_decay)):
            if method == 'heads':
                return network(images, num_classes, **kwargs)
            vector, end_points = network(images, 4 * num_classes, num_heads=1, **kwargs)
            return *tf.split(vector, 4, axis=1), end_points  # four of [batch, num_classes]
    network_fn.default_image_size = network.default_image_size
    return network_fn
