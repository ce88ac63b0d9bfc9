"""What is reported and drawn about a reading besides the digits themselves.

`pictures` and `probabilities` are the same everywhere: float32 [n, 784], 0 paper ... 1 ink, the n
digits as the network saw them, and float32 [n, 10], the probability of each digit from 0 to 9.
"""
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from support.common import console, files
from support.common.console import UserError
from support.digits import no_digit
from support.digits.input_data import SIDE

CLOSE = 0.5     # doubted: the best digit's probability exceeds the second's by less than this

# --- the drawing
DRAWN = '.read.png'  # suffix of its file's name
PANEL = 280     # pixels, height and width of each of the panels
GAP = 10        # pixels
BAR = 180       # pixels, length of a bar at a probability of 1
TEXT, BEST_BAR, OTHER_BAR = (0, 0, 0), (0, 120, 0), (150, 150, 150)  # colours, RGB


def doubts(pictures, probabilities, left_out=0):
    """The reasons not to trust a reading, one line each.

    Args: left_out: how many marks were too small to be read.
    """
    if not pictures.any():
        return ['not to be trusted: the picture is blank, no ink was found']
    lines = []
    if len(pictures) > 1:
        lines.append(f'several digits: {len(pictures)} stand apart, read from left to right')
    if left_out:
        lines.append(f'not to be trusted: small marks were left out: {left_out}')
    scores = no_digit.score(pictures)
    for number, (of_digit, score) in enumerate(zip(probabilities, scores), 1):
        which = f'digit {number} is ' if len(pictures) > 1 else ''
        second, best = np.argsort(of_digit)[-2:]
        if of_digit[best] - of_digit[second] < CLOSE:
            lines.append(f'not to be trusted: {which}perhaps a {second} ({of_digit[second]:.1%})')
        if score > no_digit.LIMIT:
            lines.append(f'not to be trusted: {which}perhaps no digit, or several that touch')
    return lines


def read_files(paths, read, csv_file=None):
    """Read each picture file; a bad one does not stop the others.

    Args: read: a function of a path that returns a reader.Reading. csv_file: write a table there.
    Returns: exit status, 2 if any file could not be read.
    """
    good = bad = 0
    columns = 'file', 'digits', 'confidence', 'doubts', 'lines', 'boxes'
    with files.whole_table(csv_file, columns, len(paths)) as add:
        for path in paths:
            if path.endswith(DRAWN):  # my/*.png matches those of --show, too
                console.say(f'{path}: not read: a drawing of --show')
                continue
            try:
                reading = read(path)
            except UserError as error:
                console.complain(error)  # then the next: it may be good
                bad += 1
                add(path, '', '', 'not read', '', '')
                continue
            good += 1
            add(path, ' '.join(map(str, reading.digits)), ' '.join(
                f'{of_digit.max():.4f}' for of_digit in reading.probabilities),
                '; '.join(reading.doubts),
                ' '.join(str(int(place[4]) + 1) for place in reading.places),
                ' '.join(','.join(f'{side:.4f}' for side in place[:4])
                         for place in reading.places))
    if csv_file:
        console.say(f'{csv_file}: {good} of {good + bad} pictures read')
    return 2 if bad else 0


def drawing(original, pictures, probabilities, places=()):
    """The original with a box around each digit, then a row per digit: 28x28 pixels and ten bars.

    Args: original: a Pillow picture, L or RGB. places: float [n, 5], as
      photographs.find_digits returns them. Returns: a Pillow picture, RGB.
    """
    cell = PANEL + GAP
    side = PANEL * min(3, max(1, len(pictures) // 2))  # a page of many digits is drawn larger
    shift = side - PANEL
    page = Image.new('RGB', (3 * cell + GAP + shift,
                             max(1, len(pictures)) * cell + GAP), 'white')
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    original = original.convert('RGB')
    original.thumbnail((side, min(side, page.height - 2 * GAP)))
    page.paste(original, (GAP, GAP))
    for place, of_digit in zip(places, probabilities):
        left, top, right, bottom = np.multiply(place[:4], original.size * 2) + GAP
        draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=BEST_BAR)
        draw.text((right + 3, top - 4), str(of_digit.argmax()), BEST_BAR, font)
    draw.rectangle((GAP, GAP, GAP + original.width - 1, GAP + original.height - 1),
                   outline=OTHER_BAR)
    for row, (picture, of_digit) in enumerate(zip(pictures, probabilities)):
        top = GAP + row * cell
        grey = np.rint(255 * picture.reshape(SIDE, SIDE)).astype(np.uint8)  # 0 paper ... 255 ink
        page.paste(Image.fromarray(grey).resize((PANEL, PANEL), Image.Resampling.NEAREST),
                   (GAP + cell + shift, top))
        for digit, probability in enumerate(of_digit):
            y, left = top + digit * PANEL // 10, GAP + 2 * cell + shift
            draw.text((left, y + 4), str(digit), TEXT, font)
            draw.rectangle((left + 20, y + 4, left + 20 + round(BAR * float(probability)), y + 22),
                           BEST_BAR if digit == of_digit.argmax() else OTHER_BAR)
            draw.text((left + 210, y + 4), f'{probability:.1%}', TEXT, font)
    return page


def save_drawing(page, picName):
    """Save a drawing beside the picture file `picName`: a.read.png for a.jpg. Returns: its path."""
    path = os.path.splitext(picName)[0] + DRAWN
    try:
        with files.whole_file(path) as part:
            page.save(part, 'PNG')
    except OSError as error:
        raise UserError(f'{path}: cannot be written: {error.strerror or error}; leave out '
                        '--show, or copy the picture to another folder') from error
    return path
