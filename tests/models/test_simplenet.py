import pytest
import torch
from torch import nn

from veduta.errors import BadInput
from veduta.models.build import build
from veduta.models.macs import macs

# From the published tables: widths, 1 x 1 convolutions as (width, 1), P a pooling.
P = "P"
LAYOUTS = {
    "simplenet_5m": (64, 128, 128, 128, P, 128, 128, 256, P, 256, 256, P, 512, (2048, 1), (256, 1), P, 256),
    "simplenet_310k": (64, 32, 32, 32, P, 32, 32, 64, P, 64, 64, P, 128, (256, 1), (64, 1), P, 64),
    "simplenet_460k": (32, 32, 32, 64, P, 64, 64, 64, P, 64, 64, P, 96, (96, 1), (96, 1), P, 100),
}


def counted(layout, classes=10, side=32):
    """Parameters and multiply-adds by the formulas: k k i o + o of a convolution, 2 o of a norm, i c + c of the last layer."""
    inputs, parameters, products = 3, 0, 0
    for item in layout:
        if item == P:
            side //= 2
            continue
        outputs, k = item if isinstance(item, tuple) else (item, 3)
        parameters += k * k * inputs * outputs + outputs + 2 * outputs
        products += k * k * inputs * outputs * side * side
        inputs = outputs
    return parameters + inputs * classes + classes, products + inputs * classes


@pytest.mark.parametrize(
    ("name", "parameters", "millions"),
    [("simplenet_5m", 5_498_378, 652.2), ("simplenet_310k", 312_362, 55.8), ("simplenet_460k", 385_790, 73.2)],
)
def test_published_counts(name, parameters, millions):
    network = build(name, 10)
    found = sum(p.numel() for p in network.parameters()), macs(network, 32)
    assert found == counted(LAYOUTS[name])
    assert found[0] == parameters
    assert found[1] / 1e6 == pytest.approx(millions, abs=0.05)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 13
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == 13


@pytest.mark.parametrize(("end", "millions"), [("05", 1.5), ("075", 3.3), ("5m", 5.7), ("9m", 9.5)])
@pytest.mark.parametrize("mode", [1, 2])
def test_imagenet_forms(end, millions, mode):
    with torch.device("meta"):
        network = build(f"simplenet_in1k_m{mode}_{end}", 1000)
        assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
        strides = [m.stride[0] for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert [i for i, stride in enumerate(strides) if stride == 2] == {1: [0, 1, 2], 2: [0, 1, 3]}[mode]
        # Three strides and two poolings: 224 / 32.
        assert network.forward_features(torch.zeros(1, 3, 224, 224)).shape[2:] == (7, 7)
    assert macs(network, 224) > 0


def test_the_early_network_pools_once_more():
    early, now = build("simplenet_5m_extra_pool", 10), build("simplenet_5m", 10)
    assert sum(isinstance(m, nn.MaxPool2d) for m in early.body) == 5
    assert sum(isinstance(m, nn.MaxPool2d) for m in now.body) == 4
    x = torch.zeros(1, 3, 32, 32)
    sides = [layer.shape[2] for layer in _outputs(early.eval(), x, nn.MaxPool2d)]
    assert sides == [16, 8, 4, 2, 1]
    assert [layer.shape[2] for layer in _outputs(now.eval(), x, nn.MaxPool2d)] == [16, 8, 4, 2]
    # Its place is behind the convolution of 512, so the same weights would load into the other one.
    before = [m.out_channels for m in list(early.body)[: _places(early)[3]] if isinstance(m, nn.Conv2d)]
    assert before[-1] == 512


def test_a_layout_of_ones_own():
    layout = [16, [24, 1], P, 8]  # as JSON has it
    network = build("simplenet", 5, layout=layout)
    assert (sum(p.numel() for p in network.parameters()), macs(network, 32)) == counted((16, (24, 1), P, 8), 5)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 5)
    assert sum(p.numel() for p in build("simplenet", 10).parameters()) == 312_362


def _places(network):
    return [i for i, m in enumerate(network.body) if isinstance(m, nn.MaxPool2d)]


def _outputs(network, x, kind):
    for layer in network.body:
        x = layer(x)
        if isinstance(layer, kind):
            yield x


