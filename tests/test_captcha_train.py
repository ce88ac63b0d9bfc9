"""The trainer: its loss, its batches, what it saves and how it is resumed, its errors."""
import dataclasses
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import captcha_train
from helpers import (ROOT, read_arrays, record, run_in, tf, tiny_network, tiny_recipe, use_network,
                     write_arrays, write_records)
from nets import methods, slim
from support.captcha import dataset, models, options, recipes, records, training
from support.common import checkpoints
from support.common.console import UserError


def train(captchas, model_dir, steps, run=None, **changes):
    """Train the tiny network on the records of a folder; `run`: fields of training.Run."""
    return captcha_train.train(tiny_recipe(steps=steps, **changes),
                               run_in(captchas, model_dir, **(run or {})))


def saved(model_dir, iteration):
    return read_arrays(model_dir / f'crack_captcha.model-{iteration}')


def kept(model_dir):
    return sorted(path.name for path in model_dir.glob('*.index'))


@pytest.fixture
def letters(tmp_path):
    """A folder with records of 0-9 A-Z, all of one text."""
    folder = tmp_path / 'letters'
    folder.mkdir()
    for name in 'train.tfrecords', 'test.tfrecords':
        write_records(folder / name, 30 * [record(np.zeros([224, 224], np.uint8), [10, 35, 0, 1])])
    return folder


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
            tf.constant(logits.argmax(-1).T, tf.int32),
            [tf.constant(label, tf.float32) for label in labels]))
    log_softmax = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    picked = np.take_along_axis(log_softmax, labels[..., np.newaxis], -1)
    assert found == pytest.approx(-picked.mean(), rel=1e-5)
    np.testing.assert_allclose(accuracies, (logits.argmax(-1) == labels).mean(-1))


def test_a_step_moves_batch_norms_averages():
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.constant(np.random.default_rng(0).normal(5, 1, [8, 4, 4, 2]), tf.float32)
        loss = tf.reduce_mean(slim.batch_norm(x, decay=0.5) ** 2)
        lr, optimizer = captcha_train.build_train_op(loss, 0.003)
        sess.run(tf.global_variables_initializer())
        assert sess.run(lr) == pytest.approx(0.003)
        for _ in range(4):
            sess.run(optimizer)
        average = sess.run(next(v for v in tf.global_variables() if 'moving_mean' in v.op.name))
    np.testing.assert_allclose(average, 5 * (1 - 0.5 ** 4), rtol=0.1)


def test_the_rate_of_a_step_is_the_recipes(captchas, tmp_path):
    """Adam's first step moves a weight by its rate, whatever the gradient."""
    weights = []

    def watch(i, _):
        graph = tf.get_default_graph()
        sess = tf.get_default_session()
        weights.append(sess.run(graph.get_tensor_by_name('tiny/fc8_0/biases/Read/'
                                                         'ReadVariableOp:0')))
    train(captchas, tmp_path, 2, {'until': watch}, learning_rate=0.3)
    assert np.abs(weights[0]).max() == pytest.approx(0.3, rel=1e-3)  # from 0, at the first rate
    assert np.abs(weights[1] - weights[0]).max() <= 0.15 * 1.01  # then at half of it
    assert saved(tmp_path, 1)['learning_rate'] == pytest.approx(0, abs=1e-7)  # the cosine's end


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


@pytest.mark.parametrize('distortion', [recipes.Distortion(), None])
def test_training_sees_distorted_pictures_and_measuring_does_not(captchas, tmp_path, distortion):
    """By the graph: what the network's inputs are made of, in training and in use."""
    made_of = {}

    def probe(inputs, num_classes, is_training=True, num_heads=4):
        found, waiting = set(), [inputs.op]
        while waiting:
            op = waiting.pop()
            if op not in found:
                found.add(op)
                waiting += [tensor.op for tensor in op.inputs]
        made_of[is_training] = {op.type for op in found}
        return tiny_network(inputs, num_classes, is_training, num_heads)
    recipe = dataclasses.replace(use_network(probe), steps=1, distortion=distortion)
    captcha_train.train(recipe, run_in(captchas, tmp_path))
    assert ('ImageProjectiveTransformV3' in made_of[True]) is (distortion is not None)
    assert 'ImageProjectiveTransformV3' not in made_of[False]
    assert 'Placeholder' in made_of[True] and 'Placeholder' in made_of[False]


