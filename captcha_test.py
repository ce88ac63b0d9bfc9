"""Read captchas nobody has seen, with the newest checkpoint: the whole test set, or your files.

Command:  python captcha_test.py                     the test set: figures and a sheet of pictures
          python captcha_test.py my.jpg other.png    each file: its text and how sure that is
Reads:    captcha/crack_captcha.model-<i>, and captcha/test.tfrecords or the files named
Writes:   captcha/test_sheet.png: 24 captchas with what was read, wrong ones first (test set only)
Takes:    a few seconds for 500 captchas on two cores without a GPU
"""
import collections
import time

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import captcha_data
import cli

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

from nets import nets_factory

# --- files
TEST_FILE = captcha_data.TEST_FILE
MODEL_DIR = captcha_data.MODEL_DIR
SHEET = './captcha/test_sheet.png'

# --- model
BATCH_SIZE = 50  # pictures read at a time: only memory and speed depend on it

# --- what is shown
SHOWN = 10  # captchas printed one by one
CONFUSIONS = 5
SHEET_COLUMNS, SHEET_ROWS = 4, 6
CAPTCHA_SIZE = captcha_data.IMAGE_WIDTH, captcha_data.IMAGE_HEIGHT  # pixels, on the sheet too
CAPTION_HEIGHT, GAP = 24, 10  # pixels
RIGHT, WRONG = (0, 120, 0), (200, 0, 0)


def build_reader(facts):
    """The graph that reads captchas.

    Args: facts: of the checkpoint, see captcha_data.checkpoint_facts.
    Returns:
      x: placeholder float32 [None, 224, 224], -1 ... 1.
      predictions: int64 [batch, 4], classes.
      confidence: float32 [batch], the product of the four heads' largest softmax values.
    """
    size = captcha_data.IMAGE_SIZE
    x = tf.placeholder(tf.float32, [None, size, size])
    num_classes = len(captcha_data.CHARSETS[facts.charset])
    network_fn = nets_factory.get_network_fn(facts.network, num_classes, is_training=False,
                                             method=facts.method)
    *logits, _ = network_fn(captcha_data.network_input(x, facts.recipe))
    logits = tf.stack(logits, axis=1)  # [batch, 4, num_classes]
    predictions = tf.argmax(logits, axis=2)
    confidence = tf.reduce_prod(tf.reduce_max(tf.nn.softmax(logits), axis=2), axis=1)
    return x, predictions, confidence


def open_reader(model_dir):
    """Restore the newest checkpoint of a folder.

    Returns: a function of images uint8 [n, 224, 224] that returns classes [n, 4] and confidence
      [n] in NumPy; the character set; the checkpoint's prefix.
    Raises: UserError if there is no checkpoint or it does not fit the network.
    """
    train = captcha_data.command('captcha_train.py', model_dir)
    checkpoint = captcha_data.newest_checkpoint(model_dir)
    if checkpoint is None:
        if model_dir != MODEL_DIR:
            train += ', with the --network and the --train that you want'
        raise cli.UserError(f'{model_dir}: expected a checkpoint {captcha_data.MODEL_NAME}-<i>, '
                            f'found none; make it with: {train}')
    facts = captcha_data.checkpoint_facts(checkpoint)
    if facts.network not in nets_factory.NETWORKS:
        raise cli.UserError(f'{checkpoint}: expected one of the networks '
                            f'{", ".join(nets_factory.NETWORKS)}, found {facts.network}; train '
                            f'one of them with: {train} --restart')
    with tf.Graph().as_default():
        x, predictions, confidence = build_reader(facts)
        sess = tf.Session()
        try:
            tf.train.Saver().restore(sess, checkpoint)
        except (tf.errors.OpError, ValueError) as error:
            raise cli.UserError(f'{checkpoint}: expected the variables of {facts.network}, found '
                                'others or damaged files; '
                                f'{captcha_data.begin_anew_command(model_dir)}') from error

    def read(images):
        return sess.run([predictions, confidence], {x: captcha_data.scale(images)})
    return read, captcha_data.CHARSETS[facts.charset], checkpoint


def brackets(text):
    """'5137' -> '[5] [1] [3] [7]', as the series prints it."""
    return ' '.join(f'[{character}]' for character in text)


