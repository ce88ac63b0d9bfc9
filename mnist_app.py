"""Read handwritten digits from picture files: photographs, scans, drawings, any paper and pen.

Command:  python mnist_app.py                     asks for the number of pictures and their paths
          python mnist_app.py a.jpg b.jpg         reads these
          --post    prepares the picture as the post does: one black digit filling white paper
          --show    saves the network's inputs and outputs beside the picture: a.read.png
          --csv F   writes a table of files, digits, confidences and doubts instead
Reads:    the pictures and the newest checkpoint in ./model/ (python mnist_backward.py makes one),
          or in models/mnist, which is included, where ./model/ has none
Writes:   nothing; with --show one PNG per picture, with --csv the table
Takes:    3 s to start, then 20 ms for a small picture, a second for a phone photo

Several digits are read line by line, from left to right: [2 0 2 6]; a blank picture gives []. The
next line gives the network's confidence, further ones reasons not to trust it.
"""
import functools

from support.common import console

with console.quiet_start(__name__):
    import numpy as np
    from PIL import Image

    from support.digits.reader import Reader, open_reader, options  # with TensorFlow

import mnist_backward
import mnist_forward
from support.common import checkpoints, option_types, pictures
from support.digits import photographs, report
from support.digits.input_data import SIDE

threshold = 50  # 0 ... 255: ink paler than this becomes paper; pre_pic only


def pre_pic(picName):
    """Picture file, a black digit on white -> float32 [1, 784], 1 where there is ink, else 0.

    The post's way, used with --post; without it support/digits/photographs.py prepares the picture.
    """
    img = pictures.open_picture(picName)
    # shrink
    reIm = img.resize((SIDE, SIDE), Image.LANCZOS)
    # grey, and invert: the network expects white on black
    im_arr = 255 - np.array(reIm.convert('L'))         # uint8 [28, 28], 0 paper ... 255 ink
    # threshold
    im_arr = np.where(im_arr < threshold, 0, 255)      # int [28, 28], 0 or 255
    # one row, as the network's input
    nm_arr = im_arr.reshape([1, mnist_forward.INPUT_NODE])
    return (nm_arr / 255).astype(np.float32)           # float32 [1, 784], 0 or 1


def restore_model(testPicArr, model_dir=mnist_backward.model_save_path):
    """Read prepared pictures with the latest checkpoint; without one, say so and return -1.

    To read several times, open a Reader once, as `main` does.
    Args: testPicArr: float32 [n, 784], 0 ... 1. Returns: the digits, int64 [n].
    """
    checkpoint = checkpoints.newest(model_dir, mnist_backward.model_name)
    if checkpoint is None:
        console.say('no checkpoint file found')
        return -1
    with Reader(checkpoint, mnist_forward.forward) as reader:
        preValue, _ = reader.classify(testPicArr)
    return preValue


def application(read, testPics=()):
    """Read the picture files `testPics`, or ask for files if there are none.

    Args: read: a function of a path, `read_picture` for instance. Returns: the exit status.
    """
    if testPics:
        return report.read_files(testPics, read)
    try:
        testNum = console.ask('input the number of test pictures:', option_types.positive_int)
        for _ in range(testNum):
            console.ask('the path of test picture:', read)
    except EOFError:
        console.say('')  # so that the shell's prompt gets a line of its own
    return 0


def read_picture(reader, testPic, show=False):
    """Print the digits of a picture file, the confidence in each, and doubts."""
    reading = reader.read(testPic)
    console.say(f'the prediction number is {reading}')
    for line in reading.lines:
        console.say(line)
    if show:
        page = report.drawing(pictures.open_picture(testPic), reading.pictures,
                              reading.probabilities, reading.places)
        console.say(f'saved: {report.save_drawing(page, testPic)}')
    return reading


def main():
    args = options(__doc__, mnist_backward.model_save_path)
    prepare = (lambda path: (pre_pic(path), [], 0)) if args.post else photographs.find_digits
    with open_reader(args.model_dirs, mnist_backward.model_name, mnist_forward.forward,
                     prepare) as reader:
        if args.csv:
            return report.read_files(args.pictures, reader.read, args.csv)
        return application(functools.partial(read_picture, reader, show=args.show), args.pictures)


if __name__ == '__main__':
    console.run(main)
