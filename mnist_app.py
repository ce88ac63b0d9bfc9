"""Read handwritten digits from picture files, each a black digit on white.

Command:  python mnist_app.py                     asks for the number of pictures and their paths
          python mnist_app.py a.jpg b.jpg         reads these
Reads:    the pictures and the newest checkpoint in ./model/ (python mnist_backward.py makes one)
Writes:   nothing
Takes:    3 s to start, then milliseconds a picture
"""
import argparse
import contextlib
import os
import warnings

import numpy as np
from PIL import Image

import cli

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

import mnist_backward
import mnist_forward

# ---- the picture the network wants ----
SIDE = 28       # pixels, height and width
threshold = 50  # 0 ... 255: ink paler than this becomes paper


def open_picture(picName):
    """Open the picture file `picName` and return it decoded, mode L or RGB, any size.

    Raises cli.UserError if there is no such file or it is no usable picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error', Image.DecompressionBombWarning)
            with Image.open(picName) as picture:
                if picture.has_transparency_data:  # what shows through is white, as on a screen
                    picture = picture.convert('RGBA')
                    paper = Image.new('RGBA', picture.size, 'white')
                    picture = Image.alpha_composite(paper, picture)
                if picture.mode.startswith('I;16'):  # 16-bit grey; Pillow would cut it off at 255
                    picture = Image.fromarray((np.array(picture) // 256).astype(np.uint8))
                if picture.mode not in ('L', 'RGB'):
                    picture = picture.convert('RGB')
                picture.load()
                return picture
    except FileNotFoundError:
        found = 'no such file'
    except IsADirectoryError:
        found = 'a folder'
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        found = f'more than {Image.MAX_IMAGE_PIXELS} pixels'
    except Image.UnidentifiedImageError:
        found = 'something else' if os.path.getsize(picName) else 'an empty file'
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises on damaged files
        found = f'a damaged or unreadable one ({getattr(error, "strerror", None) or error})'
    raise cli.UserError(f'{picName}: expected a picture file such as samples/5.jpg, found {found}')


def pre_pic(picName):
    """Picture file, a black digit on white -> float32 [1, 784], 1 where there is ink, else 0.

    The steps are the post's: shrink to 28x28, grey, invert, threshold.
    """
    reIm = open_picture(picName).resize((SIDE, SIDE), Image.LANCZOS)
    im_arr = 255 - np.array(reIm.convert('L'))         # uint8 [28, 28], 0 paper ... 255 ink
    im_arr = np.where(im_arr < threshold, 0, 255)      # int [28, 28], 0 or 255
    nm_arr = im_arr.reshape([1, mnist_forward.INPUT_NODE])
    return (nm_arr / 255).astype(np.float32)           # float32 [1, 784], 0 or 1


@contextlib.contextmanager
def open_model():
    """Yield a function float32 [1, 784] -> int64 [1], the digit; or None: no checkpoint.

    The network is restored once, with the moving averages, and serves every call.
    """
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, mnist_forward.INPUT_NODE])  # pixels, 0 ... 1
        y = mnist_forward.forward(x, None)                                # logits [1, 10]
        preValue = tf.argmax(y, 1)                                        # int64 [1], 0 ... 9

        ema = tf.train.ExponentialMovingAverage(mnist_backward.moving_average_decay)
        saver = tf.train.Saver(ema.variables_to_restore())

        with tf.Session() as sess:
            checkpoint = mnist_backward.newest_checkpoint()
            if checkpoint is None:
                cli.say('no checkpoint file found')
                yield None
            else:
                mnist_backward.restore(saver, sess, checkpoint)
                yield lambda testPicArr: sess.run(preValue, feed_dict={x: testPicArr})


def restore_model(testPicArr):
    """Return the digit read from testPicArr, float32 [1, 784], as int64 [1]; -1: no checkpoint."""
    with open_model() as predict:
        return -1 if predict is None else predict(testPicArr)


def read_picture(predict, picName):
    """Print the digit read from the picture file `picName`."""
    cli.say(f'the prediction number is {predict(pre_pic(picName))}')


def ask(predict):
    """Ask for a number of pictures and for each path, and read them; a bad answer is asked again.

    Raises EOFError at the end of the input.
    """
    testNum = None
    while testNum is None:
        try:
            testNum = cli.positive_int(input('input the number of test pictures:').strip())
        except argparse.ArgumentTypeError as error:
            cli.complain(error)
    while testNum > 0:
        testPic = clean_path(input('the path of test picture:'))
        try:
            read_picture(predict, testPic)
            testNum -= 1
        except cli.UserError as error:
            cli.complain(error)


def clean_path(answer):
    """A path as people paste it, with spaces, quotes or ~ -> the path."""
    return os.path.expanduser(answer.strip().strip('\'"'))


def application(paths=()):
    """Read the digits of `paths`, or ask for paths if there are none; returns the exit status."""
    status = 0
    with open_model() as predict:
        if predict is None:
            return cli.complain('train first: python mnist_backward.py', 1)
        for path in paths:
            try:
                read_picture(predict, path)
            except cli.UserError as error:
                status = cli.complain(error)  # and go on: the others may be good
        if not paths:
            try:
                ask(predict)
            except EOFError:
                cli.say('')  # so that the shell's prompt gets a line of its own
    return status


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('pictures', nargs='*', help='picture files; none: ask for them')
    return application(parser.parse_args().pictures)


if __name__ == '__main__':
    cli.run(main)