def test_layer_by_layer():
    """Convolution with bias, BatchNorm with momentum 0.05, ReLU; the global maximum; the classifier."""
    network = build("simplenet_310k", 4, width=0.25).eval()
    x = torch.randn(2, 3, 32, 32)
    y = x
    convolutions = [m for m in network.body if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.body if isinstance(m, nn.BatchNorm2d)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.05, 1e-5)}
    assert {m.padding[0] for m in convolutions if m.kernel_size == (1, 1)} == {0}
    number = 0
    for item in LAYOUTS["simplenet_310k"]:
        if item == P:
            y = nn.functional.max_pool2d(y, 2)
            continue
        c, b = convolutions[number], norms[number]
        y = nn.functional.conv2d(y, c.weight, c.bias, padding=1 if c.kernel_size[0] == 3 else 0)
        y = (y - b.running_mean[:, None, None]) / (b.running_var[:, None, None] + 1e-5).sqrt()
        y = (y * b.weight[:, None, None] + b.bias[:, None, None]).clamp(min=0)
        number += 1
    logits = y.flatten(2).max(2).values @ network.classifier.weight.T + network.classifier.bias
    torch.testing.assert_close(network(x), logits, atol=1e-4, rtol=1e-4)


def test_start_is_xavier_uniform():
    weight = next(m for m in build("simplenet_5m", 10).modules() if isinstance(m, nn.Conv2d) and m.in_channels == 128)
    bound = 2**0.5 * (6 / (9 * 128 + 9 * weight.out_channels)) ** 0.5
    assert weight.weight.abs().max() <= bound
    assert float(weight.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.02)


def test_dropout_rates():
    plain = build("simplenet_310k", 10, drop=0.2)
    assert [m.p for m in plain.body if isinstance(m, nn.Dropout2d)] == [0.2] * 12
    # Poolings count: layer 4 is the first of them, 17 the pooled vector. Keys of JSON are strings.
    chosen = build("simplenet_310k", 10, drop={"4": 0.1, 5: 0.3, 17: 0.4})
    found = [(i, m.p) for i, m in enumerate(chosen.body) if isinstance(m, nn.Dropout2d)]
    assert [p for _, p in found] == [0.1, 0.3]
    assert isinstance(chosen.body[found[0][0] - 1], nn.MaxPool2d)
    assert chosen.drop.p == 0.4
    assert not any(isinstance(m, nn.Dropout2d) for m in build("simplenet_310k", 10).body)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"drop": {18: 0.1}}, "the layers 0 to 17 for dropout, got layer 18"),
        ({"drop": {0: 1.0}}, "dropout of SimpleNet's layer 0 must be in [0, 1), got 1.0"),
        ({"width": 0.01}, "a width of 0.01 leaves layer 1 of SimpleNet without channels"),
        ({"mode": 3}, "the mode of SimpleNet is one of 0, 1, 2, got 3"),
        ({"layout": [8, "Q"]}, "layer 1 of SimpleNet's layout must be a width, [width, odd kernel] or \"P\", got 'Q'"),
        ({"layout": [[8, 2]]}, "layer 0 of SimpleNet's layout must be"),
        ({"layout": [0]}, "layer 0 of SimpleNet's layout must be"),
    ],
)
def test_bad_options(options, says):
    with pytest.raises(BadInput) as error:
        build("simplenet_310k", 10, **options)
    assert says in str(error.value)


@pytest.mark.parametrize(("name", "least"), [("simplenet_310k", 16), ("simplenet_5m_extra_pool", 32)])
def test_images_too_small_for_the_poolings(name, least):
    network = build(name, 3, width=0.25).eval()
    assert network.smallest() == least
    network(torch.zeros(1, 3, least, least + 5))
    with pytest.raises(BadInput) as error:
        network(torch.zeros(1, 3, least - 1, 64))
    layer = {"simplenet_310k": 15, "simplenet_5m_extra_pool": 16}[name]
    assert f"layer {layer}, a pooling, is left a side of 1 pixel of images of {least - 1} x 64" in str(error.value)
    assert f"give images of {least} pixels or more" in str(error.value)


def test_side_28_ends_at_one_pixel():
    assert build("simplenet_310k", 3).forward_features(torch.zeros(2, 3, 28, 28)).shape[2:] == (1, 1)
