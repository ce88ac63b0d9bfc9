"""Read handwritten digits from picture files: photographs, scans, drawings, any paper and pen.

Command:  python mnist_app.py                     asks for the number of pictures and their paths
          python mnist_app.py a.jpg b.jpg         reads these
          --post    prepares the picture as the post does: one black digit filling white paper
          --show    saves what the network saw and thought beside the picture: a.read.png
Reads:    the pictures and the newest checkpoint in ./model/ (python mnist_backward.py makes one)
Writes:   nothing, or with --show one PNG a picture
Takes:    3 s to start, then 20 ms for a small picture, a second for a telephone's photograph

Several digits that stand apart are read from left to right: [2 0 2 6]. A blank picture gives [].
After each reading a line says how sure the network is, and when not to trust it.
"""
import argparse
import contextlib
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import cli

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

import input_data
import mnist_backward
import mnist_forward
import mnist_photo
import picture_file

# ---- the picture the network wants ----
SIDE = input_data.SIDE  # pixels, height and width
threshold = 50  # 0 ... 255: ink paler than this becomes paper; pre_pic only

# ---- when not to trust a reading ----
MARGIN = 0.5    # the best digit's probability is ahead of the second's by less than this
WIDE = 1.3      # the ink is wider than tall by this factor: perhaps digits that touch

# ---- what --show draws ----
PANEL = 280     # pixels, height and width of each of the panels
GAP = 10        # pixels
INK, BEST, OTHER = (0, 0, 0), (0, 120, 0), (150, 150, 150)  # text, the best bar, other bars


def pre_pic(picName):
    """Picture file, a black digit on white -> float32 [1, 784], 1 where there is ink, else 0.

    The steps are the post's: shrink to 28x28, grey, invert, threshold.
    """
    picture = picture_file.open_picture(picName, turn=False)
    reIm = picture.resize((SIDE, SIDE), Image.LANCZOS)
    im_arr = 255 - np.array(reIm.convert('L'))         # uint8 [28, 28], 0 paper ... 255 ink
    im_arr = np.where(im_arr < threshold, 0, 255)      # int [28, 28], 0 or 255
    nm_arr = im_arr.reshape([1, mnist_forward.INPUT_NODE])
    return (nm_arr / 255).astype(np.float32)           # float32 [1, 784], 0 or 1


@contextlib.contextmanager
def open_model():
    """Yield a function that reads prepared pictures; or None: no checkpoint.

    It takes float32 [n, 784], 0 ... 1, and returns the digits, int64 [n], and the probabilities
    of all ten, float32 [n, 10]. The network is restored once, with the moving averages.
    """
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, mnist_forward.INPUT_NODE])  # pixels, 0 ... 1
        y = mnist_forward.forward(x, None)                                # logits [n, 10]
        preValue = tf.argmax(y, 1)                                        # int64 [n], 0 ... 9
        probabilities = tf.nn.softmax(y)                                  # float32 [n, 10]

        ema = tf.train.ExponentialMovingAverage(mnist_backward.moving_average_decay)
        saver = tf.train.Saver(ema.variables_to_restore())

        with tf.Session() as sess:
            checkpoint = mnist_backward.newest_checkpoint()
            if checkpoint is None:
                cli.say('no checkpoint file found')
                yield None
            else:
                mnist_backward.restore(saver, sess, checkpoint)
                yield lambda testPicArr: sess.run([preValue, probabilities],
                                                  feed_dict={x: testPicArr})


def restore_model(testPicArr):
    """Return the digit read from testPicArr, float32 [1, 784], as int64 [1]; -1: no checkpoint."""
    with open_model() as predict:
        return -1 if predict is None else predict(testPicArr)[0]


def read_picture(predict, picName, post=False, show=False):
    """Print the digits read from the picture file `picName`, how sure that is, and doubts."""
    pictures = pre_pic(picName) if post else mnist_photo.pre_digits(picName)  # float32 [n, 784]
    digits, probabilities = predict(pictures)                    # int64 [n], float32 [n, 10]
    cli.say(f'the prediction number is {digits}')
    if len(digits):
        cli.say('sure: ' + ' '.join(f'{one.max():.1%}' for one in probabilities))
    for doubt in doubts(pictures, probabilities):
        cli.say(doubt)
    if show:
        path = os.path.splitext(picName)[0] + '.read.png'
        page = drawing(picture_file.open_picture(picName, turn=not post), pictures, probabilities)
        try:
            with cli.whole_file(path) as part:
                page.save(part, 'PNG')
        except OSError as error:
            raise cli.UserError(f'{path}: cannot be written: {error.strerror or error}; leave out '
                                '--show, or copy the picture to another folder') from error
        cli.say(f'saved: {path}')


