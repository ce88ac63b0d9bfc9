"""The next batch is made while the current one is used, in order, by a thread that ends."""
import contextlib
import threading

import numpy as np
import pytest

from helpers import tiny_mnist
from support.common.prefetch import prefetched


def test_batches_come_in_the_order_of_next_batch():
    batches = prefetched(tiny_mnist().train.next_batch, 150)
    train = tiny_mnist().train
    with contextlib.closing(batches):
        for _ in range(7):  # over two epochs' ends
            (images, labels), (expected, right) = next(batches), train.next_batch(150)
            assert np.array_equal(images, expected) and np.array_equal(labels, right)


def test_one_call_is_ahead_and_no_more():
    calls, called = [], threading.Semaphore(0)

    def make():
        calls.append(len(calls))
        called.release()
        return calls[-1]
    items = prefetched(make)
    assert calls == []  # nothing is made before it is asked for
    with contextlib.closing(items):
        for expected in range(3):
            assert next(items) == expected
            while len(calls) < expected + 2:
                assert called.acquire(timeout=60)
            assert len(calls) == expected + 2  # the next call awaits the next item being taken


@pytest.mark.parametrize('how', ['close', 'exception in the loop', 'exception in the call'])
def test_the_thread_ends_with_the_loop(how):
    threads = []

    def make():
        threads.append(threading.current_thread())
        if how == 'exception in the call' and len(threads) == 2:
            raise KeyError
        return len(threads)
    with contextlib.suppress(KeyError), contextlib.closing(prefetched(make)) as items:
        for item in items:
            if how == 'exception in the loop':
                raise KeyError
            if how == 'close':
                break
    assert len(set(threads)) == 1 and threads[0] is not threading.current_thread()
    assert not threads[0].is_alive()


def test_an_exception_comes_in_its_items_place():
    def make():
        made.append(1)
        if len(made) == 3:
            raise ValueError('the third')
        return len(made)
    made, items = [], []
    with pytest.raises(ValueError, match='the third'):
        with contextlib.closing(prefetched(make)) as numbers:
            for number in numbers:
                items.append(number)
    assert items == [1, 2]
