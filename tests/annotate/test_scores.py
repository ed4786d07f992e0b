"""Heads against plain loops, safety rules against the published rule, hash lists, language, toxicity, watermark."""

import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file

from veduta.annotate.scores.head import LAYOUTS, Head, load_head
from veduta.annotate.scores.head_fit import fit_head, train_head
from veduta.annotate.scores.language import Language
from veduta.annotate.scores.safety import Safety, hits, probabilities
from veduta.annotate.scores.safety_labels import ANIMALS, MINOR_WORDS, MINORS, SETS, SEXUAL
from veduta.annotate.scores.score import Score
from veduta.engine.operation import Batch
from veduta.errors import BadInput, NothingToDo, SourceError, SpaceMismatch
from veduta.pool import Pool


def make_pool(path, columns: dict, metadata: dict | None = None):
    """A pool of rows without images; `metadata`: column -> field metadata."""
    count = len(next(iter(columns.values())))
    pool = Pool.create(path)
    arrays = {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    new = [
        pa.field(n, a.type, metadata=(metadata or {}).get(n)) for n, a in arrays.items() if n not in pool.schema.names
    ]
    with pool.writing():
        pool.define(pa.schema(new))
        keys = pa.array([f"{i:03}" for i in range(count)])
        pool.append(
            pa.table({"key": keys, **arrays}, schema=pa.schema([pool.schema.field(n) for n in ["key", *arrays]]))
        )
    return pool


def vectors_of(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float32).reshape(-1)), values.shape[1])


def random_head(sizes, relus, output="identity", seed=0, **more):
    rng = np.random.default_rng(seed)
    pairs = zip(sizes[1:], sizes[:-1], strict=True)
    layers = tuple(
        (rng.normal(size=(o, i)).astype(np.float32) / i**0.5, rng.normal(size=o).astype(np.float32)) for o, i in pairs
    )
    return Head(layers, relus, output, **more)


@pytest.mark.parametrize(("output", "relus"), [("identity", 2), ("sigmoid", 1), ("clip", 0)])
def test_a_head_is_what_the_loops_say(output, relus):
    head = random_head((5, 7, 3, 1), relus, output)
    inputs = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    for row, got in zip(inputs, head(inputs), strict=True):
        values = [float(v) for v in row]
        for place, (weight, bias) in enumerate(head.layers):
            values = [
                sum(w * v for w, v in zip(line, values, strict=True)) + b for line, b in zip(weight, bias, strict=True)
            ]
            values = [max(v, 0.0) for v in values] if place < relus else values
        want = {"identity": values[0], "sigmoid": 1 / (1 + np.exp(-values[0])), "clip": min(1, max(0, values[0]))}[
            output
        ]
        assert got == pytest.approx(want, abs=1e-5)