@pytest.mark.parametrize('keep_prob, dropped', [(0.5, 0.5), (0.8, 0.2), (1.0, 0.0)])
def test_the_share_that_dropout_keeps(keep_prob, dropped):
    """The training network's share of zeros in fc6 after dropout, all of fc6 being above 0."""
    recipe = recipes.make(name='post', keep_prob=keep_prob)
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        x, _ = captcha_train.build_placeholders()
        captcha_train.build_network(x, recipe, dataset.Facts(), is_training=True)
        biases, = [v for v in tf.global_variables() if v.op.name == 'alexnet_v2/fc6/biases']
        sess.run(tf.global_variables_initializer())
        sess.run(biases.assign(tf.fill(biases.shape, 1000.0)))
        after = dict(graph.get_collection('alexnet_v2/end_points'))['alexnet_v2/dropout6']
        values = sess.run(after, {x: np.zeros([1, 224, 224])})
    assert np.mean(values == 0) == pytest.approx(dropped, abs=0.05)


def test_alexnet_learns_one_batch():
    """A few steps on one batch take the loss below chance, ln 10."""
    rng = np.random.default_rng(0)
    pixels, classes = rng.uniform(-1, 1, [4, 224, 224]), rng.integers(0, 10, [4, 4])
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(0)
        x, y = captcha_train.build_placeholders()
        recipe = recipes.make(keep_prob=1.0, distort=False)
        logits, _ = captcha_train.build_network(x, recipe, dataset.Facts(), is_training=True)
        loss = captcha_train.build_loss(logits, y, 10)
        _, step = captcha_train.build_train_op(loss, 0.0003)
        sess.run(tf.global_variables_initializer())
        losses = [sess.run([loss, step], {x: pixels, **dict(zip(y, classes))})[0]
                  for _ in range(24)]
    assert losses[0] > 0.98 * np.log(10)
    assert np.mean(losses[-5:]) < 0.8 * np.log(10), losses


# --- 16 bits

def test_bfloat16_is_asked_of_tensorflow():
    def asked(**choice):
        rewrites = training.session_config(**choice).graph_options.rewrite_options
        return rewrites.auto_mixed_precision_onednn_bfloat16 == rewrites.ON
    assert asked(bfloat16=True) and not asked(bfloat16=False)
    assert asked() is training.has_bfloat16()  # by itself where the processor has it
    assert asked(alone=False) is training.has_bfloat16()


def test_the_processors_flags_are_read():
    if not os.path.exists('/proc/cpuinfo'):
        assert not training.has_bfloat16()
        return
    with open('/proc/cpuinfo', encoding='ascii', errors='replace') as file:
        words = file.read().split()
    assert training.has_bfloat16() is ('avx512_bf16' in words or 'amx_bf16' in words)


def test_bfloat16_trains_and_saves_float32(captchas, tmp_path):
    """The first step's loss is float32's but for rounding; what is saved has the same types."""
    losses = []
    for name, bfloat16 in ('float32', False), ('bfloat16', True):
        train(captchas, tmp_path / name, 1, {
            'bfloat16': bfloat16, 'until': lambda _, recent: losses.append(recent[-1])})
    assert losses[0] == pytest.approx(losses[1], rel=0.01)
    exact, rounded = saved(tmp_path / 'float32', 0), saved(tmp_path / 'bfloat16', 0)
    assert {name: np.asarray(value).dtype for name, value in exact.items()} == {
        name: np.asarray(value).dtype for name, value in rounded.items()}


