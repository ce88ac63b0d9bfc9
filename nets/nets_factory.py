"""The registry of networks: a name gives a function from images to four heads' logits."""
import functools

from nets import alexnet, slim

# name: (network, its arg_scope)
NETWORKS = {
    'alexnet_v2': (alexnet.alexnet_v2, alexnet.alexnet_v2_arg_scope),
}


def get_network_fn(name, num_classes, weight_decay=0.0, is_training=False, initialization='post'):
    """The network `name` as a function of the images.

    Args:
      name: a key of NETWORKS.
      num_classes: classes of each head.
      weight_decay: the L2 coefficient; the losses go into GraphKeys.REGULARIZATION_LOSSES.
      is_training: build it for training (dropout on) or for use.
      initialization: how the weights start: see the network.
    Returns: a function of float32 [batch, height, width, channels] that returns
      net0, net1, net2, net3, end_points; its `default_image_size` is the height and width.
    Raises: ValueError for an unknown name.
    """
    if name not in NETWORKS:
        raise ValueError(f'unknown network {name!r}; known: {", ".join(sorted(NETWORKS))}')
    network, network_arg_scope = NETWORKS[name]

    @functools.wraps(network)
    def network_fn(images, **kwargs):
        with slim.arg_scope(network_arg_scope(weight_decay=weight_decay)):
            return network(images, num_classes, is_training=is_training,
                           initialization=initialization, **kwargs)
    network_fn.default_image_size = network.default_image_size
    return network_fn
