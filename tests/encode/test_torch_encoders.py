from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import picture

from veduta import encode
from veduta.errors import EncoderError

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}


def _squares(encoder: encode.Encoder) -> np.ndarray:
    return np.stack([encoder.prepare(np.asarray(picture(seed))) for seed in range(3)])


def test_timm_random_weights() -> None:
    encoder = encode.load("timm:resnet18?pretrained=0")
    assert isinstance(encoder, encode.Encoder)
    assert (encoder.dim, encoder.side, encoder.text_dim, encoder.shared) == (512, 224, None, False)
    assert encoder.resize == int(224 / 0.95)
    vectors = encoder.image(_squares(encoder))
    assert vectors.shape == (3, 512)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    again = encode.load("timm:resnet18?pretrained=0")
    assert again.fingerprint == encoder.fingerprint
    assert np.array_equal(again.image(_squares(again)), vectors)
    assert encoder.image(np.zeros((0, 224, 224, 3), np.uint8)).shape == (0, 512)
    with pytest.raises(EncoderError, match="text"):
        encoder.text(["x"])


def test_timm_agrees_with_its_own_transform() -> None:
    """timm's evaluation transform and network, called directly."""
    import timm
    import torch
    from PIL import Image

    encoder = encode.load("timm:resnet18?pretrained=0")
    torch.manual_seed(0)
    network = timm.create_model("resnet18", pretrained=False, num_classes=0).eval()
    config = timm.data.resolve_model_data_config(network)
    # Of the decoder's size already, so that only the crop is left: resizers differ by rounding.
    image = np.asarray(picture(1, (300, encoder.resize)))
    pixels = timm.data.create_transform(**config, is_training=False)(Image.fromarray(image))
    with torch.no_grad():
        expected = network(pixels[None])[0].numpy()
    found = encoder.image(encoder.prepare(image)[None])[0]
    assert found @ (expected / np.linalg.norm(expected)) > 0.999


def test_timm_wrong_names() -> None:
    with pytest.raises(EncoderError, match="no model 'resnet9000'"):
        encode.load("timm:resnet9000?pretrained=0")
    with pytest.raises(EncoderError, match="no option 'size'"):
        encode.load("timm:resnet18?size=3")
    with pytest.raises(EncoderError, match="pretrained"):
        encode.load("timm:resnet18?pretrained=maybe")


def test_timm_without_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("Name or service not known\nand a long story")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(EncoderError) as caught:
        encode.load("timm:resnet18.a1_in1k")
    assert "\n" not in str(caught.value)
    assert "--encoder offline" in str(caught.value)


def test_open_clip_random_weights(tmp_path: Path) -> None:
    open_clip = pytest.importorskip("open_clip")
    (tmp_path / "veduta-tiny.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path)
    encoder = encode.load("open_clip:veduta-tiny?pretrained=0")
    assert isinstance(encoder, encode.Encoder)
    assert (encoder.dim, encoder.text_dim, encoder.side, encoder.shared) == (16, 16, 32, True)
    assert encoder.text_fingerprint == encoder.fingerprint
    images, texts = encoder.image(_squares(encoder)), encoder.text(["a dog", "a cat"])
    assert images.shape == (3, 16)
    assert texts.shape == (2, 16)
    assert np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert np.array_equal(encode.load("open_clip:veduta-tiny?pretrained=0").text(["a dog", "a cat"]), texts)
    assert encoder.text([]).shape == (0, 16)
    with pytest.raises(EncoderError, match="tag"):
        encode.load("open_clip:veduta-tiny/none")
    with pytest.raises(EncoderError, match="no architecture"):
        encode.load("open_clip:veduta-unknown?pretrained=0")
