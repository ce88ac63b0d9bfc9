"""What happens to captcha pictures in the graph, between the record and the network."""
import tensorflow.compat.v1 as tf

from support import dataset


def network_input(x, standardize):
    """x float32 [batch, 224, 224], -1 ... 1 -> the network's input, float32 [batch, 224, 224, 1].

    The post feeds x as it is. With `standardize` each picture is brought to mean 0, deviation 1.
    """
    image = tf.expand_dims(x, -1)  # [batch, 224, 224, 1]
    return tf.image.per_image_standardization(image) if standardize else image


def distort(images, batch_size, distortion):
    """Change each picture at random, so that none is ever seen twice.

    Args:
      images: float32 [batch_size, 224, 224], -1 ... 1.
      distortion: a recipes.Distortion, how much at most; None: leave them as they are.
    Returns: the same shape; what comes in from outside repeats the border. What the distortion
      has as 0 adds no operation.
    """
    if distortion is None:
        return images

    def up_to(limit, low=-1):
        return tf.random.uniform([batch_size, 1, 1, 1], low * limit, limit)
    net = move(tf.expand_dims(images, -1), batch_size, distortion)  # [batch_size, 224, 224, 1]
    if distortion.stroke:
        amount = up_to(distortion.stroke)
        sign = tf.where(amount < 0, -tf.ones_like(amount), tf.ones_like(amount))
        lightest = sign * tf.nn.max_pool2d(sign * net, 3, 1, 'SAME')  # or the darkest
        net += abs(amount) * (lightest - net)
    if distortion.blur:
        net += up_to(distortion.blur, 0) * (tf.nn.avg_pool2d(net, 5, 1, 'SAME') - net)
    if distortion.noise:
        net += up_to(distortion.noise, 0) * tf.random.normal(tf.shape(net))
    if distortion.invert:
        net *= tf.where(up_to(1.0, 0) < distortion.invert, -tf.ones([batch_size, 1, 1, 1]),
                        tf.ones([batch_size, 1, 1, 1]))
    return tf.squeeze(net, -1)


def move(images, batch_size, distortion):
    """Move, stretch and slant each picture: float32 [batch_size, 224, 224, 1] in and out."""
    def up_to(limit):
        return tf.random.uniform([batch_size], -limit, limit)

    # Seen from the centre, the new pixel (x, y) is the old (width x + slant y + dx,
    # lean x + height y + dy).
    width, height = 1 + up_to(distortion.scale), 1 + up_to(distortion.scale)
    slant, lean = up_to(distortion.shear), up_to(distortion.lean)
    dx, dy, zeros = up_to(distortion.shift), up_to(distortion.shift), tf.zeros([batch_size])
    centre = (dataset.IMAGE_SIZE - 1) / 2
    transforms = tf.stack([width, slant, centre * (1 - width - slant) + dx,
                           lean, height, centre * (1 - height - lean) + dy,
                           zeros, zeros], axis=1)  # [batch_size, 8]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images, transforms=transforms, output_shape=images.shape[1:3],
        fill_value=0.0, interpolation='BILINEAR', fill_mode='NEAREST')
