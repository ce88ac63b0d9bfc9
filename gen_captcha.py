"""Draw captchas of random characters, four digits by default, each a JPEG named after its text.

Command:  python gen_captcha.py
          python gen_captcha.py --num 20000 --charset alnum --out letters/images
          python gen_captcha.py --length 4-6 --alphabet 0123456789abcdef --out hex/images
Reads:    nothing; fonts and noise come from the package `captcha`, with --fonts more fonts
Writes:   captcha/images/<text>_<number>.jpg, 160x60 RGB, for instance 0782_000123.jpg
Takes:    a minute for 40,000 pictures on two cores; all cores draw

A second run adds pictures and continues the numbering; it overwrites nothing. Captchas of other
characters or lengths need their own folder, because to_tfrecord.py turns a folder into one data
set.
"""
import concurrent.futures.process
import dataclasses
import glob
import multiprocessing
import os
import random
import re
import signal
import threading

from support.common import console

with console.quiet_start(__name__):
    from captcha.image import DEFAULT_FONTS, ImageCaptcha

from support.captcha import dataset, fonts, labels, styles
from support.common import files, pictures

# --- files
OUT = dataset.IMAGE_FOLDER

# --- data
NUM = 40000  # pictures: on a few thousand a network overfits (see docs/figures.md)
CHUNK = 50  # pictures per job: few jobs, yet a lively progress bar
VARIED = 0.8  # share of --varied pictures that are not in the package's own style
LONGEST = 65500  # pixels of a side of a JPEG file
FONT_SIZES = 42, 50, 56  # pixels, the package's own, for a picture of IMAGE_HEIGHT
LOWEST, NARROWEST = 16, 6  # fewest pixels of a picture's height, and of its width per character
NOT_IN_NAMES = re.compile(labels.SEPARATORS.pattern + r'|[/\\:*?"<>|\x00-\x1f]')


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What is drawn and how."""
    facts: dataset.Facts = dataset.Facts()  # characters and lengths
    width: int = dataset.IMAGE_WIDTH  # pixels
    height: int = dataset.IMAGE_HEIGHT
    fonts: tuple[str, ...] = tuple(DEFAULT_FONTS)  # each character takes one of them
    varied: bool = False  # in many styles and sizes, see support/captcha/styles.py


def begin_worker():
    """Leave Ctrl-C to the parent process, and end with it, even after a kill -9."""
    def end_with_parent():
        multiprocessing.parent_process().join()
        os._exit(1)  # or it waits for jobs forever; a partial picture has no name yet
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def draw(job):
    """Worker: draw the pictures of one job.

    Args: job = (folder, drawing, [(number, text), ...]).
    Returns: how many pictures were written.
    """
    folder, drawing, numbered_texts = job
    sizes = tuple(size * drawing.height // dataset.IMAGE_HEIGHT for size in FONT_SIZES)
    image = ImageCaptcha(drawing.width, drawing.height, list(drawing.fonts), sizes)  # RGB
    for number, text in numbered_texts:
        ours = drawing.varied and random.random() < VARIED
        picture = styles.varied(text, drawing.fonts) if ours else image.generate_image(text)
        with files.whole_file(os.path.join(folder, f'{text}_{number:06d}.jpg')) as part:
            # The series called write(), which puts PNG bytes into a file named .jpg.
            picture.save(part, 'jpeg')
    return len(numbered_texts)


def random_text(rng, facts):
    """A text of the data set's characters and lengths."""
    length = rng.randint(facts.shortest, facts.longest) if facts.shortest < facts.longest else (
        facts.longest)
    return ''.join(rng.choices(facts.alphabet, k=length))


def already_drawn(folder):
    """The numbered pictures in `folder`: (their texts, the first free number)."""
    found = [match for match in (re.fullmatch(r'(.+)_(\d+)\.jpg', name)
                                 for name in os.listdir(folder)) if match]
    return [match[1] for match in found], max((int(match[2]) for match in found), default=-1) + 1


def check_same_kind(folder, texts, facts):
    """Raise a UserError if a folder's captchas have other characters or lengths than `facts`."""
    lengths, characters = [len(text) for text in texts], set().union(*texts)
    found = dataset.Facts(dataset.alphabet_of(characters), min(lengths), max(lengths))
    only_digits = found.alphabet == dataset.CHARSETS['digits'] != facts.alphabet
    if (not characters <= set(facts.alphabet)
            or only_digits and dataset.charset_name(facts.alphabet)
            or found.shortest < facts.shortest or found.longest > facts.longest):
        raise console.UserError(
            f'{folder}: expected captchas of {facts}, found {len(texts)} of {found}; give the new '
            'ones a folder of their own with --out, and name it to to_tfrecord.py with --images')


