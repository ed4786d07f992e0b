"""What all image networks have in common: timm's interface, counts, gradients, ONNX, and what they say of bad input."""

import copy
from itertools import pairwise

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from veduta.errors import BadInput
from veduta.models.build import CIFAR, IMAGENET, build, input_size, mean_std, names
from veduta.models.macs import macs

SMALL = [name for name in names() if "in1k" not in name and (not name.startswith("resnetrs") or "cifar" in name)]
QUICK = [name for name in SMALL if name not in ("resnet56_cifar", "resnet110_cifar", "simplenet_5m_extra_pool")]


def images(count=2, side=32, seed=0):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", QUICK)
def test_timms_interface(name):
    network = build(name, 7).eval()
    x = images()
    with torch.no_grad():
        features = network.forward_features(x)
        pooled = network.forward_head(features, pre_logits=True)
        logits = network(x)
        assert features.shape[:2] == (2, network.num_features)
        assert pooled.shape == (2, network.num_features)
        assert logits.shape == (2, 7)
        assert network.num_classes == 7
        assert torch.equal(logits, network(x))
        assert torch.equal(logits, network.forward_head(features))
        network.reset_classifier(3)
        assert (network.num_classes, network(x).shape) == (3, (2, 3))
        network.reset_classifier(0)
        assert torch.equal(network(x), pooled)
    assert build(name, 0)(x).shape == pooled.shape


@pytest.mark.parametrize("name", QUICK)
def test_gradients_reach_every_weight(name):
    torch.manual_seed(0)
    network = build(name, 5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # A branch that starts with a factor of 0 would hide what lies before it.
            nn.init.uniform_(module.weight, 0.5, 1.5)
    # In training, the mean that BatchNorm takes off makes the gradient of a bias before it 0.
    network.eval()
    nn.functional.cross_entropy(network(images(4)), torch.tensor([0, 1, 2, 3])).backward()
    assert [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


@pytest.mark.parametrize("name", QUICK)
def test_same_seed_same_weights(name):
    first, second = (_seeded(name) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.values(), second.values(), strict=True))


def _seeded(name):
    torch.manual_seed(3)
    return build(name, 4).state_dict()


@pytest.mark.parametrize(
    "name", ["conv_small", "simplenet_310k", "resnet8_cifar", "resnetrs26_cifar", "resnet20_cifar"]
)
def test_multiply_adds_are_half_of_torchs_operations(name):
    network = build(name, 10).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(images(1))
    assert macs(network, 32) * 2 == counter.get_total_flops()


def test_multiply_adds_of_grouped_convolutions():
    network = build("timm:mobilenetv2_035", 10).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(images(1, 64))
    assert macs(network, 64) * 2 == counter.get_total_flops()


def test_counting_leaves_the_network_as_it_was():
    network = build("conv_small", 4)
    network.body[1].eval()
    before = copy.deepcopy(network.state_dict())
    macs(network, 20)
    assert [network.training, network.body[0].training, network.body[1].training] == [True, True, False]
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    with pytest.raises(RuntimeError):
        macs(network, 20, channels=4)
    assert not any(module._forward_hooks for module in network.modules())
    assert macs(network, (16, 32)) == macs(network, (32, 16)) < macs(network, 32)


@pytest.mark.parametrize("name", ["conv_24_192", "simplenet_310k", "resnet8_cifar", "resnetrs26_cifar"])
@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same(name, tmp_path):
    network, x = build(name, 5).eval(), images(3)
    torch.onnx.export(
        network, (x[:2],), str(tmp_path / "n.onnx"), input_names=["x"], dynamic_axes={"x": {0: "n"}}, dynamo=False
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "n.onnx"), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], network(x).numpy(), atol=1e-4)


