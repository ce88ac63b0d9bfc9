"""All around the training step: each part compared with the obvious way to do it.

Command:  python benchmarks/pipeline.py
          python benchmarks/pipeline.py --parts gen records
Reads:    trained captcha/ and model/ for the parts `read` and `app`; makes its own data otherwise
Writes:   a table on stdout; its data in a temporary folder that is removed
Takes:    about eight minutes on two cores
"""
import concurrent.futures
import contextlib
import dataclasses
import io
import multiprocessing
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from captcha.image import ImageCaptcha

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support.common import console

with console.quiet_start():
    import tensorflow.compat.v1 as tf

import captcha_test
import captcha_train
import mnist_app
import mnist_backward
import mnist_forward
import to_tfrecord
from support.captcha import conversion, dataset, models, recipes
from support.common import checkpoints, pictures
from support.digits import input_data, photographs
from support.digits.reader import Reader


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How much is measured."""
    rounds: int = 3
    drawn: int = 3000  # captchas drawn in a round
    originals: int = 200  # pictures that are drawn, to be converted again and again
    converted: tuple = (10_000, 40_000)  # pictures, for speed and for the growth of memory
    held_out: int = 500  # of these, for the test set
    waited: int = 2000  # captchas to train on
    trained: int = 40  # training steps
    read: int = 300  # captchas read
    steps: tuple = (2000, 20_000)  # of mnist_backward.py, for the growth of memory
    captcha_model: str = os.path.join(ROOT, 'captcha')  # folder
    digit_model: str = os.path.join(ROOT, 'model')  # folder


def row(what, values, unit, against=''):
    """Print one row: median, minimum and maximum of `values`."""
    print(f'| {what} | {statistics.median(values):.4g} {unit} | {min(values):.4g} | '
          f'{max(values):.4g} | {against} |', flush=True)


def seconds(function, *args, **kwargs):
    """How long a call takes; what it prints stays off the table."""
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        function(*args, **kwargs)
    return time.perf_counter() - start


def peak_memory():
    """The peak memory of this process in MiB."""
    if os.path.exists('/proc/self/status'):  # getrusage includes the parent's before the exec
        with open('/proc/self/status', encoding='utf-8') as status:
            return int(re.search(r'VmHWM:\s+(\d+) kB', status.read())[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else KiB
    return peak / 1024 ** (2 if sys.platform == 'darwin' else 1)


def in_new_process(function, *args):
    """The result of a call in a separate process."""
    with concurrent.futures.ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context('spawn')) as pool:
        return pool.submit(function, *args).result()


# --- the parts

def draw(folder, num, seed=0, workers=None):
    """Draw captchas with gen_captcha.py into a folder; returns how many per second.

    In a separate process, because each worker imports the main script: this one would load
    TensorFlow.
    """
    command = [sys.executable, os.path.join(ROOT, 'benchmarks', 'draw_speed.py'), folder,
               '--num', str(num), '--seed', str(seed)]
    command += ['--workers', str(workers)] if workers else []
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def gen(folder, amounts):
    """gen_captcha.py with one process and with all cores."""
    rates = {1: [], os.cpu_count(): []}
    for number in range(amounts.rounds):
        for workers, found in rates.items():
            out = os.path.join(folder, f'gen-{workers}-{number}')
            found.append(draw(out, amounts.drawn, number, workers))
            shutil.rmtree(out)
    one, many = rates.values()
    ratios = [b / a for a, b in zip(one, many)]
    row('gen_captcha, one process', one, 'images/s')
    row(f'gen_captcha, {os.cpu_count()} processes', many, 'images/s',
        f'{statistics.median(ratios):.2f} times')


def records(folder, amounts):
    """to_tfrecord.py compared with one thread, and its peak memory for four times the pictures."""
    images, out = os.path.join(folder, 'images'), os.path.join(folder, 'records')
    draw(images, amounts.originals)
    originals = sorted(os.path.join(images, name) for name in os.listdir(images))
    peaks = []
    for count in amounts.converted:
        some = os.path.join(folder, f'some-{count}')
        os.mkdir(some)
        for number in range(count):  # links: each is decoded all the same
            os.link(originals[number % len(originals)],
                    os.path.join(some, f'{number % 10_000:04d}_{number:06d}.jpg'))
        rates, found = [], []
        for _ in range(amounts.rounds if count == min(amounts.converted) else 1):
            took, peak = in_new_process(convert, some, out, amounts.held_out)
            rates.append(count / took)
            found.append(peak)
        row(f'to_tfrecord, {count} pictures', rates, 'images/s')
        peaks.append(statistics.median(found))
        row(f'to_tfrecord, {count} pictures, peak memory', found, 'MiB',
            f'{peaks[-1] / peaks[0]:.3f} times')
    obvious = [len(originals) / seconds(one_by_one, originals, folder)
               for _ in range(amounts.rounds)]
    row('the same in one thread, picture by picture', obvious, 'images/s')


def convert(images, out, num_test):
    """Worker: the seconds that to_tfrecord.py takes, and its peak memory in MiB."""
    return seconds(to_tfrecord.convert, images, out, num_test), peak_memory()


def one_by_one(paths, folder):
    """Convert pictures the way the series did."""
    facts = dataset.Facts()  # digits, as gen_captcha draws them
    with tf.python_io.TFRecordWriter(os.path.join(folder, 'obvious')) as writer:
        for path in paths:
            image = pictures.load_captcha(path)
            labels = facts.labels_of(os.path.basename(path)[:dataset.TEXT_LENGTH])
            example = to_tfrecord.image_to_tfexample(image.tobytes(), *labels)
            writer.write(example.SerializeToString())


def wait(folder, amounts):
    """The share of a training step spent waiting for the next batch from the queue."""
    out = os.path.join(folder, 'wait')
    images = os.path.join(out, 'images')
    draw(images, amounts.waited)
    seconds(to_tfrecord.convert, images, out, amounts.waited // 20)
    recipe = recipes.RECIPES['alexnet_v2', 'post']
    with tf.Graph().as_default(), tf.Session() as sess:
        batch = captcha_train.build_inputs(conversion.record_paths(out)['train'],
                                           recipe.batch_size, seed=0)
        x, y = captcha_train.build_placeholders()
        image = tf.reshape(x, [recipe.batch_size, *x.shape[1:]])
        logits, _ = captcha_train.build_network(image, recipe, dataset.Facts(), is_training=True)
        loss = captcha_train.build_loss(logits, y, captcha_train.CHAR_SET_LEN)
        _, optimizer = captcha_train.build_train_op(loss, 0.0003)
        sess.run(tf.global_variables_initializer())
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess=sess, coord=coord)
        shares = []
        for _ in range(3 + amounts.trained):
            start = time.perf_counter()
            b_image, *b_labels = sess.run(batch)
            fetched = time.perf_counter()
            sess.run([optimizer, loss], {x: b_image, **dict(zip(y, b_labels))})
            shares.append(100 * (fetched - start) / (time.perf_counter() - start))
        coord.request_stop()
        coord.join(threads)
    row('training: share of a step spent waiting for its batch', shares[3:], '%')


def read(folder, amounts):
    """captcha_test.py: batches versus one picture at a time, and one file from disk."""
    reader = captcha_test.open_reader(amounts.captcha_model)
    images = np.random.default_rng(0).integers(0, 256, [amounts.read, 224, 224], np.uint8)
    size = captcha_test.BATCH_SIZE
    path = os.path.join(folder, '0782.jpg')
    with open(path, 'wb') as file:
        file.write(ImageCaptcha().generate('0782', format='jpeg').getvalue())
    reader.classify(images[:size])
    reader.classify(images[:1])
    rates = {size: [], 1: []}
    latency = []
    for _ in range(amounts.rounds):
        for step, found in rates.items():
            start = time.perf_counter()
            for first in range(0, amounts.read, step):
                reader.classify(images[first:first + step])
            found.append(amounts.read / (time.perf_counter() - start))
        start = time.perf_counter()
        reader.classify(pictures.load_captcha(path)[np.newaxis])
        latency.append(1000 * (time.perf_counter() - start))
    ratio = statistics.median(a / b for a, b in zip(rates[size], rates[1]))
    row('captcha_test, one at a time', rates[1], 'pictures/s')
    row(f'captcha_test, {size} at a time', rates[size], 'pictures/s', f'{ratio:.2f} times')
    row('captcha_test, one file after the start', latency, 'ms')


def app(_folder, amounts):
    """mnist_app.py: pictures after the first, prepared the post's way and as photographs."""
    samples = [os.path.join(ROOT, 'samples', f'{digit}.jpg') for digit in range(10)]
    reader = Reader(checkpoints.newest(amounts.digit_model, mnist_backward.model_name),
                    mnist_forward.forward)
    for name, prepare in [('--post', mnist_app.pre_pic), ('default', photographs.pre_digits)]:
        reader.classify(prepare(samples[0]))
        took = []
        for path in samples[1:] * amounts.rounds:
            start = time.perf_counter()
            reader.classify(prepare(path))
            took.append(1000 * (time.perf_counter() - start))
        row(f'mnist_app, {name}, each picture after the first', took, 'ms')


