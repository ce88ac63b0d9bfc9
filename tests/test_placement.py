"""Where a cluster places its variables."""
import re

import captcha_train
from helpers import member_of
from support.captcha import dataset, recipes
from support.cluster import member, placement

tf = captcha_train.tf


def build(process):
    """{name: variable} of the small network's training graph, and the keys it is saved under."""
    recipe, facts = recipes.RECIPES['small_cnn', 'default'], dataset.Facts()
    with tf.Graph().as_default(), process.placement():
        x, y = captcha_train.build_placeholders()
        logits, _ = captcha_train.build_network(x, recipe, facts, is_training=True)
        captcha_train.build_train_op(captcha_train.build_loss(logits, y), 0.1, process)
        return tf.global_variables(), placement.keys(tf.global_variables())


def test_variables_are_spread_by_size_and_keep_their_keys():
    variables, keys = build(member_of('worker', 0))
    _, plain = build(member.Alone())
    assert sorted(keys) == sorted(plain)
    sizes = {0: 0, 1: 0}
    for variable in variables:
        server, = re.fullmatch(r'/job:ps/task:(\d)', variable.device).groups()
        sizes[int(server)] += variable.shape.num_elements()
    assert 0.8 < sizes[0] / sizes[1] < 1.25
    assert [v.device for v in variables if v.op.name == 'global_step'] == ['/job:ps/task:0']
