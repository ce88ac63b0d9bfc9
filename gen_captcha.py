"""Draw captchas of four random characters and save each as a JPEG named after its text.

Command:  python gen_captcha.py
          python gen_captcha.py --num 20000 --charset alnum --out letters/images
Reads:    nothing; fonts and noise come from the package `captcha`
Writes:   captcha/images/<text>_<number>.jpg, 160x60 RGB, for instance 0782_000123.jpg
Takes:    a minute for 40,000 pictures on two cores; all cores draw

A second run adds pictures and goes on with the numbers; nothing is overwritten. Digits and letters
need folders of their own, because to_tfrecord.py makes one set of a folder.
"""
import concurrent.futures
import glob
import multiprocessing
import os
import random
import re
import signal

from captcha.image import ImageCaptcha

import captcha_data
import cli

# --- files
OUT = captcha_data.IMAGE_FOLDER

# --- data
NUM = 40000  # pictures: a network learns a few thousand by heart (README.md has the figures)
CHUNK = 50  # pictures that a worker draws for each order: few orders, yet a lively progress bar


def draw(job):
    """Worker: draw the pictures of one order.

    Args: job = (folder, [(number, text), ...]).
    Returns: how many pictures were written.
    """
    folder, numbered_texts = job
    image = ImageCaptcha(captcha_data.IMAGE_WIDTH, captcha_data.IMAGE_HEIGHT)  # RGB
    for number, text in numbered_texts:
        # The series called write(), which puts PNG bytes into a file named .jpg.
        jpeg = image.generate(text, format='jpeg').getvalue()
        with cli.whole_file(os.path.join(folder, f'{text}_{number:06d}.jpg')) as part:
            with open(part, 'wb') as file:
                file.write(jpeg)
    return len(numbered_texts)


def what_is_there(folder):
    """The numbered pictures in `folder`: (how many, the first free number, their character set)."""
    drawn = re.compile(f'([{captcha_data.CHARSETS["alnum"]}]{{{captcha_data.TEXT_LENGTH}}})'
                       r'_(\d+)\.jpg')
    found = [match for match in map(drawn.fullmatch, os.listdir(folder)) if match]
    return (len(found), max((int(match[2]) for match in found), default=-1) + 1,
            captcha_data.charset_name(set().union(*(match[1] for match in found))))


def gen_captcha(folder, num, charset, seed=None, workers=None):
    """Draw `num` captchas into `folder`, with all cores unless `workers` says how many."""
    os.makedirs(folder, exist_ok=True)
    for leftover in glob.glob(os.path.join(glob.escape(folder), '.*.part')):
        os.remove(leftover)  # of a run that was killed while writing
    there, first, charset_there = what_is_there(folder)
    if there and charset_there != captcha_data.charset_name(charset):
        raise cli.UserError(
            f'{folder}: expected captchas of {captcha_data.charset_name(charset)}, found '
            f'{there} of {charset_there}; give the new ones a folder of their own with --out, and '
            'name it to to_tfrecord.py with --images')
    if there:
        print(f'{folder} holds {there} pictures; adding {num}, numbered from {first:06d}')

    rng = random.Random(seed)
    numbered_texts = [(number, ''.join(rng.choices(charset, k=captcha_data.TEXT_LENGTH)))
                      for number in range(first, first + num)]
    jobs = [(folder, numbered_texts[i:i + CHUNK]) for i in range(0, num, CHUNK)]
    workers = min(workers or os.cpu_count(), len(jobs), 61)  # 61: Windows waits for no more
    # 'spawn' starts clean processes, the same way on Linux, macOS and Windows.
    with cli.progress(num, '>> Creating image', 'image') as bar, \
            concurrent.futures.ProcessPoolExecutor(
                workers, mp_context=multiprocessing.get_context('spawn'),
                initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        try:
            for done in pool.map(draw, jobs):
                bar.update(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    print(f'{folder}: {there + num} pictures')


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--num', type=cli.positive_int, default=NUM,
                        help='pictures to draw (default: %(default)s)')
    parser.add_argument('--charset', choices=captcha_data.CHARSETS, default='digits',
                        help='digits: 0-9; alnum: 0-9 and A-Z (default: %(default)s)')
    parser.add_argument('--out', default=OUT, metavar='FOLDER',
                        help='folder for the pictures (default: %(default)s)')
    parser.add_argument('--seed', type=cli.seed_number,
                        help='fixes the texts; not the pixels, because the package captcha draws '
                             "fonts and noise from the system's randomness (default: none)")
    args = parser.parse_args()
    gen_captcha(args.out, args.num, captcha_data.CHARSETS[args.charset], args.seed)


if __name__ == '__main__':
    cli.run(main)
