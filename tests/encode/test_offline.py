from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import picture

from veduta import encode
from veduta.encode import cache
from veduta.encode.joint import ARTEFACT, joint, linear
from veduta.encode.offline import PREPROCESS, Offline
from veduta.encode.text import MiniLM
from veduta.errors import BadInput, EncoderError


@pytest.fixture(scope="module")
def offline() -> Offline:
    found = encode.load("offline")
    assert isinstance(found, Offline)
    return found


@pytest.fixture(scope="module")
def squares(offline: Offline) -> np.ndarray:
    return np.stack([offline.prepare(np.asarray(picture(seed))) for seed in range(9)])


def test_it_is_an_encoder(offline: Offline) -> None:
    assert isinstance(offline, encode.Encoder)
    assert (offline.uri, offline.dim, offline.side, offline.text_dim, offline.shared) == (
        "offline",
        1280,
        224,
        384,
        False,
    )
    assert offline.licence == "Apache-2.0"
    assert "open_clip:" in offline.advice
    assert offline.fingerprint != offline.text_fingerprint
    assert Offline(threads=2).fingerprint == offline.fingerprint


def test_vectors_are_unit_and_both_agrees_with_image(offline: Offline, squares: np.ndarray) -> None:
    own, joint_vectors = offline.both(squares)
    assert joint_vectors is not None
    assert own.shape == (9, 1280)
    assert joint_vectors.shape == (9, 384)
    assert own.dtype == joint_vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(own, axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(joint_vectors, axis=1), 1, atol=1e-5)
    assert own.tobytes() == offline.image(squares).tobytes()


def test_a_vector_does_not_depend_on_batch_or_threads(offline: Offline, squares: np.ndarray) -> None:
    own, joint_vectors = offline.both(squares)
    assert joint_vectors is not None
    for at in range(9):
        alone, joint_alone = offline.both(squares[at : at + 1])
        assert joint_alone is not None
        assert alone.tobytes() == own[at : at + 1].tobytes()
        assert joint_alone.tobytes() == joint_vectors[at : at + 1].tobytes()
    assert Offline(threads=2).image(squares).tobytes() == own.tobytes()


def test_threads_may_share_it(squares: np.ndarray) -> None:
    shared = Offline()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: shared.both(squares[:2])[1], range(8)))
    assert all(np.array_equal(each, found[0]) for each in found)


def test_nothing_in_nothing_out(offline: Offline) -> None:
    own, joint_vectors = offline.both(np.zeros((0, 224, 224, 3), np.uint8))
    assert own.shape == (0, 1280)
    assert joint_vectors is not None
    assert joint_vectors.shape == (0, 384)
    assert offline.text([]).shape == (0, 384)


def test_wrong_input_is_refused(offline: Offline) -> None:
    with pytest.raises(BadInput):
        offline.image(np.zeros((1, 100, 100, 3), np.uint8))
    with pytest.raises(BadInput):
        offline.text("one string")
    with pytest.raises(BadInput):
        offline.text([1])  # type: ignore[list-item]


