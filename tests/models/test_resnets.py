import pytest
import torch
import torchvision
from torch import nn

from veduta.errors import BadInput
from veduta.models.build import build
from veduta.models.macs import macs
from veduta.models.resnet_cifar import ResNetCifar, _Block, _Excitation


@pytest.mark.parametrize(
    ("depth", "parameters", "millions"),
    [(8, 75_290, 12.2), (20, 269_722, 40.6), (32, 464_154, 68.9), (110, 1_727_962, 253)],
)
def test_cifar_counts(depth, parameters, millions):
    with torch.device("meta"):
        network = build(f"resnet{depth}_cifar", 10)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert macs(network, 32) / 1e6 == pytest.approx(millions, abs=0.5 if depth == 110 else 0.05)
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == depth


def test_shortcut_without_weights():
    block = _Block(2, 4, 2, se=False, d=False, drop_path=0.0).eval()
    nn.init.zeros_(block.two[1].weight)
    x = torch.rand(1, 2, 6, 6)
    expected = torch.zeros(1, 4, 3, 3)
    for channel in range(2):
        for i in range(3):
            for j in range(3):
                expected[0, channel, i, j] = x[0, channel, 2 * i, 2 * j]
    assert torch.equal(block(x), expected)


def test_excitation_against_torchvision():
    torch.manual_seed(0)
    own, reference = _Excitation(16), torchvision.ops.SqueezeExcitation(16, 4)
    reference.fc1, reference.fc2 = own.squeeze, own.excite
    x = torch.randn(2, 16, 5, 5)
    torch.testing.assert_close(own(x), reference(x))


def test_options_of_the_family():
    plain = build("resnet8_cifar", 10)
    se, d = build("resnet8_cifar", 10, se=True), build("resnet8_cifar", 10, d=True)
    # Two 1 x 1 convolutions with bias a block, a quarter of the channels between.
    extra = sum(2 * c * (c // 4) + c // 4 + c for c in (16, 32, 64))
    assert _count(se) - _count(plain) == extra
    # Two more 3 x 3 convolutions in the stem and two 1 x 1 shortcuts, each with a norm.
    assert _count(d) - _count(plain) == 2 * (9 * 16 * 16 + 32) + 16 * 32 + 64 + 32 * 64 + 128
    x = torch.randn(2, 3, 32, 32)
    assert d.forward_features(x).shape == se.forward_features(x).shape == (2, 64, 8, 8)
    assert build("resnet8_cifar", 10, d=True).forward_features(x[:, :, :30, :30]).shape[2:] == (8, 8)


def _count(network):
    return sum(p.numel() for p in network.parameters())


def test_stochastic_depth_by_stage():
    network = ResNetCifar(8, 10, drop_path=0.4)
    assert [block.drop_path for block in network.blocks] == pytest.approx([0.2, 0.3, 0.4])
    block = _Block(4, 4, 1, se=False, d=False, drop_path=0.5)
    block.one.eval(), block.two.eval()
    x = torch.rand(400, 4, 3, 3)
    torch.manual_seed(0)
    found = block(x)
    branch = block.two(torch.relu(block.one(x)))
    dropped, kept = torch.relu(x), torch.relu(x + 2 * branch)
    is_dropped, is_kept = ((found - each).abs().amax((1, 2, 3)) < 1e-5 for each in (dropped, kept))
    assert bool((is_dropped | is_kept).all())
    assert 150 < int(is_dropped.sum()) < 250
    block.eval()
    torch.testing.assert_close(block(x), torch.relu(x + branch))


PARAMETERS = {
    50: 35.69, 101: 63.62, 152: 86.62, 200: 93.21, 270: 129.86, 350: 163.96, 420: 191.89,
}  # fmt: skip


@pytest.mark.parametrize("depth", PARAMETERS)
def test_resnet_rs_parameters(depth):
    with torch.device("meta"):
        network = build(f"resnetrs{depth}", 1000)
    assert _count(network) / 1e6 == pytest.approx(PARAMETERS[depth], abs=0.005)


def test_resnet_rs_without_its_parts_is_the_plain_resnet():
    with torch.device("meta"):
        plain, timms = build("resnetrs50", 1000, se=False, d=False), build("timm:resnet50", 1000)
        halves = [_count(build("resnetrs50", 1000, **half)) for half in ({"se": False}, {"d": False})]
    assert {n: p.shape for n, p in plain.named_parameters()} == {n: p.shape for n, p in timms.named_parameters()}
    assert _count(plain) < min(halves) < max(halves) < 35.69e6
    with pytest.raises(BadInput, match="of the network with se and d"):
        build("resnetrs50", 1000, pretrained=True, se=False)


@pytest.mark.parametrize(
    ("depth", "side", "billions"),
    [(50, 160, 2.28), (101, 160, 4.18), (101, 192, 6.01), (152, 192, 8.75), (152, 256, 15.53), (200, 256, 20.09)],
)
def test_resnet_rs_multiply_adds(depth, side, billions):
    with torch.device("meta"):
        network = build(f"resnetrs{depth}", 1000)
    assert macs(network, side) / 1e9 == pytest.approx(billions, abs=0.006)


def test_resnet_rs_stochastic_depth_and_start():
    network = build("resnetrs50", 200, drop=0.25, drop_path=0.1)
    for stage, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)):
        found = [block.drop_path.drop_prob for block in getattr(network, f"layer{stage}")]
        assert found == pytest.approx([0.1 * (stage + 1) / 5] * blocks)
    assert network.drop_rate == 0.25
    assert all(block.bn3.weight.abs().sum() == 0 for block in network.layer2)
    assert float(network.fc.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    assert not network.fc.bias.any()
    with torch.device("meta"):
        assert all(block.drop_path is None for block in build("resnetrs50", 0).layer1)


@pytest.mark.parametrize("options", [{}, {"se": False}, {"d": False}, {"se": False, "d": False, "drop_path": 0.1}])
def test_resnet_rs_for_cifar_keeps_the_resolution(options):
    network = build("resnetrs26_cifar", 10, **options)
    assert network.forward_features(torch.zeros(2, 3, 32, 32)).shape == (2, 1024, 4, 4)
    assert sum(p.numel() for p in network.layer1.parameters()) > 0
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions[0].stride == (1, 1)
    has = any("se" in name.split(".") for name, _ in network.named_modules())
    assert has == options.get("se", True)
