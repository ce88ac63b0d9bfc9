"""Prepare the next item while the current one is in use."""
import concurrent.futures


def prefetched(make, *arguments):
    """Yield the results of `make(*arguments)` endlessly, always one call ahead.

    The calls run in a background thread that ends with the generator, so close it where a loop may
    end early: `with contextlib.closing(prefetched(...)) as batches:`. An exception in a call comes
    out of the `next` for its item.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as background:
        coming = background.submit(make, *arguments)
        while True:
            item = coming.result()
            coming = background.submit(make, *arguments)
            yield item
