"""The trainer: its loss, its batches, what it saves and how it goes on, its errors."""
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import types

import numpy as np
import pytest

import captcha_data
import captcha_train
import cli
from conftest import ROOT
from test_captcha_data import record, write_records

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

from nets import nets_factory, slim


@pytest.fixture
def tiny(monkeypatch):
    """Register 'tiny', four linear heads on a coarse picture: train() takes no time with it."""
    def network(inputs, num_classes, is_training=True, initialization='post', num_heads=4):
        with tf.variable_scope('tiny'):
            net = tf.reshape(tf.nn.avg_pool2d(inputs, 32, 32, 'VALID'), [-1, 49])
            return *[slim.fully_connected(net, num_classes, activation_fn=None, scope=f'fc8_{k}')
                     for k in range(num_heads)], {}
    network.default_image_size = 224
    monkeypatch.setitem(nets_factory.NETWORKS, 'tiny', (network, lambda weight_decay: {}))
    return 'tiny'


def train(captchas, model_dir, steps, **kwargs):
    return captcha_train.train(str(captchas / 'train.tfrecords'), str(captchas / 'test.tfrecords'),
                               str(model_dir), steps, **kwargs)


def saved(model_dir, iteration):
    reader = tf.train.load_checkpoint(str(model_dir / f'crack_captcha.model-{iteration}'))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


# --- what is computed

def test_the_loss_is_the_mean_of_four_cross_entropies():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=[4, 6, 10]).astype(np.float32)
    labels = rng.integers(0, 10, [4, 6])
    with tf.Graph().as_default(), tf.Session() as sess:
        found = sess.run(captcha_train.build_loss(
            [tf.constant(head) for head in logits],
            [tf.constant(label, tf.float32) for label in labels], 10))
        accuracies = sess.run(captcha_train.build_accuracies(
            [tf.constant(head) for head in logits],
            [tf.constant(label, tf.float32) for label in labels]))
    log_softmax = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    picked = np.take_along_axis(log_softmax, labels[..., np.newaxis], -1)
    assert found == pytest.approx(-picked.mean(), rel=1e-5)
    np.testing.assert_allclose(accuracies, (logits.argmax(-1) == labels).mean(-1))


