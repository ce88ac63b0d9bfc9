"""TensorFlow prepares pictures as Pillow does."""
import io
import os

import numpy as np
import pytest
from PIL import Image

from helpers import CAPTCHAS, ROOT, TEXTS, by_saved_model, tf
from support import export
from support.captcha import dataset, graph_pictures, loading


def test_a_saved_model_takes_picture_files(tmp_path):
    export.export(os.path.join(ROOT, 'models', 'digits'), str(tmp_path / 'saved'), 'saved_model')
    encoded = [open(path, 'rb').read() for path in CAPTCHAS]
    answer = by_saved_model(tmp_path / 'saved', 'serving_default', 'pictures', encoded)
    assert [text.decode() for text in answer['text']] == TEXTS


@pytest.mark.parametrize('kind', dataset.PICTURES)
def test_pictures_in_the_graph_are_as_pillows(kind, tmp_path):
    with Image.open(CAPTCHAS[0]) as picture:
        clear = picture.convert('RGBA')
        clear.putalpha(picture.convert('L').point(lambda value: 255 - value))
        kinds = {'a.jpg': picture, 'grey.jpg': picture.convert('L'), 'a.png': picture,
                 'clear.png': clear, 'a.gif': picture, 'a.bmp': picture,
                 'wide.png': picture.resize((301, 47)), 'small.png': picture.resize((50, 21)),
                 'blank.png': Image.new('RGB', (90, 40), 'yellow'),
                 'large.jpg': picture.resize((640, 400))}
        for name, one in kinds.items():
            one.save(tmp_path / name)
    paths = [tmp_path / name for name in kinds]
    with tf.Graph().as_default(), tf.Session() as sess:
        found = sess.run(graph_pictures.load_captchas(
            tf.constant([path.read_bytes() for path in paths]), kind))
    for path, pixels in zip(paths, found):
        apart = np.abs(pixels.astype(int) - loading.load_captcha(path, kind))
        assert apart.max() <= 2 and apart.mean() < 0.01, path


@pytest.mark.parametrize('kind', ['jpeg', 'png', 'gif', 'bmp', 'webp'])
def test_a_large_picture_is_refused_by_its_header(kind, monkeypatch):
    file = io.BytesIO()
    Image.new('RGB', (160, 60), 'yellow').save(file, kind)

    def shape(limit):
        monkeypatch.setattr(graph_pictures, 'MAX_PIXELS', limit)
        with tf.Graph().as_default(), tf.Session() as sess:
            return sess.run(tf.shape(graph_pictures.decoded(tf.constant(file.getvalue())))).tolist()
    with pytest.raises(tf.errors.InvalidArgumentError, match='of at most 9599 pixels, found'):
        shape(160 * 60 - 1)
    if kind != 'webp':
        assert shape(160 * 60) == [60, 160, 3]
