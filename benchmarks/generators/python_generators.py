"""Draw captchas with Python packages that web sites use, for training and as tests.

Command:  OTHER_PYTHON benchmarks/generators/python_generators.py kaptcha --num 4000 --fonts FONTS \
              --out pools/kaptcha
Reads:    legible fonts (.ttf) from the folder FONTS, for the packages that bring none
Writes:   <out>/<number>.png and <out>/labels.csv, a row `name,text` for each picture

The texts are those of `random_text`: each package draws digits alone, capitals alone, sums
and so on in the same shares. Each picture has other options of its package, over their whole range
where a person can still read the text. OTHER_PYTHON is an environment with the package, numpy and
pillow: see README.md in this folder.
"""
import argparse
import csv
import functools
import glob
import importlib.util
import io
import os
import random
import subprocess
import sys
import types

from PIL import Image, ImageFont

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
from support.captcha import chances, random_texts
from support.captcha.chances import chance


def as_hex(colour):
    """A colour as #rrggbb."""
    return '#{:02x}{:02x}{:02x}'.format(*colour)


def inks(text):
    """The colours of the paper and of each character, of which none is as bright as the paper."""
    while True:
        paper, ink = chances.colours()
        some = chances.inks_of(text, ink, paper)
        if all(abs(sum(paper) - sum(one)) > 130 for one in some):
            return paper, some


@functools.lru_cache(2000)
def font_of(path, size):
    """A font of a size in pixels."""
    return ImageFont.truetype(path, size)


def easy_captcha(text, fonts):
    """easy-captcha-python: letters in ten decorated fonts, a curve, circles; sums without it."""
    import easy_captcha as package
    text = text.replace('×', 'x').replace('÷', '/')
    is_sum = not text.isalnum()
    no_signs = (package.FONT_3, package.FONT_6, package.FONT_8) if is_sum else ()
    font = random.choice([font for font in range(10) if font not in no_signs])
    if font in (package.FONT_1, package.FONT_3, package.FONT_5, package.FONT_8, package.FONT_10):
        text = text.upper()  # these draw capitals for small letters
    captcha = (package.ArithmeticCaptcha if is_sum else package.SpecCaptcha)()
    captcha.num = random.randrange  # the package's own numbers have no seed
    captcha._chars = text
    if is_sum:
        captcha.set_arithmetic_string(text)
    captcha.set_font(font, random.randint(20, 56))
    boxes = [captcha.get_font().getbbox(character) for character in text]
    step = max(right - left for left, _, right, _ in boxes) * random.uniform(0.95, 1.5)
    captcha.width = max(40, int(step * len(text)) + 6)
    captcha.height = max(24, int(max(bottom + top for _, top, _, bottom in boxes)
                                 + random.uniform(0, 30)))
    stream = io.BytesIO()
    captcha.out(stream)
    return Image.open(stream), text


@functools.lru_cache(1)
def django_captcha():
    """The modules of django-simple-captcha that draw and hold its settings."""
    import django
    from django.conf import settings
    settings.configure(INSTALLED_APPS=['captcha'])
    django.setup()
    from captcha import conf, views
    return views, conf.settings


def django_simple(text, fonts):
    """django-simple-captcha: turned letters, dots, arcs, smoothed, cut close."""
    views, settings = django_captcha()
    paper, colours = inks(text)
    size = settings.CAPTCHA_FONT_SIZE = random.randint(16, 50)
    path = random.choice(fonts)
    while font_of(path, size).getlength(' ') < font_of(path, size).getbbox('E')[1]:
        path = random.choice(fonts)  # it takes the space above a letter off its width
    settings.CAPTCHA_FONT_PATH = path
    given = len(text) < 3 or chance(0.2)  # pixels; its own size is too narrow for a single letter
    settings.CAPTCHA_IMAGE_SIZE = given and (
        int(font_of(path, size).getlength(text) * random.uniform(1.1, 1.5)) + size,
        int(size * random.uniform(1.3, 1.8)))
    turn = random.randint(1, 40)
    settings.CAPTCHA_LETTER_ROTATION = (-turn, turn) if chance(0.8) else None
    settings.CAPTCHA_BACKGROUND_COLOR = as_hex(paper)
    settings.CAPTCHA_FOREGROUND_COLOR = as_hex(colours[0])
    settings.CAPTCHA_LETTER_COLOR_FUNCT = lambda index, text: as_hex(colours[index])
    settings.CAPTCHA_NOISE_FUNCTIONS = [f'captcha.helpers.noise_{kind}' for kind in ('arcs', 'dots')
                                        if chance(0.6)]
    settings.CAPTCHA_FILTER_FUNCTIONS = ['captcha.helpers.post_smooth'] * random.randint(0, 2)
    reply = views._captcha_image(types.SimpleNamespace(challenge=text), 1)
    return Image.open(io.BytesIO(reply.content))