def test_the_vectors_loss_is_a_softmax_over_all_forty():
    """Against NumPy: each of the four right places is to get a quarter of the probability."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=[4, 6, 10]).astype(np.float32)
    labels = rng.integers(0, 10, [4, 6])
    with tf.Graph().as_default(), tf.Session() as sess:
        found, perfect = sess.run([captcha_train.build_vector_loss(
            [tf.constant(head) for head in heads],
            [tf.constant(label, tf.float32) for label in labels], 10)
            for heads in (logits, 1000 * np.eye(10, dtype=np.float32)[labels])])
    vector = np.concatenate(logits, axis=1)  # [6, 40]
    log_softmax = vector - np.log(np.exp(vector).sum(1, keepdims=True))
    places = labels + 10 * np.arange(4)[:, np.newaxis]  # [4, 6] of 0 ... 39
    assert found == pytest.approx(-np.mean(log_softmax[np.arange(6), places]), rel=1e-5)
    assert perfect == pytest.approx(np.log(4), rel=1e-5)


def test_the_cosine_reaches_zero_at_the_end_and_batch_norm_moves():
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.constant(np.random.default_rng(0).normal(5, 1, [8, 4, 4, 2]), tf.float32)
        loss = tf.reduce_mean(slim.batch_norm(x, decay=0.5) ** 2)
        lr, optimizer, divide_lr = captcha_train.build_train_op(loss, 0.003, cosine_steps=4)
        sess.run(tf.global_variables_initializer())
        rates = []
        for _ in range(4):
            rates.append(sess.run(lr))
            sess.run([optimizer, divide_lr])
        rates.append(sess.run(lr))
        average = sess.run(next(v for v in tf.global_variables() if 'moving_mean' in v.op.name))
    np.testing.assert_allclose(
        rates, 0.0015 * (1 + np.cos(np.pi * np.arange(5) / 4)), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(average, 5 * (1 - 0.5 ** 4), rtol=0.1)


def test_each_network_has_its_own_defaults():
    found = {name: vars(captcha_train.training_defaults(*name)) for name in
             [('alexnet_v2', 'default'), ('alexnet_v2', 'post'), ('small_cnn', 'post')]}
    assert found['alexnet_v2', 'default'] == {'steps': 6001, 'batch_size': 25,
                                              'learning_rate': 0.0003, 'cosine': False}
    assert found['alexnet_v2', 'post'] == found['small_cnn', 'post'] == {
        'steps': 6001, 'batch_size': 25, 'learning_rate': 0.003, 'cosine': False}
    small = captcha_train.training_defaults('small_cnn', 'default')
    assert small.cosine and small.batch_size == 64 and small.learning_rate == 0.003


@pytest.mark.parametrize('recipe, steps, wanted, expected', [
    ('default', 6001, None, {0, 4000}), ('default', 18_001, None, {0, 12_000}),
    ('default', 1, None, {0}), ('post', 6001, None, {0, 2000, 4000, 6000}),
    ('default', 6001, [3000, 5000], {0, 3000, 5000}), ('post', 6001, [5], {0, 5})])
def test_when_the_rate_is_divided(recipe, steps, wanted, expected):
    assert captcha_train.divisions(recipe, steps, wanted) == expected


def test_the_rate_is_divided_where_the_user_says(captchas, tmp_path, tiny):
    train(captchas, tmp_path, 4, network=tiny, divide_at=[1, 3])
    assert saved(tmp_path, 3)['Variable'] == pytest.approx(0.0003 / 27)


@pytest.mark.parametrize('network, divide_at, words', [
    ('small_cnn', [1], 'along a cosine'), ('alexnet_v2', [1, 3], 'before the end, 3, found 3')])
def test_divisions_that_would_never_be_are_refused(captchas, tmp_path, network, divide_at, words):
    with pytest.raises(cli.UserError, match=words):
        train(captchas, tmp_path, 3, network=network, divide_at=divide_at)


def test_bfloat16_trains_and_saves_float32(captchas, tmp_path, tiny):
    """The first step's loss is float32's but for rounding; what is saved has the same types."""
    losses = []
    for name, bfloat16 in ('float32', False), ('bfloat16', True):
        train(captchas, tmp_path / name, 1, network=tiny, bfloat16=bfloat16)
        event, = [event for path in glob.glob(str(tmp_path / name / 'log' / 'events*'))
                  for event in tf.train.summary_iterator(path)
                  if any(value.tag == 'loss' for value in event.summary.value)]
        losses += [value.simple_value for value in event.summary.value if value.tag == 'loss']
    assert losses[0] == pytest.approx(losses[1], rel=0.01)
    exact, rounded = saved(tmp_path / 'float32', 0), saved(tmp_path / 'bfloat16', 0)
    assert {name: np.asarray(value).dtype for name, value in exact.items()} == {
        name: np.asarray(value).dtype for name, value in rounded.items()}


@pytest.mark.parametrize('bfloat16', [False, True])
def test_bfloat16_is_asked_of_tensorflow(captchas, tmp_path, tiny, monkeypatch, bfloat16):
    session, configs = tf.Session, []

    def noted(config=None):
        configs.append(config)
        return session(config=config)
    monkeypatch.setattr(tf, 'Session', noted)
    train(captchas, tmp_path, 1, network=tiny, bfloat16=bfloat16)
    rewrites = configs[-1].graph_options.rewrite_options
    assert (rewrites.auto_mixed_precision_onednn_bfloat16 == rewrites.ON) is bfloat16


def test_a_processor_without_bfloat16_is_one_line(captchas, tmp_path, tiny, monkeypatch):
    def fails(*_):
        raise tf.errors.InternalError(None, None, 'could not create a primitive')
    build = captcha_train.build_networks

    def networks(x, *args):
        logits, test_logits = build(x, *args)
        return logits, [tf.numpy_function(fails, [head], tf.float32) for head in test_logits]
    monkeypatch.setattr(captcha_train, 'build_networks', networks)
    with pytest.raises(cli.UserError, match='--bfloat16: expected a processor.*leave it out'):
        train(captchas, tmp_path, 1, network=tiny, bfloat16=True)
    assert captcha_data.newest_checkpoint(str(tmp_path)) is None


def test_a_batch_keeps_images_and_labels_together_and_is_shuffled(tmp_path):
    path = str(tmp_path / 'r.tfrecords')
    write_records(path, [record(np.full([224, 224], k, np.uint8), [k % 10, k // 10, 0, k % 7])
                         for k in range(100)])
    with tf.Graph().as_default(), tf.Session() as sess:
        batch = captcha_train.build_inputs(path, 25, seed=0)
        assert [tensor.shape.as_list() for tensor in batch] == [[25, 224, 224]] + [[25]] * 4
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess=sess, coord=coord)
        images, *labels = sess.run(batch)
        coord.request_stop()
        coord.join(threads)
    numbers = np.round((images[:, 0, 0] / 2 + 0.5) * 255).astype(int)
    np.testing.assert_array_equal(labels, [numbers % 10, numbers // 10, 0 * numbers, numbers % 7])
    assert sorted(numbers) != list(numbers)


def distorted(monkeypatch, images, **limits):
    """captcha_train.distort with every limit 0 but those given."""
    for name in 'SHIFT', 'SCALE', 'SHEAR':
        monkeypatch.setattr(captcha_train, name, limits.get(name, 0))
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(0)
        return sess.run(captcha_train.distort(tf.constant(images), len(images)))


def test_a_distorted_picture_is_the_picture_moved_stretched_slanted(monkeypatch):
    """Pictures whose pixels hold their own place say where each was taken from."""
    rows, columns = np.mgrid[:224, :224].astype(np.float32)
    images = np.stack([columns, rows] * 20)  # the column, or the row
    np.testing.assert_allclose(distorted(monkeypatch, images), images, atol=1e-3)

    def change(**limits):
        """What was added to each pixel, away from the border, which is repeated."""
        return (distorted(monkeypatch, images, **limits) - images)[:, 40:-40, 40:-40]

    def assert_even(values, limit):
        """One value throughout a picture, between pictures up to the limit, and near it in one."""
        np.testing.assert_allclose(values, values[:, :1, :1] * np.ones_like(values), atol=1e-3)
        assert limit / 2 < abs(values).max() <= limit + 1e-3

    moved, stretched, slanted = change(SHIFT=10), change(SCALE=0.08), change(SHEAR=0.1)
    assert_even(moved, 10)
    assert abs(moved).max() <= 10
    assert_even(np.diff(stretched[0::2], axis=2), 0.08)  # columns grow to the right
    assert_even(np.diff(stretched[1::2], axis=1), 0.08)  # rows grow downwards
    assert_even(np.diff(slanted[0::2], axis=1), 0.1)  # columns move by the row
    np.testing.assert_allclose(slanted[1::2], 0, atol=1e-3)  # and none up or down
    for part in stretched, slanted:
        np.testing.assert_allclose(part.mean((1, 2)), 0, atol=1e-3)  # the centre stays


def test_training_sees_distorted_pictures_and_testing_does_not(tiny):
    images = np.random.default_rng(0).uniform(-1, 1, [3, 224, 224])
    with tf.Graph().as_default(), tf.Session() as sess:
        x, _ = captcha_train.build_placeholders()
        logits, test_logits = captcha_train.build_networks(x, -x, 3, tiny, 10, 'post')
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(sess.run(logits, {x: images}),
                                   sess.run(test_logits, {x: -images}), atol=1e-5)


@pytest.mark.parametrize('kwargs, expected', [({}, True), ({'recipe': 'post'}, False),
                                              ({'distorted': False}, False),
                                              ({'recipe': 'post', 'distorted': True}, True)])
def test_what_is_distorted(captchas, tmp_path, tiny, monkeypatch, kwargs, expected):
    calls = []
    monkeypatch.setattr(captcha_train, 'distort', lambda x, size: calls.append(size) or x)
    train(captchas, tmp_path, 1, network=tiny, **kwargs)
    assert calls == ([25] if expected else [])


@pytest.mark.parametrize('keep_prob, dropped', [(None, 0.5), (0.8, 0.2), (1.0, 0.0)])
def test_the_share_that_dropout_keeps(keep_prob, dropped):
    """The training network's share of zeros in fc6 after dropout, all of fc6 being above 0."""
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        x, _ = captcha_train.build_placeholders()
        captcha_train.build_networks(x, x, 1, 'alexnet_v2', 10, 'post', keep_prob=keep_prob)
        biases, = [v for v in tf.global_variables() if v.op.name == 'alexnet_v2/fc6/biases']
        sess.run(tf.global_variables_initializer())
        sess.run(biases.assign(tf.fill(biases.shape, 1000.0)))
        after = dict(graph.get_collection('alexnet_v2/end_points'))['alexnet_v2/dropout6']
        values = sess.run(after, {x: np.zeros([1, 224, 224])})
    assert np.mean(values == 0) == pytest.approx(dropped, abs=0.05)


