"""Records: how the graph and the checks read them, and damaged ones."""
import json
import os

import numpy as np
import pytest

import captcha_train
import to_tfrecord
from helpers import record, tf, write_records
from support.captcha import dataset, records
from support.common.console import UserError


def test_read_and_decode_gives_pixels_and_labels(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, [3, 224, 224], np.uint8)
    labels = [[0, 7, 8, 2], [1, 2, 3, 4], [9, 35, 10, 0]]
    write_records(tmp_path / 'r.tfrecords', map(record, images, labels))
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
    np.testing.assert_allclose(records.scale(np.float32(images[0])), found[0][0], atol=1e-6)


def test_an_example_is_the_posts():
    image = np.arange(224 * 224, dtype=np.uint8).reshape(224, 224)
    assert tf.train.Example.FromString(records.example(image, [0, 7, 8])) == (
        to_tfrecord.image_to_tfexample(image.tobytes(), 0, 7, 8))


def test_read_batches_gives_each_record_once(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, [5, 224, 224], np.uint8)
    labels = [[k, k + 1, k + 2, k + 3] for k in range(5)]
    write_records(tmp_path / 'r.tfrecords', map(record, images, labels))
    batches = list(records.read_batches(str(tmp_path / 'r.tfrecords'), 2))
    assert [len(images) for images, _ in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), images)
    assert np.concatenate([labels for _, labels in batches]).tolist() == labels
    assert records.survey(str(tmp_path / 'r.tfrecords'))[:2] == (5, dataset.Facts())


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
                'other-keys': 'found keys image, label in record 1', 'missing': 'to_tfrecord.py'}
    for name, words in expected.items():
        with pytest.raises(UserError, match=words) as error:
            records.survey(str(tmp_path / name))
        assert name in str(error.value)
    # looking up a key must not add it to the record
    assert records.survey(str(tmp_path / 'good'))[:2] == (2, dataset.Facts())


def test_the_labels_tell_digits_from_capitals_and_how_many(tmp_path):
    image = np.zeros([224, 224], np.uint8)
    for name, labels, alphabet in [('four', [0, 7, 8, 9], 'digits'), ('five', [0, 7, 8, 9, 35],
                                                                      'alnum'),
                                   ('one', [10], 'alnum')]:
        write_records(tmp_path / name, [record(image, labels)])
        assert records.survey(str(tmp_path / name))[:2] == (
            1, dataset.Facts(dataset.CHARSETS[alphabet], len(labels), len(labels)))
    write_records(tmp_path / 'mixed', [record(image, [1, 2, 3, 4]), record(image, [1, 2, 3, 4, 5])])
    with pytest.raises(UserError, match='mixed: expected one value each of image, label0, '
                                        'label1, label2, label3, found keys image.*label4 in '
                                        'record 2; '):
        records.survey(str(tmp_path / 'mixed'))


def test_the_facts_beside_the_records_count(tmp_path):
    image = np.zeros([224, 224], np.uint8)
    path = str(tmp_path / 'r.tfrecords')
    facts = dataset.Facts('abc', 1, 2)
    write_records(path, [record(image, [0, 3]), record(image, [1, 2])])  # a and bc
    (tmp_path / 'dataset.json').write_text(json.dumps(dataset.to_json(facts)))
    assert records.survey(path)[:2] == (2, facts)
    write_records(path, [record(image, [0, 4])])
    with pytest.raises(UserError, match=r'expected labels from 0 to 3, found \[0, 4\]'):
        records.survey(path)
    (tmp_path / 'dataset.json').write_text('{"charset": "0123456789"}')  # from before lengths
    write_records(path, [record(image, [0, 1, 2, 3])])
    assert records.survey(path)[:2] == (1, dataset.Facts())
    for damaged in '', '[]', '{}', '{"charset": 5}', '{"charset": "01", "lengths": [4]}':
        (tmp_path / 'dataset.json').write_text(damaged)
        with pytest.raises(UserError, match='dataset.json: expected the facts.*to_tfrecord.py'):
            records.survey(path)


def test_facts_that_were_changed_since_are_refused(tmp_path):
    """One flipped bit would change a character, and nothing else would show it."""
    facts = dataset.to_json(dataset.Facts())
    facts[dataset.FACTS_SUM] = dataset.checksum(facts)
    path = tmp_path / 'dataset.json'
    path.write_text(json.dumps(facts))
    assert dataset.read_facts(str(tmp_path / 'test.tfrecords')) == dataset.Facts()
    path.write_text(path.read_text().replace('"0123', '"p123'))
    with pytest.raises(UserError, match='dataset.json: expected .*values that do not fit'):
        dataset.read_facts(str(tmp_path / 'test.tfrecords'))


def test_a_folder_given_as_held_out_means_its_test_set(tmp_path):
    assert records.held_out(str(tmp_path)) == str(tmp_path / 'test.tfrecords')
    assert records.held_out(str(tmp_path / 'mine.tfrecords')) == str(tmp_path / 'mine.tfrecords')


def test_held_out_records_stand_beside_those_trained_on(tmp_path):
    inside = str(tmp_path / 'test.tfrecords')
    for place in tmp_path, tmp_path / 'train.tfrecords', tmp_path / 'train-*-of-00008.tfrecords':
        assert records.beside(str(place)) == inside
    assert records.beside(dataset.TRAIN_FILE) == dataset.TEST_FILE
    assert records.held_out(str(tmp_path)) == inside


def test_the_loss_at_chance_knows_what_is_rare(tmp_path):
    """Half of the texts have three characters, so half of the fourth labels are 'no character'."""
    facts = dataset.Facts('01', 3, 4)
    (tmp_path / 'dataset.json').write_text(json.dumps(dataset.to_json(facts)))
    image = np.zeros([224, 224], np.uint8)
    write_records(tmp_path / 'r', [record(image, facts.labels_of(f'{n:03b}{last}'))
                                   for n in range(8) for last in ('', '', '0', '1')])
    _, _, chance = records.survey(str(tmp_path / 'r'))
    ln2 = np.log(2)
    assert chance == pytest.approx((3 * ln2 + (ln2 / 2 + np.log(4) / 2)) / 4)


def test_a_place_is_a_file_a_pattern_or_a_folder(thirty, tmp_path):
    to_tfrecord.convert(str(thirty), str(tmp_path), 8, shards=3)
    shards = [str(tmp_path / f'train-{number:05d}-of-00003.tfrecords') for number in range(3)]
    assert records.files(shards[1]) == [shards[1]]
    assert records.files(str(tmp_path)) == records.files(str(tmp_path / 'train-*')) == shards
    assert records.survey(str(tmp_path))[:2] == (22, dataset.Facts())
    with pytest.raises(UserError, match='found none'):  # folders may differ in their characters
        records.files(str(tmp_path.parent / '*' / 'train-*'))
    assert records.files(str(tmp_path / 'train.tfrecords')) == shards
    os.rename(shards[1], tmp_path / 'away')
    with pytest.raises(UserError, match='all of 3 shards, found none named '
                                        'train-00001-of-00003.tfrecords; .*--shards 3 --over'):
        records.files(str(tmp_path))
    os.rename(tmp_path / 'away', shards[1])
    (tmp_path / 'train.tfrecords').write_bytes(b'')
    assert records.files(str(tmp_path)) == [str(tmp_path / 'train.tfrecords')]
    with pytest.raises(UserError, match='train.tfrecords: expected a TFRecord file, found none; '
                                        'make it with: python to_tfrecord.py'):
        records.files(str(thirty))
