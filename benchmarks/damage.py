"""Small data sets, and the ways benchmarks/faults.py damages their files. Has no main."""
import csv
import json
import os

import numpy as np
from PIL import Image

from support.captcha import dataset

FORMATS = ('bmp', 'gif', 'ico', 'jp2', 'jpg', 'pcx', 'png', 'ppm', 'sgi', 'tga', 'tif', 'webp')
LABELS = {'a.png': '0782', 'b.png': '1234', 'c.png': '5555'}  # {file name: text}
ARRAYS = {'weights': np.linspace(-1, 1, 6000, dtype=np.float32).reshape(60, 100),
          'step': np.int64(7)}  # of a checkpoint


def cut(content, random):
    """Truncated, as after a broken download."""
    return content[:random.randrange(len(content))]


def turn_bits(content, random):
    """One to eight bits flipped."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def put_in(content, random):
    """One to a hundred random bytes inserted."""
    place = random.randrange(len(content))
    return content[:place] + random.randbytes(random.randint(1, 100)) + content[place:]


def zero(content, random):
    """A block of zeros, as if never written to disk."""
    place, size = random.randrange(len(content)), random.randint(1, 4096)
    return content[:place] + bytes(len(content[place:place + size])) + content[place + size:]


def change_header(content, random):
    """One to four of the first 64 bytes random."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(min(64, len(changed)))] = random.randrange(256)
    return bytes(changed)


WAYS = cut, turn_bits, put_in, zero, change_header


def write_pictures(folder):
    """One picture in each format. Returns: {format: path}."""
    y, x = np.mgrid[:60, :160]
    picture = Image.fromarray(np.stack([x, y * 4, x ^ y], -1).astype(np.uint8))  # RGB
    paths = {}
    for name in FORMATS:
        paths[name] = os.path.join(folder, f'0782_{name}.{name}')
        picture.save(paths[name])
    return paths


def write_labels(folder):
    """A list of labels and its pictures. Returns: the list's path."""
    for name in LABELS:
        Image.new('L', (20, 10), 200).save(os.path.join(folder, name))
    path = os.path.join(folder, 'labels.csv')
    with open(path, 'w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows(LABELS.items())
    return path


def write_facts(folder, known):
    """dataset.json of a dict. Returns: its path."""
    facts = {**known, dataset.FACTS_SUM: dataset.checksum(known)}
    path = os.path.join(folder, 'dataset.json')
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(facts, file, indent=2)
    return path