def test_only_a_network_with_dropout_takes_the_share(captchas, tmp_path):
    with pytest.raises(cli.UserError, match='--keep-prob: .*found small_cnn, which has none'):
        train(captchas, tmp_path, 1, network='small_cnn', keep_prob=0.5)


def test_alexnet_learns_one_batch():
    """A few steps on one batch take the loss below chance, ln 10."""
    rng = np.random.default_rng(0)
    pixels, classes = rng.uniform(-1, 1, [8, 224, 224]), rng.integers(0, 10, [4, 8])
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(0)
        x, y = captcha_train.build_placeholders()
        fn = nets_factory.get_network_fn('alexnet_v2', 10, 0.0005, True, initialization='he')
        *logits, _ = fn(captcha_data.network_input(x, 'default'))
        loss = captcha_train.build_loss(logits, y, 10)
        step = tf.train.AdamOptimizer(0.0003).minimize(loss)
        sess.run(tf.global_variables_initializer())
        losses = [sess.run([loss, step], {x: pixels, **dict(zip(y, classes))})[0]
                  for _ in range(60)]
    assert losses[0] > np.log(10)
    assert np.mean(losses[-5:]) < 0.8 * np.log(10), losses


# --- what is printed, saved and gone on from

def test_lines_checkpoints_and_held_out_accuracy(captchas, tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setattr(captcha_train, 'SAVE_EVERY', 20)
    assert train(captchas, tmp_path, 61, network=tiny) == 0
    out = capsys.readouterr().out
    lines = re.findall(r'^Iter:(\d+) Loss:\d+\.\d{3} Accuracy: '
                       r'[01]\.\d\d,[01]\.\d\d,[01]\.\d\d,[01]\.\d\d '
                       r'Learning_rate:(\d\.\d{4})$', out, re.MULTILINE)
    assert lines == [('0', '0.0001'), ('20', '0.0001'), ('40', '0.0000'), ('60', '0.0000')]
    assert re.findall(r'^Held-out after iteration (\d+): characters [\d.]+, '
                      r'whole captchas [\d.]+ of (\d+)$', out, re.MULTILINE) == [
        ('20', '10'), ('40', '10'), ('60', '10')]
    kept = sorted(os.path.basename(path) for path in glob.glob(str(tmp_path / '*.index')))
    assert kept == ['crack_captcha.model-40.index', 'crack_captcha.model-60.index']
    events = glob.glob(str(tmp_path / 'log' / 'events*'))
    tags = {value.tag for event in tf.train.summary_iterator(events[0])
            for value in event.summary.value}
    assert tags >= {'loss', 'learning_rate', 'held_out/characters', 'held_out/whole_captchas',
                    'input/image/0', *(f'accuracy/char{k}' for k in range(4))}


def test_it_goes_on_exactly_where_it_stopped(captchas, tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setitem(captcha_train.RECIPES['default'], 'divide_every', 40)
    train(captchas, tmp_path, 41, network=tiny)
    before = saved(tmp_path, 40)
    assert before['Variable'] == pytest.approx(0.0003 / 9)  # divided at 0 and at 40
    assert before['beta1_power'] == pytest.approx(0.9 ** 42, rel=1e-4)  # 41 steps, TensorFlow's way
    capsys.readouterr()
    train(captchas, tmp_path, 42, network=tiny)
    out = capsys.readouterr().out
    assert re.search('going on from .*model-40 at the learning rate 3.33e-05$', out, re.MULTILINE)
    assert 'Iter:' not in out  # iteration 41 prints no line
    after = saved(tmp_path, 41)
    assert after['beta1_power'] == pytest.approx(0.9 ** 43, rel=1e-4)
    assert after['Variable'] == before['Variable']
    moved = np.abs(after['tiny/fc8_0/weights'] - before['tiny/fc8_0/weights']).max()
    assert 0 < moved < 2 * before['Variable']  # one step of Adam from the saved weights
    moments = 'tiny/fc8_0/weights/Adam_1'
    assert np.all(after[moments] >= 0.998 * before[moments])


def test_a_finished_training_says_how_to_go_on(captchas, tmp_path, tiny, capsys):
    train(captchas, tmp_path, 3, network=tiny)
    capsys.readouterr()
    assert train(captchas, tmp_path, 3, network=tiny) == 0
    assert '--steps' in capsys.readouterr().out
    assert train(captchas, tmp_path, 2, network=tiny, restart=True) == 0
    assert 'Iter:0 ' in capsys.readouterr().out
    assert captcha_data.newest_checkpoint(str(tmp_path)).endswith('-1')


def test_begun_anew_the_old_checkpoints_go_as_new_ones_come(captchas, tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(captcha_train, 'SAVE_EVERY', 20)
    train(captchas, tmp_path, 81, network=tiny)
    train(captchas, tmp_path, 41, network=tiny, restart=True)
    kept = sorted(os.path.basename(path) for path in glob.glob(str(tmp_path / '*.index')))
    assert kept == ['crack_captcha.model-20.index', 'crack_captcha.model-40.index']


def test_a_copied_folder_stands_alone(captchas, tmp_path, tiny):
    """Its `checkpoint` file names no other folder: neither read there nor deleted there."""
    first, copy = tmp_path / 'first', tmp_path / 'copy'
    for steps in 1, 2:
        train(captchas, first, steps, network=tiny)
    shutil.copytree(first, copy)
    before = sorted(os.listdir(first))
    assert captcha_data.newest_checkpoint(str(copy)) == str(copy / 'crack_captcha.model-1')
    for steps in 3, 4, 5:
        train(captchas, copy, steps, network=tiny)
    assert sorted(os.listdir(first)) == before
    assert sorted(path.name for path in copy.glob('*.index')) == [
        'crack_captcha.model-3.index', 'crack_captcha.model-4.index']


def test_a_folder_that_is_a_pattern_is_refused(captchas, tmp_path, tiny):
    with pytest.raises(cli.UserError, match=r'run\[1\]: expected a folder without'):
        train(captchas, tmp_path / 'run[1]', 1, network=tiny)


def test_a_checkpoint_of_another_network_recipe_or_charset(captchas, tmp_path, tiny):
    train(captchas, tmp_path, 1, network=tiny)
    before = sorted(os.listdir(tmp_path))
    for kwargs, words in [({'network': 'alexnet_v2'}, 'network alexnet_v2, found one of .*tiny'),
                          ({'network': tiny, 'method': 'vector'}, 'vector, found one of .*heads'),
                          ({'network': tiny, 'recipe': 'post'}, 'recipe post, found one of .*def')]:
        with pytest.raises(cli.UserError, match=words):
            train(captchas, tmp_path, 5, **kwargs)
    letters = tmp_path / 'letters'
    letters.mkdir()
    for name in 'train.tfrecords', 'test.tfrecords':
        write_records(letters / name, 30 * [record(np.zeros([224, 224], np.uint8), [10, 35, 0, 1])])
    with pytest.raises(cli.UserError, match='charset alnum, found one of .*digits'):
        train(letters, tmp_path, 5, network=tiny)
    assert sorted(set(os.listdir(tmp_path)) - {'letters'}) == before


def test_a_checkpoint_without_adams_moments(captchas, tmp_path, tiny):
    with tf.Graph().as_default(), tf.Session() as sess:
        for name, value in {'network': 'tiny', 'charset': 'digits', 'recipe': 'default',
                            'method': 'heads'}.items():
            tf.get_variable(f'about/{name}', initializer=tf.constant(value))
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, str(tmp_path / 'crack_captcha.model'), global_step=7)
    with pytest.raises(cli.UserError, match='model-7: expected weights.*--restart'):
        train(captchas, tmp_path, 50, network=tiny)


def test_records_that_vanish_while_training(captchas, tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(captcha_train, 'check_data', lambda *_: (49, 10, 'digits'))
    with pytest.raises(cli.UserError, match='gone: was whole when'):
        captcha_train.train(str(tmp_path / 'gone'), '', str(tmp_path / 'm'), 5, network=tiny)


def test_letters_make_36_classes(tmp_path, tiny, capsys):
    for name in 'train.tfrecords', 'test.tfrecords':
        write_records(tmp_path / name,
                      30 * [record(np.zeros([224, 224], np.uint8), [10, 35, 0, 1])])
    train(tmp_path, tmp_path / 'm', 1, network=tiny)
    assert saved(tmp_path / 'm', 0)['tiny/fc8_3/weights'].shape == (49, 36)
    assert 'ln 36 = 3.584' in capsys.readouterr().out


def test_a_loss_that_is_no_number_stops(captchas, tmp_path, tiny, monkeypatch):
    train(captchas, tmp_path, 2, network=tiny)
    real = captcha_train.build_loss
    monkeypatch.setattr(captcha_train, 'build_loss', lambda *args: real(*args) * np.float32('nan'))
    with pytest.raises(cli.UserError, match='iteration 2: the loss is nan; last good checkpoint: '
                                            '.*model-1; .*--restart --learning-rate 0.0001'):
        train(captchas, tmp_path, 50, network=tiny)


def test_a_step_that_breaks_the_weights_is_not_saved(captchas, tmp_path, tiny):
    with pytest.raises(cli.UserError, match='iteration 0: .*last good checkpoint: none yet'):
        train(captchas, tmp_path, 1, network=tiny, learning_rate=1e38)
    assert captcha_data.newest_checkpoint(str(tmp_path)) is None


def test_it_warns_once_of_a_loss_that_stays_at_chance(captchas, tmp_path, tiny, monkeypatch,
                                                      capsys):
    monkeypatch.setattr(captcha_train, 'PLATEAU', 50)
    monkeypatch.setattr(captcha_train, 'build_loss',
                        lambda logits, labels, num_classes: 2.303 + 0 * tf.reduce_sum(logits[0]))
    train(captchas, tmp_path, 70, network=tiny, recipe='post')
    err = capsys.readouterr().err
    assert err.count('warning: after') == 1
    assert '2.303' in err and 'without --recipe post' in err


def test_no_warning_once_it_learns(captchas, tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setattr(captcha_train, 'PLATEAU', 50)
    monkeypatch.setattr(captcha_train, 'build_loss',
                        lambda logits, labels, num_classes: 1.5 + 0 * tf.reduce_sum(logits[0]))
    train(captchas, tmp_path, 70, network=tiny)
    assert 'warning' not in capsys.readouterr().err


def test_a_failed_save_keeps_the_last_checkpoint(captchas, tmp_path, tiny, monkeypatch):
    train(captchas, tmp_path, 3, network=tiny)

    def full(self, sess, prefix, global_step):
        with open(f'{prefix}-{global_step}.data-00000-of-00001.tempstate1', 'w') as file:
            file.write('half')
        raise tf.errors.ResourceExhaustedError(
            None, None, f'Graph execution error:\n\nNode: x\n{prefix}-9; No space left on device')
    monkeypatch.setattr(tf.train.Saver, 'save', full)
    with pytest.raises(cli.UserError, match='No space left on device; last good .*model-2;'):
        train(captchas, tmp_path, 9, network=tiny)
    with pytest.raises(cli.UserError, match='go on with the same command$'):  # nothing saved yet
        train(captchas, tmp_path, 3, network=tiny, restart=True)  # the old one's number
    assert not glob.glob(str(tmp_path / '*tempstate*'))
    assert captcha_data.newest_checkpoint(str(tmp_path)).endswith('-2')


@pytest.mark.parametrize('steps, status, words', [(2, 143, 'stopped after iteration 0'),
                                                  (1, 0, 'Held-out after iteration 0')])
def test_a_signal_in_the_last_iteration_stops_nothing(captchas, tmp_path, tiny, monkeypatch, capsys,
                                                      steps, status, words):
    stop = types.SimpleNamespace(signal=signal.SIGTERM)
    monkeypatch.setattr(cli, 'stop_signals', lambda: contextlib.nullcontext(stop))
    assert train(captchas, tmp_path, steps, network=tiny) == status
    assert words in capsys.readouterr().out


# --- as a user runs it

@pytest.mark.skipif(os.name == 'nt', reason='no SIGTERM')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves(captchas, tmp_path, number):
    command = [sys.executable, os.path.join(ROOT, 'captcha_train.py'), '--model-dir', tmp_path,
               '--train', captchas / 'train.tfrecords', '--test', captchas / 'test.tfrecords']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith('Iter:0 '):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    stopped = re.search(r'stopped after iteration (\d+), saved .*; go on with', out)
    assert captcha_data.newest_checkpoint(str(tmp_path)).endswith(f'-{stopped[1]}')
    assert 'Traceback' not in err and 'tensorflow' not in err.lower()


@pytest.mark.parametrize('arguments, words', [
    (['--steps', '0'], "'0'"), (['--steps', '-5'], 'at least 1'), (['--batch-size', '2.5'], '2.5'),
    (['--learning-rate', 'nan'], 'above 0'), (['--learning-rate', '-1'], 'above 0'),
    (['--network', 'vgg'], 'small_cnn'), (['--method', '3'], 'vector'),
    (['--keep-prob', '1.5'], '0.000001 to 1'), (['--keep-prob', '0'], 'above 0'),
    (['--keep-prob', '1e-17'], '0.000001 to 1'),
    (['--recipe', 'mine'], 'post'), (['--seed', 'x'], "found 'x'")])
def test_bad_options(monkeypatch, arguments, words):
    monkeypatch.setattr(sys, 'argv', ['captcha_train.py', *arguments])
    with pytest.raises(cli.UserError, match=re.escape(words)):
        captcha_train.main()


def test_bad_options_and_files_are_one_line(one_line_error, captchas, tmp_path):
    files = ['--train', captchas / 'train.tfrecords', '--test', captchas / 'test.tfrecords',
             '--model-dir', tmp_path / 'm']
    assert "found '0'" in one_line_error('captcha_train.py', *files, '--steps', '0')
    assert 'batch of 64 records, found' in one_line_error('captcha_train.py', *files,
                                                          '--batch-size', '64')
    assert 'to_tfrecord.py' in one_line_error('captcha_train.py', *files,
                                              '--test', tmp_path / 'none')
    (tmp_path / 'file').write_text('in the way')
    assert f'{tmp_path / "file"}: File exists' in one_line_error(
        'captcha_train.py', *files, '--model-dir', tmp_path / 'file')
    assert not glob.glob(str(tmp_path / 'm' / '*.index'))
