import numpy as np
import pytest
import torch
from torch import nn

from pictures import picture
from veduta.errors import BadInput
from veduta.models.autoencoder import Decoder
from veduta.models.conv_small import ConvSmall
from veduta.models.heads import Head, build_head


def test_parameters():
    widths = [(128, 128), (128, 64), (64, 32)]
    expected = sum(9 * i * o + o + 2 * o for i, o in widths) + 9 * 32 * 3 + 3
    assert sum(p.numel() for p in Decoder((32, 64, 128)).parameters()) == expected


@pytest.mark.parametrize("side", [8, 28, 30, 32, 33])
def test_any_side_comes_back(side):
    encoder = ConvSmall((24, 48, 96, 192), 0, channels=1)
    x = torch.rand(2, 1, side, side + 1)
    out = Decoder(encoder.widths, 1)(encoder.forward_features(x), (side, side + 1)).detach()
    assert out.shape == x.shape
    assert 0 < float(out.min()) <= float(out.max()) < 1


def test_as_the_layers_say():
    """For a multiple of 8: from 4 x 4, nearest upsampling and convolution back."""
    decoder = Decoder((32, 64, 128)).eval()
    x = torch.rand(2, 128, 4, 4)
    y = x
    for block in decoder.up:
        y = block(y.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(decoder(x, (32, 32)), torch.sigmoid(decoder.last(y)))


def test_learns_to_reconstruct_and_all_weights_take_part():
    torch.manual_seed(0)
    pixels = np.stack([np.asarray(picture(i, (32, 32))) for i in range(16)])
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    encoder = ConvSmall((32, 64, 128), 0)
    model = nn.ModuleList([encoder, Decoder(encoder.widths)])
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        loss = (model[1](encoder.forward_features(x), (32, 32)) - x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    model.eval()
    optimiser.zero_grad()
    (model[1](encoder.forward_features(x), (32, 32)) - x).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_linear_head_is_one_matrix():
    head = Head("linear", 6, 4)
    x = torch.randn(3, 6)
    (weight,) = head.parameters()
    torch.testing.assert_close(head(x), x @ weight.T)


def test_mlp_head_by_hand():
    head = Head("mlp", 6, 4)
    x = torch.randn(3, 6)
    w1, b1, w2, b2 = head.parameters()
    assert w1.shape == (6, 6)
    torch.testing.assert_close(head(x), (x @ w1.T + b1).clamp(min=0) @ w2.T + b2)


def test_stages_of_simclrs_projection():
    head = Head("mlp", 10, 50, hidden=(256, 128))
    x = torch.randn(5, 10)
    first, second, last = head.stages(x)
    assert (first.shape, second.shape, last.shape) == ((5, 256), (5, 128), (5, 50))
    assert torch.equal(last, head(x))
    assert torch.equal(second, torch.relu(head.layers[2](first)))
    assert len(Head("linear", 10, 5).stages(x)) == 1


def test_norm_and_dropout():
    head = Head("mlp", 6, 4, hidden=(8,), norm=True, drop=0.5)
    kinds = [type(layer) for layer in head.layers]
    assert kinds == [nn.Dropout, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    head.eval()
    x = torch.randn(3, 6)
    assert torch.equal(head(x), head(x))


def test_built_from_its_record():
    said = {"kind": "mlp", "inputs": 6, "outputs": 3, "hidden": [5], "drop": 0.1, "norm": False}
    first, second = build_head(said), build_head(said)
    second.load_state_dict(first.state_dict())
    x = torch.randn(2, 6)
    assert torch.equal(first.eval()(x), second.eval()(x))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("cubic", 3, 3), "a head is linear or mlp, got 'cubic'"),
        (("mlp", 3, 0), "widths of a head must be 1 or more, got [3, 0]"),
    ],
)
def test_bad_heads(given, says):
    with pytest.raises(BadInput) as error:
        Head(*given)
    assert says in str(error.value)


def test_linear_head_takes_no_hidden_layers():
    with pytest.raises(BadInput, match="a linear head has no hidden layers"):
        Head("linear", 3, 3, hidden=(4,))