def memory(folder, amounts):
    """Peak memory of a long training of the smallest network, early and at its end."""
    peaks = in_new_process(peaks_of_training, os.path.join(folder, 'model'), amounts.steps)
    for steps, peak in zip(amounts.steps, peaks):
        row(f'mnist_backward, peak memory after {steps} steps', [peak], 'MiB',
            f'{peak / peaks[0]:.3f} times')


def peaks_of_training(model_folder, marks):
    """Worker: the peak memory in MiB at each of the steps `marks` of mnist_backward.py."""
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    peaks = []
    for steps in marks:  # each resumes from the one before
        seconds(mnist_backward.backward, mnist,
                dataclasses.replace(mnist_backward.post, steps=steps,
                                    model_save_path=model_folder))
        peaks.append(peak_memory())
    return peaks


def check_parts(parts, amounts):
    """Raise a UserError now, not after minutes, if a part lacks a trained network or a core."""
    if 'gen' in parts and os.cpu_count() == 1:
        raise console.UserError('expected two cores or more, found one; name other --parts '
                                'than gen')
    for part, folder, newest, script in [
            ('read', amounts.captcha_model, models.newest(amounts.captcha_model),
             'captcha_train.py'),
            ('app', amounts.digit_model,
             checkpoints.newest(amounts.digit_model, mnist_backward.model_name),
             'mnist_backward.py')]:
        if part in parts and newest is None:
            raise console.UserError(f'{folder}: expected a trained network, found none; train it '
                                    f'with: python {script}, or name other --parts')


PARTS = {'memory': memory, 'gen': gen, 'records': records, 'wait': wait, 'read': read, 'app': app}


def measure(parts, amounts):
    """Print the table of these parts."""
    check_parts(parts, amounts)
    print('| what | median | min | max | against |')
    print('|---|---|---|---|---|', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            PARTS[part](folder, amounts)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    measure(args.parts, Amounts())


if __name__ == '__main__':
    console.run(main)
