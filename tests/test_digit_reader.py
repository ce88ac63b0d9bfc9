"""The digits' Reader: one network, whatever else is trained beside it."""
import os

import numpy as np
import pytest

import mnist_forward
from helpers import ROOT, SAMPLES, mnist_arrays, mnist_logits, read_arrays, write_mnist_checkpoint
from support.common.console import UserError
from support.digits import photographs
from support.digits.reader import Reader, open_reader

INK = np.random.RandomState(5).rand(40, 784).astype(np.float32)


def opened(*folders):
    return open_reader(list(map(str, folders)), 'mnist_model', mnist_forward.forward)


@pytest.mark.parametrize('number', [0, 1, 7])
def test_probabilities_of_the_averages(tmp_path, number):
    prefix = write_mnist_checkpoint(tmp_path, mnist_arrays(7), 7)
    logits = mnist_logits(INK[:number], mnist_arrays(7), averages=True)
    expected = np.exp(logits - logits.max(1, keepdims=True))
    with Reader(prefix, mnist_forward.forward) as reader:
        digits, probabilities = reader.classify(INK[:number])
    assert digits.dtype == np.int64 and digits.tolist() == logits.argmax(1).tolist()
    assert probabilities.shape == (number, 10) and probabilities.dtype == np.float32
    assert np.allclose(probabilities, expected / expected.sum(1, keepdims=True), atol=1e-4)


def test_an_open_reader_stays_with_its_checkpoint(tmp_path):
    """With a training that saves beside it, one picture was read 8, 0 and 1 in one process."""
    older, newer = mnist_arrays(1), mnist_arrays(2, seed=9)
    write_mnist_checkpoint(tmp_path, older, 1)
    with opened(tmp_path) as reader:
        write_mnist_checkpoint(tmp_path, newer, 2)
        for arrays, one in (older, reader), (newer, opened(tmp_path)):
            expected = mnist_logits(INK, arrays, averages=True).argmax(1)
            assert one.classify(INK)[0].tolist() == expected.tolist()
    with pytest.raises(RuntimeError, match='closed'):
        reader.classify(INK)


def test_a_reading(tmp_path):
    with opened(tmp_path / 'none', os.path.join(ROOT, 'models', 'mnist')) as reader:
        reading = reader.read(SAMPLES[5])
    assert str(reading) == '[5]' and reading.lines == [f'sure: {reading.probabilities.max():.1%}']
    assert np.array_equal(reading.pictures, photographs.pre_digits(SAMPLES[5]))
    assert reading.places.shape == (1, 5)


def test_no_network_and_a_damaged_one_are_one_line(tmp_path):
    with pytest.raises(UserError, match='expected a trained network, found no checkpoint file'):
        opened(tmp_path)
    prefix = write_mnist_checkpoint(tmp_path, mnist_arrays(1), 1)
    with open(f'{prefix}.index', 'wb') as file:
        file.write(b'nothing')
    with pytest.raises(UserError, match='mnist_model-1: .*python mnist_backward.py') as raised:
        opened(tmp_path)
    assert '\n' not in str(raised.value)


def test_the_included_network_is_its_export():
    """models/mnist holds the same weights as a checkpoint and for captcha_lite.py."""
    interpreter = pytest.importorskip('ai_edge_litert.interpreter').Interpreter(
        os.path.join(ROOT, 'models', 'mnist', 'network.tflite'))
    interpreter.allocate_tensors()
    exported = {tensor['index']: interpreter.get_tensor(tensor['index'])
                for tensor in interpreter.get_tensor_details()
                if len(tensor['shape']) == 2 and tensor['shape'].min() >= 10}
    arrays = read_arrays(os.path.join(ROOT, 'models', 'mnist', 'mnist_model-73000'))
    weights = [arrays[f'{name}/ExponentialMovingAverage'].T for name in ('Variable', 'Variable_2')]
    for value in exported.values():
        assert any(np.array_equal(value, array) for array in weights)
    assert len(exported) == 2
