"""Networks whose first stages stay as they are."""

import pytest
import timm
import torch

from veduta.errors import BadInput
from veduta.models.build import build
from veduta.models.freeze import freeze, frozen


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("efficientnet_lite0", 7),
        ("resnet18", 4),
        ("convnext_atto", 4),
        ("vit_tiny_patch16_224", 12),
        ("densenet121", 4),
    ],
)
def test_stages_are_timms_and_the_head_is_none(name, stages):
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=3)
    with pytest.raises(BadInput, match=f"has {stages} stages, so freeze must be {stages} or less"):
        freeze(network, stages + 1, name)
    assert all(parameter.requires_grad for parameter in network.parameters())
    freeze(network, stages, name)
    assert all(parameter.requires_grad for parameter in network.get_classifier().parameters())
    assert not next(network.parameters()).requires_grad


def test_five_stages_of_lite0_leave_two_and_the_last_convolution():
    with torch.device("meta"):
        network = timm.create_model("efficientnet_lite0", num_classes=3)
    freeze(network, 5, "efficientnet_lite0")
    trained = {".".join(key.split(".")[:2]) for key, p in network.named_parameters() if p.requires_grad}
    assert {key for key in trained if key.startswith("blocks")} == {"blocks.5", "blocks.6"}
    assert {key.split(".")[0] for key in trained} == {"blocks", "conv_head", "bn2", "classifier"}
    assert set(network.blocks[:5]) <= set(frozen(network))
    assert not set(network.blocks[5:]) & set(frozen(network))


def test_no_gradient_is_computed_before_the_first_stage_that_trains():
    network = timm.create_model("resnet18", num_classes=2)
    freeze(network, 2, "resnet18")
    seen = []
    network.layer2.register_forward_hook(lambda _, __, output: seen.append(output.requires_grad))
    network.layer3.register_forward_hook(lambda _, __, output: seen.append(output.requires_grad))
    network(torch.rand(2, 3, 32, 32)).sum().backward()
    assert seen == [False, True]
    assert all(parameter.grad is None for parameter in network.layer2.parameters())
    assert all(parameter.grad is not None for parameter in network.layer3.parameters())


def test_nothing_is_frozen_by_zero_and_of_networks_without_stages():
    network = build("conv_small", 2)
    freeze(network, 0, "conv_small")
    assert list(frozen(network)) == []
    with pytest.raises(BadInput, match="does not say what its stages are"):
        freeze(network, 1, "conv_small")
