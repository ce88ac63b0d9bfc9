"""Copy a trained captcha network without what only training needs: a third of its size.

Command:  python -m support.export captcha/small_cnn my/network
Reads:    the newest checkpoint of the first folder
Writes:   the same checkpoint, without Adam's moments and the rate, into the second folder
Takes:    seconds

captcha_test.py reads such a network, and captcha_train.py --init-from begins with it; a training
cannot be resumed from it.
"""
import os

from support.common import console

with console.quiet_start():
    import tensorflow.compat.v1 as tf

from support.captcha import models
from support.common import checkpoints, files

ONLY_TRAINING = 'Variable', 'beta1_power', 'beta2_power', 'global_step'  # the first is the rate


def export(model_dir, target):
    """Copy the newest checkpoint of `model_dir` into the folder `target`; returns its prefix."""
    checkpoint = models.find(model_dir, 'name the folder of a trained network')
    models.about(checkpoint)  # refuses what is no captcha network
    if os.path.realpath(os.path.dirname(checkpoint)) == os.path.realpath(target):
        raise console.UserError(f'{target}: expected another folder than that of the training, '
                                'which could not be resumed any more; name another one')
    shapes, value_of = checkpoints.contents(checkpoint, models.train_again_command(model_dir))
    keys = sorted(key for key in shapes
                  if key not in ONLY_TRAINING and '/Adam' not in key)
    files.writable_folder(target)
    there = models.newest(target)
    if there:
        raise console.UserError(f'{target}: expected a folder without a captcha network, found '
                                f'{there}; name another one, or remove that first')
    prefix = os.path.join(target, os.path.basename(checkpoint))
    try:
        with tf.Graph().as_default(), tf.Session() as sess:
            sess.run(tf.raw_ops.SaveV2(prefix=prefix, tensor_names=keys,
                                       shape_and_slices=[''] * len(keys),
                                       tensors=[value_of(key) for key in keys]))
    except tf.errors.OpError as error:  # disk full
        raise console.UserError(f'{prefix}: cannot be written: {checkpoints.reason(error)}; make '
                                'room there and run the same command again') from error
    tf.train.update_checkpoint_state(target, prefix)
    return prefix


def main():
    parser = console.parser(__doc__)
    parser.add_argument('model_dir', help='folder of the trained network')
    parser.add_argument('target', help='folder for the copy')
    args = parser.parse_args()
    print(f'saved {export(args.model_dir, args.target)}')


if __name__ == '__main__':
    console.run(main)
