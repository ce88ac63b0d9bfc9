"""Draw captchas with generators other than the one the networks are trained on.

Command:  python benchmarks/draw_foreign.py wheezy --num 4000 --fonts FONTS --out foreign/wheezy
          OTHER_PYTHON benchmarks/draw_foreign.py claptcha --fonts FONTS --out foreign/claptcha
Reads:    fonts (.ttf) from the folder FONTS, /usr/share/fonts/truetype for instance
Writes:   <out>/<text>_<number>.png
Takes:    half a minute for 4,000 on one core, multicolor ten minutes

The generators are packages of their own: `pip install wheezy.captcha multicolorcaptcha`, and
`pip install claptcha 'pillow<10'` in a separate environment, because it needs an old Pillow.
So this script imports nothing from the project, and only the requested generator.

wheezy      background, warped and turned text, a curve, noise, smoothing; 160x60, own colours
claptcha    each letter distorted as a quadrilateral, one line across; 200x80, black on white
multicolor  each letter in a colour of its own, lines, dots; 640x360
mixed       plain text in any font, 140 to 770 pixels wide: light on dark or dark on light, turned
            letters, lines, dots, blur
"""
import argparse
import glob
import importlib
import os
import random
import string

from PIL import Image, ImageDraw, ImageFilter, ImageFont


def colour(low, high):
    """A random colour between two brightnesses, as #rrggbb."""
    return '#' + ''.join(f'{random.randint(low, high):02x}' for _ in range(3))


def wheezy(text, fonts):
    """wheezy.captcha with all effects on its page."""
    image = importlib.import_module('wheezy.captcha.image')
    ink = colour(0, 150)
    drawings = [image.background(colour(215, 255)),
                image.text(fonts=random.sample(fonts, min(5, len(fonts))), font_sizes=(36, 42, 48),
                           color=ink, drawings=[image.warp(), image.rotate(), image.offset()]),
                image.curve(color=ink, width=3), image.noise(number=40, color=colour(120, 230)),
                image.smooth()]
    return image.captcha(drawings, 160, 60)(text)


def claptcha(text, fonts):
    """claptcha with its defaults, one font per image."""
    module = importlib.import_module('claptcha')
    return module.Claptcha(text, random.choice(fonts)).image[1]


def multicolor(text, fonts):
    """multicolorcaptcha; it draws its own digits, so its text replaces ours."""
    generator = importlib.import_module('multicolorcaptcha').CaptchaGenerator(2)
    captcha = generator.gen_captcha_image(difficult_level=3, chars_mode='nums')
    return captcha.image, captcha.characters


def mixed(text, fonts):
    """Text in any font and size, dark on light or light on dark, with lines and dots."""
    size = random.randint(26, 80)
    font = ImageFont.truetype(random.choice(fonts), size)
    inks, paper = [colour(0, 110) for _ in text], colour(160, 255)
    if random.random() < 0.5:
        inks, paper = [colour(160, 255) for _ in text], colour(0, 90)
    if random.random() < 0.6:
        inks = inks[:1] * len(text)
    letters = []
    for character, ink in zip(text, inks):
        letter = Image.new('L', (2 * size, 2 * size))
        ImageDraw.Draw(letter).text((size, size), character, 255, font, anchor='mm')
        letter = letter.rotate(random.uniform(-18, 18), Image.BICUBIC)
        letters.append((letter.crop(letter.getbbox() or (0, 0, 1, 1)), ink))
    gap = random.uniform(-0.05, 0.3) * size
    margin = random.randint(4, size)
    width = int(sum(letter.width + gap for letter, _ in letters) - gap) + 2 * margin
    height = int(size * random.uniform(1.3, 2.0))
    page = Image.new('RGB', (max(140, min(770, width)), height), paper)
    draw, left = ImageDraw.Draw(page), margin
    for letter, ink in letters:
        top = (height - letter.height) // 2 + random.randint(-size // 8, size // 8)
        page.paste(Image.new('RGB', letter.size, ink), (int(left), top), letter)
        left += letter.width + gap
    for _ in range(random.randint(0, 4)):
        draw.line([random.randint(0, page.width), random.randint(0, height),
                   random.randint(0, page.width), random.randint(0, height)],
                  random.choice(inks), random.randint(1, max(1, size // 20)))
    for _ in range(random.choice([0, 30, 100])):
        draw.point([random.randint(0, page.width), random.randint(0, height)], random.choice(inks))
    return page.filter(ImageFilter.GaussianBlur(random.choice([0, 0.6, 1.0])))


GENERATORS = {'wheezy': wheezy, 'claptcha': claptcha, 'multicolor': multicolor, 'mixed': mixed}


def draw(generator, num, fonts, folder, alphabet, lengths):
    """Draw `num` captchas into `folder`."""
    os.makedirs(folder, exist_ok=True)
    for number in range(num):
        text = ''.join(random.choices(alphabet, k=random.randint(*lengths)))
        drawn = GENERATORS[generator](text, fonts)
        picture, text = drawn if isinstance(drawn, tuple) else (drawn, text)
        picture.convert('RGB').save(os.path.join(folder, f'{text}_{number:06d}.png'))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('generator', choices=GENERATORS)
    parser.add_argument('--num', type=int, default=4000, help='default: %(default)s')
    parser.add_argument('--fonts', default='/usr/share/fonts/truetype', metavar='FOLDER',
                        help='default: %(default)s')
    parser.add_argument('--out', required=True, metavar='FOLDER')
    parser.add_argument('--letters', action='store_true', help='0-9 and A-Z instead of 0-9')
    parser.add_argument('--length', nargs=2, type=int, default=(4, 4), metavar='N',
                        help='shortest and longest (default: 4 4)')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    args = parser.parse_args()
    fonts = sorted(glob.glob(os.path.join(args.fonts, '**', '*.ttf'), recursive=True))
    if not fonts and args.generator != 'multicolor':
        parser.error(f'{args.fonts}: expected fonts (.ttf), found none; name another --fonts')
    random.seed(args.seed)
    alphabet = string.digits + string.ascii_uppercase * args.letters
    draw(args.generator, args.num, fonts, args.out, alphabet, args.length)


if __name__ == '__main__':
    main()
