import numpy as np
import pytest

from veduta.errors import BadInput, NothingToDo
from veduta.learn.order import Blocks


@pytest.mark.parametrize(("n", "batch"), [(1, 1), (7, 7), (10, 3), (32, 8), (33, 8), (1000, 64), (20_001, 256)])
def test_an_epoch_visits_every_row_at_most_once_and_leaves_out_less_than_a_batch(n, batch):
    order = Blocks(n, batch).epoch(0)
    assert order.shape == (n // batch, batch)
    assert order.dtype == np.int64
    assert order.min() >= 0
    assert order.max() < n
    assert len(np.unique(order)) == order.size


def test_epochs_are_functions_of_seed_and_number():
    one, other = Blocks(1000, 64, 5), Blocks(1000, 64, 5)
    later = one.epoch(7)
    assert np.array_equal(later, other.epoch(7))
    assert not np.array_equal(later, one.epoch(6))
    assert not np.array_equal(later, Blocks(1000, 64, 6).epoch(7))


def test_other_rows_are_left_out_in_other_epochs():
    order = Blocks(100, 32)
    left = [np.setdiff1d(np.arange(100), order.epoch(number)) for number in range(300)]
    assert all(len(rows) == 4 for rows in left)
    counts = np.bincount(np.concatenate(left), minlength=100)
    assert counts.min() > 0  # 12 expected each
    assert counts.max() < 40


def test_batches_of_a_pool_sorted_by_class_hold_many_classes():
    classes = np.arange(40_000) // 400
    order = Blocks(40_000, 128).epoch(0)
    distinct = np.array([len(np.unique(classes[batch])) for batch in order])
    full = np.random.default_rng(0).permutation(40_000)[: order.size].reshape(order.shape)
    expected = np.mean([len(np.unique(classes[batch])) for batch in full])
    assert distinct.mean() > 0.95 * expected
    assert distinct.min() > 0.75 * expected  # the last batches too


def test_rows_of_a_window_lie_in_runs():
    order = Blocks(100_000, 100, block=50, window=20).epoch(0)
    window = order[:10].ravel()  # 20 blocks of 50
    assert len(np.unique(window)) == 1000
    assert (np.diff(np.sort(window)) > 1).sum() <= 20


def test_neighbours_do_not_share_a_block_in_every_epoch():
    order = Blocks(100_000, 100, block=50, window=20)
    cuts = set()
    for number in range(20):
        window = np.sort(order.epoch(number)[:10].ravel())
        starts = window[1:][np.diff(window) > 1] % 50
        cuts.add(int(np.bincount(starts).argmax()))
    assert len(cuts) > 10


def test_windows_are_equally_long():
    order = Blocks(32 * 257, 32, block=32, window=256).epoch(0)  # 257 blocks in windows of 128 and 129
    first = order[:128].ravel()
    assert np.unique(first // 32).size > 100
    last = order[-8:].ravel()
    assert np.unique(last // 32).size > 50  # a window of one block would give 1 or 2


def test_small_pools_are_shuffled_in_full():
    places = np.zeros((64, 64))
    for seed in range(2000):
        places[np.arange(64), np.argsort(Blocks(64, 64, seed).epoch(0)[0])] += 1
    assert places.min() > 8  # 31 expected each
    assert places.max() < 65


def test_a_batch_larger_than_the_rows_names_the_mend():
    with pytest.raises(BadInput, match="batch of 8 is larger than the 7 training rows; give --batch 7 or less"):
        Blocks(7, 8)


def test_no_rows():
    with pytest.raises(NothingToDo, match="no rows are left to train on"):
        Blocks(0, 8)
