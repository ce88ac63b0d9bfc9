"""captcha_test.py's report on a test set: accuracies, and a sheet of captchas as read."""
import collections
import math

from PIL import Image, ImageDraw, ImageFont

from support.captcha import dataset
from support.captcha.fonts import lacking_characters
from support.common import files

CONFUSIONS = 5  # printed
SHEET_COLUMNS, SHEET_ROWS = 4, 6
SHEET_SIZE = SHEET_COLUMNS * SHEET_ROWS  # captchas
CAPTCHA_SIZE = dataset.IMAGE_WIDTH, dataset.IMAGE_HEIGHT  # pixels, on the sheet too
CAPTION_HEIGHT, GAP = 24, 10  # pixels
RIGHT, WRONG = (0, 120, 0), (200, 0, 0)


def print_figures(results):
    """Print accuracies and confusions of [(label, predicted text), ...].

    Positions beyond both texts are not counted.
    """
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

    A column is as wide as a captcha or the longest caption.
    Args: pictures: [(image uint8 [224, 224], label, predicted text), ...], at most SHEET_SIZE.
    Returns: the characters that the captions' font lacks, sorted.
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
    return ''.join(lacking_characters(font, sorted(set().union(*captions) - {' '})))