def doubts(pictures, probabilities):
    """The reasons not to trust a reading, a line each.

    Args: pictures: float32 [n, 784]. probabilities: float32 [n, 10], of each digit.
    """
    lines = []
    if not pictures.any():
        return ['not to be trusted: the picture is blank, no ink was found']
    if len(pictures) > 1:
        lines.append(f'several digits: {len(pictures)} stand apart, read from left to right')
    for n, (picture, one) in enumerate(zip(pictures, probabilities), 1):
        which = f'digit {n} is ' if len(pictures) > 1 else ''
        second, best = np.argsort(one)[-2:]
        if one[best] - one[second] < MARGIN:
            lines.append(f'not to be trusted: {which}perhaps a {second} ({one[second]:.1%})')
        height, width = (np.ptp(np.nonzero(picture.reshape(SIDE, SIDE).any(axis))) + 1
                         for axis in (1, 0))
        if width > WIDE * height:
            lines.append(f'not to be trusted: {which}wider than tall, perhaps several that touch')
    return lines


def drawing(picture, pictures, probabilities):
    """What --show saves: the original, then for each digit a row of 28x28 and ten bars.

    Args: picture: Pillow, L or RGB. pictures, probabilities: see `doubts`.
    Returns: a Pillow picture, RGB.
    """
    cell = PANEL + GAP
    page = Image.new('RGB', (3 * cell + GAP, max(1, len(pictures)) * cell + GAP), 'white')
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    original = picture.convert('RGB')
    original.thumbnail((PANEL, PANEL))
    page.paste(original, (GAP, GAP))
    draw.rectangle((GAP, GAP, GAP + original.width - 1, GAP + original.height - 1), outline=OTHER)
    for n, (seen, one) in enumerate(zip(pictures, probabilities)):
        top = GAP + n * cell
        grey = np.rint(255 * seen.reshape(SIDE, SIDE)).astype(np.uint8)  # 0 paper ... 255 ink
        page.paste(Image.fromarray(grey).resize((PANEL, PANEL), Image.Resampling.NEAREST),
                   (GAP + cell, top))
        for digit, probability in enumerate(one):
            y, left = top + digit * PANEL // 10, GAP + 2 * cell
            draw.text((left, y + 4), str(digit), INK, font)
            draw.rectangle((left + 20, y + 4, left + 20 + round(180 * float(probability)), y + 22),
                           BEST if digit == one.argmax() else OTHER)
            draw.text((left + 210, y + 4), f'{probability:.1%}', INK, font)
    return page


def ask(read):
    """Ask for a number of pictures and for each path, and read them; a bad answer is asked again.

    Args: read: a function of a path. Raises EOFError at the end of the input.
    """
    testNum = None
    while testNum is None:
        try:
            testNum = cli.positive_int(input('input the number of test pictures:').strip())
        except argparse.ArgumentTypeError as error:
            cli.complain(error)
    while testNum > 0:
        testPic = input('the path of test picture:')
        try:
            read(testPic)
            testNum -= 1
        except cli.UserError as error:
            cli.complain(error)


def clean_path(answer):
    """A path as people paste it, in quotes, with ~ or with '\\ ' for each space -> the path."""
    path = answer.strip().strip('\'"')
    if os.name != 'nt':
        path = path.replace('\\ ', ' ')
    return os.path.expanduser(path)


def application(paths=(), post=False, show=False):
    """Read the digits of `paths`, or ask for paths if there are none; returns the exit status.

    Args: post: prepare the pictures with pre_pic. show: save a drawing beside each picture.
    """
    status = 0
    with open_model() as predict:
        if predict is None:
            return cli.complain('train first: python mnist_backward.py', 1)

        def read(answer):
            path = answer if os.path.exists(answer) else clean_path(answer)
            read_picture(predict, path, post, show)
        for path in paths:
            try:
                read(path)
            except cli.UserError as error:
                status = cli.complain(error)  # and go on: the others may be good
        if not paths:
            try:
                ask(read)
            except EOFError:
                cli.say('')  # so that the shell's prompt gets a line of its own
    return status


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('pictures', nargs='*', help='picture files; none: ask for them')
    parser.add_argument('--post', action='store_true', help="prepare pictures as the post does")
    parser.add_argument('--show', action='store_true', help='save what the network saw and thought')
    args = parser.parse_args()
    return application(args.pictures, args.post, args.show)


if __name__ == '__main__':
    cli.run(main)