def test(model_dir, test_file, sheet):
    """Read the whole test set, print how well that went and save the sheet of pictures."""
    read, charset, checkpoint = open_reader(model_dir)
    known_labels = len(charset)
    results = []  # (label, predicted text)
    pictures = collections.defaultdict(list)  # right or wrong: the first that fit on the sheet
    seconds = 0.0
    read(np.zeros([1, captcha_data.IMAGE_SIZE, captcha_data.IMAGE_SIZE]))  # not timed: set-up
    for images, labels in captcha_data.read_batches(test_file, BATCH_SIZE):
        if labels.max() >= known_labels:
            raise cli.UserError(f'{test_file}: expected labels from 0 to {known_labels - 1}, as '
                                f'{checkpoint} was trained, found {labels.max()}; name its own '
                                'records with --test, or train a network on these: '
                                'python captcha_train.py --train FILE --model-dir FOLDER')
        start = time.perf_counter()
        predictions, _ = read(images)
        seconds += time.perf_counter() - start
        for image, label, prediction in zip(images, labels, predictions):
            label = captcha_data.text_of(label, charset)
            prediction = captcha_data.text_of(prediction, charset)
            if len(results) < SHOWN:
                print(f'label: {brackets(label)}')
                print(f'predict: {brackets(prediction)}')
            results.append((label, prediction))
            kept = pictures[label == prediction]
            if len(kept) < SHEET_COLUMNS * SHEET_ROWS:
                kept.append((image, label, prediction))

    print_figures(results)
    print(f'time: {1000 * seconds / len(results):.1f} ms a picture, {BATCH_SIZE} at a time')
    print(f'checkpoint: {checkpoint}')
    save_sheet((pictures[False] + pictures[True])[:SHEET_COLUMNS * SHEET_ROWS], sheet)
    print(f'pictures: {sheet}')


def print_figures(results):
    """Print accuracies and confusions of [(label, predicted text), ...]."""
    count = len(results)
    for k in range(captcha_data.TEXT_LENGTH):
        hits = sum(label[k] == prediction[k] for label, prediction in results)
        print(f'character {k + 1}: {hits / count:.4f}')
    whole = sum(label == prediction for label, prediction in results)
    print(f'whole captchas: {whole / count:.4f} ({whole} of {count})')
    confusions = collections.Counter(
        pair for label, prediction in results for pair in zip(label, prediction)
        if pair[0] != pair[1])
    for (label, prediction), times in confusions.most_common(CONFUSIONS):
        print(f'confused: {label} read as {prediction}, {times} times')


def save_sheet(pictures, path):
    """Draw captchas with their readings: green if right; if wrong red, with what it should be.

    Args: pictures: [(image uint8 [224, 224], label, predicted text), ...], at most 24.
    """
    width, height = CAPTCHA_SIZE
    cell_width, cell_height = width + GAP, height + CAPTION_HEIGHT + GAP
    page = Image.new('RGB', (SHEET_COLUMNS * cell_width + GAP, SHEET_ROWS * cell_height + GAP),
                     'white')
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    for number, (image, label, prediction) in enumerate(pictures):
        left = GAP + number % SHEET_COLUMNS * cell_width
        top = GAP + number // SHEET_COLUMNS * cell_height
        page.paste(Image.fromarray(image).resize(CAPTCHA_SIZE), (left, top))
        right = label == prediction
        draw.text((left, top + height + 2), prediction if right else f'{prediction}, not {label}',
                  RIGHT if right else WRONG, font)
    with cli.whole_file(path) as part:
        page.save(part, 'PNG')


def read_files(model_dir, paths):
    """Print `<file> <text> <confidence>` for each picture; a bad one does not stop the others.

    Returns: exit status, 2 if any file could not be read.
    """
    read, charset, _ = open_reader(model_dir)
    status = 0
    for path in paths:
        try:
            image = captcha_data.load_picture(path)  # uint8 [224, 224]
        except cli.UserError as error:
            status = cli.complain(error)
            continue
        (prediction,), (confidence,) = read(image[np.newaxis])
        print(f'{path} {captcha_data.text_of(prediction, charset)} {confidence:.2f}', flush=True)
    return status


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('files', nargs='*', metavar='FILE', help='pictures to read instead')
    parser.add_argument('--test', default=TEST_FILE, metavar='FILE',
                        help='held-out records (default: %(default)s)')
    parser.add_argument('--model-dir', default=MODEL_DIR, metavar='FOLDER',
                        help='folder of the checkpoint (default: %(default)s)')
    parser.add_argument('--sheet', default=SHEET, metavar='FILE',
                        help='where to save the sheet (default: %(default)s)')
    args = parser.parse_args()
    if args.files:
        return read_files(args.model_dir, args.files)
    return test(args.model_dir, args.test, args.sheet)


if __name__ == '__main__':
    cli.run(main)
