"""Recipes: the named ones, a user's changes, and the learning rate of each iteration."""
import dataclasses
import json
import math
import re

import pytest

import captcha_train
from support.captcha import dataset, models, recipes
from support.common.console import UserError


def test_the_posts_recipe_has_the_posts_numbers():
    post = recipes.RECIPES['alexnet_v2', 'post']
    assert dataclasses.asdict(post) == {
        'network': 'alexnet_v2', 'method': 'heads', 'initialization': 'post',
        'standardize': False, 'dark_ink': False, 'distortion': None, 'keep_prob': 0.5,
        'batch_size': 25, 'steps': 6001, 'learning_rate': 0.003, 'schedule': 'divided',
        'warm_up': 0, 'divide_every': 2000}
    assert (captcha_train.BATCH_SIZE, captcha_train.ITERATIONS, captcha_train.LEARNING_RATE,
            captcha_train.DIVIDE_EVERY) == (
        post.batch_size, post.steps, post.learning_rate, post.divide_every)
    assert captcha_train.CHAR_SET_LEN == dataset.Facts().num_classes
    assert (captcha_train.IMAGE_WIDTH, captcha_train.IMAGE_HEIGHT) == (
        dataset.IMAGE_WIDTH, dataset.IMAGE_HEIGHT)
    small = recipes.RECIPES['small_cnn', 'post']
    assert small == dataclasses.replace(post, network='small_cnn', keep_prob=None)


def test_the_default_recipes():
    default = recipes.RECIPES['alexnet_v2', 'default']
    assert (default.initialization, default.standardize, default.keep_prob, default.schedule,
            default.learning_rate) == ('he', True, 1.0, 'cosine', 0.0002)
    assert (default.steps, default.batch_size) == (6001, 25)  # the post's
    assert default.distortion == recipes.Distortion(shift=10, scale=0.08, shear=0.1)
    small = recipes.RECIPES['small_cnn', 'default']
    assert (small.steps, small.batch_size, small.learning_rate, small.schedule) == (
        3001, 64, 0.003, 'cosine')
    assert small.distortion == default.distortion and small.keep_prob is None


@pytest.mark.parametrize('network, method', [('alexnet_v2', 'heads'),
                                             ('small_cnn', 'wide_attention')])
def test_the_recipes_for_pictures_of_ones_own(network, method):
    default, own, fine_tune = (recipes.RECIPES[network, name]
                               for name in ('default', 'own', 'fine_tune'))
    assert own == dataclasses.replace(default, distortion=own.distortion, method=method,
                                      dark_ink=True)
    assert own.distortion.shift > default.distortion.shift and own.distortion.lean > 0
    assert fine_tune == dataclasses.replace(own, steps=2001,
                                            learning_rate=default.learning_rate / 3)


def test_a_method_that_the_network_lacks_is_refused():
    with pytest.raises(UserError, match='--method attention: expected one of heads, vector for '
                                        'alexnet_v2'):
        recipes.make('alexnet_v2', method='attention')


def rate_by_the_loop(first, steps, divided_after):
    """The post's loop, with a division after some iterations: the rate of each iteration."""
    rate, rates = first, []
    for i in range(steps):
        rates.append(rate)
        if i in divided_after:
            rate /= 3
    return rates


@pytest.mark.parametrize('network, name, changes, divided_after', [
    ('alexnet_v2', 'post', {}, [0, 2000, 4000, 6000]),
    ('small_cnn', 'post', {}, [0, 2000, 4000, 6000]),
    ('alexnet_v2', 'post', {'steps': 9000}, [0, 2000, 4000, 6000, 8000]),
    ('alexnet_v2', 'post', {'steps': 1}, [0])])
def test_where_the_rate_is_divided(network, name, changes, divided_after):
    recipe = dataclasses.replace(recipes.RECIPES[network, name], **changes)
    expected = rate_by_the_loop(recipe.learning_rate, recipe.steps, divided_after)
    assert [recipes.rate_at(recipe, i) for i in range(recipe.steps)] == pytest.approx(expected)