def test_a_processor_without_bfloat16_is_one_line(captchas, tmp_path):
    def fails(*_):
        raise tf.errors.InternalError(None, None, 'could not create a primitive')

    def broken(inputs, num_classes, is_training=True, num_heads=4):
        *heads, _ = tiny_network(inputs, num_classes, is_training, num_heads)
        if not is_training:
            heads = [tf.numpy_function(fails, [head], tf.float32) for head in heads]
        return *heads, {}
    with pytest.raises(UserError, match='--bfloat16: expected a processor.*leave it out'):
        captcha_train.train(use_network(broken), run_in(captchas, tmp_path, bfloat16=True))
    assert models.newest(str(tmp_path)) is None


# --- what is printed, saved and resumed

def test_lines_checkpoints_and_held_out_accuracy(captchas, tmp_path, capsys):
    assert train(captchas, tmp_path, 61, {'save_every': 20}) == 0
    out = capsys.readouterr().out
    lines = re.findall(r'^Iter:(\d+) Loss:\d+\.\d{3} Accuracy: '
                       r'[01]\.\d\d,[01]\.\d\d,[01]\.\d\d,[01]\.\d\d '
                       r'Learning_rate:(\d\.\d{4})$', out, re.MULTILINE)
    assert lines == [('0', '0.0002'), ('20', '0.0001'), ('40', '0.0000'), ('60', '0.0000')]
    assert re.findall(r'^Held-out after iteration (\d+): characters [\d.]+, '
                      r'whole captchas [\d.]+ of (\d+)$', out, re.MULTILINE) == [
        ('20', '10'), ('40', '10'), ('60', '10')]
    assert kept(tmp_path) == ['crack_captcha.model-40.index', 'crack_captcha.model-60.index']
    events = glob.glob(str(tmp_path / 'log' / 'events*'))
    values = [(event.step, value.tag) for event in tf.train.summary_iterator(events[0])
              for value in event.summary.value]
    assert {tag for _, tag in values} >= {
        'learning_rate', 'held_out/characters', 'held_out/whole_captchas', 'input/image/0',
        *(f'accuracy/char{k}' for k in range(4))}
    assert [step for step, tag in values if tag == 'loss'] == list(range(61))


@pytest.mark.parametrize('lengths', [(1, 1), (6, 6), (3, 5)])
def test_any_number_of_heads(tmp_path, capsys, lengths):
    """As many accuracies as heads; where lengths vary, one more class than characters."""
    facts = dataset.Facts('01', *lengths)
    (tmp_path / 'dataset.json').write_text(json.dumps(dataset.to_json(facts)))
    for name in 'train.tfrecords', 'test.tfrecords':
        write_records(tmp_path / name, 30 * [record(
            np.zeros([224, 224], np.uint8), facts.labels_of('011011'[:lengths[0]]))])
    for method in 'heads', 'vector':
        train(tmp_path, tmp_path / method, 1, method=method)
        shown = re.search(r'Iter:0 Loss:\S+ Accuracy: (\S+) ', capsys.readouterr().out)[1]
        assert len(shown.split(',')) == lengths[1]
        about = models.about(models.newest(str(tmp_path / method)))
        assert about.facts == facts
    heads = {name: value.shape for name, value in saved(tmp_path / 'heads', 0).items()
             if name.startswith('tiny/fc8') and name.endswith('weights')}
    scopes = methods.head_scopes(lengths[1])
    assert heads == {f'tiny/{scope}/weights': (49, facts.num_classes) for scope in scopes}


