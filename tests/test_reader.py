"""The reader: the original code's checkpoints, views, restrictions, what it refuses."""
import multiprocessing
import os
import types

import numpy as np
import pytest

import captcha_test
from helpers import CAPTCHAS, LAYERS, TEXTS, reader_logits, reference_logits, write_arrays
from support.captcha import dataset, models, network, reader, recipes, records
from support.common.console import UserError


def test_the_general_network_reads_what_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # without a training
    with network.open_reader(alphabet='0123456789', length=(4, 4)) as opened:
        assert os.path.dirname(opened.network.path) == models.GENERAL
        found = opened.read(CAPTCHAS)
    assert sum(text == label for (text, _), label in zip(found, TEXTS)) >= 9
    assert all(text.isdigit() and len(text) == 4 and 0 < sure <= 1 for text, sure in found)
    with network.open_reader(alphabet='ab', length=(2, 3)) as opened:
        assert all(set(text) <= {'a', 'b'} and 2 <= len(text) <= 3
                   for text, _ in opened.read(CAPTCHAS[:3]))


def columns_of(text, alphabet, doubtful=None):
    """Probabilities float32 [56, classes] of a text: sure, but for a character's second choice."""
    softmax = np.full([56, len(alphabet) + 1], 1e-4, np.float32)
    softmax[:, -1] = 1  # the blank
    for k, character in enumerate(text):
        softmax[5 + 10 * k] = 1e-4
        softmax[5 + 10 * k, alphabet.index(character)] = 0.6
        softmax[5 + 10 * k, alphabet.index(doubtful or character)] = 0.4 if doubtful else 1
    return softmax / softmax.sum(axis=1, keepdims=True), None


def test_pictures_that_are_read_together_help_one_another(monkeypatch):
    """A digit taken for a letter, also alone; a character too many in a text, not alone."""
    with network.open_reader(models.GENERAL) as opened:
        alphabet = opened.facts.alphabet
        many = [columns_of(text, alphabet) for text in ('0123', '4567', '8906') * 20]
        odd = columns_of('OO00', alphabet, '0'), columns_of('01237', alphabet)
        odd[1][0][45] = [*[1e-6] * 7, 0.5, *[1e-6] * (len(alphabet) - 8), 0.5]  # 7 or nothing
        for softmax, texts in (odd[:1], ['0000']), (odd[1:], ['01237']), (
                [*many, *odd], ['0123', '4567', '8906'] * 20 + ['0000', '0123']):
            monkeypatch.setattr(opened, '_each_softmax', lambda loads: iter(softmax))
            assert [reading.text for reading in opened.read_each([])] == texts


# --- networks that are functions

def reader_of(softmax, facts, **known):
    """A Reader of a network that gives float32 [outputs, classes] for each picture in turn."""
    rest = iter(softmax)
    return reader.Reader(reader.Network(
        'fake', facts, lambda source: np.zeros([1, 2, 2], np.uint8),
        lambda inputs: np.stack([next(rest) for _ in inputs]), lambda: None, True), **known)


def texts_of(opened, count):
    return [text for text, _ in opened.read(count * [''])]


def test_pictures_of_one_system_help_those_that_come_later():
    facts = dataset.Facts('0123456789O', 1, 8)
    softmax = [columns_of(text, facts.alphabet)[0] for text in ('0123', '4567', '8906') * 20]
    softmax.append(columns_of('OO00', facts.alphabet, '0')[0])
    for one_system, text in (False, 'OO00'), (True, '0000'):
        opened = reader_of(softmax, facts, one_system=one_system)
        assert [texts_of(opened, 1)[0] for _ in softmax][-1] == text


def test_both_cases_are_read_as_one():
    facts = dataset.Facts('aAb0', 1, 3)
    softmax = columns_of('ab0', facts.alphabet)[0]
    softmax[5] = [0.3, 0.3, 0, 0, 0.4]  # blank, unless a and A count as one
    opened = reader_of([softmax], facts, ignore_case=True, alphabet='ab0')
    assert (opened.facts.alphabet, texts_of(opened, 1)) == ('Ab0', ['Ab0'])
    assert texts_of(reader_of([softmax], facts), 1) == ['b0']


def test_no_text_and_too_little_confidence_are_a_dash(capsys):
    facts = dataset.Facts('012', 1, 3)
    softmax = [columns_of(*text)[0] for text in (('01', '012'), ('', '012'), ('02', '012', '1'))]
    opened = reader_of(softmax, facts)
    args = types.SimpleNamespace(files=['a', 'b', 'c'], csv=None, least=0.7)
    assert reader.read_files(opened, args) == 0
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in out.splitlines()] == ['01', '-', '-']
    assert out.splitlines()[1] == 'b - 0.00' and err == 'reading with fake\n'


