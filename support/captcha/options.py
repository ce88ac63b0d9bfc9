"""captcha_train.py's command line: options whose defaults are those of the recipes."""
import argparse
import os

from nets.methods import METHODS
from support.captcha import models, recipes, records, training
from support.common import console

DEFAULT, POST = (recipes.RECIPES['alexnet_v2', name] for name in ('default', 'post'))


def parse(doc):
    """Parse the command line; --help opens with `doc`.

    Returns: recipes.Recipe, training.Run. Raises: UserError.
    """
    run = training.Run()
    parser = console.parser(doc)
    parser.add_argument('--network', choices=recipes.NETWORKS,
                        help="alexnet_v2: the post's; small_cnn: trains in minutes (default: "
                             f'{DEFAULT.network}, with --init-from its own)')
    parser.add_argument('--recipe', choices=recipes.NAMES,
                        help='default: for captchas of gen_captcha.py; post: initial values, '
                             'learning rate, dropout, input and pictures as in the post; own: for '
                             'pictures of your own, more distorted, and those with light ink '
                             'shown as negatives; fine_tune: for --init-from, distorted as much, '
                             'a third of the rate, input and method of the checkpoint (default: '
                             'default, with --init-from fine_tune)')
    parser.add_argument('--method', choices=METHODS,
                        help='heads: a head for each character, Method 2 of the post; vector: one '
                             'long head for all of them, Method 1; attention: heads that share '
                             'their weights and look for their character, small_cnn only; '
                             'fine_attention: the same on a map twice as wide; wide_attention: '
                             'that, and each head sees the whole text, best for long texts '
                             '(default: as the recipe says, small_cnn an attention but with '
                             "--recipe post; resumed, the checkpoint's; with --init-from the "
                             "checkpoint's, but wide_attention in place of fine_attention)")
    parser.add_argument('--steps', type=console.positive_int,
                        help=f'iterations in all (default: {named_values("steps")}, with '
                             f'--init-from {recipes.RECIPES["small_cnn", "fine_tune"].steps})')
    parser.add_argument('--batch-size', type=console.positive_int,
                        help=f'pictures an iteration (default: {named_values("batch_size")})')
    parser.add_argument('--learning-rate', type=console.positive_float,
                        help=f'rate of iteration 0 (default: {named_values("learning_rate")}); '
                             'it falls to 0 along a cosine, with --recipe post it is divided by '
                             f'{recipes.DIVIDE_BY} after every {POST.divide_every} iterations, 0 '
                             'included; with --init-from it is a third of the default')
    parser.add_argument('--divide-at', nargs='+', type=console.positive_int, metavar='ITERATION',
                        help='divide the rate after these and after 0, instead of a cosine')
    parser.add_argument('--distort', action=argparse.BooleanOptionalAction,
                        help='move, stretch and slant each training picture a little, each time '
                             'in another way (default: yes, with --recipe post no)')
    parser.add_argument('--keep-prob', type=console.share, metavar='SHARE',
                        help="share of the values of fc6 and fc7 that AlexNet's dropout keeps in "
                             f'training; 1: no dropout (default: {DEFAULT.keep_prob:g}, with '
                             f'--recipe post {POST.keep_prob})')
    parser.add_argument('--bfloat16', action=argparse.BooleanOptionalAction,
                        help='multiply in 16 bits: 1.3 to 1.6 times as fast where lscpu lists '
                             'avx512_bf16 or amx_bf16, refused or slower elsewhere (default: on '
                             'these)')
    parser.add_argument('--train', default=run.train_file, metavar='FILE',
                        help='training records (default: %(default)s)')
    parser.add_argument('--test', type=records.held_out, metavar='FILE',
                        help='held-out records, or their folder (default: '
                             f'{os.path.basename(run.test_file)} beside those of --train)')
    parser.add_argument('--model-dir', default=run.model_dir, metavar='FOLDER',
                        help='folder for checkpoints (default: %(default)s)')
    parser.add_argument('--log-dir', metavar='FOLDER',
                        help='folder for TensorBoard (default: log in the model folder)')
    parser.add_argument('--seed', type=console.seed_number, default=run.seed,
                        help='of initial values, dropout, distortion and shuffling '
                             '(default: %(default)s)')
    parser.add_argument('--init-from', metavar='PLACE',
                        help='transfer learning: begin with the weights of the checkpoint in this '
                             'folder, or of this checkpoint, and new heads where they do not fit')
    parser.add_argument('--restart', action='store_true',
                        help='begin at iteration 0, whatever was trained before')
    args = parser.parse_args()
    recipe = recipes.make(
        name=args.recipe or ('default' if args.init_from is None else 'fine_tune'),
        distort=args.distort, steps=args.steps, batch_size=args.batch_size,
        learning_rate=args.learning_rate, keep_prob=args.keep_prob,
        divide_at=args.divide_at and tuple(args.divide_at), **as_before(args))
    return recipe, training.Run(
        train_file=args.train, test_file=args.test or records.beside(args.train),
        model_dir=args.model_dir, log_dir=args.log_dir, seed=args.seed, restart=args.restart,
        bfloat16=args.bfloat16, init_from=args.init_from)


def as_before(args):
    """Network and method as asked for or, where nothing is said, as trained before; and its input.

    Before: in the checkpoint that the training resumes from or, if there is none, begins with.
    Returns: {name: value} for `recipes.make`.
    """
    resumed = None if args.restart else models.newest(args.model_dir)
    network, method = args.network, args.method
    if resumed is None and args.init_from is None:
        return {'network': network or DEFAULT.network, 'method': method}
    fields = models.about(resumed or models.find(args.init_from)).fields
    taken = fields if resumed else recipes.begun_with(fields)
    input_fields = {}
    if args.init_from is not None:  # the input stays what those weights were trained with
        network = network or fields['network']
        input_fields = {field: taken[field] for field in recipes.INPUT}
    network = network or DEFAULT.network
    if network == fields['network']:
        method = method or taken['method']
    return {'network': network, 'method': method, **input_fields}


def named_values(field):
    """A field of the default recipes, and of the post's: 'alexnet_v2 6001, small_cnn 3001, ...'."""
    values = [getattr(recipes.RECIPES[key], field) for key in [
        ('alexnet_v2', 'default'), ('small_cnn', 'default'), ('alexnet_v2', 'post')]]
    names = 'alexnet_v2', 'small_cnn', '--recipe post'
    return ', '.join(f'{name} {value}' for name, value in zip(names, values))
