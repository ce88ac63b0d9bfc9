"""Read handwritten digits from picture files: photographs, scans, drawings, any paper and pen.

Command:  python mnist_app.py                     asks for the number of pictures and their paths
          python mnist_app.py a.jpg b.jpg         reads these
          --post    prepares the picture as the post does: one black digit filling white paper
          --show    saves the network's inputs and outputs beside the picture: a.read.png
          --csv F   writes a table of files, digits, confidences and doubts instead
Reads:    the pictures and the newest checkpoint in ./model/ (python mnist_backward.py makes one)
Writes:   nothing; with --show one PNG per picture, with --csv the table
Takes:    3 s to start, then 20 ms for a small picture, a second for a phone photo

Several digits are read line by line, from left to right: [2 0 2 6]; a blank picture gives []. The
next line gives the network's confidence, further ones reasons not to trust it.
"""
import argparse
import functools
import os

from support.common import console

with console.quiet_start(__name__):
    import numpy as np
    import tensorflow.compat.v1 as tf
    from PIL import Image

import mnist_backward
import mnist_forward
from support.common import checkpoints, pictures
from support.digits import photographs, report
from support.digits.input_data import SIDE

threshold = 50  # 0 ... 255: ink paler than this becomes paper; pre_pic only


def pre_pic(picName):
    """Picture file, a black digit on white -> float32 [1, 784], 1 where there is ink, else 0.

    The post's way, used with --post; without it support/digits/photographs.py prepares the picture.
    """
    img = pictures.open_picture(picName, turn=False)
    # shrink
    reIm = img.resize((SIDE, SIDE), Image.LANCZOS)
    # grey, and invert: the network expects white on black
    im_arr = 255 - np.array(reIm.convert('L'))         # uint8 [28, 28], 0 paper ... 255 ink
    # threshold
    im_arr = np.where(im_arr < threshold, 0, 255)      # int [28, 28], 0 or 255
    # one row, as the network's input
    nm_arr = im_arr.reshape([1, mnist_forward.INPUT_NODE])
    return (nm_arr / 255).astype(np.float32)           # float32 [1, 784], 0 or 1


def restore_model(testPicArr, model_folder=mnist_backward.model_save_path,
                  with_probabilities=False):
    """Read prepared pictures with the latest checkpoint; without one, say so and return -1.

    Args: testPicArr: float32 [n, 784], 0 ... 1.
    Returns: the digits, int64 [n]; with_probabilities also float32 [n, 10], or None.
    """
    checkpoint = checkpoints.newest(model_folder, mnist_backward.model_name)
    if checkpoint is None:
        console.say('no checkpoint file found')
        preValue, probabilities = -1, None
    else:
        preValue, probabilities = predictor(checkpoint)(testPicArr)
    return (preValue, probabilities) if with_probabilities else preValue


@functools.lru_cache(maxsize=1)
def predictor(checkpoint):
    """Build the network and restore the moving averages of `checkpoint`, once for all pictures.

    Returns: a function of float32 [n, 784] that returns int64 [n] and float32 [n, 10].
    """
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, mnist_forward.INPUT_NODE])  # pixels, 0 ... 1
        y = mnist_forward.forward(x, None)                                # logits [n, 10]
        preValue = tf.argmax(y, 1)                                        # int64 [n], 0 ... 9
        probabilities = tf.nn.softmax(y)                                  # float32 [n, 10]

        # Each variable takes the value of its moving average, key <name>/ExponentialMovingAverage.
        ema = tf.train.ExponentialMovingAverage(mnist_backward.moving_average_decay)
        saver = tf.train.Saver(ema.variables_to_restore())

        sess = tf.Session(graph=graph)  # lives as long as the returned function
        checkpoints.restore(saver, sess, checkpoint, mnist_backward.retrain)
        return lambda testPicArr: sess.run([preValue, probabilities], feed_dict={x: testPicArr})


def application(testPics=(), post=False, show=False,
                model_folder=mnist_backward.model_save_path, csv_file=None):
    """Read the digits in the files `testPics`, or ask for files if there are none.

    Args: post: prepare the pictures with pre_pic. show: save a drawing beside each picture.
      csv_file: write the readings of testPics there instead of printing them.
    Returns: the exit status. Raises: UserError if there is no usable checkpoint.
    """
    # Restore the network, or fail, before asking anything.
    read_digits(np.zeros([0, mnist_forward.INPUT_NODE], np.float32), model_folder)

    def read(testPic, say=console.say):
        return read_picture(testPic if os.path.exists(testPic) else console.pasted_path(testPic),
                            post, show, model_folder, say)
    if testPics:
        return report.read_files(testPics, read, csv_file)
    try:
        ask(read)
    except EOFError:
        console.say('')  # so that the shell's prompt gets a line of its own
    return 0


def ask(read):
    """Ask for a number of pictures and for each path, and read them; ask again after a bad answer.

    Args: read: a function of a path. Raises: EOFError at the end of the input.
    """
    testNum = None
    while testNum is None:
        try:
            testNum = console.positive_int(answer('input the number of test pictures:').strip())
        except argparse.ArgumentTypeError as error:
            console.complain(error)
    while testNum > 0:
        testPic = answer('the path of test picture:')
        try:
            read(testPic)
            testNum -= 1
        except console.UserError as error:
            console.complain(error)


def answer(prompt):
    """`input`, which Ctrl-C ends at once."""
    with console.hearing():
        return input(prompt)


def read_picture(testPic, post, show, model_folder, say):
    """Say the digits read from the picture file `testPic`, their confidences, and doubts.

    Returns: the digits, int64 [n], their probabilities, float32 [n, 10], and the doubts, lines.
    """
    testPicArr, places, left_out = ((pre_pic(testPic), [], 0) if post
                                    else photographs.find_digits(testPic))
    preValue, probabilities = read_digits(testPicArr, model_folder)
    shown = np.array2string(preValue, max_line_width=np.inf, threshold=np.inf)  # on one line
    say(f'the prediction number is {shown}')
    if len(preValue):
        say('sure: ' + ' '.join(f'{of_digit.max():.1%}' for of_digit in probabilities))
    for doubt in (doubts := report.doubts(testPicArr, probabilities, left_out)):
        say(doubt)
    if show:
        original = pictures.open_picture(testPic, turn=not post)
        page = report.drawing(original, testPicArr, probabilities, places)
        say(f'saved: {report.save_drawing(page, testPic)}')
    return preValue, probabilities, doubts


def read_digits(testPicArr, model_folder):
    """Return the digits, int64 [n], and probabilities, float32 [n, 10], of float32 [n, 784]."""
    preValue, probabilities = restore_model(testPicArr, model_folder, with_probabilities=True)
    if probabilities is None:
        raise console.UserError('train first: python mnist_backward.py')
    return preValue, probabilities


def main():
    parser = console.parser(__doc__)
    parser.add_argument('pictures', nargs='*', help='picture files or folders; none: ask for them')
    parser.add_argument('--post', action='store_true', help="prepare pictures as the post does")
    parser.add_argument('--show', action='store_true', help="save the network's inputs and outputs")
    parser.add_argument('--csv', metavar='FILE', help='write the readings there, as a table')
    args = parser.parse_args()
    if args.csv and not args.pictures:
        parser.error('--csv: expected picture files to read, found none; name them as well')
    return application(console.file_names(args.pictures), args.post, args.show, csv_file=args.csv)


if __name__ == '__main__':
    console.run(main)
