"""A trained network, of captchas or of digits, as a file for a program of your own.

Command:  python -m support.export models/digits --to OUT                 for captcha_lite.py
          python -m support.export models/digits --to OUT --format saved_model   for TensorFlow
          python -m support.export models/digits --to OUT --format weights       to train on
Reads:    the newest checkpoint of the folder
Writes:   the folder OUT, which must be new
Takes:    some ten seconds

What each format takes and gives: docs/deploy.md
"""
import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Callable

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

from nets import methods
from support.captcha import dataset, graph_pictures, models
from support.captcha.network import build_softmax
from support.common import checkpoints
from support.common.console import UserError
from support.digits.input_data import SIDE

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CARRIED = (  # what captcha_lite.py needs
    'captcha_lite.py', 'requirements-lite.txt', 'LICENSE',
    *(f'support/{module}.py' for module in (
        '__init__', 'common/__init__', 'common/console', 'common/files', 'common/folders',
        'common/option_types', 'common/pictures', 'common/signals', 'captcha/__init__',
        'captcha/chances', 'captcha/dataset', 'captcha/decoding', 'captcha/ink_line',
        'captcha/loading', 'captcha/priors', 'captcha/random_texts', 'captcha/reader',
        'digits/__init__', 'digits/input_data', 'digits/ink', 'digits/photographs')))
ONLY_TRAINING = 'learning_rate', 'beta1_power', 'beta2_power', 'global_step'
ADVICE = 'name the folder of a trained network, such as models/digits'
DIGITS_NAME = 'mnist_model'  # of the digits' checkpoints
DIGITS_KEYS = 'Variable', 'Variable_1', 'Variable_2', 'Variable_3'  # w1, b1, w2, b2


@dataclasses.dataclass(frozen=True)
class Network:
    """A trained network, which `build` adds to the graph."""
    reads: str  # a key of captcha_lite.LOADERS
    facts: dataset.Facts
    method: methods.Method
    pixels: tf.TensorSpec  # of one picture
    # session, pixels [batch, ...] -> softmax float32 [batch, heads or columns, classes]
    build: Callable


def find(model_dir):
    """The network whose checkpoint is the newest in a folder. Raises: UserError."""
    if digits := checkpoints.newest(model_dir, DIGITS_NAME):
        return Network('digits', dataset.Facts(shortest=1, longest=1), methods.METHODS['heads'],
                       tf.TensorSpec([SIDE * SIDE], tf.float32),
                       lambda _, pixels: build_digits(pixels, digits))
    about = models.about(models.find(model_dir, ADVICE))

    def build(sess, pixels):
        softmax = build_softmax(pixels, about)
        checkpoints.restore(tf.train.Saver(), sess, about.checkpoint,
                            models.train_again_command(model_dir))
        return softmax
    return Network('captchas', about.facts, methods.METHODS[about.recipe.method],
                   tf.TensorSpec([dataset.IMAGE_SIZE, dataset.IMAGE_SIZE], tf.uint8), build)


def build_digits(pixels, checkpoint):
    """mnist_forward.py: float32 [batch, 784], 0 ... 1 -> softmax float32 [batch, 1, 10]."""
    _, value_of = checkpoints.contents(checkpoint, 'train a new one: python mnist_backward.py')
    w1, b1, w2, b2 = (value_of(f'{key}/ExponentialMovingAverage') for key in DIGITS_KEYS)
    hidden = tf.nn.relu(pixels @ w1 + b1)  # float32 [batch, 500], 0 ...
    return methods.probabilities([hidden @ w2 + b2])


# --- the formats: functions of the trained network's folder and of the empty one to fill
def write_tflite(model_dir, folder, quantize=None):
    """One picture in, `pixels` [1, ...]; its `probabilities` [1, heads or columns, classes] out.

    Args: quantize: a key of WEIGHTS; None: float32.
    """
    network = find(model_dir)
    with tf.Graph().as_default(), tf.Session() as sess:
        pixels = tf.placeholder(network.pixels.dtype, [1, *network.pixels.shape], 'pixels')
        softmax = tf.identity(network.build(sess, pixels), 'probabilities')
        converter = tf.lite.TFLiteConverter.from_session(sess, [pixels], [softmax])
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = WEIGHTS[quantize]
        written = converter.convert()
    with open(os.path.join(folder, dataset.EXPORTED), 'wb') as file:
        file.write(written)
    with open(os.path.join(folder, dataset.EXPORTED_FACTS), 'w', encoding='utf-8') as file:
        json.dump({'reads': network.reads,
                   'gives': 'columns' if network.method.of_columns else 'heads',
                   **dataset.to_json(network.facts)}, file, indent=2)
        file.write('\n')
    for name in CARRIED:
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), os.path.join(folder, name))


