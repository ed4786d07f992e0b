import contextlib
import io
import threading
import time
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

import veduta
from pictures import encoded, picture
from veduta.errors import BadInput, NothingToDo
from veduta.learn import column_values, decoded, loader
from veduta.learn.augment import HorizontalFlip, RandomResizedCrop, View
from veduta.learn.loader import Batch, Loader

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COUNT, SIDE = 23, 40


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """23 pictures of 40 x 40 pixels as PNG, row n with the label class_(n % 3)."""
    root = tmp_path_factory.mktemp("pool")
    for i in range(COUNT):
        folder = root / "photos" / f"class_{i % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:02}.png").write_bytes(encoded(picture(i, (SIDE, SIDE)), "PNG"))
    made = veduta.create(root / "pool.vd")
    made.ingest(root / "photos")
    return made


@dataclass(frozen=True)
class Whole:
    """The image as it is, counted."""

    size: int = SIDE
    seen: list = field(default_factory=list)

    @property
    def side(self):
        return self.size

    def __call__(self, image, rng):
        self.seen.append((threading.current_thread().name, image.shape))
        return image[: self.size, : self.size]


class Backwards:
    def epoch(self, number):
        return np.arange(COUNT)[::-1][:20].reshape(4, 5)


def varied(size=32):
    return View((RandomResizedCrop(size), HorizontalFlip()), size)


def make(pool, rows=None, views=None, batch=5, **options):
    rows = pool.rows() if rows is None else rows
    return Loader(pool, rows, views or [varied()], batch, mean=MEAN, std=STD, **options)


def take(source, count, start=0):
    with contextlib.closing(source.batches(start)) as batches:
        return list(islice(batches, count))


def same(one, other):
    assert one.step == other.step
    assert one.epoch == other.epoch
    assert np.array_equal(one.rows, other.rows)
    assert one.columns == other.columns
    assert all(torch.equal(a, b) for a, b in zip(one.images, other.images, strict=True))


def pixels(pool, row):
    return np.asarray(Image.open(io.BytesIO(pool.read_images([row])[0])).convert("RGB"))


def normalised(image):
    scaled = (image.astype(np.float64) / 255 - MEAN) / STD
    return scaled.transpose(2, 0, 1)


def test_batches_hold_the_normalised_pixels_of_their_rows(pool):
    found = take(make(pool, views=[Whole()]), 4)
    for step, batch in enumerate(found):
        (images,) = batch.images
        assert images.shape == (5, 3, SIDE, SIDE)
        assert images.dtype == torch.float32
        assert images.is_contiguous()
        assert (batch.step, batch.epoch) == (step, 0)
        assert batch.rows.dtype == np.int64
        for row, image in zip(batch.rows, images.numpy(), strict=True):
            assert np.allclose(image, normalised(pixels(pool, row)), rtol=0, atol=1e-6)
    seen = np.concatenate([batch.rows for batch in found])
    assert len(np.unique(seen)) == 20


def test_randomness_depends_on_seed_epoch_row_and_view_alone(pool):
    views = [varied(32), varied(24)]
    for batch in take(make(pool, views=views, seed=11), 9):
        for place, row in enumerate(batch.rows.tolist()):
            for number, view in enumerate(views):
                bits = np.random.Philox(key=[11, number], counter=[0, 0, row, batch.epoch])
                seen = view(pixels(pool, row), np.random.Generator(bits))
                assert np.allclose(batch.images[number][place].numpy(), normalised(seen), rtol=0, atol=1e-6)


@dataclass(frozen=True)
class Mirrored(Whole):
    """Pixels that lie backwards in memory."""

    def __call__(self, image, rng):
        return image[:, ::-1]


def test_pixels_may_lie_in_memory_in_any_order(pool):
    (batch,) = take(make(pool, views=[Mirrored()]), 1)
    for row, image in zip(batch.rows, batch.images[0].numpy(), strict=True):
        assert np.allclose(image, normalised(pixels(pool, row)[:, ::-1]), rtol=0, atol=1e-6)