def test_it_is_resumed_exactly_where_it_stopped(captchas, tmp_path, capsys):
    changes = dict(divide_at=(40,), schedule='divided')
    train(captchas, tmp_path, 41, **changes)
    before = saved(tmp_path, 40)
    assert before['learning_rate'] == pytest.approx(0.0002 / 9)  # divided at 0 and at 40
    assert before['beta1_power'] == pytest.approx(0.9 ** 42, rel=1e-4)  # 41 steps, TensorFlow's way
    capsys.readouterr()
    train(captchas, tmp_path, 42, **changes)
    out = capsys.readouterr().out
    assert re.search('resuming from .*model-40 at the learning rate 2.22e-05$', out, re.MULTILINE)
    assert 'Iter:' not in out  # iteration 41 prints no line
    after = saved(tmp_path, 41)
    assert after['beta1_power'] == pytest.approx(0.9 ** 43, rel=1e-4)
    assert after['learning_rate'] == before['learning_rate']
    moved = np.abs(after['tiny/fc8_0/weights'] - before['tiny/fc8_0/weights']).max()
    assert 0 < moved < 2 * before['learning_rate']  # one step of Adam from the saved weights
    moments = 'tiny/fc8_0/weights/Adam_1'
    assert np.all(after[moments] >= 0.998 * before[moments])


def test_a_resume_needs_the_folder_alone(captchas, tmp_path, monkeypatch):
    """Recipe and records are the checkpoint's; what may change is taken from the command line."""
    recipe = recipes.make('small_cnn', 'own', distort=False, steps=7, batch_size=8,
                          learning_rate=0.5)
    run = run_in(captchas, tmp_path / 'm', until=lambda i, _: i == 2, save_every=1)
    captcha_train.train(recipe, run)

    def parsed(*arguments):
        monkeypatch.setattr(sys, 'argv', ['captcha_train.py', '--model-dir', str(tmp_path / 'm'),
                                          *arguments])
        return options.parse('')
    found, resumed = parsed()
    assert found == recipe
    assert (resumed.train_file, resumed.test_file) == (run.train_file, run.test_file)
    found, resumed = parsed('--steps', '9', '--train', 'other/train.tfrecords')
    assert found == dataclasses.replace(recipe, steps=9)
    assert (resumed.train_file, resumed.test_file) == ('other/train.tfrecords',
                                                       'other/test.tfrecords')
    found, _ = parsed('--restart')
    assert found == recipes.make()
    found, _ = parsed('--network', 'alexnet_v2')
    assert found == recipes.make()  # which `prepare` refuses
    about = models.about(models.newest(str(tmp_path / 'm')))
    with pytest.raises(UserError, match='network alexnet_v2, found one of network small_cnn'):
        models.check_resumable(about, found, about.facts)


def test_made_longer_it_has_the_rates_of_the_longer_run(captchas, tmp_path, capsys):
    train(captchas, tmp_path, 9)
    assert saved(tmp_path, 8)['learning_rate'] == pytest.approx(0, abs=1e-9)
    capsys.readouterr()
    train(captchas, tmp_path, 18)
    assert 'at the learning rate 0.0001\n' in capsys.readouterr().out  # half of the way
    assert saved(tmp_path, 17)['learning_rate'] == pytest.approx(0, abs=1e-9)


def test_a_finished_training_says_how_to_resume(captchas, tmp_path, capsys):
    train(captchas, tmp_path, 3)
    capsys.readouterr()
    assert train(captchas, tmp_path, 3) == 0
    assert '--steps' in capsys.readouterr().out
    assert train(captchas, tmp_path, 2, {'restart': True}) == 0
    assert 'Iter:0 ' in capsys.readouterr().out
    assert models.newest(str(tmp_path)).endswith('-1')


def test_restarted_the_old_checkpoints_go_as_new_ones_come(captchas, tmp_path):
    train(captchas, tmp_path, 81, {'save_every': 20})
    train(captchas, tmp_path, 41, {'save_every': 20, 'restart': True})
    assert kept(tmp_path) == ['crack_captcha.model-20.index', 'crack_captcha.model-40.index']


def test_a_copied_folder_stands_alone(captchas, tmp_path):
    """Its `checkpoint` file names no other folder: neither read there nor deleted there."""
    first, copy = tmp_path / 'first', tmp_path / 'copy'
    for steps in 1, 2:
        train(captchas, first, steps)
    shutil.copytree(first, copy)
    before = sorted(os.listdir(first))
    assert models.newest(str(copy)) == str(copy / 'crack_captcha.model-1')
    for steps in 3, 4, 5:
        train(captchas, copy, steps)
    assert sorted(os.listdir(first)) == before
    assert kept(copy) == ['crack_captcha.model-3.index', 'crack_captcha.model-4.index']


