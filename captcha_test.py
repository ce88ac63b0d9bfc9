"""Read unseen captchas with the newest checkpoint: the whole test set, or your own files.

Command:  python captcha_test.py                     the test set: accuracies and a sheet
          python captcha_test.py my.jpg other.png    each file's text and confidence; many of one
                                                     system together are read better
          python captcha_test.py my/pictures --csv read.csv    a whole folder, as a table
          python captcha_test.py --charset digits --length 4 my.jpg    what you know about the text
          python captcha_test.py --views 3           each captcha read three times, slightly shifted
Reads:    captcha/crack_captcha.model-<i>, and captcha/test.tfrecords or the named files;
          files are read with models/general if there is no such checkpoint
Writes:   captcha/test_sheet.png: 24 captchas with their readings, errors first (test set only);
          with --csv a table of file, text, confidence and each character's confidence
Takes:    a few seconds for 500 captchas on two cores without a GPU

From a program: `open_reader`, docs/captcha.md
"""
import itertools

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

from nets.methods import METHODS
from support.captcha import dataset, models, network, records, report
from support.captcha.network import open_reader
from support.captcha.reader import known, read_files
from support.common import checkpoints

SHOWN = 10  # captchas printed one by one


def brackets(text):
    """'5137' -> '[5] [1] [3] [7]', as the series prints it."""
    return ' '.join(f'[{character}]' for character in text)


def test(model_dir=models.MODEL_DIR, test_file=None, views=1):
    """Read the test set with the newest checkpoint of a folder.

    Args: test_file: held-out records; None: those of its training. views: as for
      network.build_softmax.
    """
    about = network.trained(model_dir)
    test_file = report.held_out(about, test_file)  # ours: checks
    facts, method = about.facts, METHODS[about.recipe.method]
    with tf.Graph().as_default(), tf.Session() as sess:
        # placeholder
        x = tf.placeholder(tf.uint8, [None, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])
        # get_network_fn(..., is_training=False), and the likeliest class of each head
        softmax = network.build_softmax(x, about, views)  # float32 [batch, heads, classes]
        predict, _ = method.decode(softmax, facts)        # int32 [batch, heads]
        # restore
        saver = tf.train.Saver()
        checkpoints.restore(saver, sess, about.checkpoint, models.train_again_command(model_dir))

        for image, label in itertools.islice(records.read_records(test_file), SHOWN):
            prediction, = sess.run(predict, feed_dict={x: [image]})
            print(f'label: {brackets(facts.text_of(label))}')
            print(f'predict: {brackets(facts.text_of(prediction))}')

        report.measure(lambda images: sess.run(predict, {x: images}), about, test_file)


def main():
    args = report.options(__doc__)
    if args.files:
        with open_reader(args.model_dir, args.views, **known(args)) as reader:
            return read_files(reader, args)
    return test(args.model_dir or models.MODEL_DIR, args.test, args.views)


if __name__ == '__main__':
    console.run(main)
