"""Files that are written whole or not at all."""
import contextlib
import os
import tempfile


def writable_folder(folder):
    """Make `folder` if need be and raise OSError now, not after an hour, if it is read-only."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextlib.contextmanager
def whole_file(path):
    """Yield a temporary path beside `path`; it takes the name `path` only if the block succeeds.

    Whoever opens `path` therefore sees the old file or the whole new one, also after a kill.
    """
    folder, name = os.path.split(path)
    os.makedirs(folder or '.', exist_ok=True)
    part = os.path.join(folder, f'.{name}.part')
    try:
        yield part
        os.replace(part, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = path  # a full disk is reported without the name
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)
        raise