def test_checkpoints_that_are_gone_are_restarted_from(captchas, tmp_path):
    """Deleted by hand, and TensorFlow's state file left: the advised --restart works."""
    train(captchas, tmp_path, 2)
    for path in tmp_path.glob('crack_captcha*'):
        path.unlink()
    with pytest.raises(UserError, match='--restart'):
        train(captchas, tmp_path, 3)
    assert train(captchas, tmp_path, 3, {'restart': True}) == 0
    assert kept(tmp_path) == ['crack_captcha.model-2.index']


def test_what_a_kill_left_of_a_save_is_removed(captchas, tmp_path):
    halves = ['crack_captcha.model-1.data-00000-of-00001.tempstate1',
              'crack_captcha.model-1.meta.tmp0a', 'checkpoint.tmp0a']
    for name in [*halves, 'another.model-1.meta.tmp0a']:
        (tmp_path / name).touch()
    train(captchas, tmp_path, 1)
    left = {path.name for path in tmp_path.iterdir()}
    assert not set(halves) & left
    assert {'another.model-1.meta.tmp0a', 'crack_captcha.model-0.index'} <= left


def test_a_folder_that_is_a_pattern_is_refused(captchas, tmp_path):
    with pytest.raises(UserError, match=r'run\[1\]: expected a folder without'):
        train(captchas, tmp_path / 'run[1]', 1)


@pytest.mark.parametrize('changes, words', [
    ({'network': 'alexnet_v2'}, 'network alexnet_v2, found one of network tiny_network'),
    ({'method': 'vector'}, 'method vector, found one of method heads'),
    ({'standardize': False}, 'standardize False, found one of standardize True'),
    ({'distortion': None}, 'distortion none, found one of distortion shift 10, scale 0.08'),
    ({'keep_prob': 0.5}, 'keep_prob 0.5, found one of keep_prob none'),
    ({'initialization': 'post'}, 'initialization post, found one of initialization he')])
def test_a_checkpoint_of_another_recipe_is_refused(captchas, tmp_path, changes, words):
    train(captchas, tmp_path, 1)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UserError, match=f'{words}.*--restart'):
        train(captchas, tmp_path, 5, **changes)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_checkpoint_of_another_alphabet_is_refused(captchas, letters, tmp_path):
    model_dir = tmp_path / 'm'
    train(captchas, model_dir, 1)
    with pytest.raises(UserError, match='data set 4 characters of 0-9 A-Z, found one of data set '
                                        '4 characters of 0-9;.*--restart'):
        train(letters, model_dir, 5)


def test_a_checkpoint_of_other_records_is_refused(captchas, tmp_path):
    """For what is held out now it may have been trained on; copies of the same are no others."""
    model_dir, copy = tmp_path / 'm', tmp_path / 'copy'
    copy.mkdir()
    for name in 'train.tfrecords', 'test.tfrecords', 'dataset.json':
        shutil.copy(captchas / name, copy)
    train(captchas, model_dir, 1)
    assert train(copy, model_dir, 2) == 0
    known = json.loads((copy / 'dataset.json').read_text())
    del known[dataset.FACTS_SUM]
    known['train'] += 1
    (copy / 'dataset.json').write_text(json.dumps(
        {**known, dataset.FACTS_SUM: dataset.checksum(known)}))
    with pytest.raises(UserError, match='m/crack_captcha.model-1: expected a checkpoint trained on '
                                        'these records, found one of others.*--init-from '):
        train(copy, model_dir, 5)
    (copy / 'dataset.json').unlink()  # older records have none: nothing is known of them
    assert train(copy, model_dir, 3) == 0


