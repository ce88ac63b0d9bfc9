"""Make the next item while the present one is being used."""
import concurrent.futures


def prefetched(make, *arguments):
    """Generate what `make(*arguments)` returns, for ever and in order, always one call ahead.

    The calls run in one thread in the background. It ends with the generator, so close that where
    a loop may end early: `with contextlib.closing(prefetched(...)) as batches:`. What a call
    raises comes out of the `next` that would have given its item.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as background:
        coming = background.submit(make, *arguments)
        while True:
            item = coming.result()
            coming = background.submit(make, *arguments)
            yield item
