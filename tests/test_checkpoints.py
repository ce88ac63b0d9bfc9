"""Which checkpoint of TensorFlow's Saver is the newest."""
from helpers import tf
from support.captcha import models
from support.common import checkpoints


def test_newest_checkpoint(tmp_path):
    assert models.newest(str(tmp_path / 'missing')) is None
    assert models.newest(str(tmp_path)) is None
    for number in 1000, 6000, 900:
        (tmp_path / f'crack_captcha.model-{number}.index').write_bytes(b'')
    prefix = str(tmp_path / 'crack_captcha.model-')
    assert models.newest(str(tmp_path)) == prefix + '6000'
    # after --restart the newest does not have the highest iteration
    tf.train.update_checkpoint_state(str(tmp_path), prefix + '900',
                                     [prefix + '900', prefix + '6000'])
    assert models.newest(str(tmp_path)) == prefix + '900'
    (tmp_path / 'checkpoint').write_text('')  # the power failed
    assert models.newest(str(tmp_path)) == prefix + '6000'
    # of another training in the same folder: neither resumed nor removed
    (tmp_path / 'both').mkdir()
    other = str(tmp_path / 'both' / 'mnist_model-50000')
    open(f'{other}.index', 'wb').close()
    tf.train.update_checkpoint_state(str(tmp_path / 'both'), other)
    assert models.newest(str(tmp_path / 'both')) is None
    assert checkpoints.kept(str(tmp_path / 'both'), models.MODEL_NAME) == []
    assert checkpoints.kept(str(tmp_path / 'both'), 'mnist_model') == [other]
    (tmp_path / 'missing').mkdir()  # listed but gone
    tf.train.update_checkpoint_state(str(tmp_path / 'missing'), prefix + '900')
    assert models.newest(str(tmp_path / 'missing')) is None
    assert [checkpoints.step_of(name) for name in ('a-5', 'a', 'a-x', 'b/c-007')] == [5, 0, 0, 7]


def test_reason_finds_the_file_systems_words():
    text = ("Graph execution error:\n\nDetected at node 'save' defined at (most recent call "
            "last):\n  x; y\n/disk/model-1.data; No space left on device\n\t [[{{node save}}]]")
    assert checkpoints.reason(Exception(text)) == 'No space left on device'
    assert checkpoints.reason(Exception('plain\nwords')) == 'plain'
