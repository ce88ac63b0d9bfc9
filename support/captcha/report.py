"""captcha_test.py's options, and its report on a test set: accuracies, a sheet of captchas."""
import collections
import math
import os

from PIL import Image, ImageDraw, ImageFont

from support.captcha import dataset, models, preprocessing, reader, records
from support.common import console, files
from support.common.console import UserError

CONFUSIONS = 5  # printed
SHEET_NAME = 'test_sheet.png'  # in the folder of the model
SHEET_COLUMNS, SHEET_ROWS = 4, 6
SHEET_SIZE = SHEET_COLUMNS * SHEET_ROWS  # captchas
CAPTCHA_SIZE = dataset.IMAGE_WIDTH, dataset.IMAGE_HEIGHT  # pixels, on the sheet too
CAPTION_HEIGHT, GAP = 24, 10  # pixels
RIGHT, WRONG = (0, 120, 0), (200, 0, 0)


def options(doc):
    """captcha_test.py's command line. Returns: the arguments. Raises: UserError."""
    parser = console.parser(doc)
    what = parser.add_mutually_exclusive_group()
    what.add_argument('files', nargs='*', metavar='FILE', default=[],
                      help='pictures or folders to read instead')
    what.add_argument('--test', type=records.held_out, metavar='FILE',
                      help='held-out records, or their folder (default: those of the training)')
    parser.add_argument('--model-dir', metavar='FOLDER',
                        help=f'folder of the checkpoint (default: {models.MODEL_DIR}; for files, '
                             'where it has none, models/general, which reads most captchas)')
    parser.add_argument('--views', type=int, default=1,
                        choices=range(1, len(preprocessing.VIEWS) + 1),
                        help='average this many readings of slightly shifted pictures: slightly '
                             'more accurate, at that many times the cost (default: %(default)s)')
    reader.add_options(parser)
    args = parser.parse_args()
    if not args.files and (args.csv or args.least or any(reader.known(args).values())):
        raise UserError('expected pictures beside --csv, --least or what is known of their texts, '
                        'found none; name them as well')
    return args


def held_out(about, test_file=None):
    """The held-out records to read: if None, those of the training of a models.About.

    Raises: UserError unless the records' labels are those of the network.
    """
    test_file = test_file or about.places.get('test', dataset.TEST_FILE)
    found = dataset.read_facts(test_file) or records.survey(test_file)[1]
    if not about.facts.covers(found):
        raise UserError(f'{test_file}: expected {about.facts}, as {about.checkpoint} was trained, '
                        f'found {found}; name its own records with --test, or train a network on '
                        'these: python captcha_train.py --train FILE --model-dir FOLDER')
    return test_file


def measure(read, about, test_file):
    """Read the whole test set, print the accuracies and save the sheet beside the model.

    Args: read: a function of pictures uint8 [n, 224, 224] that returns classes int32 [n, heads].
      about: models.About of its network.
    """
    results = []  # (label, predicted text)
    shown = {False: [], True: []}  # wrong or right
    for images, labels in records.read_batches(test_file, reader.BATCH_SIZE):
        for image, *classes in zip(images, labels, read(images)):
            label, prediction = map(about.facts.text_of, classes)
            results.append((label, prediction))
            if len(shown[label == prediction]) < SHEET_SIZE:
                shown[label == prediction].append((image, label, prediction))
    print_figures(results)
    print(f'checkpoint: {about.checkpoint}')
    print(f'records: {test_file}')
    sheet = os.path.join(os.path.dirname(about.checkpoint), SHEET_NAME)
    save_sheet((shown[False] + shown[True])[:SHEET_SIZE], sheet)
    print(f'pictures: {sheet}')


def print_figures(results):
    """Print accuracies and confusions of [(label, predicted text), ...]."""
    count = len(results)
    longest = max(len(label) for label, _ in results)
    for k in range(longest):
        hits = [label[k:k + 1] == prediction[k:k + 1] for label, prediction in results
                if max(len(label), len(prediction)) > k]
        print(f'character {k + 1}: {sum(hits) / len(hits):.4f}')
    whole = sum(label == prediction for label, prediction in results)
    print(f'whole captchas: {whole / count:.4f} ({whole} of {count})')
    by_length = collections.defaultdict(list)
    for label, prediction in results:
        by_length[len(label)].append(label == prediction)
    for length, right in sorted(by_length.items()) if len(by_length) > 1 else []:
        print(f'of {length} characters: {sum(right) / len(right):.4f} '
              f'({sum(right)} of {len(right)})')
    confusions = collections.Counter(
        pair for label, prediction in results if len(label) == len(prediction)
        for pair in zip(label, prediction) if pair[0] != pair[1])
    for (label, prediction), times in confusions.most_common(CONFUSIONS):
        print(f'confused: {label} read as {prediction}, {times} times')


def save_sheet(pictures, path):
    """Draw captchas with their readings: green if right; red, with the label, if wrong.

    Args: pictures: [(image uint8 [224, 224], label, predicted text), ...], at most SHEET_SIZE.
    """
    width, height = CAPTCHA_SIZE
    font = ImageFont.load_default(16)
    captions = [prediction if label == prediction else f'{prediction}, not {label}'
                for _, label, prediction in pictures]
    cell_width = max([width, *(math.ceil(font.getlength(caption)) for caption in captions)]) + GAP
    cell_height = height + CAPTION_HEIGHT + GAP
    page = Image.new('RGB', (SHEET_COLUMNS * cell_width + GAP, SHEET_ROWS * cell_height + GAP),
                     'white')
    draw = ImageDraw.Draw(page)
    for number, ((image, label, prediction), caption) in enumerate(zip(pictures, captions)):
        left = GAP + number % SHEET_COLUMNS * cell_width
        top = GAP + number // SHEET_COLUMNS * cell_height
        page.paste(Image.fromarray(image).resize(CAPTCHA_SIZE), (left, top))
        draw.text((left, top + height + 2), caption, RIGHT if label == prediction else WRONG, font)
    with files.whole_file(path) as part:
        page.save(part, 'PNG')
