"""What stands around the training step: each part beside the obvious way to do it.

Command:  python benchmarks/pipeline.py
          python benchmarks/pipeline.py --parts gen records
Reads:    trained captcha/ and model/ for the parts `read` and `app`; makes its own data otherwise
Writes:   a table on stdout; its data in a temporary folder that is removed
Takes:    about eight minutes on two cores
"""
import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import captcha_data  # noqa: E402  (after the path to it)
import cli  # noqa: E402

# --- how much
ROUNDS = 3
DRAWN = 3000  # captchas drawn in a round
CONVERTED = 10_000, 40_000  # pictures, for speed and for the growth of memory
TRAINED = 40  # training steps
READ = 300  # captchas read
LONG = 2000, 20_000  # steps of mnist_backward.py, for the growth of memory


def quietly():
    """Keep what the scripts print off the table."""
    return contextlib.redirect_stdout(open(os.devnull, 'w'))


def row(what, values, unit, against=''):
    """Print one row: median, least and most of `values`."""
    print(f'| {what} | {statistics.median(values):.4g} {unit} | {min(values):.4g} | '
          f'{max(values):.4g} | {against} |', flush=True)


def seconds(function, *args, **kwargs):
    start = time.perf_counter()
    with quietly():
        function(*args, **kwargs)
    return time.perf_counter() - start


def gen(folder):
    """gen_captcha.py with one process and with all cores."""
    import gen_captcha
    rates = {1: [], os.cpu_count(): []}
    for number in range(ROUNDS):
        for workers, found in rates.items():
            out = os.path.join(folder, f'gen-{workers}-{number}')
            found.append(DRAWN / seconds(gen_captcha.gen_captcha, out, DRAWN, '0123456789',
                                         number, workers))
            shutil.rmtree(out)
    one, many = rates.values()
    ratios = [b / a for a, b in zip(one, many)]
    row('gen_captcha, one process', one, 'images/s')
    row(f'gen_captcha, {os.cpu_count()} processes', many, 'images/s',
        f'{statistics.median(ratios):.2f} times')


def records(folder):
    """to_tfrecord.py against one thread, and its peak memory for four times the pictures."""
    images = os.path.join(folder, 'images')
    import gen_captcha
    seconds(gen_captcha.gen_captcha, images, 200, '0123456789', 0)
    originals = sorted(os.listdir(images))
    for number in range(200, max(CONVERTED)):  # links: the decoder works all the same
        original = originals[number % 200]
        os.link(os.path.join(images, original),
                os.path.join(images, f'{number % 10_000:04d}_{number:06d}.jpg'))
    peaks = []
    for count in CONVERTED:
        some = os.path.join(folder, f'some-{count}')
        os.mkdir(some)
        for name in sorted(os.listdir(images), key=lambda name: name[5:])[:count]:
            os.link(os.path.join(images, name), os.path.join(some, name))
        code = ('import resource, sys; sys.path.insert(0, sys.argv[1]); import to_tfrecord, time\n'
                'start = time.time(); to_tfrecord.convert(sys.argv[2], sys.argv[3])\n'
                'print("figures", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,'
                ' time.time() - start)')
        rates, peak = [], []
        for _ in range(ROUNDS if count == min(CONVERTED) else 1):
            ended = subprocess.run([sys.executable, '-c', code, ROOT, some,
                                    os.path.join(folder, 'records')],
                                   capture_output=True, text=True, check=True)
            mib, took = map(float, ended.stdout.split('figures')[1].split())
            rates.append(count / took)
            peak.append(mib)
        row(f'to_tfrecord, {count} pictures', rates, 'images/s')
        peaks.append(statistics.median(peak))
        row(f'to_tfrecord, {count} pictures, peak memory', peak, 'MiB',
            f'{peaks[-1] / peaks[0]:.3f} times')
    obvious = []
    for _ in range(ROUNDS):
        obvious.append(len(originals) / seconds(one_by_one, images, originals, folder))
    row('the same in one thread, picture by picture', obvious, 'images/s')


def one_by_one(images, names, folder):
    """Convert pictures the way the series did."""
    import to_tfrecord
    with to_tfrecord.tf.python_io.TFRecordWriter(os.path.join(folder, 'obvious')) as writer:
        for name in names:
            image = captcha_data.load_picture(os.path.join(images, name))
            labels = captcha_data.labels_of(name[:4], '0123456789')
            example = to_tfrecord.image_to_tfexample(image.tobytes(), *labels)
            writer.write(example.SerializeToString())


