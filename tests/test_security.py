"""Pictures, lists, records and checkpoints may come from strangers: what they can and cannot do.

More of it: limits on pixels in test_pictures.py, paths in lists in test_labels.py.
"""
import ast
import glob
import io
import os
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from helpers import ROOT, many_scans, mnist_arrays, read_arrays, refused, write_mnist_checkpoint
from support.common import checkpoints, files, pictures

SOURCES = sorted(path for pattern in ('*.py', 'nets/*.py', 'support/**/*.py', 'examples/*.py')
                 for path in glob.glob(os.path.join(ROOT, pattern), recursive=True))
# What would run a stranger's input as code or as a shell command.
DANGEROUS_CALLS = {'eval', 'exec', 'compile', '__import__', 'system', 'popen', 'getoutput'}
DANGEROUS_MODULES = {'pickle', 'cPickle', 'dill', 'shelve', 'marshal', 'joblib', 'yaml'}


def dangers(source):
    """The dangerous things in Python code, one by one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, 'module', None) or '']
            yield from DANGEROUS_MODULES & {name.partition('.')[0] for name in names}
        if isinstance(node, ast.Call):
            name = getattr(node.func, 'id', None) or getattr(node.func, 'attr', '')
            qualified = f're.{name}' if ast.unparse(node.func).startswith('re.') else name
            yield from DANGEROUS_CALLS & {qualified}
            yield from (keyword.arg for keyword in node.keywords
                        if keyword.arg in ('shell', 'allow_pickle')
                        and getattr(keyword.value, 'value', True))


@pytest.mark.parametrize('source, found', [
    ('import pickle', ['pickle']), ('from pickle import load', ['pickle']), ('eval(x)', ['eval']),
    ('os.system(x)', ['system']), ('run(x, shell=True)', ['shell']),
    ('np.load(x, allow_pickle=True)', ['allow_pickle']), ('np.load(x)', []),
    ('re.compile(x)', []), ('run(x, shell=False)', [])])
def test_what_counts_as_dangerous(source, found):
    assert list(dangers(source)) == found


def test_nothing_runs_what_a_file_says():
    assert len(SOURCES) > 50
    with_dangers = {}
    for path in SOURCES:
        with open(path, encoding='utf-8') as file:
            if found := list(dangers(file.read())):
                with_dangers[path] = found
    assert with_dangers == {}


# --- pictures

@pytest.mark.parametrize('extension, seen', [('gif', 89), ('tif', 40), ('png', 89)])
def test_of_hundreds_of_frames_only_the_first_are_decoded(tmp_path, extension, seen):
    """Shown by a file whose second half is missing."""
    path = tmp_path / f'many.{extension}'
    frames = [Image.fromarray(np.full([16, 16], 40 + k % 200, np.uint8)) for k in range(400)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with Image.open(path) as picture:
        assert picture.n_frames == 400
    os.truncate(path, os.path.getsize(path) // 2)
    # on dark paper the lightest of the first 50 frames; of a TIFF the first page
    assert np.asarray(pictures.open_picture(path).convert('L')).mean() == seen


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
        file.truncate(pictures.MAX_BYTES + 1)  # a sparse file, which takes no disk space
    assert 'more than 400000000' in refused(tmp_path / 'a.bmp')


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='this system has no named pipes')
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.png')
    assert 'a pipe or a device' in refused(tmp_path / 'a.png')


# --- state files and locks

@pytest.mark.parametrize('elsewhere', ['{}/mnist_model-9', '../secret/mnist_model-9'])
def test_a_state_file_cannot_lead_out_of_its_folder(tmp_path, elsewhere):
    write_mnist_checkpoint(str(tmp_path / 'secret'), mnist_arrays(9, seed=9), 9)
    mine = write_mnist_checkpoint(str(tmp_path / 'model'), mnist_arrays(7), 7)
    state = tmp_path / 'model' / 'checkpoint'
    path = elsewhere.format(tmp_path / 'secret')
    state.write_text(f'model_checkpoint_path: "{path}"\nall_model_checkpoint_paths: "{path}"\n')
    assert checkpoints.newest(str(tmp_path / 'model'), 'mnist_model') == mine
    assert read_arrays(mine)['Variable_4'] == 7


def test_a_state_file_that_names_its_folders_parent_is_no_checkpoint(tmp_path):
    mine = write_mnist_checkpoint(str(tmp_path / 'model'), mnist_arrays(7), 7)
    (tmp_path / 'model' / 'checkpoint').write_text('model_checkpoint_path: ".."\n')
    assert checkpoints.newest(str(tmp_path / 'model'), 'mnist_model') == mine


def test_a_state_file_that_contradicts_itself_counts_for_nothing(tmp_path):
    for step in 5, 9:
        newest = write_mnist_checkpoint(str(tmp_path), mnist_arrays(step), step)
    (tmp_path / 'checkpoint').write_text('model_checkpoint_path: "mnist_model-5"\n'
                                         'all_model_checkpoint_paths: "mnist_model-5"\n'
                                         'all_model_checkpoint_paths: "mnist_model-9"\n')
    assert checkpoints.newest(str(tmp_path), 'mnist_model') == newest


def test_a_lock_that_is_a_link_does_not_change_what_it_leads_to(tmp_path):
    (tmp_path / 'precious').write_text('do not touch')
    (tmp_path / 'model').mkdir()
    try:
        os.symlink(tmp_path / 'precious', files.lock_path(str(tmp_path / 'model')))
    except (NotImplementedError, OSError) as error:
        pytest.skip(f'this system makes no symbolic links: {error}')
    with pytest.raises(OSError):
        with files.alone(str(tmp_path / 'model')):
            pass
    assert (tmp_path / 'precious').read_text() == 'do not touch'
