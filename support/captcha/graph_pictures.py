"""Decode and prepare picture files inside the graph, so that clients of any language can send them.

docs/deploy.md says how much it differs from support/common/pictures.py.
"""
import tensorflow.compat.v1 as tf

from support.captcha import dataset, ink_line

MAX_PIXELS = 16_000_000  # in the file's header; decoding takes some 60 bytes for each


def load_captchas(encoded, kind):
    """loading.load_captcha for a batch: string [n] -> uint8 [n, 224, 224]."""
    prepare = {'post': stretched, 'line': line}[kind]
    return tf.map_fn(lambda one: prepare(decoded(one)), encoded, fn_output_signature=tf.TensorSpec(
        [dataset.IMAGE_SIZE, dataset.IMAGE_SIZE], tf.uint8))


def pixel_count(encoded):
    """Width times height as a picture file's header says, int64; -1: it is of another kind."""
    def product(start, kind, little_endian=True):
        sides = tf.strings.substr(encoded, start, 2 * kind.size)
        return tf.abs(tf.reduce_prod(tf.cast(tf.io.decode_raw(sides, kind, little_endian),
                                             tf.int64)))

    def jpeg():
        return tf.reduce_prod(tf.image.extract_jpeg_shape(encoded, tf.int64)[:2])
    start = tf.strings.substr(encoded, 0, 2)
    return tf.case([(tf.equal(start, b'\xff\xd8'), jpeg),
                    (tf.equal(start, b'\x89P'), lambda: product(16, tf.int32, False)),
                    (tf.equal(start, b'GI'), lambda: product(6, tf.uint16)),
                    (tf.equal(start, b'BM'), lambda: product(18, tf.int32))],
                   lambda: tf.constant(-1, tf.int64))


def decoded(encoded):
    """A picture file's bytes, string [] -> float32 [height, width, 3], 0 ... 255.

    Running it raises tf.errors.InvalidArgumentError for what is too large or no picture.
    """
    count = pixel_count(encoded)
    with tf.control_dependencies([tf.debugging.Assert((0 <= count) & (count <= MAX_PIXELS), [
            f'expected a JPEG, PNG, GIF or BMP of at most {MAX_PIXELS} pixels, found (-1: another '
            'kind of file)', count])]):
        encoded = tf.identity(encoded)

    def png():  # the only one with transparency
        picture = tf.cast(tf.io.decode_png(encoded, channels=4), tf.float32)
        opaque = picture[..., 3:] / 255
        return tf.round(opaque * picture[..., :3] + (1 - opaque) * 255)

    def jpeg():
        return tf.cast(tf.io.decode_jpeg(encoded, channels=3, dct_method='INTEGER_ACCURATE'),
                       tf.float32)  # like Pillow; decode_image's is faster

    def other():
        return tf.cast(tf.io.decode_image(encoded, channels=3, expand_animations=False),
                       tf.float32)
    start = tf.strings.substr(encoded, 0, 2)
    picture = tf.case([(tf.equal(start, b'\x89P'), png), (tf.equal(start, b'\xff\xd8'), jpeg)],
                      other)
    return tf.ensure_shape(picture, [None, None, 3])


def stretched(picture):
    """As in the post: float32 [height, width, 3] -> uint8 [224, 224], grey."""
    height, width = tf.unstack(tf.shape(picture)[:2])
    square = resized(picture, (0, 0, width, height), dataset.IMAGE_SIZE)
    grey = tf.tensordot(square, [0.299, 0.587, 0.114], 1)
    return tf.cast(grey + 0.5, tf.uint8)


def line(picture):
    """As ink_line.ink_line: float32 [height, width, 3] -> uint8 [224, 224]."""
    distance = tf.reduce_max(tf.abs(picture - paper_of(picture)), axis=2)  # [height, width]
    strongest = quantile(tf.reshape(distance, [-1, 1]), ink_line.STRONGEST / 100)
    darkness = tf.minimum(distance / tf.maximum(1.0, strongest), 1)
    for _ in range(4):  # sides
        darkness = without_frame(darkness)
    radius = tf.maximum(1, whole(tf.cast(tf.shape(darkness)[0], tf.float32) / ink_line.WINDOW / 2))
    density = tf.transpose(averaged(tf.transpose(averaged(darkness, radius)), radius))
    densest = quantile(tf.reshape(density, [-1, 1]), ink_line.DARKEST / 100)
    ink = tf.cast(density > ink_line.DENSE * densest, tf.float32)
    (top, bottom), (left, right) = (ends(tf.reduce_sum(ink, axis)) for axis in (1, 0))
    margin = tf.maximum(1, whole(ink_line.MARGIN * tf.cast(bottom - top, tf.float32)))
    height, width = tf.unstack(tf.shape(darkness))
    left, top = tf.maximum(0, left - margin), tf.maximum(0, top - margin)
    right, bottom = tf.minimum(width, right + margin), tf.minimum(height, bottom + margin)
    size = dataset.IMAGE_SIZE
    columns = tf.clip_by_value(whole(size * tf.cast(right - left, tf.float32) / (
        ink_line.FULL * tf.cast(bottom - top, tf.float32))), 1, size)
    grey = (255 - tf.round(255 * darkness))[..., tf.newaxis]
    page = resized(grey, (left, top, right, bottom), columns)[..., 0]  # [224, columns]
    start = (size - columns) // 2
    page = tf.pad(page, [[0, 0], [start, size - columns - start]], constant_values=255.0)
    return tf.cast(tf.ensure_shape(page, [size, size]), tf.uint8)