def wait(folder):
    """The share of a training step that waits for the next batch from the queue."""
    import captcha_train
    from nets import nets_factory
    tf = captcha_train.tf
    path = make_records(folder)
    with tf.Graph().as_default(), tf.Session() as sess:
        batch = captcha_train.build_inputs(path, captcha_train.BATCH_SIZE, 0)
        x, y = captcha_train.build_placeholders()
        *logits, _ = nets_factory.get_network_fn('alexnet_v2', 10, 0.0005, True)(
            tf.expand_dims(x, -1))
        loss = captcha_train.build_loss(logits, y, 10)
        step = tf.train.AdamOptimizer(0.0003).minimize(loss)
        sess.run(tf.global_variables_initializer())
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess=sess, coord=coord)
        shares = []
        for number in range(TRAINED + 3):
            start = time.perf_counter()
            images, *labels = sess.run(batch)
            fetched = time.perf_counter()
            sess.run([step, loss], {x: images, **dict(zip(y, labels))})
            if number >= 3:
                shares.append(100 * (fetched - start) / (time.perf_counter() - start))
        coord.request_stop()
        coord.join(threads)
    row('training: share of a step spent waiting for its batch', shares, '%')


def make_records(folder):
    """A train.tfrecords of random captchas in `folder`."""
    import gen_captcha
    import to_tfrecord
    path = os.path.join(folder, 'wait')
    seconds(gen_captcha.gen_captcha, os.path.join(path, 'images'), 2000, '0123456789', 0)
    seconds(to_tfrecord.convert, os.path.join(path, 'images'), path, 100)
    return os.path.join(path, 'train.tfrecords')


def read(folder):
    """captcha_test.py: batches against one picture at a time, and one file from disk."""
    import captcha_test
    reader, _, _ = captcha_test.open_reader(os.path.join(ROOT, 'captcha'))
    images = np.random.default_rng(0).integers(0, 256, [READ, 224, 224], np.uint8)
    size = captcha_test.BATCH_SIZE
    path = os.path.join(folder, '0782.jpg')
    from captcha.image import ImageCaptcha
    with open(path, 'wb') as file:
        file.write(ImageCaptcha().generate('0782', format='jpeg').getvalue())
    reader(images[:size])
    reader(images[:1])
    rates = {size: [], 1: []}
    latency = []
    for _ in range(ROUNDS):
        for step, found in rates.items():
            start = time.perf_counter()
            for first in range(0, READ, step):
                reader(images[first:first + step])
            found.append(READ / (time.perf_counter() - start))
        start = time.perf_counter()
        reader(captcha_data.load_picture(path)[np.newaxis])
        latency.append(1000 * (time.perf_counter() - start))
    ratio = statistics.median(a / b for a, b in zip(rates[size], rates[1]))
    row('captcha_test, one at a time', rates[1], 'pictures/s')
    row(f'captcha_test, {size} at a time', rates[size], 'pictures/s', f'{ratio:.2f} times')
    row('captcha_test, one file after the start', latency, 'ms')


def app(folder):
    """mnist_app.py: pictures after the first, prepared the post's way and as photographs."""
    import mnist_app
    import mnist_photo
    samples = [os.path.join(ROOT, 'samples', f'{digit}.jpg') for digit in range(10)]
    with mnist_app.open_model() as predict:
        for name, prepare in [('--post', mnist_app.pre_pic), ('default', mnist_photo.pre_digits)]:
            predict(prepare(samples[0]))
            took = []
            for path in samples[1:] * ROUNDS:
                start = time.perf_counter()
                predict(prepare(path))
                took.append(1000 * (time.perf_counter() - start))
            row(f'mnist_app, {name}, each picture after the first', took, 'ms')


def memory(folder):
    """Peak memory of a long training of the smallest network, early and at its end."""
    import input_data
    import mnist_backward
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    peaks = []
    for steps in LONG:
        with quietly(), mock.patch.object(mnist_backward, 'model_save_path',
                                          os.path.join(folder, 'model')):
            mnist_backward.backward(mnist, steps)  # the second call goes on from the first
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # KiB -> MiB
        row(f'mnist_backward, peak memory after {steps} steps', peaks[-1:], 'MiB',
            f'{peaks[-1] / peaks[0]:.3f} times')


def check_parts(parts):
    """Raise a UserError now, not after minutes, if a part lacks a trained network or a core."""
    import mnist_backward
    if 'gen' in parts and os.cpu_count() == 1:
        raise cli.UserError('expected two cores or more, found one; name other --parts than gen')
    mnist_backward.model_save_path = os.path.join(ROOT, 'model')
    for part, folder, newest, script in [
            ('read', 'captcha', captcha_data.newest_checkpoint(os.path.join(ROOT, 'captcha')),
             'captcha_train.py'),
            ('app', 'model', mnist_backward.newest_checkpoint(), 'mnist_backward.py')]:
        if part in parts and newest is None:
            raise cli.UserError(f'{folder}/: expected a trained network, found none; train it '
                                f'with: python {script}, or name other --parts')


PARTS = {'memory': memory, 'gen': gen, 'records': records, 'wait': wait, 'read': read, 'app': app}


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    check_parts(args.parts)
    print('| what | median | min | max | against |')
    print('|---|---|---|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        for part in args.parts:
            PARTS[part](folder)


if __name__ == '__main__':
    cli.run(main)