def test_a_head_survives_saving(tmp_path):
    head = random_head((5, 4, 1), 1, "sigmoid", fingerprint="abc", facts={"rows": 3})
    again = load_head(head.save(tmp_path / "h.safetensors"))
    assert again.digest() == head.digest()
    assert (again.fingerprint, again.facts, again.dim) == ("abc", {"rows": 3}, 5)
    (tmp_path / "h.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(SourceError, match="does not describe a head"):
        load_head(tmp_path / "h.safetensors")


def test_published_layouts_match_a_torch_network_built_from_the_card(tmp_path):
    """H/14 head: 1024-1024-2048-1024-256-128-16-1, ReLU and dropout between all but the last two linears."""
    import torch
    from safetensors.torch import save_file as save_torch
    from torch import nn

    sizes = LAYOUTS["laion-nsfw-h14"].sizes
    torch.manual_seed(0)
    parts = []
    for place, (i, o) in enumerate(itertools.pairwise(sizes)):
        parts += [nn.Linear(i, o)] + ([nn.ReLU(), nn.Dropout(0.2)] if place < 5 else [])
    net = nn.ModuleDict({"layers": nn.Sequential(*parts)}).eval()
    save_torch(net.state_dict(), tmp_path / "h14.safetensors")
    head = load_head(tmp_path / "h14.safetensors", "laion-nsfw-h14")
    inputs = torch.nn.functional.normalize(torch.randn(6, 1024), dim=1)
    with torch.inference_mode():
        want = net["layers"](inputs)[:, 0].clip(0, 1).numpy()
    np.testing.assert_allclose(head(inputs.numpy()), want, atol=1e-5)
    with pytest.raises(BadInput, match="laion-aesthetic-l14"):
        load_head(tmp_path / "h14.safetensors", "laion-aesthetic-l14")
    with pytest.raises(SourceError, match="name the layout"):
        load_head(tmp_path / "h14.safetensors")


def test_what_is_no_head_is_refused(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"\x80\x04")
    with pytest.raises(BadInput, match=r"must be a \.safetensors file"):
        load_head(tmp_path / "a.pt")
    with pytest.raises(SourceError, match="does not exist"):
        load_head(tmp_path / "b.safetensors")
    (tmp_path / "c.safetensors").write_bytes(b"rubbish")
    with pytest.raises(SourceError, match="not a safetensors file"):
        load_head(tmp_path / "c.safetensors")
    save_file({"0.weight": np.zeros((2, 3), np.float32), "0.bias": np.zeros(2, np.float32)}, tmp_path / "d.safetensors")
    with pytest.raises(BadInput, match="no layout 'x'"):
        load_head(tmp_path / "d.safetensors", "x")
    with pytest.raises(BadInput, match="chain to one output"):
        Head(((np.zeros((2, 3), np.float32), np.zeros(2, np.float32)),), 0, "identity")


def test_score_writes_a_column_and_refuses_other_spaces(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 8)).astype(np.float32)
    column = vectors_of(values).take(pa.array([*range(19), None]))
    mark = {b"veduta:fingerprint": b"space-one", b"veduta:operation": b"embed", b"veduta:parameters": b"{}"}
    pool = make_pool(tmp_path / "p.vd", {"embedding": column}, {"embedding": mark})
    head = random_head((8, 4, 1), 1, "sigmoid", fingerprint="space-one")
    path = str(head.save(tmp_path / "head"))
    pool.annotate([Score(head=path, column="p_unsafe")])
    got = pool.table(["p_unsafe"]).column(0).to_pylist()
    np.testing.assert_allclose(got[:19], head(values[:19]), rtol=1e-5)
    assert got[19] is None
    other = random_head((8, 1), 0, fingerprint="space-two").save(tmp_path / "other")
    with pytest.raises(SpaceMismatch, match="another encoder"):
        pool.annotate([Score(head=str(other))])
    small = random_head((5, 1), 0).save(tmp_path / "small")
    with pytest.raises(SpaceMismatch, match="5 dimensions"):
        pool.annotate([Score(head=str(small))])


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_a_trained_head_learns_and_says_how_well(tmp_path, hidden):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(600, 10)).astype(np.float32)
    unsafe = values[:, 0] + 0.5 * values[:, 1] > 0
    rating = 5 + 2 * values[:, 2] + 0.1 * rng.normal(size=600)
    mark = {b"veduta:fingerprint": b"space", b"veduta:operation": b"embed", b"veduta:parameters": b"{}"}
    table = {"embedding": vectors_of(values), "unsafe": unsafe, "rating": rating}
    pool = make_pool(tmp_path / "p.vd", table, {"embedding": mark})
    head = train_head(pool, "unsafe", hidden=hidden)
    assert head.facts["measure"] == "AUROC"
    assert head.facts["held_out_score"] > 0.95
    assert (head.fingerprint, head.facts["held_out"]) == ("space", 120)
    value = train_head(pool, "rating", hidden=hidden)
    assert value.facts["measure"] == "R2"
    assert value.facts["held_out_score"] > 0.8
    assert train_head(pool, "unsafe", hidden=hidden).digest() == head.digest()
    pool.annotate([Score(head=str(value.save(tmp_path / "v")), column="rated")])
    assert np.corrcoef(pool.table(["rated"]).column(0).to_numpy(), rating)[0, 1] > 0.9


def test_ridge_is_the_closed_form():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)).astype(np.float32) * 3 + 1, rng.normal(size=50)
    z = (x - x.mean(0)) / x.std(0)
    weights = np.linalg.solve(z.T @ z + 4 * np.eye(4), z.T @ (y - y.mean()))
    np.testing.assert_allclose(fit_head(x, y, task="value")(x), z @ weights + y.mean(), atol=1e-4)


