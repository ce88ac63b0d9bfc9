"""What happens to captcha pictures in the graph, between the record and the network."""
import tensorflow.compat.v1 as tf

EVERY = 4  # sampling stride of the light-ink test, in pixels
FAR = 4  # pixels of 224 by which a picture is shifted for another reading
VIEWS = (0, 0), (FAR, FAR), (-FAR, -FAR)  # rows down, columns right
# For networks whose outputs belong to columns, which sideways shifts would misalign.
VIEWS_OF_COLUMNS = (0, 0), (FAR, 0), (-FAR, 0)


def network_input(x, standardize, dark_ink=False):
    """x float32 [batch, 224, 224], -1 ... 1 -> the network's input, float32 [batch, 224, 224, 1].

    The post feeds x as it is.

    Args: standardize: scale each picture to mean 0, standard deviation 1. dark_ink: invert pictures
      with light ink. Ink covers less area than paper: the longer tail of the values (skewness).
    """
    image = tf.expand_dims(x, -1)  # [batch, 224, 224, 1]
    if standardize:
        image = tf.image.per_image_standardization(image)
    if dark_ink:
        some = image[:, ::EVERY, ::EVERY]  # [batch, 56, 56, 1]
        some -= tf.reduce_mean(some, [1, 2, 3], keepdims=True)
        skewed = tf.reduce_mean(some ** 3, [1, 2, 3], keepdims=True)  # above 0: light ink
        image *= 1 - 2 * tf.cast(skewed > 0, tf.float32)
    return image


def views(images, moves):
    """The pictures unchanged, and shifted by a few pixels, to be read several times.

    Args: images: float32 [batch, height, width, 1]. moves: the first of VIEWS or VIEWS_OF_COLUMNS.
    Returns: a list of such tensors, the unshifted pictures first; the border is repeated outside.
    """
    height, width = images.shape[1:3].as_list()
    wider = tf.pad(images, [[0, 0], [FAR, FAR], [FAR, FAR], [0, 0]], 'SYMMETRIC')
    return [images, *(wider[:, FAR - down:FAR - down + height, FAR - right:FAR - right + width]
                      for down, right in moves[1:])]


def distort(images, distortion, size=None):
    """Move, stretch and slant each picture at random: the network never sees the same one twice.

    Args:
      images: float32 [batch, height, width, 1].
      distortion: a recipes.Distortion with the limits; None: leave them unchanged.
      size: (height, width) of the results, fewer if the network shrinks its input; None: unchanged.
    Returns: float32 [batch, *size, 1]; the border is repeated outside.
    """
    if distortion is None:
        return images
    batch, old_size = tf.shape(images)[0], images.shape[1:3].as_list()
    size = size or old_size

    def up_to(limit):
        return tf.random.uniform([batch], -limit, limit)

    # Seen from the centre, the new pixel (x, y) is the old (width x + slant y + dx,
    # lean x + height y + dy).
    width, height = 1 + up_to(distortion.scale), 1 + up_to(distortion.scale)
    slant, lean = up_to(distortion.shear), up_to(distortion.lean)
    dx, dy, zeros = up_to(distortion.shift), up_to(distortion.shift), tf.zeros([batch])
    rows, columns = (old / new for old, new in zip(old_size, size))  # old pixels in a new one
    middle_y, middle_x = ((old - 1) / 2 for old in old_size)
    first_y, first_x = (rows - 1) / 2 - middle_y, (columns - 1) / 2 - middle_x  # of the new pixels
    transforms = tf.stack(
        [width * columns, slant * rows, width * first_x + slant * first_y + middle_x + dx,
         lean * columns, height * rows, lean * first_x + height * first_y + middle_y + dy,
         zeros, zeros], axis=1)  # [batch, 8]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images, transforms=transforms, output_shape=size,
        fill_value=0.0, interpolation='BILINEAR', fill_mode='NEAREST')