def test_the_rates_that_the_posts_lines_show():
    """0.0010, 0.0003, 0.0001, 0.0000: each line shows the rate of the next iteration."""
    post = recipes.RECIPES['alexnet_v2', 'post']
    assert recipes.rate_at(post, 0) == 0.003
    assert ['%.4f' % recipes.rate_at(post, i + 1) for i in (0, 1980, 2000, 4000, 6000)] == [
        '0.0010', '0.0010', '0.0003', '0.0001', '0.0000']


def test_a_cosine_falls_to_zero():
    small = recipes.RECIPES['small_cnn', 'default']
    for i in 0, 1000, 1500, 3000, 3001:
        assert recipes.rate_at(small, i) == pytest.approx(
            0.0015 * (1 + math.cos(math.pi * i / 3001)))
    assert recipes.rate_at(small, 3001) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize('schedule', ['divided', 'cosine'])
def test_a_warm_up_rises_to_the_schedule(schedule):
    recipe = dataclasses.replace(recipes.RECIPES['line_cnn', 'default'], schedule=schedule)
    cold = dataclasses.replace(recipe, warm_up=0)
    assert recipe.warm_up == 300
    for i, share in (0, 1 / 300), (149, 0.5), (299, 1), (2000, 1):
        assert recipes.rate_at(recipe, i) == pytest.approx(share * recipes.rate_at(cold, i))


def test_a_short_run_has_a_short_warm_up():
    recipe = recipes.make('line_cnn', steps=200)
    cold = dataclasses.replace(recipe, warm_up=0)
    for i, share in (0, 1 / 40), (19, 0.5), (39, 1), (100, 1):
        assert recipes.rate_at(recipe, i) == pytest.approx(share * recipes.rate_at(cold, i))
    assert recipes.rate_at(recipes.make('line_cnn', steps=1), 0) == recipe.learning_rate


def test_a_run_that_is_made_longer_has_the_rates_of_the_longer_run():
    """After 6,001 iterations the default's rate is near 0; after half of 12,001 it is half."""
    assert recipes.rate_at(recipes.make(), 6000) < 1e-9
    assert recipes.rate_at(recipes.make(steps=12_001), 6000) == pytest.approx(0.0001, rel=1e-3)


def test_the_users_changes():
    recipe = recipes.make('small_cnn', 'post', True, method='vector', steps=7, batch_size=None,
                          learning_rate=0.1)
    assert recipe == dataclasses.replace(
        recipes.RECIPES['small_cnn', 'post'], distortion=recipes.Distortion(), method='vector',
        steps=7, learning_rate=0.1)
    assert recipes.make(distort=False).distortion is None


def differences(recipe, fields):
    """The name of the first field that keeps a recipe from resuming a checkpoint's; or None."""
    found = models.About('m/crack-1', recipes.from_json(fields), dataset.Facts())
    try:
        models.check_resumable(found, recipe, dataset.Facts())
    except UserError as error:
        return re.search(r'a checkpoint of (\w+) ', str(error))[1]


def test_what_a_resumed_run_may_not_change():
    recipe = recipes.make(divide_every=9)
    fields = json.loads(json.dumps(dataclasses.asdict(recipe)))
    assert recipes.from_json(fields) == recipe
    assert differences(recipe, fields) is None
    assert differences(recipes.make(steps=9000, batch_size=7, learning_rate=1.0), fields) is None
    for changes, field in [({'distort': False}, 'distortion'), ({'keep_prob': 0.5}, 'keep_prob'),
                           ({'method': 'vector'}, 'method'), ({'name': 'post'}, 'initialization')]:
        assert differences(recipes.make(**changes), fields) == field


def test_what_an_older_checkpoint_lacks_has_its_former_value():
    fields = dataclasses.asdict(recipes.make())
    del fields['dark_ink'], fields['warm_up'], fields['distortion']['lean']
    assert recipes.from_json({**fields, 'divide_at': None}) == recipes.make()
    assert differences(recipes.make(name='own'), fields) == 'dark_ink'
    post = {'network': 'alexnet_v2', 'initialization': 'post'}
    assert recipes.from_json(post) == recipes.Recipe()
