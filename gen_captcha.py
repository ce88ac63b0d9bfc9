"""Draw captchas of random characters, four digits by default, each a JPEG named after its text.

Command:  python gen_captcha.py
          python gen_captcha.py --num 20000 --charset alnum --out letters/images
          python gen_captcha.py --length 4-6 --alphabet 0123456789abcdef --out hex/images
Reads:    nothing; fonts and noise come from the package `captcha`, with --fonts more fonts
Writes:   captcha/images/<text>_<number>.jpg, 160x60 RGB, for instance 0782_000123.jpg
Takes:    a minute for 40,000 pictures on two cores; all cores draw

A second run adds pictures and overwrites nothing. Captchas of other characters or lengths need
their own folder, because to_tfrecord.py turns a folder into one data set.
"""
import functools
import os
import random

from support.common import console

with console.quiet_start(__name__):
    from captcha.image import ImageCaptcha

from support.captcha import drawing, styles
from support.captcha.drawing import Drawing
from support.common import files


def random_captcha_text(rng, facts):
    """A text of a data set's characters and lengths."""
    captcha_size = facts.longest
    if facts.shortest < facts.longest:
        captcha_size = rng.randint(facts.shortest, facts.longest)
    return ''.join(rng.choices(facts.alphabet, k=captcha_size))


@functools.lru_cache(maxsize=1)  # because it loads fonts
def image_captcha(how):
    """The package's generator. Args: how: Drawing."""
    return ImageCaptcha(how.width, how.height, list(how.fonts), how.font_sizes)


def draw(job):
    """Draw one captcha and save it as a JPEG. Args: job = (text, path, Drawing)."""
    captcha_text, path, how = job
    if how.varied and random.random() < drawing.VARIED:  # ours
        captcha = styles.varied(captcha_text, how.fonts)
    else:
        captcha = image_captcha(how).generate_image(captcha_text)  # RGB
    with files.whole_file(path) as part:
        captcha.save(part, 'jpeg')  # the series called write(): PNG bytes in a file named .jpg


def gen_captcha(folder, num, how=Drawing(), seed=None, workers=None):
    """Draw `num` captchas into `folder`, with all cores unless `workers` says how many."""
    drawn, first = drawing.prepare(folder, num, how.facts)  # ours: a second run adds pictures
    # added to a folder, the same seed gives other texts than before
    rng = random.Random(f'{seed} {first}' if first and seed is not None else seed)
    jobs = []
    for number in range(first, first + num):
        captcha_text = random_captcha_text(rng, how.facts)
        jobs.append((captcha_text, os.path.join(folder, f'{captcha_text}_{number:06d}.jpg'), how))
    with console.progress(num, '>> Creating image', 'image') as bar:
        for _ in drawing.in_processes(draw, jobs, workers):
            bar.update()
    print(f'{folder}: {drawn + num} pictures')


def main():
    args, how = drawing.options(__doc__)
    with files.alone(args.out, 'drawing'):
        gen_captcha(args.out, args.num, how, args.seed)


if __name__ == '__main__':
    console.run(main)