def test_any_seed_gives_its_own_pixels(pool):
    one, other, again = (take(make(pool, seed=seed, order=Backwards()), 1)[0] for seed in (1, 1 + 2**33, 1))
    assert np.array_equal(one.rows, other.rows)
    assert not torch.equal(one.images[0], other.images[0])
    same(one, again)


@pytest.mark.parametrize("start", [0, 1, 3, 4, 9])
def test_resumes_from_any_step(pool, start):
    undisturbed = take(make(pool, columns=["label"]), 13)
    for one, other in zip(undisturbed[start:], take(make(pool, columns=["label"]), 13 - start, start), strict=True):
        same(one, other)


@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 3}, {"cache_bytes": 0}, {"ahead": 1, "workers": 2}])
def test_threads_and_cache_change_nothing(pool, options, monkeypatch):
    expected = take(make(pool), 9)
    monkeypatch.setattr(loader, "PIECE", (1, 2))
    for one, other in zip(expected, take(make(pool, **options), 9), strict=True):
        same(one, other)


def test_processes_share_a_batch(pool):
    whole = take(make(pool, batch=6), 5)
    parts = [take(make(pool, batch=6, rank=rank, world=2), 5) for rank in (0, 1)]
    for batch, *shares in zip(whole, *parts, strict=True):
        for rank, share in enumerate(shares):
            assert share.step == batch.step
            assert np.array_equal(share.rows, batch.rows[rank::2])
            assert torch.equal(share.images[0], batch.images[0][rank::2])


@pytest.mark.parametrize("limit", [column_values.KEPT_BYTES, 0])
def test_columns_of_selected_and_repeated_rows(pool, monkeypatch, limit):
    monkeypatch.setattr(column_values.ColumnValues.__init__, "__defaults__", (limit,))
    table = pool.table(["key", "label"]).to_pydict()
    rows = np.array([9, 2, 2, 17, 0, 9, 9])
    for batch in take(make(pool, rows, batch=3, columns=["label", "key"]), 6):
        assert set(batch.rows.tolist()) <= {9, 2, 17, 0}
        assert batch.columns == {name: [table[name][row] for row in batch.rows] for name in ("label", "key")}


def test_a_repeated_row_is_seen_the_same_way_within_an_epoch(pool):
    first, second = take(make(pool, np.array([4, 4, 4]), batch=3), 2)
    assert torch.equal(first.images[0][0], first.images[0][2])
    assert not torch.equal(first.images[0][0], second.images[0][0])


def test_rows_count_in_the_whole_pool_whatever_the_condition(pool):
    some = pool.where("label = 'class_1'")
    for one, other in zip(
        take(make(some, some.rows(), batch=4, columns=["key"]), 3),
        take(make(pool, some.rows(), batch=4, columns=["key"]), 3),
        strict=True,
    ):
        assert set(one.rows) <= set(some.rows())
        same(one, other)


@pytest.mark.parametrize(("cache", "times"), [(512 << 20, 1), (0, 3)])
def test_images_that_fit_are_decoded_once(pool, monkeypatch, cache, times):
    calls = []
    original = decoded.decode
    monkeypatch.setattr(decoded, "decode", lambda data, side: calls.append(1) or original(data, side))
    take(make(pool, pool.rows()[:20], batch=5, workers=1, ahead=1, cache_bytes=cache), 12)
    assert 20 * times <= len(calls) <= 20 * times + (0 if cache else 5)  # one batch is made ahead


