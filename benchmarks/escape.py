"""What lets AlexNet leave chance level: a recipe that does, one change at a time.

Command:  python benchmarks/escape.py
          python benchmarks/escape.py --rows default post --seeds 0 1 2
Reads:    captcha/train.tfrecords, captcha/test.tfrecords
Writes:   a table on stdout: per row and seed the iteration of the escape, or else the last loss
Takes:    on two cores two to five minutes per row and seed that escapes, ten per one that does not;
          all rows with both seeds an hour and three quarters

Guessing has a loss of ln 10 = 2.303. A network has escaped at the first iteration at which the mean
loss of the last 40 is below 2.0; after 800 iterations a run is abandoned.
"""
import contextlib
import dataclasses
import functools
import io
import os
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console

with console.quiet_start():
    import tensorflow.compat.v1 as tf

import captcha_train
from nets import alexnet, nets_factory, slim
from support.captcha import dataset, recipes, records, training

# --- when to stop
LIMIT = 800  # iterations
ESCAPED = 2.0  # of the mean of the last 40 losses; for digits ln 10 is 2.303


# --- AlexNet with other initial values

def biases_0_arg_scope(**kwargs):
    """AlexNet's shared arguments with biases that start at 0."""
    with slim.arg_scope(alexnet.alexnet_v2_arg_scope(**kwargs)):
        with slim.arg_scope([slim.conv2d], biases_initializer=tf.zeros_initializer()) as arg_scope:
            return arg_scope


@functools.wraps(alexnet.alexnet_v2)
def he_in_fc(inputs, num_classes, **kwargs):
    """AlexNet whose fc6 to fc8 start with He's weights, as the default recipe's convolutions do."""
    def he_getter(getter, name, *args, **variable):
        if '/fc' in name and name.endswith('/weights'):
            variable['initializer'] = slim.initializer('he')
        return getter(name, *args, **variable)
    with tf.variable_scope(tf.get_variable_scope(), custom_getter=he_getter):
        return alexnet.alexnet_v2(inputs, num_classes, **kwargs)


VARIANTS = {  # name: (network, its arg_scope)
    'alexnet_v2_biases_0': (alexnet.alexnet_v2, biases_0_arg_scope),
    'alexnet_v2_he_in_fc': (he_in_fc, alexnet.alexnet_v2_arg_scope),
}


def register():
    """Register the variants with nets_factory."""
    for name, (network, arg_scope) in VARIANTS.items():
        nets_factory.register(name, network, arg_scope)


# --- the recipes. `learning_rate` is that of iteration 0, three times that of all others, except
# with 'constant'.
DEFAULT = dataclasses.replace(recipes.RECIPES['alexnet_v2', 'default'], schedule='divided',
                              divide_every=10**6, learning_rate=0.0003, keep_prob=0.5)
POST = dataclasses.replace(recipes.RECIPES['alexnet_v2', 'post'], divide_every=10**6)
ROWS = {
    'current': recipes.RECIPES['alexnet_v2', 'default'],
    'default': DEFAULT,  # the first default, with the post's dropout and first step
    'no distortion': dataclasses.replace(DEFAULT, distortion=None),
    'first step not tripled': dataclasses.replace(
        DEFAULT, schedule='constant', learning_rate=DEFAULT.learning_rate / 3),
    'biases 0': dataclasses.replace(DEFAULT, network='alexnet_v2_biases_0'),
    'post input range': dataclasses.replace(DEFAULT, standardize=False),
    'learning rate 0.0003': dataclasses.replace(DEFAULT, learning_rate=0.0009),
    'He in fc6 to fc8': dataclasses.replace(DEFAULT, network='alexnet_v2_he_in_fc'),
    'post initialization': dataclasses.replace(DEFAULT, initialization='post'),
    'learning rate 0.001': dataclasses.replace(DEFAULT, learning_rate=POST.learning_rate),
    'post': POST,
}


def escape(recipe, run):
    """Train by the recipe until the escape, or for all its iterations; save nothing.

    Args: run: training.RunConfig, its files and its seed.
    Returns: the last iteration, the mean of the last losses, whether it escaped.
    """
    register()
    reached = []

    def until(i, recent):
        mean = sum(recent) / len(recent)
        escaped = len(recent) == training.RECENT and mean < ESCAPED
        reached[:] = i, mean, escaped
        return escaped or i + 1 == recipe.steps
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        status = captcha_train.train(recipe, dataclasses.replace(
            run, model_dir=folder, save_every=recipe.steps, until=until))
    if status:
        raise KeyboardInterrupt(status - 128)
    return tuple(reached)


def table(rows, seeds, limit, run):
    """Print the table.

    Args:
      rows: some of ROWS.
      limit: iterations after which to give up.
      run: training.RunConfig, its files.
    Raises: UserError if the captchas are not those that ESCAPED is meant for.
    """
    count, facts = records.survey(run.train_file)
    if facts != dataset.Facts():
        raise console.UserError(f'{run.train_file}: expected {dataset.Facts()}, found {facts}; '
                                'make some with: python gen_captcha.py')
    print(f'{count} training pictures; a cell: the iteration of the escape, or the last loss\n')
    print('| recipe | ' + ' | '.join(f'seed {seed}' for seed in seeds) + ' |')
    print('|---|' + '---:|' * len(seeds), flush=True)
    for row in rows:
        recipe = dataclasses.replace(ROWS[row], steps=limit)
        cells = []
        for seed in seeds:
            i, loss, escaped = escape(recipe, dataclasses.replace(run, seed=seed))
            cells.append(str(i) if escaped else f'not by {limit}: {loss:.3f}')
        print(f'| {row} | {" | ".join(cells)} |', flush=True)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS), metavar='ROW',
                        help=f'some of: {"; ".join(ROWS)} (default: all)')
    parser.add_argument('--seeds', nargs='+', type=console.seed_number, default=[0, 1])
    parser.add_argument('--limit', type=console.positive_int, default=LIMIT,
                        help='iterations after which to give up (default: %(default)s)')
    parser.add_argument('--train', default=dataset.TRAIN_FILE, metavar='FILE',
                        help='training records (default: %(default)s)')
    parser.add_argument('--test', default=dataset.TEST_FILE, metavar='FILE',
                        help='held-out records (default: %(default)s)')
    args = parser.parse_args()
    table(args.rows, args.seeds, args.limit, training.RunConfig(args.train, args.test))


if __name__ == '__main__':
    console.run(main)
