"""Captcha checkpoints: where they are, and what a checkpoint says about its network.

Ours store the recipe and the data set's facts as JSON in one string variable, `about`. Those of
the original TF1 code have none: their alphabet is inferred from the shapes, and the rest is the
post's.
"""
import dataclasses
import json
import os
import shlex

from support.captcha import dataset, recipes, records
from support.common import checkpoints
from support.common.console import UserError

MODEL_DIR = './captcha'
MODEL_NAME = 'crack_captcha.model'
GENERAL = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                       'models', 'general')  # included, reads most captchas


@dataclasses.dataclass(frozen=True)
class About:
    """What a checkpoint says about itself."""
    checkpoint: str  # its prefix
    recipe: recipes.Recipe
    facts: dataset.Facts
    records: str | None = None  # dataset.noted of the records that it was trained on, if known
    # {'train': path, 'test': path} of these records, where not the default
    places: dict = dataclasses.field(default_factory=dict)

    @property
    def iteration(self):
        return checkpoints.step_of(self.checkpoint)


def newest(model_dir):
    """The prefix of the newest checkpoint in a folder, or None."""
    return checkpoints.newest(model_dir, MODEL_NAME)


def default_dir():
    """MODEL_DIR if it has a checkpoint, else GENERAL: the default network for reading."""
    return MODEL_DIR if newest(MODEL_DIR) else GENERAL


def command(script, model_dir):
    """The command that runs `script`, the trainer or the tester, on the models in `model_dir`."""
    where = '' if model_dir == MODEL_DIR else f' --model-dir {shlex.quote(model_dir)}'
    return f'python {script}{where}'


def train_again_command(model_dir):
    """Advice on training a new network in place of the one in `model_dir`."""
    return f'train a new one: {command("captcha_train.py", model_dir)} <as before> --restart'


def note_about(recipe, facts, run):
    """Add a description of the network to the graph, so that its checkpoints contain it.

    Args: run: training.RunConfig; its records are stored relative to the model's folder.
    """
    places = {name: way_to(path, run.model_dir) for name, path, default in [
        ('train', run.train_file, dataset.TRAIN_FILE), ('test', run.test_file, dataset.TEST_FILE)]
              if path != default}
    checkpoints.note_about({
        'recipe': dataclasses.asdict(recipe), 'dataset': dataset.to_json(facts),
        'records': dataset.noted(records.files(run.train_file)[0]), 'places': places})


def way_to(path, folder):
    """A path relative to a folder, so that both can be moved together."""
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # on another drive of Windows
        return os.path.abspath(path)


def about(checkpoint):
    """A checkpoint's About. Raises: UserError if the files are damaged or no captcha network."""
    advice = train_again_command(os.path.dirname(checkpoint))
    shapes, value_of = checkpoints.contents(checkpoint, advice)
    try:
        if checkpoints.ABOUT not in shapes:  # of the original code
            charset = {10: 'digits', 36: 'alnum'}[shapes['alexnet_v2/fc8_0/weights'][-1]]
            return About(checkpoint, recipes.RECIPES['alexnet_v2', 'post'],
                         dataset.Facts(dataset.CHARSETS[charset]))
        found = json.loads(value_of(checkpoints.ABOUT))
        places = {name: os.path.normpath(os.path.join(os.path.dirname(checkpoint), path))
                  for name, path in found.get('places', {}).items()}
        return About(checkpoint, recipes.from_json(found['recipe']),
                     dataset.from_json(found['dataset']), found.get('records'), places)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'{checkpoint}: expected a captcha network, found none; {advice}'
                        ) from error


def find(place, advice='name the --model-dir of a trained network with --init-from'):
    """The prefix of the newest checkpoint of a folder, or of a checkpoint named directly.

    Raises: UserError, with `advice`, if there is none.
    """
    prefix = newest(place) if os.path.isdir(place) else place.removesuffix('.index')
    if not prefix or not os.path.isfile(f'{prefix}.index'):
        raise UserError(f'{place}: expected a checkpoint or a folder with {MODEL_NAME}-<i>, found '
                        f'none; {advice}')
    return prefix


def check_resumable(found, recipe, facts, records=None):
    """Raise a UserError unless the checkpoint `found`, an About, was trained as now requested.

    Args: records: dataset.noted of the records to train on, if known.
    """
    differences = [(field, getattr(found.recipe, field), wanted)
                   for field, wanted in vars(recipe).items() if field not in recipes.CHANGEABLE]
    for field, was, wanted in [*differences, ('data set', found.facts, facts)]:
        if was != wanted:
            raise UserError(f'{found.checkpoint}: expected a checkpoint of {field} {wanted}, found '
                            f'one of {field} {was}; give the options that it was trained with, '
                            'replace it with --restart, or keep it and use another --model-dir')
    if None not in (records, found.records) and records != found.records:
        raise UserError(f'{found.checkpoint}: expected a checkpoint trained on these records, '
                        'found one of others, which may contain pictures that are held out now; '
                        'train a new one with the same command and --restart, or start from its '
                        'weights with another --model-dir and --init-from '
                        f'{shlex.quote(os.path.dirname(found.checkpoint))}')
