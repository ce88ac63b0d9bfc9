"""The reading script, and checkpoints of the real trainer."""
import csv
import os
import re

import numpy as np
import pytest
from PIL import Image

import captcha_test
import captcha_train
from helpers import (
    LAYERS,
    ROOT,
    read_arrays,
    reader_logits,
    record,
    reference_logits,
    run_in,
    tf,
    write_records,
)
from support.captcha import dataset, models, reader, recipes, records
from support.common.console import UserError

# --- as a user runs it (in a process of its own: test_accuracy.py)

@pytest.fixture(scope='module')
def trained(captchas, tmp_path_factory):
    """A folder with a checkpoint of AlexNet after two iterations of the real trainer."""
    folder = tmp_path_factory.mktemp('trained')
    assert captcha_train.train(recipes.make(steps=2, batch_size=2), run_in(captchas, folder)) == 0
    return folder


def test_our_checkpoint_holds_what_the_original_code_restores(trained):
    reader = tf.train.load_checkpoint(str(trained / 'crack_captcha.model-1'))
    shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    for scope, shape in LAYERS.items():
        for slot in '', '/Adam', '/Adam_1':
            assert shapes.pop(f'alexnet_v2/{scope}/weights{slot}') == shape
            assert shapes.pop(f'alexnet_v2/{scope}/biases{slot}') == shape[-1:]
    assert sorted(shapes) == ['about', 'beta1_power', 'beta2_power', 'learning_rate']