def test_large_images_are_decoded_at_a_reduced_size(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(4):
        (tmp_path / "photos" / f"{i}.jpg").write_bytes(encoded(picture(i, (640, 512))))
    large = veduta.create(tmp_path / "pool.vd")
    large.ingest(tmp_path / "photos")
    for side, expected in ((None, (128, 160, 3)), (129, (192, 240, 3)), (400, (512, 640, 3))):
        view = Whole(100)
        take(make(large, views=[view], batch=4, decode_side=side), 1)
        assert {shape for _, shape in view.seen} == {expected}


def test_a_closed_iterator_leaves_no_threads_and_little_work_ahead(pool):
    view = Whole()
    batches = make(pool, views=[view], batch=4, ahead=2, workers=2).batches()
    next(batches)
    next(batches)
    time.sleep(0.3)  # long enough for all that may be made ahead
    assert any(thread.name.startswith("veduta-loader") for thread in threading.enumerate())
    batches.close()
    assert not any(thread.name.startswith("veduta-loader") for thread in threading.enumerate())
    assert len(view.seen) <= 4 * 4  # two that were asked for, and two ahead
    assert {name[: len("veduta-loader")] for name, _ in view.seen} == {"veduta-loader"}


def test_large_batches_are_prepared_one_by_one(pool, monkeypatch):
    monkeypatch.setattr(loader, "AHEAD_BYTES", 1000)
    view = Whole()
    batches = make(pool, views=[view], batch=4, ahead=4).batches()
    next(batches)
    time.sleep(0.3)
    batches.close()
    assert len(view.seen) <= 4 * 2


def test_an_error_in_a_view_ends_the_run_and_its_threads(pool):
    with pytest.raises(ValueError, match=r"a view made \(40, 40, 3\) pixels where \(64, 64\) were expected"):
        take(make(pool, views=[Whole(64)]), 1)
    assert not any(thread.name.startswith("veduta-loader") for thread in threading.enumerate())


def test_rows_with_an_error_are_refused(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(6):
        content = encoded(picture(i))
        (folder / f"{i}.jpg").write_bytes(content if i < 4 else content[:300])
    broken = veduta.create(tmp_path / "pool.vd")
    broken.ingest(folder)
    with pytest.raises(BadInput, match=r"2 of the 6 rows cannot be decoded .* leave them out with: error is null"):
        make(broken)
    assert len(take(make(broken, broken.rows("error is null"), batch=4), 1)[0].rows) == 4


def test_a_file_that_vanished_is_named(make_folder, tmp_path):
    folder = make_folder(6)
    referred = veduta.create(tmp_path / "pool.vd")
    referred.ingest(folder, store="reference")
    gone = sorted(folder.rglob("*.jpg"))[2]
    gone.unlink()
    with pytest.raises(BadInput, match=f"{gone.stem}.*its file is gone"):
        take(make(referred, batch=6), 1)
    assert not any(thread.name.startswith("veduta-loader") for thread in threading.enumerate())


def test_batches_that_cannot_be_made(pool):
    with pytest.raises(BadInput, match="batch of 24 is larger than the 23 training rows; give --batch 23 or less"):
        make(pool, batch=24)
    with pytest.raises(BadInput, match="batch of 5 cannot be shared by 2 processes; give a multiple of 2"):
        make(pool, world=2)
    with pytest.raises(NothingToDo, match="no rows"):
        make(pool, np.empty(0, np.int64))

    class Nothing:
        def epoch(self, number):
            return np.empty((0, 5), np.int64)

    with pytest.raises(BadInput, match="larger than what 23 rows can fill"):
        make(pool, order=Nothing())


def test_an_order_decides_the_batches(pool):
    rows = pool.rows()[::-1].copy()
    for batch in take(make(pool, rows, order=Backwards()), 6):
        at = 3 + (3 - batch.step % 4) * 5  # place p of `rows` is row 22 - p
        assert batch.rows.tolist() == [COUNT - 1 - place for place in range(at + 4, at - 1, -1)]


@pytest.mark.parametrize(("count", "sizes"), [(1, [5]), (2, [3, 2]), (9, [1, 1, 1, 1, 1])])
def test_a_batch_in_parts(count, sizes):
    batch = Batch((torch.arange(5.0)[:, None],), np.arange(5), {"label": list("abcde")}, 7, 2)
    parts = batch.split(count)
    assert [len(part.rows) for part in parts] == sizes
    assert torch.equal(torch.cat([part.images[0] for part in parts]), batch.images[0])
    assert [label for part in parts for label in part.columns["label"]] == list("abcde")
    assert all((part.step, part.epoch) == (7, 2) for part in parts)