def paper_of(picture):
    """As ink_line.paper_of: float32 [height, width, 3] in and out."""
    height, width = tf.unstack(tf.shape(picture)[:2])
    step = tf.maximum(1, tf.cast(tf.sqrt(tf.cast(height * width, tf.float64) / ink_line.SAMPLES),
                                 tf.int32))
    samples = tf.reshape(picture[::step, ::step], [-1, 3])
    terms = quadratic(height, width, step)  # [samples, 6]
    median, change = quantile(samples, 0.5), 0.0
    samples -= median
    for _ in range(ink_line.FITS):
        distance = tf.reduce_max(tf.abs(samples - change), axis=1)
        scale = tf.maximum(float(ink_line.NOISE), 1.5 * quantile(distance[:, tf.newaxis], 0.5))
        weight = (1 + (distance / scale) ** 2) ** -2  # 0 ... 1
        weighted = tf.transpose(terms * weight[:, tf.newaxis])  # [6, samples]
        square = weighted @ terms + 1e-4 * tf.reduce_sum(weight) * tf.eye(6)
        factors = tf.linalg.solve(square, weighted @ samples)  # [6, 3]
        change = terms @ factors
    return tf.reshape(median + quadratic(height, width, 1) @ factors, tf.shape(picture))


def quadratic(height, width, step):
    """As ink_line.quadratic: float32 [pixels, 6]."""
    y, x = (tf.linspace(-1.0, 1.0, side)[::step] for side in (height, width))
    y, x = (tf.reshape(side, [-1]) for side in tf.meshgrid(y, x, indexing='ij'))
    return tf.stack([tf.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def without_frame(darkness):
    """As one round of ink_line.without_frame: [height, width] -> [width, height], turned."""
    ink = tf.reduce_mean(tf.cast(darkness > ink_line.INK, tf.float32), axis=1) > ink_line.FRAME
    some = ink[:tf.maximum(1, tf.size(ink) // 10)]
    frame = tf.argmin(tf.cast(some, tf.int32), output_type=tf.int32)
    return tf.reverse(tf.transpose(darkness[frame:]), [0])


def averaged(values, radius):
    """As ink_line.averaged: [n, m] -> the same."""
    size, full = tf.shape(values)[0], 2 * radius + 1
    places = tf.clip_by_value(tf.range(-radius - 1, size + radius), 0, size - 1)
    sums = tf.cumsum(tf.cast(tf.gather(values, places), tf.float64))
    return tf.cast((sums[full:] - sums[:-full]) / tf.cast(full, tf.float64), tf.float32)


def resized(picture, box, columns):
    """Pillow's BICUBIC of a box: float32 [height, width, c] -> whole numbers [224, columns, c]."""
    left, top, right, bottom = (tf.cast(side, tf.float32) for side in box)
    across = tf.cast(columns, tf.float32) / (right - left)
    down = dataset.IMAGE_SIZE / (bottom - top)
    net = picture[tf.newaxis]  # first the rows, then the columns, each rounded
    for size, scale, start in (((tf.shape(picture)[0], columns), (1.0, across), (0.0, left)),
                               ((dataset.IMAGE_SIZE, columns), (down, 1.0), (top, 0.0))):
        net = tf.raw_ops.ScaleAndTranslate(
            images=net, size=tf.stack(size), scale=tf.stack(scale), antialias=True,
            translation=-tf.stack(scale) * tf.stack(start), kernel_type='keyscubic')
        net = tf.clip_by_value(tf.round(net), 0, 255)
    return net[0]


def quantile(values, share):
    """np.quantile over the first axis: float32 [n, c] -> [c]."""
    values = tf.sort(values, axis=0)
    place = share * tf.cast(tf.shape(values)[0] - 1, tf.float32)
    below, above = tf.floor(place), tf.math.ceil(place)
    low, high = (tf.gather(values, tf.cast(at, tf.int32)) for at in (below, above))
    return low + (place - below) * (high - low)


def ends(counts):
    """As ink_line.ends: float32 [n] -> int32, the first large enough one, one after the last."""
    enough = tf.cast(tf.where(counts > ink_line.LEAST * tf.reduce_max(counts))[:, 0], tf.int32)
    return tf.cond(tf.size(enough) > 0, lambda: (enough[0], enough[-1] + 1),
                   lambda: (0, tf.size(counts)))


def whole(value):
    """float32 -> the nearest int32."""
    return tf.cast(tf.round(value), tf.int32)
