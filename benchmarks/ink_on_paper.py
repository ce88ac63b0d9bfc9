"""Simulated photographs of MNIST's digits as ink on paper, like the pictures users take.

    rng = np.random.default_rng(0)
    picture, options = photograph(digit, rng, settings_of('grey paper', rng))
    picture.save('my.jpg', **options)
"""
import dataclasses

import numpy as np
from PIL import Image
from scipy import ndimage

# --- the plain picture, as those in samples/
SIDE = 280          # pixels, height and width
SMOOTH = 8          # pixels drawn per MNIST pixel, for smooth edges

# --- what photographs add: (lowest, highest) of a uniform distribution
PAPER = 110, 255    # grey value of the paper
INK = 0.15, 0.55    # how much of the paper's light the ink returns
SIZE = 60, 2000     # pixels, height and width; uniform in its logarithm
FRAME_SHARE = 0.3, 1.0   # the digit's frame, as a share of the picture's side
TURN = -15, 15      # degrees
PEN = 0.4, 1.5      # width of the stroke, as a multiple of the writer's own
LIGHT = 0.35, 0.9   # light in the darkest corner; 1 in the brightest
NOISE = 2, 14       # standard deviation of the sensor's noise, in grey values of 255
QUALITY = 40, 95    # of the JPEG
LINES = 3, 12       # printed lines over the picture's height
LINE_TONE = 0.6, 0.9     # how much of the paper's light a printed line returns


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a picture is made; by default, a plain one. The units are those of the constants."""
    paper: float = 255
    ink: float = 0.0
    size: int = SIDE
    share: float = 1.0  # of the picture's side
    turn: float = 0
    pen: float = 1
    light: float | None = None  # None: even light
    noise: float = 0
    quality: int | None = None  # None: PNG
    lines: str = ''  # or 'ruled' or 'squared'
    inverted: bool = False  # light ink on dark paper
    clear: bool = False  # RGBA; white paper becomes transparent


CHANGES = {  # condition: function of a random generator that returns the settings it changes
    'clean': lambda rng: {},
    'grey paper': lambda rng: dict(paper=rng.uniform(*PAPER), ink=rng.uniform(*INK)),
    '60 to 2000 pixels': lambda rng: dict(size=int(np.exp(rng.uniform(*np.log(SIZE))))),
    'off centre': lambda rng: dict(share=rng.uniform(*FRAME_SHARE)),
    'up to 15 degrees': lambda rng: dict(turn=rng.uniform(*TURN)),
    'pen 0.4 to 1.5': lambda rng: dict(pen=rng.uniform(*PEN)),
    'uneven light': lambda rng: dict(light=rng.uniform(*LIGHT)),
    'sensor noise': lambda rng: dict(noise=rng.uniform(*NOISE)),
    'JPEG 40 to 95': lambda rng: dict(quality=int(rng.uniform(*QUALITY))),
    'ruled paper': lambda rng: dict(lines='ruled', share=rng.uniform(*FRAME_SHARE)),
    'squared paper': lambda rng: dict(lines='squared', share=rng.uniform(*FRAME_SHARE)),
    'inverted': lambda rng: dict(inverted=True),
    'RGBA': lambda rng: dict(clear=True),
}
TOGETHER = 'all combined'
CONDITIONS = [*CHANGES, TOGETHER]


def settings_of(condition, rng):
    """Draw the Settings of one picture of `condition`, one of CONDITIONS."""
    if condition != TOGETHER:
        return Settings(**CHANGES[condition](rng))
    changes = {}
    for name in ('grey paper', '60 to 2000 pixels', 'off centre', 'up to 15 degrees',
                 'pen 0.4 to 1.5', 'uneven light', 'sensor noise', 'JPEG 40 to 95'):
        changes.update(CHANGES[name](rng))
    changes['lines'] = rng.choice(['', 'ruled', 'squared'])
    kind = rng.choice(['photograph', 'photograph', 'inverted', 'RGBA'])
    if kind == 'inverted':
        changes['inverted'] = True
    elif kind == 'RGBA':
        changes.update(clear=True, quality=None)  # JPEG has no transparency
    return Settings(**changes)


def photograph(digit, rng, settings=Settings()):
    """Draw an MNIST digit, float32 [28, 28], 0 ... 1, as a picture.

    Returns: a Pillow picture, L or RGBA, and the keywords to save it with.
    """
    cover = place(stroke(digit, settings.pen, settings.turn), settings.size, settings.share,
                  rng)                                         # float32 [size, size], 0 ... 1
    size = cover.shape[0]
    bare = np.full([size, size], settings.paper, np.float32)   # 0 ... 255
    if settings.lines:
        bare *= 1 - printed_lines(settings.lines, size, rng)
    seen = bare * (1 - cover * (1 - settings.ink))
    if settings.light:
        seen *= shade(size, settings.light, rng)
    if settings.noise:
        seen += rng.normal(0, settings.noise, seen.shape)
    if settings.inverted:
        seen = 255 - seen
    pixels = np.rint(seen.clip(0, 255)).astype(np.uint8)
    if not settings.clear:
        return Image.fromarray(pixels), (dict(format='JPEG', quality=settings.quality)
                                         if settings.quality else dict(format='PNG'))
    colour = np.zeros([size, size, 4], np.uint8)
    if settings.paper == 255:  # a transparent drawing: only the ink is opaque
        colour[..., :3] = rng.integers(0, 90, 3)
        colour[..., 3] = np.rint(255 * cover)
    else:                      # a screenshot: opaque everywhere
        colour[..., :3] = pixels[..., np.newaxis]
        colour[..., 3] = 255
    return Image.fromarray(colour), dict(format='PNG')


def stroke(digit, pen, turn):
    """MNIST digit float32 [28, 28], 0 ... 1 -> the pen's mark bool [256, 256], wider or narrower.

    The mark of an ideal pen: all within `pen` x half the stroke's width of its centre line.
    """
    smooth = ndimage.zoom(np.pad(digit, 2), SMOOTH, order=3, mode='grid-constant', grid_mode=True)
    smooth = ndimage.rotate(smooth, turn, reshape=False, order=1)
    mark = smooth > 0.5                              # bool [256, 256]
    inside = ndimage.distance_transform_edt(mark)    # pixels from the edge
    width = 4 * inside[mark].mean()                  # a stripe's mean distance is a quarter of it
    grow = (pen - 1) * width / 2                     # pixels
    if grow >= 0:
        return ndimage.distance_transform_edt(~mark) <= grow
    # Never thinner than 1.5 pixels, and never broken: keep the centre line.
    middle = mark & (inside >= ndimage.maximum_filter(inside, 3) - 0.5)
    return (inside > -grow) | ndimage.binary_dilation(middle)


def place(mark, size, share, rng):
    """Put the mark into a picture: float32 [size, size], the inked share of each pixel."""
    side = max(20, round(size * share))
    whole = Image.fromarray(np.uint8(mark) * 255).resize((side, side), Image.Resampling.BOX
                                                         if side < mark.shape[0]
                                                         else Image.Resampling.BICUBIC)
    cover = np.zeros([size, size], np.float32)
    side = min(side, size)
    top, left = rng.integers(0, size - side + 1, 2)
    cover[top:top + side, left:left + side] = np.asarray(whole)[:side, :side] / 255
    return cover


def printed_lines(kind, size, rng):
    """Ruled or squared paper: float32 [size, size], the share of light the print takes away."""
    lines = np.zeros([size, size], np.float32)
    gap = size / rng.uniform(*LINES)                    # pixels
    width = max(1, round(gap * rng.uniform(0.02, 0.06)))
    strength = 1 - rng.uniform(*LINE_TONE)
    for start in np.arange(rng.uniform(0, gap), size, gap).astype(int):
        lines[start:start + width] = strength
    if kind == 'squared':
        for start in np.arange(rng.uniform(0, gap), size, gap).astype(int):
            lines[:, start:start + width] = strength
    return ndimage.rotate(lines, rng.uniform(-3, 3), reshape=False, order=1, mode='reflect')


def shade(size, darkest, rng):
    """Light falling from one side, and a soft shadow: float32 [size, size], darkest ... 1."""
    y, x = np.mgrid[0:1:size * 1j, 0:1:size * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * x + np.sin(angle) * y
    slope = (slope - slope.min()) / np.ptp(slope)        # 0 ... 1
    edge = rng.uniform(0.3, 0.7)
    angle = rng.uniform(0, 2 * np.pi)
    across = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
    shadow = 1 / (1 + np.exp((across - edge + 0.5) / rng.uniform(0.03, 0.15)))
    dark = 0.5 * slope + 0.5 * shadow                    # 0 ... 1
    return 1 - (1 - darkest) * dark