def test_case_counts_where_the_network_tells_it():
    assert dataset.Facts('aAbC').possible(dataset.Facts('aBc')) == [True, False, True, True]


def read_in_child(opened, answers):
    try:
        opened.read(CAPTCHAS[:1])
    except UserError as error:
        answers.put(str(error))


@pytest.mark.skipif('fork' not in multiprocessing.get_all_start_methods(), reason='needs fork')
def test_a_forked_process_says_why_it_cannot_read():
    with network.open_reader(models.GENERAL) as opened:
        opened.read(CAPTCHAS[:1])
        fork = multiprocessing.get_context('fork')
        answers = fork.Queue()
        child = fork.Process(target=read_in_child, args=(opened, answers))
        child.start()
        assert 'open the reader after the fork' in answers.get(timeout=60)
        child.join(60)
        assert child.exitcode == 0


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
    write_arrays(folder / 'crack_captcha.model-6000', {**arrays, **extra})
    return folder, arrays


def test_a_checkpoint_of_the_original_code_gives_the_same_logits(original):
    folder, arrays = original
    about = models.about(models.newest(str(folder)))
    assert about.recipe == recipes.RECIPES['alexnet_v2', 'post']
    assert (about.facts, about.iteration) == (dataset.Facts(), 6000)
    images = np.random.default_rng(1).integers(0, 256, [3, 224, 224], np.uint8)
    expected = reference_logits(arrays, records.scale(np.float32(images)))
    found = reader_logits(about, images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    with captcha_test.open_reader(str(folder)) as opened:
        predictions, confidence = opened.classify(images)
    np.testing.assert_array_equal(predictions, expected.argmax(-1).T)
    softmax = np.exp(expected) / np.exp(expected).sum(-1, keepdims=True)
    np.testing.assert_allclose(confidence, softmax.max(-1).T, rtol=1e-3)


def test_views_are_the_picture_and_moved_copies_averaged(original):
    folder, arrays = original
    images = np.random.default_rng(2).integers(0, 256, [2, 224, 224], np.uint8)
    wider = np.pad(records.scale(np.float32(images)), [(0, 0), (4, 4), (4, 4)], 'symmetric')
    corners = (4, 4), (0, 0), (8, 8)  # as it is, moved down and right, up and left
    views = [wider[:, top:top + 224, left:left + 224] for top, left in corners]
    odds = np.exp(reference_logits(arrays, np.concatenate(views)))  # [4, 3 * 2, 10]
    softmax = np.split(odds / odds.sum(-1, keepdims=True), 3, axis=1)
    expected = np.mean(softmax, axis=0)  # [4, 2, 10]
    predictions, confidence = captcha_test.open_reader(str(folder), views=3).classify(images)
    np.testing.assert_array_equal(predictions, expected.argmax(-1).T)
    np.testing.assert_allclose(confidence, expected.max(-1).T, rtol=1e-3)
    assert not np.allclose(softmax[0], softmax[1], rtol=1e-2)  # the moved copies give other logits


def test_a_damaged_or_foreign_checkpoint(original, tmp_path):
    folder, _ = original
    (tmp_path / 'crack_captcha.model-7.index').write_bytes(b'damaged')
    with pytest.raises(UserError, match='model-7: expected a checkpoint'):
        captcha_test.open_reader(str(tmp_path))
    write_arrays(tmp_path / 'crack_captcha.model-8', {'other/weights': np.float32(1)})
    with pytest.raises(UserError, match='model-8: expected a captcha network'):
        captcha_test.open_reader(str(tmp_path))
    about = models.about(str(folder / 'crack_captcha.model-6000'))
    models.check_resumable(about, recipes.make(name='post'), dataset.Facts())
    with pytest.raises(UserError, match='initialization he, found one of initialization post; '
                                        'give the options that it was trained with'):
        models.check_resumable(about, recipes.make(), dataset.Facts())


@pytest.mark.parametrize('sure, text, count', [(0.9, '0', 1), (0.6, '2', 3), (0.5, '2', 3)])
def test_a_doubtful_picture_is_read_until_it_is_not(sure, text, count):
    """The first preparation says 0, the second 1, the third 2, surely, the last 1, more surely."""
    columns = np.full([4, 1, 4], 0.1, np.float32)  # [preparations, columns, classes]
    for k, (character, confidence) in enumerate([(0, sure), (1, 0.55), (2, 0.8), (1, 0.95)]):
        columns[k, 0, character] = confidence
    read = []

    def load(source, again=False):
        return np.arange(1, 4)[:, None] if again else np.zeros([1, 1], int)

    def softmax_of(inputs):
        read.extend(inputs[:, 0])
        return columns[inputs[:, 0]]
    network = reader.Network('fake', dataset.Facts('012', 1, 2), load, softmax_of, None, True)
    assert texts_of(reader.Reader(network), 1) == [text]
    assert read == [*range(count)]