def test_train_save_restore_gives_the_same_logits(trained):
    """The reader agrees with an AlexNet of TensorFlow's own layers that has the same weights."""
    checkpoint = models.newest(str(trained))
    about = models.about(checkpoint)
    arrays = read_arrays(checkpoint)
    images = np.random.default_rng(1).integers(120, 220, [2, 224, 224], np.uint8)  # faint, bright
    x = records.scale(np.float32(images))
    standardised = np.stack([(one - one.mean()) / one.std() for one in x])
    expected = reference_logits(arrays, standardised)
    found = reader_logits(about, images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    predictions, _ = captcha_test.open_reader(str(trained)).classify(images)
    np.testing.assert_array_equal(predictions, expected.argmax(-1).T)
    assert about.recipe == recipes.make(steps=2, batch_size=2)


def test_it_reads_a_network_of_method_1(captchas, tmp_path, run_here):
    ended = run_here('captcha_train.py', '--train', captchas / 'train.tfrecords', '--steps', 2,
                     '--test', captchas / 'test.tfrecords', '--model-dir', tmp_path,
                     '--network', 'small_cnn', '--method', 'vector', '--batch-size', 8)
    assert ended.returncode == 0, ended.stderr
    assert 'loss at chance: 3.689' in ended.stdout
    held_out = re.search(r'whole captchas ([\d.]+) of 10', ended.stdout)[1]
    shapes = tf.train.load_checkpoint(
        str(tmp_path / 'crack_captcha.model-1')).get_variable_to_shape_map()
    assert shapes['small_cnn/fc8/weights'] == [3584, 40]
    ended = run_here('captcha_test.py', '--model-dir', tmp_path,
                     '--test', captchas / 'test.tfrecords')
    assert (ended.returncode, ended.stderr) == (0, '')
    assert f'whole captchas: {held_out} ' in ended.stdout


def test_a_program_reads_paths_bytes_and_pictures(captchas, trained):
    paths = sorted((captchas / 'images').iterdir())[:reader.BATCH_SIZE + 3]
    opened = captcha_test.open_reader(str(trained))
    with Image.open(paths[1]) as picture:
        found = opened.read([paths[0], picture, paths[2].read_bytes(), *map(str, paths[3:])])
    assert found == opened.read(paths)
    assert len(found) == len(paths)
    assert all(re.fullmatch(r'\d{4}', text) and 0 < sure <= 1 for text, sure in found)
    assert opened.read([]) == []
    with pytest.raises(TypeError, match='expected a list of pictures'):
        opened.read('one.jpg')
    with pytest.raises(UserError, match='none.png: expected a picture file.*no such file'):
        opened.read([paths[0], 'none.png'])
    good, bad = opened.read_each([paths[0], 'none.png'])
    assert ([(good.text, good.confidence)], good.problem) == (opened.read(paths[:1]), None)
    assert np.prod(good.characters) == pytest.approx(good.confidence, rel=1e-5)
    assert len(good.characters) == 4 and bad[:3] == ('', 0.0, ())
    opened.close()
    with pytest.raises(RuntimeError, match='closed'):
        opened.read(paths[:1])


def test_the_whole_test_set(captchas, trained, run_here):
    ended = run_here('captcha_test.py', '--model-dir', trained, '--test',
                     captchas / 'test.tfrecords')
    assert (ended.returncode, ended.stderr) == (0, '')
    lines = ended.stdout.splitlines()
    one = r'(\[\d\] ){3}\[\d\]'
    assert all(re.fullmatch(f'label: {one}', line) for line in lines[0:20:2])
    assert all(re.fullmatch(f'predict: {one}', line) for line in lines[1:20:2])
    labels = [dataset.Facts().text_of(labels) for _, labels in
              records.read_records(str(captchas / 'test.tfrecords'))]
    assert [re.sub(r'\D', '', line) for line in lines[0:20:2]] == labels
    assert re.search(r'^whole captchas: [\d.]+ \(\d+ of 10\)$', ended.stdout, re.MULTILINE)
    with Image.open(trained / 'test_sheet.png') as sheet:
        sheet.load()


def test_files(captchas, trained, tmp_path, run_here):
    name = sorted(os.listdir(captchas / 'images'))[0]
    photo = tmp_path / 'mein Bild 验证码.png'
    Image.open(captchas / 'images' / name).convert('RGBA').resize((320, 120)).save(photo)
    (tmp_path / 'bad.jpg').write_text('no picture')
    ended = run_here('captcha_test.py', '--model-dir', trained, captchas / 'images' / name,
                     tmp_path / 'bad.jpg', photo)
    assert ended.returncode == 2
    assert re.search(r'bad\.jpg: expected a picture', ended.stderr)
    assert ended.stderr.splitlines()[0] == f'reading with {models.newest(str(trained))}'
    assert len(ended.stderr.splitlines()) == 2
    lines = ended.stdout.splitlines()
    assert [line.rsplit(' ', 2)[0] for line in lines] == [str(captchas / 'images' / name),
                                                          str(photo)]
    assert all(re.fullmatch(r'\d{4} [01]\.\d\d', ' '.join(line.rsplit(' ', 2)[1:]))
               for line in lines)


def test_a_table_of_many_files(captchas, trained, tmp_path, run_here, one_line_error):
    paths = sorted((captchas / 'images').iterdir())
    (tmp_path / 'bad, "one".jpg').write_text('no picture')
    paths.insert(20, tmp_path / 'bad, "one".jpg')
    ended = run_here('captcha_test.py', '--model-dir', trained, '--csv', tmp_path / 'read.csv',
                     *paths)
    assert ended.returncode == 2
    assert ended.stdout == f'{tmp_path}/read.csv: 60 of 61 pictures read\n'
    assert f'{paths[20]}: expected a picture' in ended.stderr and 'reading 61/61' in ended.stderr
    with open(tmp_path / 'read.csv', encoding='utf-8', newline='') as file:
        heading, *rows = csv.reader(file)
    assert heading == ['file', 'text', 'confidence', 'characters']
    assert [row[0] for row in rows] == list(map(str, paths))
    assert rows.pop(20)[1:] == ['', '0.0000', '']
    assert all(re.fullmatch(r'\d{4}', text) and 0 < float(sure) <= 1 for _, text, sure, _ in rows)
    for option in ['--csv', 'a.csv'], ['--length', '4'], ['--ignore-case'], ['--least', '0.5']:
        assert 'expected pictures beside --csv' in one_line_error('captcha_test.py', *option)
    assert '--csv: expected a file name that ends in .csv' in one_line_error(
        'captcha_test.py', '--csv', paths[0], paths[1])
    with Image.open(paths[0]) as picture:  # not overwritten
        picture.load()


def test_records_beside_pictures_are_one_line(one_line_error):
    assert '--test: not allowed with argument FILE' in one_line_error(
        'captcha_test.py', 'my.jpg', '--test', 'there')


def test_what_does_not_fit_is_one_line(one_line_error, captchas, trained, tmp_path):
    files = ['--model-dir', trained, '--test']
    assert 'captcha_train.py' in one_line_error('captcha_test.py', '--model-dir', tmp_path)
    assert 'to_tfrecord.py' in one_line_error('captcha_test.py', *files, tmp_path / 'none')
    write_records(tmp_path / 'letters', [record(np.zeros([224, 224], np.uint8), [10, 0, 0, 1])])
    assert 'found 4 characters of 0-9 A-Z' in one_line_error('captcha_test.py', *files,
                                                             tmp_path / 'letters')


def test_the_held_out_records_are_those_of_the_training(captchas, trained, run_here):
    """Where the checkpoint says they are; --test names others."""
    ended = run_here('captcha_test.py', '--model-dir', trained)
    assert f'records: {captchas / "test.tfrecords"}\n' in ended.stdout


def test_a_checkpoint_cut_short(trained, tmp_path):
    for name in 'crack_captcha.model-1.index', 'crack_captcha.model-1.data-00000-of-00001':
        with open(trained / name, 'rb') as file:
            (tmp_path / name).write_bytes(file.read(100_000))  # of the data, 556 MB
    with pytest.raises(UserError) as error:
        captcha_test.open_reader(str(tmp_path))
    assert str(error.value).endswith(
        f'train a new one: python captcha_train.py --model-dir {tmp_path} <as before> --restart')


def test_a_network_in_a_folder_below_is_pointed_at(trained, one_line_error):
    (trained.parent / 'x[1]').mkdir(exist_ok=True)  # TensorFlow takes that for a pattern
    line = one_line_error('captcha_test.py', '--model-dir', trained.parent, 'one.jpg')
    assert re.search(f'found one in {trained.parent}/\\S+; use that folder, or make it with', line)


def test_without_a_training_files_are_read_by_the_general_network(tmp_path, run_here,
                                                                     monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample = os.path.join(ROOT, 'samples', 'captchas', '9989_000006.jpg')
    found = run_here('captcha_test.py', '--charset', 'digits', '--length', '4', sample,
                     '--csv', 'read.csv')
    assert (found.returncode, found.stdout) == (0, 'read.csv: 1 of 1 pictures read\n')
    assert found.stderr.startswith(f'reading with {models.GENERAL}')
    with open(tmp_path / 'read.csv', newline='') as file:
        row, = csv.DictReader(file)
    assert row['text'] == '9989' and 0.1 < float(row['confidence']) <= 1
    assert len(row['characters'].split()) == 4
