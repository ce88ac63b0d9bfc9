"""The reader of captchas: figures, sheet, files, checkpoints of ours and of the original code."""
import os
import re

import numpy as np
import pytest
from PIL import Image

import captcha_data
import captcha_test
import captcha_train
import cli
from test_captcha_data import record, write_records

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

from test_nets import LAYERS, reference_heads


def test_figures(capsys):
    captcha_test.print_figures([('0782', '0782'), ('0782', '1782'), ('5137', '5037'),
                                ('5137', '5137'), ('0000', '1111')])
    assert capsys.readouterr().out.splitlines() == [
        'character 1: 0.6000', 'character 2: 0.6000', 'character 3: 0.8000', 'character 4: 0.8000',
        'whole captchas: 0.4000 (2 of 5)',
        'confused: 0 read as 1, 5 times', 'confused: 1 read as 0, 1 times']


def test_sheet(tmp_path):
    image = np.full([224, 224], 200, np.uint8)
    captcha_test.save_sheet([(image, '0782', '1782'), (image, '5137', '5137')],
                            str(tmp_path / 'sheet.png'))
    with Image.open(tmp_path / 'sheet.png') as sheet:
        assert sheet.format == 'PNG'
        pixels = np.asarray(sheet).astype(int)
    cell = captcha_test.CAPTCHA_SIZE[0] + captcha_test.GAP
    colours = [{tuple(pixel) for pixel in pixels[70:100, left:left + cell].reshape(-1, 3)}
               for left in (captcha_test.GAP, captcha_test.GAP + cell)]
    assert captcha_test.WRONG in colours[0] and captcha_test.RIGHT not in colours[0]
    assert captcha_test.RIGHT in colours[1] and captcha_test.WRONG not in colours[1]
    assert np.all(pixels[20:60, 20:160] == 200)


# --- a checkpoint of the original TF1 code: arrays under slim's names and nothing of ours

@pytest.fixture(scope='module')
def original(tmp_path_factory):
    """(folder, arrays) of a checkpoint as the post's own code writes it."""
    rng = np.random.default_rng(0)
    arrays = {}
    for scope, shape in LAYERS.items():
        fan_in = np.prod(shape[:3])
        arrays[f'alexnet_v2/{scope}/weights'] = (
            rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan_in)))
        arrays[f'alexnet_v2/{scope}/biases'] = rng.normal(0, 0.1, shape[-1:]).astype(np.float32)
    folder = tmp_path_factory.mktemp('original')
    extra = {'alexnet_v2/fc8/biases': np.zeros(10, np.float32),  # the post's unused fifth head
             'Variable': np.float32(0.001), 'beta1_power': np.float32(0.9)}
    with tf.Graph().as_default(), tf.Session() as sess:
        variables = {name: tf.Variable(tf.zeros(value.shape), use_resource=False)
                     for name, value in {**arrays, **extra}.items()}
        for name, value in {**arrays, **extra}.items():
            variables[name].load(value, sess)
        tf.train.Saver(variables).save(sess, str(folder / 'crack_captcha.model'), global_step=6000)
    return folder, arrays


def reference_logits(arrays, x):
    """The logits [4, batch, 10] of the post's network for x float32 [batch, 224, 224]."""
    with tf.Graph().as_default(), tf.Session() as sess:
        return np.array(sess.run(reference_heads(arrays, tf.constant(x[..., np.newaxis]))))