def test_rate_steps_and_batch_may_change_when_resumed(captchas, tmp_path):
    train(captchas, tmp_path, 2)
    assert train(captchas, tmp_path, 4, learning_rate=0.9, batch_size=7, schedule='constant') == 0
    assert saved(tmp_path, 3)['learning_rate'] == pytest.approx(0.9)


OLD = {'about/network': 'tiny_network', 'about/charset': 'digits', 'about/recipe': 'default',
       'about/method': 'heads'}


@pytest.mark.parametrize('removed, added', [
    (['learning_rate'], {**OLD, 'global_step': np.int64(3)}),  # small_cnn's before `about`
    ([], {key: OLD[key] for key in OLD if key != 'about/method'})])  # the first ones written here
def test_an_older_checkpoint_is_resumed(captchas, tmp_path, removed, added):
    train(captchas, tmp_path / 'new', 3)
    arrays = saved(tmp_path / 'new', 2)
    for key in ['about', *removed]:
        del arrays[key]
    write_arrays(tmp_path / 'old' / 'crack_captcha.model-2', {
        **arrays, **{key: np.array(value) for key, value in added.items()}})
    assert train(captchas, tmp_path / 'old', 4) == 0
    moved = np.abs(saved(tmp_path / 'old', 3)['tiny/fc8_0/weights']
                   - arrays['tiny/fc8_0/weights']).max()
    assert 0 < moved < 0.001
    with pytest.raises(UserError, match='standardize False, found one of standardize True'):
        train(captchas, tmp_path / 'old', 9, standardize=False)


def test_a_checkpoint_without_adams_moments(captchas, tmp_path):
    train(captchas, tmp_path / 'new', 1)
    arrays = {key: value for key, value in saved(tmp_path / 'new', 0).items() if 'Adam' not in key}
    write_arrays(tmp_path / 'old' / 'crack_captcha.model-7', arrays)
    with pytest.raises(UserError, match='model-7: expected a whole checkpoint.*Adam.*--restart'):
        train(captchas, tmp_path / 'old', 50)


def test_records_that_vanish_while_training(captchas, tmp_path):
    for name in 'train.tfrecords', 'test.tfrecords':
        shutil.copy(captchas / name, tmp_path / name)
    with pytest.raises(UserError, match='train.tfrecords: was whole when .* the same command'):
        train(tmp_path, tmp_path / 'm', 2000, {
            'until': lambda i, _: (tmp_path / 'train.tfrecords').unlink() if i == 0 else None})


def test_letters_make_36_classes(letters, tmp_path, capsys):
    train(letters, tmp_path / 'm', 1)
    assert saved(tmp_path / 'm', 0)['tiny/fc8_3/weights'].shape == (49, 36)
    assert 'ln 36 = 3.584' in capsys.readouterr().out


def test_records_that_do_not_belong_together(captchas, letters, tmp_path):
    run = training.Run(str(captchas / 'train.tfrecords'), str(letters / 'test.tfrecords'),
                       str(tmp_path / 'm'))
    with pytest.raises(UserError, match='expected 4 characters of 0-9 as in .*, found 4 characters '
                                        'of 0-9 A-Z; make both at once'):
        captcha_train.train(tiny_recipe(), run)


def test_a_loss_that_is_no_number_stops(captchas, tmp_path):
    train(captchas, tmp_path, 2)

    def nan(i, _):  # from now on the weights are no numbers
        if i == 2:
            biases, = [v for v in tf.trainable_variables() if v.op.name == 'tiny/fc8_0/biases']
            biases.load(np.full(10, np.nan, np.float32), tf.get_default_session())
    with pytest.raises(UserError, match='iteration 3: the loss is nan; last good checkpoint: '
                                        '.*model-1; .*--restart --learning-rate 6.7e-05'):
        train(captchas, tmp_path, 50, {'until': nan})


def test_a_step_that_breaks_the_weights_is_not_saved(captchas, tmp_path):
    with pytest.raises(UserError, match='iteration 0: .*last good checkpoint: none yet'):
        train(captchas, tmp_path, 1, learning_rate=1e38)
    assert models.newest(str(tmp_path)) is None