def test_the_converted_network_is_timms(offline: Offline, squares: np.ndarray) -> None:
    import timm
    import torch

    from veduta.encode.offline import weights_file

    network = timm.create_model("efficientnet_lite0", pretrained=False, bn_eps=1e-3).eval()
    given = torch.load(weights_file(), weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), given.values(), strict=True)))
    mean, std = torch.tensor(PREPROCESS.mean), torch.tensor(PREPROCESS.std)
    pixels = ((torch.from_numpy(squares[:3]).float() / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        maps = network.forward_features(pixels)
        features, logits = network.forward_head(maps, pre_logits=True), network.forward_head(maps)
    found = offline.forward(squares[:3])
    assert np.allclose(found[0], features.numpy(), atol=1e-3)
    assert np.allclose(found[1], logits.numpy(), atol=1e-3)


def test_the_text_network_is_bert() -> None:
    """Against transformers' BertModel, mean-pooled by hand."""
    transformers = pytest.importorskip("transformers")
    import torch

    text = MiniLM()
    texts = ["a dog in the snow", "", "Two men, talking.", "word " * 400]
    model = transformers.BertModel.from_pretrained(str(text.folder)).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(text.folder))
    found = text.text(texts)
    for row, each in enumerate(texts):
        tokens = tokenizer(each, return_tensors="pt", truncation=True, max_length=256)
        with torch.no_grad():
            vector = model(**tokens).last_hidden_state[0].mean(0).numpy()
        assert np.allclose(found[row], vector / np.linalg.norm(vector), atol=1e-5)


def test_texts_of_like_meaning_are_near(offline: Offline) -> None:
    cat, kitten, car = offline.text(["a cat", "a kitten", "a red sports car"])
    assert cat @ kitten > cat @ car + 0.2


def test_the_warm_path_needs_no_torch(offline: Offline, squares: np.ndarray) -> None:
    offline.both(squares[:1])
    code = (
        "import sys, numpy as np\n"
        "from veduta import encode\n"
        "e = encode.load('offline')\n"
        "assert 'onnxruntime' not in sys.modules and 'cv2' not in sys.modules\n"
        "e.both(np.stack([e.prepare(np.zeros((300, 400, 3), np.uint8))]))\n"
        "e.text(['a dog'])\n"
        "print(sorted({'torch', 'timm', 'onnx', 'transformers'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_a_damaged_cache_is_made_again(
    offline: Offline, squares: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = offline.image(squares[:1])
    words = offline.words()
    text = offline._text._converted()
    monkeypatch.setenv("VEDUTA_CACHE", str(tmp_path))
    broken = Offline()
    cache.path(broken._name).parent.mkdir(parents=True, exist_ok=True)
    cache.path(text.name).symlink_to(text)  # converting it takes seconds and is not the matter here
    cache.path(broken._name).write_bytes(b"no network")
    assert np.allclose(broken.image(squares[:1]), expected, atol=1e-6)
    assert np.allclose(broken.words(), words, atol=1e-6)
    (file,) = cache.path("x").parent.glob("words-*.npy")
    file.write_bytes(file.read_bytes()[:1000])
    assert np.allclose(Offline().words(), words, atol=1e-6)


def test_the_shipped_map_is_small_and_documented() -> None:
    assert ARTEFACT.stat().st_size < 400_000
    table = json.loads((ARTEFACT.parent / "offline_text.json").read_text())
    assert table["rule"] == vars(joint().rule)
    for name in ("test: flickr8k", "test: coco-mini"):
        for k in ("R@5", "R@10"):
            assert table[name]["blend"][k] > table[name]["conse"][k]
            assert table[name]["blend minus conse, 95 % interval"][k][0] > 0


def test_linear_is_a_matrix_product() -> None:
    rng = np.random.default_rng(0)
    x, left, right, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((6, 5), (5, 2), (2, 3), (3,)))
    expected = x @ left @ right + bias
    assert np.allclose(
        linear(x, left, right, bias), expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6
    )


@pytest.mark.parametrize("uri", ["offline:x", "offline?side=3", "nonsense", "run:pets.vd/runs/a", ""])
def test_wrong_names_get_one_sentence(uri: str) -> None:
    with pytest.raises(EncoderError) as caught:
        encode.load(uri)
    assert "\n" not in str(caught.value)


def test_threads_must_be_positive() -> None:
    with pytest.raises(EncoderError, match="threads"):
        encode.load("offline", threads=0)


def test_a_package_may_add_a_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_encoders.py").write_text(
        "def load(name, options, threads):\n    return name, options, threads\n"
    )
    about = tmp_path / "other_encoders-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other-encoders\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[veduta.encoders]\nother = other_encoders:load\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert encode.load("other:a/b?x=1&y=", threads=2) == ("a/b", {"x": "1", "y": ""}, 2)
    with pytest.raises(EncoderError, match="other:"):
        encode.load("unknown:z")
