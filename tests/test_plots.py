"""benchmarks/plots.py: curves from event files, and the figures as a user makes them."""
import os

import numpy as np
import pytest
from PIL import Image

import plots
from helpers import ROOT, SAMPLES, tf
from support.captcha import dataset

pytestmark = pytest.mark.slow


def write_events(folder, start, first, points):
    """Write one session's event file: its start in seconds, [(seconds, step, tag, value), ...]."""
    os.makedirs(folder, exist_ok=True)
    with tf.python_io.TFRecordWriter(os.path.join(folder, f'events.out.tfevents.{start}.x')) as out:
        events = [tf.Event(wall_time=start - 7, file_version='brain.Event:2'),
                  tf.Event(wall_time=start, step=first,
                           session_log=tf.SessionLog(status=tf.SessionLog.START))]
        for seconds, step, tag, value in points:
            events.append(tf.Event(wall_time=start + seconds, step=step, summary=tf.Summary(
                value=[tf.Summary.Value(tag=tag, simple_value=value)])))
        for event in events:
            out.write(event.SerializeToString())


@pytest.fixture
def run(tmp_path):
    """A --model-dir whose training was resumed at iteration 2, an hour later."""
    log = tmp_path / 'run' / 'log'
    write_events(log, 1000, 0, [(6, 0, 'loss', 4.0), (12, 1, 'loss', 3.0), (18, 2, 'loss', 9.0),
                                (24, 1, 'held_out/whole_captchas', 0.25)])
    write_events(log, 5000, 2, [(30, 2, 'loss', 2.5), (60, 2, 'held_out/whole_captchas', 0.75)])
    return tmp_path / 'run'


@pytest.mark.parametrize('inner', ['', 'log'])
def test_a_resumed_run_is_one_curve(run, inner):
    curve = plots.read_curve(str(run / inner), 'loss')
    assert curve.steps.tolist() == [0, 1, 2]
    assert curve.values.tolist() == [4.0, 3.0, 2.5]  # iteration 2 as it was done last
    np.testing.assert_allclose(curve.minutes, [0.1, 0.2, 0.4 + 0.5])
    curve = plots.read_curve(str(run), 'held_out/whole_captchas')
    assert (curve.steps.tolist(), curve.values.tolist()) == ([1, 2], [0.25, 0.75])
    np.testing.assert_allclose(curve.minutes, [0.4, 1.4])


def test_an_event_that_is_being_written_ends_the_curve(run, capsys):
    path = run / 'log' / 'events.out.tfevents.5000.x'
    path.write_bytes(path.read_bytes()[:-3])
    assert plots.read_curve(str(run), 'held_out/whole_captchas').values.tolist() == [0.25]
    assert 'its last event is not whole' in capsys.readouterr().err


def test_medians():
    assert plots.medians(np.array([9.0, 1.0, 3.0, 5.0]), 3).tolist() == [9.0, 5.0, 3.0, 3.0]


def test_confusions_are_counted(captchas):
    class Reader:
        facts = dataset.Facts()

        @staticmethod
        def classify(images):
            return np.zeros([len(images), 4], int), None  # 0000
    counts = plots.count_confusions(Reader, str(captchas / 'test.tfrecords'))
    assert counts.sum() == counts[:, 0].sum() == 40 and counts.shape == (10, 10)


@pytest.mark.parametrize('command, width, lowest, highest', [
    ('loss a={run} b={run}', 800, 300, 500), ('held_out a={run}', 800, 300, 500),
    ('pictures own=100:{run} own=3000:{run} more=100:{run}', 800, 300, 500),
    ('confusions --model-dir models/digits --test {data}', 800, 600, 900),
    ('distortion --test {data}', 800, 200, 400), ('digits', 800, 130, 250)])
def test_a_picture_of_each_kind(run, captchas, tmp_path, command, width, lowest, highest):
    arguments = command.format(run=run, data=captchas / 'test.tfrecords').replace(
        'models/', f'{ROOT}/models/').split()
    args = plots.parse([*arguments, '--out', str(tmp_path / 'out.png')])
    plots.save(args.draw(args), args.out)
    with Image.open(tmp_path / 'out.png') as picture:
        assert picture.width == width and lowest < picture.height < highest
        assert len(picture.convert('L').getcolors()) > 10  # drawn on
    assert os.path.getsize(tmp_path / 'out.png') < 150_000


def test_the_command(run_here, tmp_path):
    made = run_here('plots.py', 'digits', *SAMPLES[:2], '--out', tmp_path / 'two.png')
    assert (made.returncode, made.stderr) == (0, '')
    with Image.open(tmp_path / 'two.png') as picture:
        assert picture.format == 'PNG' and picture.width == 800


def test_a_folder_without_event_files_is_one_line(one_line_error, tmp_path):
    assert one_line_error('plots.py', 'loss', f'a={tmp_path / "none"}').startswith(
        f'plots.py: {tmp_path / "none"}: expected event files')
