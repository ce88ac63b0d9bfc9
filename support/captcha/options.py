"""captcha_train.py's command line: options whose defaults are those of the recipes."""
import argparse
import dataclasses
import os

from nets.methods import METHODS
from support.captcha import dataset, models, recipes, records, training
from support.common import console, option_types

DEFAULT, POST = (recipes.RECIPES['alexnet_v2', name] for name in ('default', 'post'))
WIDER = {'fine_attention': 'wide_attention'}  # the same weights, with more context for long texts


def parse(doc):
    """Parse the command line; --help opens with `doc`.

    Returns: recipes.Recipe, training.RunConfig. Raises: UserError.
    """
    run = training.RunConfig()
    parser = console.parser(doc)
    parser.add_argument('--network', choices=recipes.NETWORKS,
                        help="alexnet_v2: the post's; small_cnn: trains in minutes; line_cnn: "
                             'texts of any length; deep_line_cnn: as models/general (default: '
                             f'{DEFAULT.network}, with --init-from its own)')
    parser.add_argument('--recipe', choices=recipes.NAMES,
                        help='default: for captchas of gen_captcha.py; post: initial values, '
                             'learning rate, dropout, input and pictures as in the post; own: for '
                             'your own pictures: stronger distortion, light-on-dark pictures '
                             'inverted; fine_tune: for --init-from (default: default, with '
                             "--init-from fine_tune; resumed, the checkpoint's)")
    parser.add_argument('--method', choices=[
                            name for name, method in METHODS.items() if method.offered],
                        help='heads: a head for each character, Method 2 of the post; vector: one '
                             'long head, Method 1; attention: heads that share their weights and '
                             'attend to their character; wide_attention: the same for long texts; '
                             "ctc: the line networks (default: the recipe's; resumed or with "
                             "--init-from the checkpoint's)")
    parser.add_argument('--steps', type=option_types.positive_int,
                        help=f'total iterations (default: {named_values("steps")}, with '
                             f'--init-from {recipes.RECIPES["small_cnn", "fine_tune"].steps}, '
                             f'of models/general {recipes.FEWEST} to {recipes.MOST}, enough to see '
                             f'each picture {recipes.PASSES} times)')
    parser.add_argument('--batch-size', type=option_types.positive_int,
                        help=f'pictures per iteration (default: {named_values("batch_size")})')
    parser.add_argument('--learning-rate', type=option_types.positive_float,
                        help='learning rate of iteration 0 (default: '
                             f'{named_values("learning_rate")}); it falls to 0 along a cosine, '
                             'with --recipe post it is divided by 3 after every '
                             f'{POST.divide_every} iterations, 0 included')
    parser.add_argument('--distort', action=argparse.BooleanOptionalAction,
                        help='move, stretch and slant each training picture slightly, at random '
                             '(default: yes, with --recipe post no)')
    parser.add_argument('--no-bfloat16', action='store_true',
                        help='multiply in 32 bits even where lscpu lists avx512_bf16 or amx_bf16 '
                             'and 16 bits are 1.3 to 1.6 times as fast')
    parser.add_argument('--train', metavar='FILE',
                        help=f'training records (default: {run.train_file}; resumed, as before)')
    parser.add_argument('--test', type=records.held_out, metavar='FILE',
                        help='held-out records, or their folder (default: '
                             f'{os.path.basename(run.test_file)} beside those of --train)')
    parser.add_argument('--model-dir', default=run.model_dir, metavar='FOLDER',
                        help="folder for checkpoints, its log for TensorBoard's files (default: "
                             '%(default)s)')
    parser.add_argument('--seed', type=option_types.seed_number, default=run.seed,
                        help='of initial values, dropout, distortion and shuffling '
                             '(default: %(default)s)')
    parser.add_argument('--init-from', metavar='PLACE',
                        help='transfer learning: start from the weights of the checkpoint in this '
                             'folder, or of this checkpoint, with new heads where they do not fit')
    parser.add_argument('--restart', action='store_true',
                        help='start at iteration 0, whatever was trained before')
    args = parser.parse_args()
    resumed = None if args.restart else models.newest(args.model_dir)
    before = models.about(resumed) if resumed else None
    places = before.places if before and args.train is None else {}
    train = args.train or places.get('train') or run.train_file
    recipe = recipe_of(args, before, dataset.noted(train, 'train'))
    return recipe, training.RunConfig(
        train_file=train, test_file=args.test or places.get('test') or records.beside(train),
        model_dir=args.model_dir, seed=args.seed, restart=args.restart,
        bfloat16=not args.no_bfloat16, init_from=args.init_from,
        save_every=run.save_every if recipe.steps > run.save_every else 100)


def recipe_of(args, before, pictures=None):
    """The recipe that the command line asks for.

    When resuming, unset options come from the checkpoint. A new training takes network, method and
    input from the weights that it starts from.
    Args: before: models.About of the checkpoint to resume, or None. pictures: trained on, if known.
    """
    changes = {'method': args.method, 'distort': args.distort, 'steps': args.steps,
               'batch_size': args.batch_size, 'learning_rate': args.learning_rate}
    origin = before or (models.about(models.find(args.init_from)) if args.init_from else None)
    first = origin.recipe if origin else DEFAULT
    network = args.network or first.network
    if before and not args.recipe and network == first.network:
        return recipes.changed(first, **changes)
    if origin and network == first.network:
        changes['method'] = args.method or (first.method if before else
                                            WIDER.get(first.method, first.method))
    if args.init_from:  # the input stays what those weights were trained with
        changes.update({field: getattr(first, field) for field in recipes.INPUT})
    name = args.recipe or ('fine_tune' if args.init_from else 'default')
    recipe = recipes.make(network, name, **changes)
    if recipe.method == 'ctc' and name == 'fine_tune' and pictures and not args.steps:
        enough = recipes.PASSES * pictures // recipe.batch_size
        recipe = dataclasses.replace(recipe, steps=min(recipes.MOST, max(recipes.FEWEST, enough)))
    return recipe


def named_values(field):
    """A field of the default recipes, and of the post's: 'alexnet_v2 6001, small_cnn 3001, ...'."""
    values = [getattr(recipes.RECIPES[key], field) for key in [
        ('alexnet_v2', 'default'), ('small_cnn', 'default'), ('alexnet_v2', 'post')]]
    names = 'alexnet_v2', 'small_cnn', '--recipe post'
    return ', '.join(f'{name} {value}' for name, value in zip(names, values))
