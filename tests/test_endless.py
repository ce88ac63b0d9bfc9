"""Captchas drawn without end: whole files, drawn again, labels of what is seen."""
import random

import numpy as np
from captcha.image import DEFAULT_FONTS

from support.captcha import dataset, endless, records, styles


def test_files_are_drawn_and_drawn_again(tmp_path):
    random.seed(0)

    def drawn(rounds):
        endless.draw_endlessly(str(tmp_path), DEFAULT_FONTS, None, 2, 5, rounds)
        return {path.name: path.read_bytes() for path in tmp_path.glob('*.tfrecords')}
    first, again, later = drawn(1), drawn(1), drawn(2)
    assert sorted(first) == ['test.tfrecords', 'train-00000-of-00002.tfrecords',
                             'train-00001-of-00002.tfrecords']
    assert again == first
    assert [name for name in first if later[name] == first[name]] == ['test.tfrecords']
    assert records.survey(str(tmp_path / 'test.tfrecords'))[:2] == (10, endless.FACTS)
    count, facts, _ = records.survey(records.files(str(tmp_path)))
    assert (count, facts.pictures) == (10, 'line')


def test_a_second_process_draws_the_same_file_meanwhile(tmp_path, monkeypatch):
    path, draw, second = str(tmp_path / 'train.tfrecords'), endless.draw, []
    dataset.write_facts(dataset.facts_path(path), endless.FACTS, {})

    def draw_twice(paths, pooled):
        if not second:
            second.append(0)
            endless.draw_file(path, 3, paths)  # as another process would, at the worst moment
            second.append(records.survey(path)[0])
        return draw(paths, pooled)
    monkeypatch.setattr(endless, 'draw', draw_twice)
    endless.draw_file(path, 2, DEFAULT_FONTS)
    assert (second, records.survey(path)[0]) == ([0, 3], 2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['dataset.json', 'train.tfrecords']


def test_a_times_sign_is_labelled_as_the_letter_and_case_is_kept():
    assert [endless.label_of(text) for text in ('aB7', '3×4=', '8÷2=?', '2x3')] == [
        'aB7', '3x4=', '8/2=?', '2x3']


def test_pools_are_read_as_far_as_the_network_can(tmp_path):
    (tmp_path / 'pool').mkdir()
    styles.varied('a1', DEFAULT_FONTS).save(tmp_path / 'pool' / '1.png')
    (tmp_path / 'pool' / 'labels.csv').write_text(
        '1.png,a1\n1.png,3×4=\n1.png,ä\n1.png,123456789\n')
    found = endless.find_pooled(str(tmp_path))
    assert [text for _, text in found] == ['a1', '3×4=']
    assert {path for path, _ in found} == {str(tmp_path / 'pool' / '1.png')}


def test_a_missing_folder_of_pools_is_one_line(one_line_error):
    line = one_line_error('support.captcha.endless', 'out', '--fonts', 'fonts', '--pools', 'none')
    assert '--pools none: expected a folder of pools, found none' in line


def test_a_picture_has_ink_and_the_labels_of_its_text():
    random.seed(0)
    for _ in range(20):
        image, labels = endless.draw(DEFAULT_FONTS)
        assert image.shape == (224, 224) and image.dtype == np.uint8 and image.min() < 128
        text = endless.FACTS.text_of(labels)
        assert 1 <= len(text) <= 8 and labels == endless.FACTS.labels_of(text)
        assert len(labels) == 8 and endless.FACTS.alphabet not in dataset.CHARSETS.values()