def test_targets_that_are_none(tmp_path):
    pool = make_pool(
        tmp_path / "p.vd",
        {"embedding": vectors_of(np.eye(12)), "one": [1] * 12, "word": ["a"] * 12, "few": [1] * 5 + [None] * 7},
    )
    with pytest.raises(BadInput, match="boolean or numeric"):
        train_head(pool, "word")
    with pytest.raises(BadInput, match="rows of both kinds"):
        train_head(pool, "one")
    with pytest.raises(NothingToDo, match="5 rows"):
        train_head(pool, "few")


# -- safety -----------------------------------------------------------------------------------------------------------


def test_label_sets_are_whole():
    """The reference merged two labels by a missing comma; here the counts are fixed and no label repeats."""
    assert {name: (len(s.block), len(s.others)) for name, s in SETS.items()} == {
        "sexual": (5, 18),
        "minors": (4, 4),
        "animals": (4, 7),
    }
    every = [label for s in SETS.values() for label in s.labels]
    assert len(set(every)) == len(every) == 42
    assert all(label == label.strip() and 3 < len(label) < 60 for label in every)
    assert list(MINOR_WORDS) == sorted(set(MINOR_WORDS))


@pytest.mark.parametrize("name", SETS)
def test_the_top_two_rule(name):
    """Both of the two likeliest labels in the block, one, or none; whatever the others are."""
    block = SETS[name].block
    count = len(SETS[name].labels)
    labels = np.eye(count, dtype=np.float32)
    for first in range(count):
        for second in range(count):
            if first == second:
                continue
            image = 0.8 * labels[first] + 0.5 * labels[second]
            want = sum(place >= count - len(block) for place in (first, second))
            assert hits(probabilities(image[None], labels), len(block))[0] == want


def test_probabilities_are_a_softmax_at_100():
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=(5, 4)).astype(np.float32)
    want = [[np.exp(100 * (i @ w - max(i @ v for v in labels))) for w in labels] for i in images]
    np.testing.assert_allclose(
        probabilities(images, labels), [np.array(w) / sum(w) for w in want], rtol=1e-3, atol=1e-6
    )


class WordsOnly:
    """An encoder whose texts are given vectors; enough for the annotator around the rule."""

    dim = text_dim = 42
    shared, fingerprint, text_fingerprint = True, "words", "words"
    every = tuple(label for s in (SEXUAL, MINORS, ANIMALS) for label in s.labels)

    def text(self, texts):
        return np.stack([np.eye(42, dtype=np.float32)[self.every.index(t)] for t in texts])


def test_safety_columns(tmp_path, monkeypatch):
    from veduta.annotate.scores import safety

    monkeypatch.setattr(safety, "loaded", lambda uri: WordsOnly())
    safety._vectors.cache_clear()

    def image(*labels):
        return sum(np.eye(42)[WordsOnly.every.index(label)] * (1 - 0.1 * i) for i, label in enumerate(labels))

    adult = MINORS.others[:2] + ANIMALS.others[:2]
    pictures = [
        image("nudity, a naked body", "sexual act", *adult),
        image("nudity, a naked body", "a neutral scene", "a teenager", "a child, a kid", *ANIMALS.others[:2]),
        image("a neutral scene", "food, meal, drink", *MINORS.others[:2], "an animal", "wildlife"),
        image("sexual act", "nudity, a naked body", *adult),
        image("a neutral scene", "food, meal, drink", *adult),
    ]
    column = vectors_of(np.stack(pictures)).take(pa.array([0, 1, 2, 3, 4, None]))
    mark = {b"veduta:fingerprint": b"words", b"veduta:operation": b"embed", b"veduta:parameters": b"{}"}
    captions = [["two adults"], None, ["a kidney dish"], ["Teens at the beach"], ["a plate"], ["no picture"]]
    pool = make_pool(tmp_path / "p.vd", {"embedding": column, "captions": pa.array(captions)}, {"embedding": mark})
    pool.annotate([Safety(encoder="given")])
    got = pool.table(["safety", "safety_minor", "safety_animal"]).to_pylist()
    assert [tuple(row.values()) for row in got] == [
        ("NSFW", False, False), ("UNSURE", True, False), ("UNLIKELY", False, True), ("NSFW", True, False),
        ("UNLIKELY", False, False), (None, None, None),
    ]  # fmt: skip
    safety._vectors.cache_clear()


