"""Pictures and state files come from strangers: what they cannot do; more in test_security.py."""
import io
import os
import struct
import time
import zlib

import pytest
from PIL import Image

from helpers import mnist_arrays, refused, write_mnist_checkpoint
from support import checkpoints, pictures


# --- pictures

def many_scans(count):
    """A progressive JPEG whose last scan, an empty one, is there `count` times."""
    file = io.BytesIO()
    Image.new('L', (4000, 4000), 128).save(file, 'jpeg', progressive=True)
    content = file.getvalue()
    last = content.rindex(b'\xff\xda')
    return content[:last] + content[last:-2] * count + b'\xff\xd9'


def test_a_picture_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, 'MAX_SECONDS', 0.2)
    path = tmp_path / 'scans.jpg'
    path.write_bytes(many_scans(300))
    start = time.process_time()
    assert 'more than 0.2 s to decode' in refused(path)
    assert time.process_time() - start < 30


def png_chunk(kind, content):
    return (struct.pack('>I', len(content)) + kind + content
            + struct.pack('>I', zlib.crc32(kind + content)))


@pytest.mark.filterwarnings('ignore:Image was not the expected size')  # Pillow's, beside our line
def test_an_icon_whose_picture_is_larger_than_it_says(tmp_path):
    """The size in an icon's header is one byte; the PNG inside has its own."""
    inside = io.BytesIO()
    Image.new('1', (8000, 7000)).save(inside, 'png')
    png = inside.getvalue()
    header = struct.pack('<HHHBBBBHHII', 0, 1, 1, 16, 16, 0, 0, 1, 32, len(png), 22)
    (tmp_path / 'a.ico').write_bytes(header + png)
    assert 'more than 50000000 pixels' in refused(tmp_path / 'a.ico')


def test_text_that_unpacks_to_a_gigabyte(tmp_path):
    file = io.BytesIO()
    Image.new('L', (8, 8)).save(file, 'png')
    png = file.getvalue()
    bomb = png_chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(1 << 27), 9))
    (tmp_path / 'a.png').write_bytes(png[:33] + bomb * 8 + png[33:])  # after the header
    assert 'damaged or unreadable' in refused(tmp_path / 'a.png')


def test_too_many_bytes(tmp_path):
    with open(tmp_path / 'a.bmp', 'wb') as file:
        file.write(b'BM')
        file.truncate(pictures.MAX_BYTES + 1)  # a hole, which takes no room on the disk
    assert 'more than 400000000' in refused(tmp_path / 'a.bmp')


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='this system has no named pipes')
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.png')
    assert 'a pipe or a device' in refused(tmp_path / 'a.png')


# --- state files

def test_a_state_file_that_contradicts_itself_counts_for_nothing(tmp_path):
    for step in 5, 9:
        newest = write_mnist_checkpoint(str(tmp_path), mnist_arrays(step), step)
    (tmp_path / 'checkpoint').write_text('model_checkpoint_path: "mnist_model-5"\n'
                                         'all_model_checkpoint_paths: "mnist_model-5"\n'
                                         'all_model_checkpoint_paths: "mnist_model-9"\n')
    assert checkpoints.newest(str(tmp_path), 'mnist_model') == newest
