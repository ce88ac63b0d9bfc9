"""Facts, pictures, records and checkpoints that the captcha scripts share."""
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import captcha_data
import captcha_train
import cli
from conftest import ROOT

with cli.quiet_start():
    import tensorflow.compat.v1 as tf


def test_letters_follow_the_digits():
    alnum = captcha_data.CHARSETS['alnum']
    assert captcha_data.labels_of('0A9Z', alnum) == [0, 10, 9, 35]
    assert captcha_data.text_of([0, 10, 9, 35], alnum) == '0A9Z'
    assert [captcha_data.charset_name(text) for text in ('0782', '07A2', '07a2')] == [
        'digits', 'alnum', None]


# --- pictures

@pytest.fixture
def picture():
    """A captcha-like RGB picture of 160x60, smooth so that JPEG hardly changes it."""
    y, x = np.mgrid[:60, :160]
    rgb = np.stack([x * 255 // 159, y * 255 // 59, (x + y) % 160], axis=-1)
    return Image.fromarray(rgb.astype(np.uint8))


def expected(picture):
    """As the post says: resized to 224x224, then converted to grey."""
    return np.asarray(picture.convert('RGB').resize((224, 224), Image.BICUBIC).convert('L'))


def test_rgb(picture, tmp_path):
    picture.save(tmp_path / '0782.png')
    found = captcha_data.load_picture(tmp_path / '0782.png')
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected(picture))


@pytest.mark.parametrize('mode', ['L', 'P', '1', 'CMYK'])
def test_other_modes(picture, tmp_path, mode):
    converted = picture.convert(mode)
    path = tmp_path / ('0782.jpg' if mode == 'CMYK' else '0782.png')
    converted.save(path)
    with Image.open(path) as reread:
        np.testing.assert_array_equal(captcha_data.load_picture(path), expected(reread))
    if mode in ('L', 'CMYK'):
        assert np.abs(expected(reread) - expected(picture).astype(int)).mean() < 4


@pytest.mark.parametrize('mode', ['RGBA', 'LA', 'P'])
def test_transparency_is_white_paper(picture, tmp_path, mode):
    path = tmp_path / '0782.png'
    clear = picture.convert('RGBA')
    alpha = np.full([60, 160], 255, np.uint8)
    alpha[:, 80:] = 0
    clear.putalpha(Image.fromarray(alpha))
    if mode == 'P':
        Image.fromarray((alpha == 0).astype(np.uint8)).save(path, transparency=1)
    else:
        clear.convert(mode).save(path)
    found = captcha_data.load_picture(path)
    assert np.all(found[:, 120:] == 255)
    assert found[:, :100].mean() < 200


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 224, dtype=np.uint16)[np.newaxis].repeat(224, 0)
    Image.fromarray(values).save(tmp_path / '0782.png')
    found = captcha_data.load_picture(tmp_path / '0782.png')
    np.testing.assert_array_equal(found, values // 257)


def test_exif_rotation(picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned 90 degrees clockwise
    picture.rotate(90, expand=True).save(tmp_path / '0782.png', exif=exif)
    np.testing.assert_array_equal(captcha_data.load_picture(tmp_path / '0782.png'),
                                  expected(picture))


def test_unusable_pictures_name_the_file(picture, tmp_path):
    picture.save(tmp_path / 'whole.jpg')
    whole = (tmp_path / 'whole.jpg').read_bytes()
    (tmp_path / 'truncated.jpg').write_bytes(whole[:len(whole) // 2])
    (tmp_path / 'empty.jpg').write_bytes(b'')
    (tmp_path / 'text.jpg').write_text('0782')
    (tmp_path / 'folder.jpg').mkdir()
    Image.new('1', (20_000, 20_000)).save(tmp_path / 'huge.png')
    for name in 'truncated.jpg', 'empty.jpg', 'text.jpg', 'folder.jpg', 'huge.png', 'none.jpg':
        with pytest.raises(cli.UserError, match=name):
            captcha_data.load_picture(tmp_path / name)


# --- records

def write_records(path, features):
    """Write [{key: bytes or int}, ...] with plain TensorFlow, independent of to_tfrecord.py."""
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        for keys in features:
            example = tf.train.Example()
            for key, value in keys.items():
                if isinstance(value, bytes):
                    example.features.feature[key].bytes_list.value.append(value)
                else:
                    example.features.feature[key].int64_list.value.append(value)
            writer.write(example.SerializeToString())


def record(image, labels):
    return {'image': image.tobytes(), **{f'label{k}': labels[k] for k in range(4)}}


def test_read_and_decode_gives_pixels_and_labels(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, [3, 224, 224], np.uint8)
    labels = [[0, 7, 8, 2], [1, 2, 3, 4], [9, 35, 10, 0]]
    write_records(tmp_path / 'r.tfrecords', map(record, images, labels))
    assert captcha_train.read_and_decode is captcha_data.read_and_decode
    with tf.Graph().as_default():
        image, *label = captcha_train.read_and_decode(str(tmp_path / 'r.tfrecords'))
        assert (image.dtype, image.shape.as_list()) == (tf.float32, [224, 224])
        assert [one.dtype for one in label] == [tf.int32] * 4
        with tf.Session() as sess:
            coord = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(sess=sess, coord=coord)
            found = [sess.run([image, label]) for _ in range(4)]  # the fourth is the first again
            coord.request_stop()
            coord.join(threads)
    for k, (pixels, classes) in enumerate(found):
        np.testing.assert_allclose(pixels, (images[k % 3] / 255 - 0.5) * 2, atol=1e-6)
        assert classes == labels[k % 3]
    np.testing.assert_allclose(captcha_data.scale(images[0]), found[0][0], atol=1e-6)


def test_read_batches_gives_each_record_once(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, [5, 224, 224], np.uint8)
    labels = [[k, k + 1, k + 2, k + 3] for k in range(5)]
    write_records(tmp_path / 'r.tfrecords', map(record, images, labels))
    batches = list(captcha_data.read_batches(str(tmp_path / 'r.tfrecords'), 2))
    assert [len(images) for images, _ in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), images)
    assert np.concatenate([labels for _, labels in batches]).tolist() == labels
    assert captcha_data.survey(str(tmp_path / 'r.tfrecords')) == (5, 'digits')


def test_damaged_records_name_the_file(tmp_path):
    image = np.zeros([224, 224], np.uint8)
    good = record(image, [0, 7, 8, 2])
    write_records(tmp_path / 'good', [good, good])
    whole = (tmp_path / 'good').read_bytes()
    (tmp_path / 'truncated').write_bytes(whole[:-1000])
    (tmp_path / 'garbage').write_bytes(b'no record at all')
    (tmp_path / 'empty').write_bytes(b'')
    write_records(tmp_path / 'other-size', [good, record(image[:60, :160], [0, 7, 8, 2])])
    write_records(tmp_path / 'other-label', [record(image, [0, 7, 8, 36])])
    write_records(tmp_path / 'other-keys', [{'image': image.tobytes(), 'label': 7}])
    expected = {'truncated': 'damage after 1 records', 'garbage': 'damage', 'empty': 'empty',
                'other-size': '50176 bytes, found 9600', 'other-label': '36',
                'other-keys': 'found keys: image, label', 'missing': 'to_tfrecord.py'}
    for name, words in expected.items():
        with pytest.raises(cli.UserError, match=words) as error:
            captcha_data.survey(str(tmp_path / name))
        assert name in str(error.value)
    # looking for a key must not add it to the record that is being looked at
    assert captcha_data.survey(str(tmp_path / 'good')) == (2, 'digits')


def test_network_input():
    pixels = np.random.default_rng(0).uniform(-1, 0.5, [2, 224, 224]).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as sess:
        post = sess.run(captcha_data.network_input(tf.constant(pixels), 'post'))
        ours = sess.run(captcha_data.network_input(tf.constant(pixels), 'default'))
    np.testing.assert_array_equal(post, pixels[..., np.newaxis])
    for k in range(2):
        wanted = (pixels[k] - pixels[k].mean()) / pixels[k].std()
        np.testing.assert_allclose(ours[k, ..., 0], wanted, atol=1e-4)


# --- checkpoints

def test_newest_checkpoint(tmp_path):
    assert captcha_data.newest_checkpoint(str(tmp_path / 'missing')) is None
    assert captcha_data.newest_checkpoint(str(tmp_path)) is None
    for number in 1000, 6000, 900:
        (tmp_path / f'crack_captcha.model-{number}.index').write_bytes(b'')
    prefix = str(tmp_path / 'crack_captcha.model-')
    assert captcha_data.newest_checkpoint(str(tmp_path)) == prefix + '6000'
    # after --restart the newest is not the one of the highest iteration
    tf.train.update_checkpoint_state(str(tmp_path), prefix + '900',
                                     [prefix + '900', prefix + '6000'])
    assert captcha_data.newest_checkpoint(str(tmp_path)) == prefix + '900'
    (tmp_path / 'checkpoint').write_text('')  # the power failed
    assert captcha_data.newest_checkpoint(str(tmp_path)) == prefix + '6000'


# --- imports

def test_the_output_folder_does_not_shadow_the_package_captcha(tmp_path):
    os.makedirs(tmp_path / 'captcha' / 'images')
    found = subprocess.run([sys.executable, '-c', 'import captcha.image; print(captcha.__file__)'],
                           cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert str(tmp_path) not in found.stdout
    assert not os.path.exists(os.path.join(ROOT, 'captcha', '__init__.py'))


def test_importing_the_scripts_has_no_effect(tmp_path):
    code = ('import sys; sys.path.insert(0, sys.argv[1]); sys.argv[1:] = ["--no-such-option"]\n'
            'import captcha_data, gen_captcha, to_tfrecord, captcha_train, captcha_test\n'
            'import tensorflow.compat.v1 as tf\n'
            'print(len(tf.get_default_graph().get_operations()), tf.executing_eagerly())')
    found = subprocess.run([sys.executable, '-c', code, ROOT], cwd=tmp_path,
                           capture_output=True, text=True)
    assert (found.stdout.split(), found.stderr) == (['0', 'True'], '')
    assert os.listdir(tmp_path) == []