def kaptcha(text, fonts):
    """kaptcha: large overlapping coloured letters among bars, discs and boxes."""
    from kaptcha import Captcha
    height = random.randint(100, 160)
    room = height * (len(text) + 1) * random.uniform(0.6, 1)  # pixels
    kind = random.choice(['contour', 'enhance', 'edge', 'emboss'] + [None] * 12)
    mode = random.choice(['RGB', 'RGB', 'L'])
    papers = [chances.white()] if mode == 'L' else [chances.white(), chances.pastel(), (0, 0, 0)]
    captcha = Captcha(max(150, int(room)), height, random.randint(0, 3), mode, True,
                      bg=as_hex(random.choice(papers)), **({kind: True} if kind else {}))
    return captcha._Captcha__handel(text)[1]


def gvcode(text, fonts):
    """gvcode: turned coloured letters on thick lines and dots."""
    from gvcode import gvcode as package
    turn = random.choice([30, 30, 45, 60, 90])  # degrees; the package's 90 make an N of a Z
    package.randint = lambda low, high: random.randint(
        low, turn if (low, high) == (-30, 90) else high)
    paper, colours = inks(text)
    size, own = random.randint(24, 60), chance(0.3)
    path = random.choice(['arial.ttf', 'calibri.ttf', 'simsun.ttc', *fonts])
    while path in fonts and font_of(path, size).getbbox('Eg')[3] > size + 5:
        path = random.choice(fonts)  # its tiles would cut the letters
    captcha = package.VFCode(
        int(len(text) * (size * random.uniform(0.7, 1.1) + 8) + size / 4),
        int(size * random.uniform(1.1, 1.7)) + 5, size,
        None if own else [as_hex(colour) for colour in colours], None if own else as_hex(paper),
        chance(0.5), random.randint(1, 3), chance(0.7), random.randint(1, max(1, size // 16)),
        chance(0.4), path)
    captcha.generate(text)
    return Image.open(io.BytesIO(captcha.get_img_bytes()))


@functools.lru_cache(2000)
def whole_font(path, size):
    """A font for gbkomi, whose tiles are as high as the ink, but hold the space above it too."""
    font = ImageFont.truetype(path, size)
    font.getbbox = lambda text: (0, 0, *ImageFont.FreeTypeFont.getbbox(font, text)[2:])
    return font


def gbkomi(text, fonts):
    """gbkomi-captcha: spaced letters on lined paper, lines, dots."""
    from gbkomi_captcha.core import fonts as package_fonts
    from gbkomi_captcha.core.generator import CaptchaGenerator
    path, size = random.choice(fonts), random.randint(18, 48)
    package_fonts._FONT_LIST[:] = [path]
    package_fonts._FONT_CACHE[path, size] = font = whole_font(path, size)
    paper, colours = inks(text)
    gap = random.uniform(10, 32)
    return CaptchaGenerator({
        'width': int(sum(font.getlength(character) + gap for character in text) + size),
        'height': int(size * random.uniform(1.4, 2.2)) + 8, 'font_size': size,
        'background_color': paper, 'text_color': colours[0]}).generate(text)[0]


def wheezy(text, fonts):
    """wheezy.captcha: warped and turned letters, a curve, noise, smoothing."""
    from wheezy.captcha import image
    size, squeeze = random.randint(22, 70), 1 if not text.isalnum() else random.uniform(0.7, 1)
    if chance(0.75):  # its letters are as opaque as bright: black ones do not show
        paper, low, high = (random.randint(215, 255) for _ in range(3)), 70, 145
    else:
        paper, low, high = (random.randint(0, 70) for _ in range(3)), 150, 255
    ink = tuple(random.randint(low, high) for _ in range(3))
    own = chance(0.3)

    def colour():
        return tuple(random.randint(low, high) for _ in range(3)) if own else ink
    some = random.sample(fonts, random.randint(1, 3))
    letters = [drawing for drawing in (image.warp(), image.rotate(random.randint(5, 30)),
                                       image.offset()) if chance(0.7)]
    drawings = [image.background(as_hex(tuple(paper))),
                image.text(some, [size, int(size * random.uniform(1, 1.2))], letters, colour,
                           squeeze)]
    if chance(0.7):
        drawings.append(image.curve(colour, random.randint(1, max(2, size // 18)),
                                    random.randint(4, 8)))
    if chance(0.7):
        drawings.append(image.noise(random.randint(10, 60), colour, random.randint(1, 3)))
    drawings += [image.smooth()] * random.randint(0, 2)
    width = sum(font_of(some[0], size).getlength(character) for character in text)
    return image.captcha(drawings, int(width * squeeze * random.uniform(1.2, 1.6) + size),
                         int(size * random.uniform(1.4, 1.9)))(text)


FAINT = 'Outline', 'Shadow', 'Sketch', 'WindSong', 'Dawning', 'Bonbon', 'Rampart'  # its fonts


def multicolor(text, fonts):
    """multicolorcaptcha: turned letters of any size and font among lines and discs."""
    from multicolorcaptcha import CaptchaGenerator
    captcha = CaptchaGenerator(random.choice([0, 1, 1]))
    captcha.l_fonts = [path for path in captcha.l_fonts if not any(kind in path for kind in FAINT)]
    side = captcha.one_char_image_size
    paper, turn, many = captcha.gen_rand_color(), random.randint(5, 45), chance(0.3)
    if any(not character.isalnum() for character in text):
        turn = 10  # x and + are alike
    page = captcha.images_join_horizontal([
        captcha.gen_captcha_char_image(character, side, random.choice([0, 0, 0, 1]),
                                       captcha.gen_rand_color() if many else paper,
                                       (-turn, turn))['image'] for character in text])
    level = random.choice([0, 0, 1, 1, 2, 3])
    for _ in range(level):
        captcha.add_rand_horizontal_line_to_image(page)
    for _ in range([0, 10, 17, 25][level] * len(text) // 4):
        captcha.add_rand_circle_to_image(page, int(0.05 * side[0]), int(0.15 * side[0]))
    return page


def captchagenerator(text, fonts):
    """captchagenerator: outlined letters on a wave, curves, arcs or a mesh, specks."""
    from CaptchaGenerator.core import constants, renderer
    paper = colours = None
    if chance(0.9):  # the package's own paper takes half a second
        shade = Image.linear_gradient('L').resize(renderer.DEFAULT_SIZE)
        one, colours = inks(text)
        colours = [as_hex(colour) for colour in colours] if chance(0.6) else None
        if not colours:
            one = chances.pastel()
        paper = Image.composite(*(Image.new('RGB', shade.size, colour)
                                  for colour in (one, chances.near(one, 40))), shade)
    some = random.sample(fonts, random.randint(1, 3))
    page = renderer.render_captcha(
        text, font_loader=lambda paths, size: font_of(random.choice(paths), size), fonts=some,
        background=paper, preferred_colors=colours, style=random.choice(constants.STYLES),
        difficulty=random.choice(constants.DIFFICULTIES))
    width = random.randint(150, 720)
    return page.resize((width, int(width * random.uniform(0.28, 0.42))), Image.Resampling.LANCZOS)


def mediawiki(text, fonts):
    """MediaWiki's FancyCaptcha (ConfirmEdit): stirred letters on shaded, blotchy grey."""
    from PIL import ImageMath
    ImageMath.eval = lambda expression, **images: ImageMath.unsafe_eval(expression, **images)
    sys.path.insert(0, '/usr/share/mediawiki/extensions-core/ConfirmEdit')
    import captcha as package
    sys.path.pop(0)
    stream = io.BytesIO()
    stream.name = 'captcha.png'  # names the format
    package.gen_captcha(text, random.choice(fonts), random.randint(36, 60), stream)
    return Image.open(stream)


def ejabberd(text, fonts):
    """ejabberd's captcha.sh: hollow letters on a wave, light and dark lines; 140x60."""
    while font_of(fonts[0], 40).getlength(text) > 125:
        text = text[:-1]
    drawn = subprocess.run(['bash', '/usr/share/ejabberd/captcha.sh', text], check=True,
                           stdout=subprocess.PIPE).stdout
    return Image.open(io.BytesIO(drawn)), text


def captchasaz(text, fonts):
    """captchaSaz: spaced letters in five odd fonts on large circles and thick lines."""
    import captchaSaz as package
    text = text.replace('÷', '/')
    width = random.randint(200, 500)
    return package.generate(text, width, int(width * random.uniform(0.3, 0.45)), chance(0.8),
                            chance(0.8))[0], text


def light_captcha(text, fonts):
    """light-captcha: wavy turned digits of one font, ribbons over them."""
    from light_captcha import CaptchaGenerator
    if not text.isdigit():
        text = ''.join(random.choices('0123456789', k=len(text)))
    paper, colours = inks(text)
    height = random.randint(50, 90)
    width = int(max(height - 20, 30) * (len(text) + 1) * random.uniform(0.7, 0.9)) + 20
    captcha = CaptchaGenerator()
    if chance(0.5):
        paper, colours = captcha._select_colors()[0], [captcha._select_colors()[1]]
    return captcha._render_image(text, width, height, paper, colours[0]), text


def captchagen(text, fonts):
    """captchagen: letters of many fonts, squeezed to the width, under dots and lines."""
    from CaptchaGen import CaptchaConfig, CaptchaGenerator
    height = random.randint(40, 90)
    width = int(height * len(text) * random.uniform(0.4, 0.7)) + 20
    captcha = CaptchaGenerator.__new__(CaptchaGenerator)
    captcha.fonts = random.sample(fonts, random.randint(1, 4))
    captcha.config = CaptchaConfig(
        width=width, height=height, rotate=text.isalnum() and chance(0.7), noise=chance(0.8),
        random_color=chance(0.7), dot_count=width * height // random.randint(60, 250),
        line_count=random.randint(1, 8))
    captcha._random_text = lambda: text
    return captcha.generate()[0]


def bengali(text, fonts):
    """bengali-captcha: claptcha's slanted letters and lines on photographs, marbled or snowy."""
    from bengali_captcha import BengaliCaptcha
    height = random.randint(60, 100)
    size = int(height * (len(text) + 2) * random.uniform(0.4, 0.6)), height
    font = font_of(random.choice(fonts), height - 40 + random.randint(0, 15))
    return BengaliCaptcha(font, text, variant=random.randint(1, 6), size=size,
                          margin=(35, 20)).image[1]


def innocaptcha(text, fonts):
    """InnoCaptcha's pictures of sums: coarse, sheared tiles of a few letters, waves."""
    if 'InnoCaptcha' not in sys.modules:  # without the package's sound, which wants much more
        package = types.ModuleType('InnoCaptcha')
        package.__path__ = importlib.util.find_spec('InnoCaptcha').submodule_search_locations
        sys.modules['InnoCaptcha'] = package
    from InnoCaptcha.math import MathCaptcha
    captcha = MathCaptcha('image')
    some = -(-len(text) // 4)  # letters in a tile: a fifth tile would leave the page
    captcha._tokenize_question = lambda: [text[i:i + some] for i in range(0, len(text), some)]
    captcha._render_image()
    return captcha.image


GENERATORS = {function.__name__: function for function in (
    easy_captcha, django_simple, kaptcha, gvcode, gbkomi, wheezy, multicolor, captchagenerator,
    mediawiki, ejabberd, captchasaz, light_captcha, captchagen, bengali, innocaptcha)}


def draw(generator, num, fonts, folder):
    """Draw `num` captchas and their labels.csv into `folder`."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'labels.csv'), 'w', newline='', encoding='utf-8') as file:
        rows = csv.writer(file)
        for number in range(num):
            text = random_texts.random_text()
            drawn = GENERATORS[generator](text, fonts)
            picture, text = drawn if isinstance(drawn, tuple) else (drawn, text)
            picture.convert('RGB').save(os.path.join(folder, f'{number:06d}.png'))
            rows.writerow([f'{number:06d}.png', text])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('generator', choices=GENERATORS)
    parser.add_argument('--num', type=int, default=4000, help='default: %(default)s')
    parser.add_argument('--fonts', default='/usr/share/fonts/truetype', metavar='FOLDER',
                        help='default: %(default)s')
    parser.add_argument('--out', required=True, metavar='FOLDER')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    args = parser.parse_args()
    fonts = sorted(glob.glob(os.path.join(args.fonts, '**', '*.ttf'), recursive=True))
    if not fonts:
        parser.error(f'{args.fonts}: expected fonts (.ttf), found none; name another --fonts')
    random.seed(args.seed)
    draw(args.generator, args.num, fonts, args.out)


if __name__ == '__main__':
    main()
