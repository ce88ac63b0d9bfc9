"""The post's trainer: loss, batches, learning rate and printed lines."""
import dataclasses
import glob
import json
import re

import numpy as np
import pytest

import captcha_train
from helpers import (
    after_each_iteration,
    kept,
    record,
    run_in,
    saved,
    tf,
    tiny_network,
    train,
    use_network,
    write_records,
)
from nets import methods, slim
from support.captcha import dataset, models, recipes


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


def test_the_rate_of_a_step_is_the_recipes(captchas, tmp_path, monkeypatch):
    """Adam's first step moves a weight by its rate, whatever the gradient."""
    weights = []

    def watch(*_):
        graph = tf.get_default_graph()
        sess = tf.get_default_session()
        weights.append(sess.run(graph.get_tensor_by_name('tiny/fc8_0/biases/Read/'
                                                         'ReadVariableOp:0')))
    after_each_iteration(monkeypatch, watch)
    train(captchas, tmp_path, 2, learning_rate=0.3)
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
    """Traces the operations that the network's input comes from, in training and at inference."""
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


def test_the_share_that_dropout_keeps():
    """The share of zeros after dropout, where every output of fc6 is above 0."""
    kept = 0.5, 0.8, 1.0
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        x, _ = captcha_train.build_placeholders()
        for keep_prob in kept:
            with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
                captcha_train.build_network(x, recipes.make(name='post', keep_prob=keep_prob),
                                            dataset.Facts(), is_training=True)
        biases, = [v for v in tf.global_variables() if v.op.name == 'alexnet_v2/fc6/biases']
        sess.run(tf.global_variables_initializer())
        sess.run(biases.assign(tf.fill(biases.shape, 1000.0)))
        after = [op.inputs[0] for op in graph.get_operations()
                 if op.type == 'MatMul' and op.name.split('/')[1] == 'fc7']
        values = sess.run(after, {x: np.zeros([1, 224, 224])})
    assert [np.mean(value != 0) for value in values] == pytest.approx(kept, abs=0.05)


def test_alexnet_learns_one_batch():
    """A few steps on one batch take the loss below chance, ln 10."""
    rng = np.random.default_rng(0)
    pixels, classes = rng.uniform(-1, 1, [2, 224, 224]), rng.integers(0, 10, [4, 2])
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(0)
        x, y = captcha_train.build_placeholders()
        recipe = recipes.make(keep_prob=1.0, distort=False)
        logits = captcha_train.build_network(x, recipe, dataset.Facts(), is_training=True)
        loss = captcha_train.build_loss(logits, y, 10)
        _, step = captcha_train.build_train_op(loss, 0.0003)
        sess.run(tf.global_variables_initializer())
        losses = [sess.run([loss, step], {x: pixels, **dict(zip(y, classes))})[0]
                  for _ in range(6)]
    assert losses[0] > 0.98 * np.log(10)
    assert np.mean(losses[-3:]) < 0.8 * np.log(10), losses


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


def test_letters_make_36_classes(letters, tmp_path, capsys):
    train(letters, tmp_path / 'm', 1)
    assert saved(tmp_path / 'm', 0)['tiny/fc8_3/weights'].shape == (49, 36)
    assert 'loss at chance: 3.584\n' in capsys.readouterr().out
