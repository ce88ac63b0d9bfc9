"""The facts that the captcha scripts share: characters, sizes, record format, where files lie.

Each fact stands here once: gen_captcha.py and to_tfrecord.py write by it, captcha_train.py and
captcha_test.py read by it.

TensorFlow is imported inside the functions that need it: the generator and its worker processes
use the facts alone, and start in a blink without it.
"""
import glob
import os
import shlex
import types

import numpy as np
from PIL import Image

import picture_file
from cli import UserError, listed_checkpoints, reason

# --- characters: a character's class is its place in the set, so A is 10 and Z is 35
CHARSETS = {'digits': '0123456789',
            'alnum': '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'}
TEXT_LENGTH = 4  # characters of a captcha = labels of a record = heads of the network

# --- pictures
IMAGE_WIDTH, IMAGE_HEIGHT = 160, 60  # of a captcha as it is drawn
IMAGE_SIZE = 224  # height and width in the record: the input of AlexNet v2

# --- a record: one tf.train.Example with these keys
IMAGE_KEY = 'image'  # bytes: IMAGE_SIZE * IMAGE_SIZE values uint8, row by row
LABEL_KEYS = tuple(f'label{k}' for k in range(TEXT_LENGTH))  # int64: classes, left to right

# --- files; each stage reads what the one before it wrote
IMAGE_FOLDER = './captcha/images'
TRAIN_FILE = './captcha/train.tfrecords'
TEST_FILE = './captcha/test.tfrecords'
MODEL_DIR = './captcha'
MODEL_NAME = 'crack_captcha.model'


def charset_name(text):
    """The name of the smallest character set that holds all of `text`, or None."""
    return next((name for name, charset in CHARSETS.items() if set(text) <= set(charset)), None)


def text_of(labels, charset):
    """[0, 7, 8, 2] -> '0782'."""
    return ''.join(charset[label] for label in labels)


def labels_of(text, charset):
    """'0782' -> [0, 7, 8, 2]. Raises ValueError for a character outside the set."""
    return [charset.index(character) for character in text]


def load_picture(path):
    """Any picture file as the network's input: uint8 [224, 224].

    The picture is turned as its EXIF data says, transparency becomes white, 16 bits become 8.
    Then, as in the post: resized to 224x224, converted to grey.
    Raises: UserError naming the file if it is no picture, is truncated or is too large.
    """
    picture = picture_file.open_picture(path)
    picture = picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(picture.convert('L'))  # uint8 [224, 224], 0 black ... 255 white


def scale(pixels):
    """uint8 0 ... 255 -> float32 -1 ... 1, in NumPy what `read_and_decode` does in the graph."""
    return (np.asarray(pixels, np.float32) / 255 - 0.5) * 2


# --- from here on TensorFlow is needed

def read_and_decode(filename):
    """The next record of a TFRecord file, by a queue that begins anew at the file's end.

    Args:
      filename: path of the TFRecord file.
    Returns:
      image: float32 [224, 224], -1 ... 1.
      label0, label1, label2, label3: int32 scalars, classes of the characters.
    """
    import tensorflow.compat.v1 as tf
    filename_queue = tf.train.string_input_producer([filename])
    _, serialized_example = tf.TFRecordReader().read(filename_queue)
    features = tf.parse_single_example(serialized_example, features={
        IMAGE_KEY: tf.FixedLenFeature([], tf.string),
        **{key: tf.FixedLenFeature([], tf.int64) for key in LABEL_KEYS}})
    image = tf.decode_raw(features[IMAGE_KEY], tf.uint8)  # uint8 [50176]
    image = tf.reshape(image, [IMAGE_SIZE, IMAGE_SIZE])  # uint8 [224, 224], 0 ... 255
    image = tf.cast(image, tf.float32) / 255.0  # 0 ... 1
    image = tf.subtract(image, 0.5)
    image = tf.multiply(image, 2.0)  # -1 ... 1
    label0, label1, label2, label3 = (tf.cast(features[key], tf.int32) for key in LABEL_KEYS)
    return image, label0, label1, label2, label3


def read_records(path):
    """Yield each record of a TFRecord file once, in order, checked.

    Yields: image uint8 [224, 224] and labels, a list of four ints.
    Raises: UserError naming the file if it is missing, empty, damaged or of another format.
    """
    import tensorflow.compat.v1 as tf
    make = 'python to_tfrecord.py'
    if path not in (TRAIN_FILE, TEST_FILE):
        make += f' --images <its pictures> --out {shlex.quote(os.path.dirname(path) or ".")}'
    again = make + ' --overwrite'
    if not os.path.isfile(path):
        raise UserError(f'{path}: expected a TFRecord file, found none; make it with: {make}')
    number = 0
    try:
        for number, record in enumerate(tf.io.tf_record_iterator(path), 1):
            feature = tf.train.Example.FromString(record).features.feature
            pixels = feature[IMAGE_KEY].bytes_list.value
            labels = [feature[key].int64_list.value for key in LABEL_KEYS]
            if len(pixels) != 1 or any(len(label) != 1 for label in labels):
                raise UserError(f'{path}: record {number}: expected one value each of '
                                f'{IMAGE_KEY}, {", ".join(LABEL_KEYS)}, found keys: '
                                f'{", ".join(sorted(feature)) or "none"}; make it with: {again}')
            if len(pixels[0]) != IMAGE_SIZE ** 2:
                raise UserError(f'{path}: record {number}: expected an image of '
                                f'{IMAGE_SIZE}x{IMAGE_SIZE} = {IMAGE_SIZE ** 2} bytes, found '
                                f'{len(pixels[0])} bytes; make it again with: {again}')
            labels = [label[0] for label in labels]
            if not all(0 <= label < len(CHARSETS['alnum']) for label in labels):
                raise UserError(f'{path}: record {number}: expected labels from 0 to '
                                f'{len(CHARSETS["alnum"]) - 1}, found {labels}; '
                                f'make it again with: {again}')
            yield np.frombuffer(pixels[0], np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE), labels
    except UserError:
        raise
    except (tf.errors.PermissionDeniedError, tf.errors.UnknownError) as error:  # the disk's fault
        raise UserError(f'{path}: cannot be read: {reason(error)}; mend that and run the same '
                        'command again') from error
    except Exception as error:  # tf.errors.DataLossError, protobuf's DecodeError
        raise UserError(f'{path}: expected whole records, found damage after {number} records; '
                        f'make it again with: {again}') from error
    if number == 0:
        raise UserError(f'{path}: expected records, found an empty file; '
                        f'make it again with: {again}')