def test_it_warns_once_of_a_loss_that_stays_at_chance(captchas, tmp_path, capsys):
    def guessing(inputs, num_classes, is_training=True, num_heads=4):
        *heads, _ = tiny_network(inputs, num_classes, is_training, num_heads)
        return *[0 * head for head in heads], {}
    for initial, advice in ('post', 'without --recipe post'), ('he', 'with another --seed'):
        recipe = dataclasses.replace(use_network(guessing), steps=70, initialization=initial)
        captcha_train.train(recipe, run_in(captchas, tmp_path / initial, plateau=50))
        err = capsys.readouterr().err
        assert err.count('warning: after 50 iterations') == 1
        assert '2.303' in err and advice in err


def test_the_loss_at_chance_knows_what_is_rare(tmp_path):
    """Half of the texts have three characters, so 'no character' is half of the fourth's labels."""
    facts = dataset.Facts('01', 3, 4)
    (tmp_path / 'dataset.json').write_text(json.dumps(dataset.to_json(facts)))
    image = np.zeros([224, 224], np.uint8)
    write_records(tmp_path / 'r', [record(image, facts.labels_of(f'{n:03b}{last}'))
                                   for n in range(8) for last in ('', '', '0', '1')])
    _, _, chance = records.survey_with_chance(str(tmp_path / 'r'))
    ln2 = np.log(2)
    assert chance == pytest.approx((3 * ln2 + (ln2 / 2 + np.log(4) / 2)) / 4)
    start = training.Start(facts, [], 1, {}, 1, chance, None, None, 0, None)
    assert start.chance_name == f'{chance:.3f}'
    assert dataclasses.replace(start, chance=np.log(40)).chance_name == 'ln 40 = 3.689'


def test_no_warning_once_it_learns(letters, tmp_path, capsys):
    """All of one text: the biases alone learn it."""
    train(letters, tmp_path / 'm', 120, {'plateau': 100}, learning_rate=0.5, schedule='constant')
    captured = capsys.readouterr()
    assert 'warning' not in captured.err
    assert 'whole captchas 1.0000 of 30' in captured.out


def test_a_failed_save_keeps_the_last_checkpoint(captchas, tmp_path):
    train(captchas, tmp_path, 3)
    for step in 8, 1:  # what TensorFlow cannot put a file in the place of
        (tmp_path / f'crack_captcha.model-{step}.index').mkdir()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UserError, match='model-8: cannot be written: .*; last good checkpoint: '
                                        '.*model-2; make room .* resume with the same command$'):
        train(captchas, tmp_path, 9)
    with pytest.raises(UserError, match='model-1: cannot .*model-2; .*the same command$'):
        train(captchas, tmp_path, 2, {'restart': True})
    assert sorted(os.listdir(tmp_path)) == before
    assert models.newest(str(tmp_path)).endswith('-2')


@pytest.mark.parametrize('steps, status, words', [(2, 143, 'stopped after iteration 0'),
                                                  (1, 0, 'Held-out after iteration 0')])
def test_a_signal_in_the_last_iteration_stops_nothing(captchas, tmp_path, capsys, steps, status,
                                                      words):
    def stop(*_):
        signal.raise_signal(signal.SIGTERM)
    assert train(captchas, tmp_path, steps, {'until': stop}) == status
    assert words in capsys.readouterr().out
    assert kept(tmp_path) == ['crack_captcha.model-0.index']


def test_until_ends_it_without_saving(captchas, tmp_path):
    seen = []

    def until(i, recent):
        seen.append((i, len(recent)))
        return i == 45
    assert train(captchas, tmp_path, 90, {'until': until}) == 0
    assert seen == [(i, min(i + 1, 40)) for i in range(46)]
    assert kept(tmp_path) == []


# --- as a user runs it