@pytest.mark.parametrize(("widths", "name"), [((3, 32, 64, 128), "conv_small"), ((3, 24, 48, 96, 192), "conv_24_192")])
def test_small_convolutions(widths, name):
    network = build(name, 10)
    blocks = sum(9 * i * o + 2 * o for i, o in pairwise(widths))
    assert sum(p.numel() for p in network.parameters()) == blocks + 10 * widths[-1] + 10
    for side in (5, 16, 28, 32, 33, 64):
        assert network.forward_features(images(2, side)).shape[2] == -(-side // 2 ** (len(widths) - 1))


def test_drop_acts_in_training_only():
    network = build("conv_small", 4, drop=0.5)
    x = images()
    torch.manual_seed(0)
    network.body.eval()
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_preprocessing_facts():
    assert (input_size("simplenet_310k"), mean_std("simplenet_310k")) == (32, CIFAR)
    assert (input_size("conv_small"), mean_std("resnet8_cifar")) == (32, CIFAR)
    assert (input_size("simplenet_in1k_m2_5m"), mean_std("simplenet_in1k_m2_5m")) == (224, IMAGENET)
    assert (input_size("timm:resnetrs50"), mean_std("timm:resnetrs50")) == (160, IMAGENET)
    assert mean_std("timm:vit_tiny_patch16_224") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert input_size("timm:resnet18.a1_in1k") == 224


def test_timm_networks_take_our_options():
    network = build("timm:resnet18", 6, drop=0.2, drop_path=0.1)
    assert (network.drop_rate, network.num_classes, network.num_features) == (0.2, 6, 512)
    assert network.layer4[1].drop_path.drop_prob == pytest.approx(0.1)


def test_timm_has_clips_residual_tower_for_small_images():
    """Attention pooling with learned places for 64 pixels: 2 x 2 places and their mean."""
    with torch.device("meta"):
        network = build("timm:resnet50_clip", 0, img_size=64)
        x = torch.zeros(2, 3, 64, 64)
    assert network.forward_head(network.forward_features(x), pre_logits=True).shape == (2, network.num_features)
    assert network.head.pos_embed.shape[0] == 5


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("simplenet_310", "did you mean 'simplenet_310k'"),
        ("resnet18", "did you mean 'timm:resnet18'"),
        ("timm:resnet1800", "did you mean timm:resnet18"),
        ("timm:resnet18.nope", "has no weights 'nope' (it has: a1_in1k"),
        ("zzz", "there is no network 'zzz' (there are: timm:NAME, conv_24_192"),
    ],
)
def test_unknown_names_get_near_ones(name, says):
    for ask in (lambda: build(name, 3), lambda: input_size(name), lambda: mean_std(name)):
        with pytest.raises(BadInput) as error:
            ask()
        assert says in str(error.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "conv_small", "classes": 3, "drop_path": 0.1}, "no option 'drop_path' (it has: channels, drop)"),
        ({"name": "conv_small", "classes": 3, "pretrained": True}, "no published weights for 'conv_small'"),
        ({"name": "conv_small", "classes": -1}, "0 or more classes, got -1"),
        (
            {"name": "conv_small", "classes": 3, "drop": 1.0},
            "drop of the network 'conv_small' must be in [0, 1), got 1.0",
        ),
        (
            {"name": "timm:resnet18", "classes": 3, "drop_path": -0.1},
            "drop_path of the network 'timm:resnet18' must be",
        ),
        ({"name": "timm:resnet18", "classes": 3, "colour": 1}, "timm's network 'resnet18' does not take these options"),
        ({"name": "resnetrs50", "classes": 3, "attention": True}, "no option 'attention' (it has:"),
    ],
)
def test_bad_options(given, says):
    with pytest.raises(BadInput) as error:
        build(**given)
    assert says in str(error.value)


@pytest.mark.parametrize("name", ["timm:resnet18", "resnetrs50"])
def test_weights_that_cannot_be_fetched(name, monkeypatch):
    def fail(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("timm.create_model", fail)
    with pytest.raises(BadInput, match=r"cannot be fetched \(no route to host\); check the connection, or leave"):
        build(name, 3, pretrained=True)
    with pytest.raises(OSError, match="no route"):
        build(name, 3)


@pytest.mark.parametrize("option", ["checkpoint_path", "pretrained_cfg_overlay", "pretrained_cfg", "cache_dir"])
def test_no_option_names_a_place_to_load_weights_from(option: str) -> None:
    for name in ("timm:resnet10t", "simplenet_310k"):
        with pytest.raises(BadInput, match="where weights come from"):
            build(name, 2, **{option: "x"})