def read_batches(path, batch_size):
    """Group `read_records`: yield images uint8 [n, 224, 224] and labels [n, 4]; the last n is the
    rest, so that every record is seen exactly once."""
    images, labels = [], []
    for image, label in read_records(path):
        images.append(image)
        labels.append(label)
        if len(images) == batch_size:
            yield np.stack(images), np.array(labels)
            images, labels = [], []
    if images:
        yield np.stack(images), np.array(labels)


def survey(path):
    """Read a TFRecord file once, with every check; return its record count and character set."""
    count = highest = 0
    for _, labels in read_records(path):
        count += 1
        highest = max(highest, *labels)
    return count, next(name for name, charset in CHARSETS.items() if highest < len(charset))


def network_input(x, recipe):
    """x float32 [batch, 224, 224], -1 ... 1 -> the network's input, float32 [batch, 224, 224, 1].

    The post feeds x as it is. The default recipe gives each image mean 0 and deviation 1.
    """
    import tensorflow.compat.v1 as tf
    image = tf.expand_dims(x, -1)  # [batch, 224, 224, 1]
    return image if recipe == 'post' else tf.image.per_image_standardization(image)


def newest_checkpoint(model_dir):
    """The prefix of the checkpoint written last, such as ./captcha/crack_captcha.model-6000.

    That is the one which TensorFlow's `checkpoint` file names; where that file is damaged or was
    left behind when the model was copied, the one of the highest iteration. None without any.
    Raises: UserError if TensorFlow would take the folder's name for a pattern.
    """
    if glob.escape(model_dir) != model_dir:
        raise UserError(f'{model_dir}: expected a folder without * ? [ in its path, because '
                        'TensorFlow takes these for a pattern; use another --model-dir')
    kept = kept_checkpoints(model_dir)
    if kept:
        return kept[-1]
    numbers = []
    for name in os.listdir(model_dir) if os.path.isdir(model_dir) else []:
        number = name.removeprefix(MODEL_NAME + '-').removesuffix('.index')
        if name == f'{MODEL_NAME}-{number}.index' and number.isdigit():
            numbers.append(int(number))
    return os.path.join(model_dir, f'{MODEL_NAME}-{max(numbers)}') if numbers else None


def kept_checkpoints(model_dir):
    """The checkpoints that TensorFlow's `checkpoint` file lists and that are there, newest last."""
    return [path for path in listed_checkpoints(model_dir) if os.path.isfile(f'{path}.index')]


def command(script, model_dir):
    """The command that runs `script`, the trainer or the tester, on the models in `model_dir`."""
    where = '' if model_dir == MODEL_DIR else f' --model-dir {shlex.quote(model_dir)}'
    return f'python {script}{where}'


def begin_anew_command(model_dir):
    """How to train a new network in place of the one in `model_dir`, in words."""
    return ('train a new one with the command that made it and --restart: '
            f'{command("captcha_train.py", model_dir)} ... --restart')


def checkpoint_facts(checkpoint):
    """What a checkpoint says of itself: a namespace of network, charset, recipe, method, iteration.

    Ours carry the first four as string variables `about/...`; one of the original TF1 code has
    none, so its network and character set are read off the shapes, and the rest is the post's.
    Raises: UserError if the files are damaged or are no captcha network.
    """
    import tensorflow.compat.v1 as tf
    begin_anew = begin_anew_command(os.path.dirname(checkpoint))
    try:
        reader = tf.train.load_checkpoint(checkpoint)
        shapes = reader.get_variable_to_shape_map()
        about = {key: reader.get_tensor(f'about/{key}').decode()
                 for key in ('network', 'charset', 'recipe', 'method') if f'about/{key}' in shapes}
    except Exception as error:  # tf.errors.DataLossError, NotFoundError, ValueError
        raise UserError(f'{checkpoint}: expected a checkpoint, found damaged or missing files; '
                        f'{begin_anew}') from error
    if not about:
        head = shapes.get('alexnet_v2/fc8_0/weights', [0])[-1]
        charset = next((c for c, characters in CHARSETS.items() if len(characters) == head), None)
        about = {'network': 'alexnet_v2', 'charset': charset, 'recipe': 'post'}
    about.setdefault('method', 'heads')  # the post's, and of checkpoints older than the choice
    if about.get('charset') not in CHARSETS:
        raise UserError(f'{checkpoint}: expected a captcha network with four heads of 10 or 36 '
                        f'classes, found none; {begin_anew}')
    _, _, number = checkpoint.rpartition('-')
    return types.SimpleNamespace(iteration=int(number) if number.isdigit() else 0, **about)
