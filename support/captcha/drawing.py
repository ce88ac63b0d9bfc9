"""What surrounds the series' drawing of captchas: options, checks, processes."""
import concurrent.futures.process
import dataclasses
import glob
import multiprocessing
import os
import re
import signal
import threading

from captcha.image import DEFAULT_FONTS

from support.captcha import dataset, fonts
from support.common import console, labelled, option_types
from support.common.console import UserError

NUM = 40000  # pictures: on a few thousand a network overfits (see docs/figures.md)
CHUNK = 50  # pictures that a process draws at a time
VARIED = 0.8  # share of --varied pictures that are not in the package's own style
LOWEST, NARROWEST = 16, 6  # fewest pixels of a picture's height, and of its width per character
NOT_IN_NAMES = re.compile(labelled.SEPARATORS.pattern + r'|[/\\:*?"<>|\x00-\x1f]')


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What is drawn and how."""
    facts: dataset.Facts = dataset.Facts()  # characters and lengths
    width: int = dataset.IMAGE_WIDTH  # pixels
    height: int = dataset.IMAGE_HEIGHT
    fonts: tuple[str, ...] = tuple(DEFAULT_FONTS)  # each character takes one of them
    varied: bool = False  # in many styles and sizes, see styles.py

    @property
    def font_sizes(self):
        """Pixels: the package's own sizes, which fit IMAGE_HEIGHT, in proportion."""
        return tuple(size * self.height // dataset.IMAGE_HEIGHT for size in (42, 50, 56))


def options(doc):
    """The command line. Returns: the arguments, Drawing. Raises: UserError."""
    parser = console.parser(doc)
    parser.add_argument('--num', type=option_types.positive_int, default=NUM,
                        help='pictures to draw (default: %(default)s)')
    dataset.add_options(parser)
    parser.add_argument('--out', default=dataset.IMAGE_FOLDER, metavar='FOLDER',
                        help='folder for the pictures (default: %(default)s)')
    parser.add_argument('--fonts', metavar='FOLDER',
                        help="also draw with every font found there (default: the package's own)")
    parser.add_argument('--varied', action='store_true',
                        help='draw in many styles and sizes, light on dark and dark on light, '
                             'for pretraining; best with many --fonts')
    parser.add_argument('--width', type=option_types.positive_int, default=dataset.IMAGE_WIDTH,
                        help='pixels (default: %(default)s)')
    parser.add_argument('--height', type=option_types.positive_int, default=dataset.IMAGE_HEIGHT,
                        help='pixels (default: %(default)s)')
    parser.add_argument('--seed', type=option_types.seed_number,
                        help='fixes the texts; not the pixels, because the package captcha draws '
                             "fonts and noise from the system's randomness (default: none)")
    args = parser.parse_args()
    facts = dataset.Facts(args.alphabet or dataset.CHARSETS['digits'],
                          *(args.length or [dataset.TEXT_LENGTH] * 2))
    if NOT_IN_NAMES.search(facts.alphabet):
        raise UserError('--alphabet: expected characters that a file name can hold, found '
                        f'{NOT_IN_NAMES.search(facts.alphabet)[0]!r}; leave it out')
    narrowest = NARROWEST * facts.longest
    if args.width < narrowest or args.height < LOWEST:
        raise UserError(f'--width, --height: expected at least {narrowest} and {LOWEST} pixels, '
                        f'found {args.width}x{args.height}; name others')
    return args, Drawing(facts, args.width, args.height,
                         fonts.find_fonts(args.fonts, facts.alphabet), args.varied)


def prepare(folder, num, facts):
    """Make a folder ready for `num` more pictures. Returns: how many it holds, the next number."""
    os.makedirs(folder, exist_ok=True)
    for leftover in glob.glob(os.path.join(glob.escape(folder), '.*.part')):
        os.remove(leftover)  # of a run that was killed while writing
    drawn = [match for match in (re.fullmatch(r'(.+)_(\d+)\.jpg', name)
                                 for name in os.listdir(folder)) if match]
    if not drawn:
        return 0, 0
    check_same_kind(folder, [match[1] for match in drawn], facts)
    first = max(int(match[2]) for match in drawn) + 1
    print(f'{folder} holds {len(drawn)} pictures; adding {num}, numbered from {first:06d}')
    return len(drawn), first


def check_same_kind(folder, texts, facts):
    """Raise a UserError if a folder's captchas have other characters or lengths than `facts`."""
    found = dataset.facts_of(texts)
    only_digits = found.alphabet == dataset.CHARSETS['digits'] != facts.alphabet
    if (set().union(*texts) - set(facts.alphabet)
            or only_digits and facts.alphabet in dataset.CHARSETS.values()
            or found.shortest < facts.shortest or found.longest > facts.longest):
        raise UserError(
            f'{folder}: expected captchas of {facts}, found {len(texts)} of {found}; give the new '
            'ones a folder of their own with --out, and name it to to_tfrecord.py with --images')


def begin_worker():
    """Leave Ctrl-C to the parent process, and end with it, even after a kill -9."""
    def end_with_parent():
        multiprocessing.parent_process().join()
        os._exit(1)  # or it waits for jobs forever; a partial picture has no name yet
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def in_processes(draw, jobs, workers=None):
    """Call a module's function `draw(job)` for each job, in processes; yield after each.

    Raises: UserError if a process is killed.
    """
    # 61: Windows waits for no more
    workers = min(workers or os.cpu_count(), -(-len(jobs) // CHUNK), 61)
    with concurrent.futures.ProcessPoolExecutor(
            workers, multiprocessing.get_context('spawn'), begin_worker) as pool:
        try:
            yield from pool.map(draw, jobs, chunksize=CHUNK)
        except concurrent.futures.process.BrokenProcessPool as error:
            raise UserError('expected drawing processes to finish, found one killed from outside, '
                            'perhaps for lack of memory; existing pictures are complete: draw the '
                            'rest with --num') from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