def test_safety_refuses_the_offline_encoder(tmp_path):
    pool = make_pool(tmp_path / "p.vd", {"embedding": vectors_of(np.eye(3))})
    with pytest.raises(BadInput, match="cannot work with the encoder 'offline'"):
        pool.annotate([Safety()])
    wrong = make_pool(tmp_path / "q.vd", {"embedding": vectors_of(np.eye(3)), "embedding_text": vectors_of(np.eye(3))})
    with pytest.raises(SpaceMismatch, match="was not made by the encoder"):
        wrong.annotate([Safety(encoder="offline", even_offline=True)])


# -- texts and pixels --------------------------------------------------------------------------------------------------


def test_language_of_captions(tmp_path):
    captions = [["Ein Hund läuft durch den Schnee"], [], None, ["IMG_1.jpg"], ["a dog runs through the deep snow"]]
    pool = make_pool(tmp_path / "p.vd", {"captions": pa.array(captions, pa.list_(pa.string()))})
    pool.annotate([Language()])
    assert pool.table(["caption_language"]).column(0).to_pylist() == ["de", None, None, None, "en"]


def test_toxicity_by_a_small_classifier(tmp_path):
    """A random tiny BERT from a folder: scores are its own sigmoid, the highest of an image's captions."""
    transformers = pytest.importorskip("transformers")
    import torch

    from veduta.annotate.scores.toxicity import Toxicity

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "bad", "good", "dog"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = transformers.BertTokenizerFast(str(tmp_path / "vocab.txt"))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        id2label={0: "obscene", 1: "toxicity"}, label2id={"obscene": 0, "toxicity": 1}, problem_type="multi_label_classification",
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config).eval()
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    operation = Toxicity(model=str(folder))
    rows = pa.RecordBatch.from_pydict(
        {"key": ["a", "b", "c"], "captions": [["a bad dog", "a good dog"], None, ["good"]]}
    )
    operation.setup()
    got = operation.annotate(Batch([], rows))["toxicity"].to_pylist()
    with torch.inference_mode():
        want = [
            model(**tokenizer(t, return_tensors="pt")).logits.sigmoid()[0, 1].item()
            for t in ("a bad dog", "a good dog", "good")
        ]
    assert got[0] == pytest.approx(max(want[:2]), abs=1e-5)
    assert got[1] is None
    assert got[2] == pytest.approx(want[2], abs=1e-5)
    with pytest.raises(BadInput, match="has no class 'rude'"):
        Toxicity(model=str(folder), label="rude").setup()


def test_watermark_runs_the_network_of_the_card(tmp_path):
    import torch
    from safetensors.torch import save_file as save_torch

    from veduta.annotate.scores.watermark import Watermark, network

    torch.manual_seed(0)
    net = network().eval()
    assert [tuple(p.weight.shape) for p in net.classifier if hasattr(p, "weight")] == [
        (625, 1536),
        (256, 625),
        (2, 256),
    ]
    save_torch(net.state_dict(), tmp_path / "w.safetensors")
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    operation = Watermark(weights=str(tmp_path / "w.safetensors"))
    operation.setup()
    got = operation.annotate(Batch([image], pa.RecordBatch.from_pydict({"key": ["a"]})))["p_watermark"]
    normal = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        want = net(torch.from_numpy(normal.transpose(2, 0, 1)[None].astype(np.float32))).softmax(-1)[0, 0].item()
    assert got[0] == pytest.approx(want, abs=1e-5)
    save_file({"x": np.zeros(1, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(BadInput, match="does not hold LAION's watermark detector"):
        Watermark(weights=str(tmp_path / "x.safetensors")).setup()
    with pytest.raises(BadInput, match=r"must be a \.safetensors file"):
        Watermark(weights="w.pt").setup()