@pytest.mark.skipif(os.name == 'nt', reason='no SIGTERM')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves(captchas, tmp_path, number):
    command = [sys.executable, os.path.join(ROOT, 'captcha_train.py'), '--model-dir', tmp_path,
               '--train', captchas / 'train.tfrecords', '--test', captchas / 'test.tfrecords',
               '--network', 'small_cnn', '--batch-size', '8']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith('Iter:0 '):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    stopped = re.search(r'stopped after iteration (\d+), saved .*; resume with', out)
    assert models.newest(str(tmp_path)).endswith(f'-{stopped[1]}')
    assert 'Traceback' not in err and 'tensorflow' not in err.lower()


@pytest.mark.parametrize('arguments, words', [
    (['--steps', '0'], "'0'"), (['--steps', '-5'], 'at least 1'), (['--batch-size', '2.5'], '2.5'),
    (['--learning-rate', 'nan'], 'above 0'), (['--learning-rate', '-1'], 'above 0'),
    (['--network', 'vgg'], 'small_cnn'), (['--method', '3'], 'vector'),
    (['--keep-prob', '1.5'], '0.000001 to 1'), (['--keep-prob', '0'], 'above 0'),
    (['--keep-prob', '1e-17'], '0.000001 to 1'),
    (['--network', 'small_cnn', '--keep-prob', '1'], 'which has none'),
    (['--recipe', 'mine'], 'post'), (['--seed', 'x'], "found 'x'")])
def test_bad_options(monkeypatch, arguments, words):
    monkeypatch.setattr(sys, 'argv', ['captcha_train.py', *arguments])
    with pytest.raises(UserError, match=re.escape(words)):
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


def test_pictures_that_are_trained_on_are_not_held_out(captchas, tmp_path):
    run = run_in(captchas, tmp_path)
    for train_file, test_file in [(run.test_file, run.test_file),
                                  (str(captchas / '*.tfrecords'), run.test_file)]:
        with pytest.raises(UserError, match='test.tfrecords: expected pictures that are not '
                                            'trained on, found .*test.tfrecords in --train, too'):
            captcha_train.train(tiny_recipe(batch_size=5), dataclasses.replace(
                run, train_file=train_file, test_file=test_file))


# --- checkpoints

def test_newest_checkpoint(tmp_path):
    assert models.newest(str(tmp_path / 'missing')) is None
    assert models.newest(str(tmp_path)) is None
    for number in 1000, 6000, 900:
        (tmp_path / f'crack_captcha.model-{number}.index').write_bytes(b'')
    prefix = str(tmp_path / 'crack_captcha.model-')
    assert models.newest(str(tmp_path)) == prefix + '6000'
    # after --restart the newest is not the one of the highest iteration
    tf.train.update_checkpoint_state(str(tmp_path), prefix + '900',
                                     [prefix + '900', prefix + '6000'])
    assert models.newest(str(tmp_path)) == prefix + '900'
    (tmp_path / 'checkpoint').write_text('')  # the power failed
    assert models.newest(str(tmp_path)) == prefix + '6000'
    # another training in the same folder: not ours to resume, nor to remove
    (tmp_path / 'both').mkdir()
    other = str(tmp_path / 'both' / 'mnist_model-50000')
    open(f'{other}.index', 'wb').close()
    tf.train.update_checkpoint_state(str(tmp_path / 'both'), other)
    assert models.newest(str(tmp_path / 'both')) is None
    assert checkpoints.kept(str(tmp_path / 'both'), models.MODEL_NAME) == []
    assert checkpoints.kept(str(tmp_path / 'both'), 'mnist_model') == [other]
    # listed and gone: not begun again in silence
    (tmp_path / 'missing').mkdir()
    tf.train.update_checkpoint_state(str(tmp_path / 'missing'), prefix + '900')
    assert models.newest(str(tmp_path / 'missing')) == str(
        tmp_path / 'missing' / 'crack_captcha.model-900')
    assert [checkpoints.step_of(name) for name in ('a-5', 'a', 'a-x', 'b/c-007')] == [5, 0, 0, 7]