def reader_logits(facts, checkpoint, images):
    """The logits [4, batch, 10] by which captcha_test.py reads images uint8 [batch, 224, 224]."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x, *_ = captcha_test.build_reader(facts)
        tf.train.Saver().restore(sess, checkpoint)
        heads = [tf.get_default_graph().get_tensor_by_name(f'alexnet_v2/fc8_{k}/squeezed:0')
                 for k in range(4)]
        return np.array(sess.run(heads, {x: captcha_data.scale(images)}))


def test_a_checkpoint_of_the_original_code_gives_the_same_logits(original):
    folder, arrays = original
    facts = captcha_data.checkpoint_facts(captcha_data.newest_checkpoint(str(folder)))
    assert vars(facts) == {'network': 'alexnet_v2', 'charset': 'digits', 'recipe': 'post',
                           'method': 'heads', 'iteration': 6000}
    images = np.random.default_rng(1).integers(0, 256, [3, 224, 224], np.uint8)
    expected = reference_logits(arrays, captcha_data.scale(images))
    found = reader_logits(facts, str(folder / 'crack_captcha.model-6000'), images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    read, charset, _ = captcha_test.open_reader(str(folder))
    predictions, confidence = read(images)
    np.testing.assert_array_equal(predictions, expected.argmax(-1).T)
    softmax = np.exp(expected) / np.exp(expected).sum(-1, keepdims=True)
    np.testing.assert_allclose(confidence, softmax.max(-1).prod(0), rtol=1e-3)


# --- as a user runs it

@pytest.fixture(scope='module')
def trained(captchas, tmp_path_factory, run_script):
    """A folder with a checkpoint of AlexNet after two iterations, by the real trainer."""
    folder = tmp_path_factory.mktemp('trained')
    ended = run_script('captcha_train.py', '--train', captchas / 'train.tfrecords',
                       '--test', captchas / 'test.tfrecords', '--model-dir', folder, '--steps', 2)
    assert ended.returncode == 0, ended.stderr
    assert 'tensorflow' not in ended.stderr.lower()
    return folder


def test_our_checkpoint_holds_what_the_original_code_restores(trained):
    reader = tf.train.load_checkpoint(str(trained / 'crack_captcha.model-1'))
    shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    for scope, shape in LAYERS.items():
        for slot in '', '/Adam', '/Adam_1':
            assert shapes.pop(f'alexnet_v2/{scope}/weights{slot}') == shape
            assert shapes.pop(f'alexnet_v2/{scope}/biases{slot}') == shape[-1:]
    assert sorted(shapes) == ['Variable', 'about/charset', 'about/method', 'about/network',
                              'about/recipe', 'beta1_power', 'beta2_power']


def test_train_save_restore_gives_the_same_logits(trained):
    """What the reader restores, and an AlexNet of TensorFlow's own layers with those weights."""
    checkpoint = captcha_data.newest_checkpoint(str(trained))
    facts = captcha_data.checkpoint_facts(checkpoint)
    reader = tf.train.load_checkpoint(checkpoint)
    arrays = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    images = np.random.default_rng(1).integers(120, 220, [2, 224, 224], np.uint8)  # faint, bright
    x = captcha_data.scale(images)
    standardised = np.stack([(one - one.mean()) / one.std() for one in x])
    expected = reference_logits(arrays, standardised)
    found = reader_logits(facts, checkpoint, images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    read, _, _ = captcha_test.open_reader(str(trained))
    predictions, _ = read(images)
    np.testing.assert_array_equal(predictions, expected.argmax(-1).T)
    assert facts.recipe == 'default'


def test_it_reads_a_network_of_method_1(captchas, tmp_path, run_script):
    ended = run_script('captcha_train.py', '--train', captchas / 'train.tfrecords', '--steps', 2,
                       '--test', captchas / 'test.tfrecords', '--model-dir', tmp_path,
                       '--network', 'small_cnn', '--method', 'vector', '--batch-size', 8)
    assert ended.returncode == 0, ended.stderr
    assert 'loss at chance: ln 40 = 3.689' in ended.stdout
    held_out = re.search(r'whole captchas ([\d.]+) of 10', ended.stdout)[1]
    shapes = tf.train.load_checkpoint(
        str(tmp_path / 'crack_captcha.model-1')).get_variable_to_shape_map()
    assert shapes['small_cnn/fc8/weights'] == [3584, 40]
    ended = run_script('captcha_test.py', '--model-dir', tmp_path, '--sheet', tmp_path / 's.png',
                       '--test', captchas / 'test.tfrecords')
    assert (ended.returncode, ended.stderr) == (0, '')
    assert f'whole captchas: {held_out} ' in ended.stdout


def test_the_whole_test_set(captchas, trained, tmp_path, run_script):
    ended = run_script('captcha_test.py', '--model-dir', trained, '--sheet', tmp_path / 's.png',
                       '--test', captchas / 'test.tfrecords')
    assert (ended.returncode, ended.stderr) == (0, '')
    lines = ended.stdout.splitlines()
    one = r'(\[\d\] ){3}\[\d\]'
    assert all(re.fullmatch(f'label: {one}', line) for line in lines[0:20:2])
    assert all(re.fullmatch(f'predict: {one}', line) for line in lines[1:20:2])
    labels = [captcha_data.text_of(labels, '0123456789') for _, labels in
              captcha_data.read_records(str(captchas / 'test.tfrecords'))]
    assert [re.sub(r'\D', '', line) for line in lines[0:20:2]] == labels
    assert re.search(r'^whole captchas: [\d.]+ \(\d+ of 10\)$', ended.stdout, re.MULTILINE)
    assert re.search(r'^time: [\d.]+ ms a picture', ended.stdout, re.MULTILINE)
    with Image.open(tmp_path / 's.png') as sheet:
        sheet.load()


def test_files(captchas, trained, tmp_path, run_script):
    name = sorted(os.listdir(captchas / 'images'))[0]
    photo = tmp_path / 'mein Bild 验证码.png'
    Image.open(captchas / 'images' / name).convert('RGBA').resize((320, 120)).save(photo)
    (tmp_path / 'bad.jpg').write_text('no picture')
    ended = run_script('captcha_test.py', '--model-dir', trained, captchas / 'images' / name,
                       tmp_path / 'bad.jpg', photo)
    assert ended.returncode == 2
    assert re.search(r'bad\.jpg: expected a picture', ended.stderr)
    assert len(ended.stderr.splitlines()) == 1
    lines = ended.stdout.splitlines()
    assert [line.rsplit(' ', 2)[0] for line in lines] == [str(captchas / 'images' / name),
                                                          str(photo)]
    assert all(re.fullmatch(r'\d{4} [01]\.\d\d', ' '.join(line.rsplit(' ', 2)[1:]))
               for line in lines)


def test_what_does_not_fit_is_one_line(one_line_error, captchas, trained, tmp_path):
    files = ['--model-dir', trained, '--sheet', tmp_path / 's.png', '--test']
    assert 'captcha_train.py' in one_line_error('captcha_test.py', '--model-dir', tmp_path)
    assert 'to_tfrecord.py' in one_line_error('captcha_test.py', *files, tmp_path / 'none')
    write_records(tmp_path / 'letters', [record(np.zeros([224, 224], np.uint8), [10, 0, 0, 1])])
    assert '0 to 9' in one_line_error('captcha_test.py', *files, tmp_path / 'letters')


def test_a_checkpoint_cut_short(trained, tmp_path):
    for name in 'crack_captcha.model-1.index', 'crack_captcha.model-1.data-00000-of-00001':
        with open(trained / name, 'rb') as file:
            (tmp_path / name).write_bytes(file.read(100_000))  # of the data, 556 MB
    with pytest.raises(cli.UserError) as error:
        captcha_test.open_reader(str(tmp_path))
    assert str(error.value).endswith(
        f'that made it and --restart: python captcha_train.py --model-dir {tmp_path} ... --restart')


def test_a_damaged_or_foreign_checkpoint(original, tmp_path):
    folder, _ = original
    (tmp_path / 'crack_captcha.model-7.index').write_bytes(b'damaged')
    with pytest.raises(cli.UserError, match='model-7: expected a checkpoint'):
        captcha_test.open_reader(str(tmp_path))
    with tf.Graph().as_default(), tf.Session() as sess:
        value = tf.get_variable('other/weights', initializer=1.0)
        sess.run(value.initializer)
        tf.train.Saver().save(sess, str(tmp_path / 'crack_captcha.model'), global_step=8)
    with pytest.raises(cli.UserError, match='model-8: expected a captcha network'):
        captcha_test.open_reader(str(tmp_path))
    assert captcha_train.check_resumable(str(folder / 'crack_captcha.model-6000'), {
        'network': 'alexnet_v2', 'charset': 'digits', 'recipe': 'post'}) == 6000