def write_saved_model(model_dir, folder):
    """`pixels`, and of captchas also picture files; out come texts and confidences.

    The signature `probabilities`, which TFLiteConverter takes, is that of `write_tflite`.
    """
    network = find(model_dir)
    with tf.Graph().as_default(), tf.Session() as sess:
        inputs, shape = {}, [None, *network.pixels.shape]
        if network.reads == 'captchas':
            encoded = inputs['serving_default'] = tf.placeholder(tf.string, [None], 'pictures')
            pixels = tf.placeholder_with_default(
                graph_pictures.load_captchas(encoded, network.facts.pictures), shape, 'pixels')
        else:
            pixels = tf.placeholder(network.pixels.dtype, shape, 'pixels')
        inputs['pixels'] = pixels
        softmax = network.build(sess, pixels)
        classes, confidence = network.method.decode(softmax, network.facts)
        characters = tf.gather([*network.facts.alphabet, ''], classes)  # the last: no character
        text = {'text': tf.strings.reduce_join(characters, axis=1), 'classes': classes,
                'confidence': tf.reduce_prod(confidence, axis=1), 'characters': confidence}
        signatures = {name: tf.saved_model.predict_signature_def({tensor.op.name: tensor}, text)
                      for name, tensor in inputs.items()}
        signatures['probabilities'] = tf.saved_model.predict_signature_def(
            {'pixels': pixels}, {'probabilities': softmax})
        builder = tf.saved_model.Builder(folder)
        builder.add_meta_graph_and_variables(
            sess, [tf.saved_model.tag_constants.SERVING], signatures)
        builder.save()


def write_weights(model_dir, folder):
    """The newest captcha checkpoint, without Adam's moments and the rate."""
    checkpoint = models.find(model_dir, ADVICE)
    models.about(checkpoint)  # refuses any other network
    shapes, value_of = checkpoints.contents(checkpoint, models.train_again_command(model_dir))
    keys = sorted(key for key in shapes if key not in ONLY_TRAINING and '/Adam' not in key)
    prefix = os.path.join(folder, os.path.basename(checkpoint))
    with tf.Graph().as_default(), tf.Session() as sess:
        sess.run(tf.raw_ops.SaveV2(prefix=prefix, tensor_names=keys,
                                   shape_and_slices=[''] * len(keys),
                                   tensors=[value_of(key) for key in keys]))
    tf.train.update_checkpoint_state(folder, os.path.basename(prefix))  # wherever the folder is


WEIGHTS = {'float16': [tf.float16], 'int8': []}  # as TFLiteConverter wants it: [] is int8
FORMATS = {'tflite': write_tflite, 'saved_model': write_saved_model, 'weights': write_weights}


def export(model_dir, target, form='tflite', **how):
    """Write a trained network into the folder `target`, whole or not at all.

    Args: form: a key of FORMATS. how: keywords of its function.
    Raises: UserError if one is no trained network, or the other exists.
    """
    parent, name = os.path.split(os.path.abspath(target))
    if os.path.lexists(target):
        raise UserError(f'{target}: expected the name of a new folder, found one that exists; '
                        'name another one')
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f'.{name}.') as outer:
        folder = os.path.join(outer, name)
        os.mkdir(folder)
        FORMATS[form](model_dir, folder, **how)
        os.rename(folder, target)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('model_dir', metavar='FOLDER', help='folder of the trained network')
    parser.add_argument('--to', required=True, metavar='OUT', help='new folder to write')
    parser.add_argument('--format', choices=FORMATS, default='tflite',
                        help='(default: %(default)s)')
    parser.add_argument('--quantize', choices=WEIGHTS,
                        help='tflite with weights of a half or a quarter of the size')
    args = parser.parse_args()
    if args.quantize and args.format != 'tflite':
        parser.error(f'--quantize: expected --format tflite, found {args.format}')
    export(args.model_dir, args.to, args.format,
           **({'quantize': args.quantize} if args.quantize else {}))
    print(f'saved {args.to}')


if __name__ == '__main__':
    console.run(main)
