"""How a captcha network is trained, as one value: named recipes, and the learning rate.

docs/captcha.md explains why 'default' differs from 'post'.
"""
import dataclasses
import math

from nets import nets_factory
from support.common.console import UserError

INPUT = ('standardize', 'dark_ink')  # what a network's weights expect of the pictures
PASSES, FEWEST, MOST = 100, 251, 3001  # of a fine-tuning: over the pictures; iterations
CHANGEABLE = 'steps', 'batch_size', 'learning_rate', 'schedule', 'warm_up', 'divide_every'


@dataclasses.dataclass(frozen=True)
class Distortion:
    """The limits of a training picture's random distortion.

    Contrast and brightness are missing because standardising a picture removes them.
    """
    shift: float = 10  # pixels of 224, both ways
    scale: float = 0.08  # of the width and of the height
    shear: float = 0.1  # pixels to the side for each one down
    lean: float = 0.0  # pixels down for each one to the side

    def __str__(self):
        return ', '.join(f'{name} {limit}' for name, limit in vars(self).items() if limit)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A training's hyperparameters; the defaults are the post's."""
    network: str = 'alexnet_v2'  # a name in nets_factory
    method: str = 'heads'  # a key of methods.METHODS; Method 2 of the post
    initialization: str = 'post'  # a key of slim.INITIALIZERS
    standardize: bool = False  # scale each picture to mean 0, standard deviation 1
    dark_ink: bool = False  # invert light-on-dark pictures
    distortion: Distortion | None = None  # None: pictures as they are
    keep_prob: float | None = 0.5  # of dropout; None: the network has no dropout
    batch_size: int = 25
    steps: int = 6001  # iterations
    learning_rate: float = 0.003  # of iteration 0
    schedule: str = 'divided'  # or 'cosine': see `rate_at`
    warm_up: int = 0  # iterations in which the rate rises to what the schedule says
    divide_every: int = 2000  # iterations


_POST = Recipe()
# Cosine learning-rate schedule; with augmentation, dropout is not needed.
_DEFAULT = dataclasses.replace(_POST, initialization='he', standardize=True,
                               distortion=Distortion(), keep_prob=1.0, learning_rate=0.0002,
                               schedule='cosine')
_SMALL_POST = dataclasses.replace(_POST, network='small_cnn', keep_prob=None)
_SMALL_DEFAULT = dataclasses.replace(_DEFAULT, network='small_cnn', method='attention',
                                     keep_prob=None, batch_size=64, steps=3001,
                                     learning_rate=0.003)
_LINE_DEFAULT = dataclasses.replace(
    _SMALL_DEFAULT, network='line_cnn', method='ctc', learning_rate=0.002, warm_up=300,
    distortion=Distortion(shift=5, scale=0.08, shear=0.08, lean=0.02))
_LINE_FINE_TUNE = dataclasses.replace(_LINE_DEFAULT, batch_size=32, steps=FEWEST,
                                      learning_rate=0.001, warm_up=0)


def _own(recipe):
    """For your own pictures: few, any fonts, light on dark or dark on light."""
    # thin strokes among lines need a finer map, texts of any length heads that see it whole
    method = 'wide_attention' if recipe.network == 'small_cnn' else recipe.method
    return dataclasses.replace(recipe, method=method, dark_ink=True, distortion=Distortion(
        shift=16, scale=0.15, shear=0.15, lean=0.05))


def _fine_tune(recipe):
    """For transfer learning: trained weights need fewer and smaller steps."""
    return dataclasses.replace(_own(recipe), learning_rate=recipe.learning_rate / 3, steps=2001)


RECIPES = {  # (network, name)
    ('alexnet_v2', 'default'): _DEFAULT,
    ('alexnet_v2', 'post'): _POST,
    ('alexnet_v2', 'own'): _own(_DEFAULT),
    ('alexnet_v2', 'fine_tune'): _fine_tune(_DEFAULT),
    ('small_cnn', 'default'): _SMALL_DEFAULT,
    ('small_cnn', 'post'): _SMALL_POST,
    ('small_cnn', 'own'): _own(_SMALL_DEFAULT),
    ('small_cnn', 'fine_tune'): _fine_tune(_SMALL_DEFAULT),
    ('line_cnn', 'default'): _LINE_DEFAULT,
    ('line_cnn', 'fine_tune'): _LINE_FINE_TUNE,
    ('deep_line_cnn', 'default'): dataclasses.replace(_LINE_DEFAULT, network='deep_line_cnn'),
    ('deep_line_cnn', 'fine_tune'): dataclasses.replace(_LINE_FINE_TUNE, network='deep_line_cnn'),
}
NAMES = tuple(dict.fromkeys(name for _, name in RECIPES))
NETWORKS = tuple(dict.fromkeys(network for network, _ in RECIPES))


def make(network='alexnet_v2', name='default', distort=None, **changes):
    """A named recipe with the user's changes.

    Args: network, name: a key of RECIPES. distort, **changes: as for `changed`.
    Raises: UserError that names the unsuitable option.
    """
    if (network, name) not in RECIPES:
        raise UserError(f'--recipe {name}: expected a recipe for {network} in '
                        'support/captcha/recipes.py, found none; add it there, or use another one')
    return changed(RECIPES[network, name], distort, **changes)


def changed(recipe, distort=None, **changes):
    """A recipe with the user's changes; None: as in the recipe.

    Args: distort: True or False. **changes: fields of Recipe.
    """
    changes = {field: value for field, value in changes.items() if value is not None}
    if distort is not None:
        changes['distortion'] = (recipe.distortion or Distortion()) if distort else None
    recipe = dataclasses.replace(recipe, **changes)
    if recipe.method not in nets_factory.methods_of(recipe.network):
        raise UserError(f'--method {recipe.method}: expected one of '
                        f'{", ".join(nets_factory.methods_of(recipe.network))} for '
                        f'{recipe.network}; choose one of these, or use --network small_cnn')
    return recipe


def rate_at(recipe, iteration):
    """The learning rate of an iteration.

    'divided': divided by 3 after iteration 0, as in the post, whose first iteration has three times
    the learning rate of the second, and after each multiple of `divide_every`.
    'cosine': falls to 0 at `steps`.
    Each is preceded by a linear warm-up of `warm_up` iterations, a fifth of `steps` at most.
    """
    warm_up = max(1, min(recipe.warm_up, recipe.steps // 5))
    rate = recipe.learning_rate * min(1, (iteration + 1) / warm_up)
    if recipe.schedule == 'cosine':
        return rate * (1 + math.cos(math.pi * iteration / recipe.steps)) / 2
    return rate / 3 ** len(range(0, iteration, recipe.divide_every))


def from_json(fields):
    """The Recipe of a checkpoint, {name: value}; what an older one lacks has its former value.

    Raises: KeyError, TypeError or AttributeError if `fields` is something else.
    """
    name = 'post' if fields.get('initialization') == 'post' else 'default'
    values = known(Recipe, fields)
    if values.get('distortion'):
        values['distortion'] = Distortion(**known(Distortion, values['distortion']))
    return dataclasses.replace(RECIPES.get((fields['network'], name), _POST), **values)


def known(kind, fields):
    """Those of {name: value} that are fields of a dataclass."""
    return {field.name: fields[field.name] for field in dataclasses.fields(kind)
            if field.name in fields}