def gen_captcha(folder, num, drawing=Drawing(), seed=None, workers=None):
    """Draw `num` captchas into `folder`, with all cores unless `workers` says how many."""
    os.makedirs(folder, exist_ok=True)
    for leftover in glob.glob(os.path.join(glob.escape(folder), '.*.part')):
        os.remove(leftover)  # of a run that was killed while writing
    drawn, first = already_drawn(folder)
    if drawn:
        check_same_kind(folder, drawn, drawing.facts)
        print(f'{folder} holds {len(drawn)} pictures; adding {num}, numbered from {first:06d}')

    # added to a folder, the same seed gives other texts than before
    rng = random.Random(f'{seed} {first}' if first and seed is not None else seed)
    numbered_texts = [(number, random_text(rng, drawing.facts))
                      for number in range(first, first + num)]
    jobs = [(folder, drawing, numbered_texts[i:i + CHUNK]) for i in range(0, num, CHUNK)]
    workers = min(workers or os.cpu_count(), len(jobs), 61)  # 61: Windows waits for no more
    # 'spawn' starts clean processes, the same way on Linux, macOS and Windows.
    with console.progress(num, '>> Creating image', 'image') as bar, \
            concurrent.futures.ProcessPoolExecutor(
                workers, mp_context=multiprocessing.get_context('spawn'),
                initializer=begin_worker) as pool:
        try:
            for done in pool.map(draw, jobs):
                bar.update(done)
        except concurrent.futures.process.BrokenProcessPool as error:
            raise console.UserError(
                f'{folder}: expected drawing processes to finish, found one killed from '
                'outside, perhaps for lack of memory; existing pictures are complete: draw the '
                'rest with --num') from error
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if not is_removed(folder, error):
                raise
    there = len(already_drawn(folder)[0]) if os.path.isdir(folder) else 0
    if there < len(drawn) + num:  # the folder was removed, and made again by the next picture
        raise console.UserError(f'{folder}: expected {len(drawn) + num} pictures, found {there}; '
                                'some were removed while others were drawn; draw more')
    print(f'{folder}: {there} pictures')


def is_removed(folder, error):
    """Whether an exception means that the folder was removed while a picture was saved."""
    return (isinstance(error, FileNotFoundError) and error.filename is not None
            and os.path.realpath(os.path.dirname(error.filename)) == os.path.realpath(folder))


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--num', type=console.positive_int, default=NUM,
                        help='pictures to draw (default: %(default)s)')
    parser.add_argument('--length', type=console.length_range, metavar='N[-M]',
                        default=(dataset.TEXT_LENGTH, dataset.TEXT_LENGTH),
                        help='characters of a captcha, such as 5 or 4-6 '
                             f'(default: {dataset.TEXT_LENGTH})')
    characters = parser.add_mutually_exclusive_group()
    characters.add_argument('--charset', choices=dataset.CHARSETS, default='digits',
                            help='; '.join(f'{name}: {dataset.alphabet_name(charset)}'
                                           for name, charset in dataset.CHARSETS.items())
                            + ' (default: %(default)s)')
    characters.add_argument('--alphabet', type=console.alphabet, metavar='CHARACTERS',
                            help='any other characters, such as 0123456789abcdef')
    parser.add_argument('--out', default=OUT, metavar='FOLDER',
                        help='folder for the pictures (default: %(default)s)')
    parser.add_argument('--fonts', metavar='FOLDER',
                        help="also draw with every font found there (default: the package's own)")
    parser.add_argument('--varied', action='store_true',
                        help='draw in many styles and sizes, light on dark and dark on light, '
                             'for pretraining; best with many --fonts')
    parser.add_argument('--width', type=console.positive_int, default=dataset.IMAGE_WIDTH,
                        help='pixels (default: %(default)s)')
    parser.add_argument('--height', type=console.positive_int, default=dataset.IMAGE_HEIGHT,
                        help='pixels (default: %(default)s)')
    parser.add_argument('--seed', type=console.seed_number,
                        help='fixes the texts; not the pixels, because the package captcha draws '
                             "fonts and noise from the system's randomness (default: none)")
    args = parser.parse_args()
    alphabet = args.alphabet or dataset.CHARSETS[args.charset]
    if NOT_IN_NAMES.search(alphabet):
        raise console.UserError('--alphabet: expected characters that a file name can hold, found '
                                f'{NOT_IN_NAMES.search(alphabet)[0]!r}; leave it out')
    if max(args.width, args.height) > LONGEST or args.width * args.height > pictures.MAX_PIXELS:
        raise console.UserError(f'--width, --height: expected at most {LONGEST} pixels each and '
                                f'{pictures.MAX_PIXELS} in all, which a picture file and '
                                f'to_tfrecord.py take, found {args.width}x{args.height}')
    facts = dataset.Facts(alphabet, *args.length)
    if args.height < LOWEST or args.width < NARROWEST * facts.longest:
        raise console.UserError(f'--width, --height: expected at least {NARROWEST} pixels for each '
                                f'of {facts.longest} characters and {LOWEST} for their height, '
                                f'found {args.width}x{args.height}; name larger ones')
    drawing = Drawing(facts, args.width, args.height, fonts.find_fonts(args.fonts, alphabet),
                      args.varied)
    with files.alone(args.out, 'drawing'):
        gen_captcha(args.out, args.num, drawing, args.seed)


if __name__ == '__main__':
    console.run(main)
