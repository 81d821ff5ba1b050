"""The light network: its complex convolution, attention and scales."""

import numpy as np
import torch

from signet.light import SCALES, STAGES, ULCNN, ChannelAttention, ComplexConvolution


def frames(count, length=20):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, length, generator=generator)


def test_complex_convolution_is_that_of_numpy():
    layer = ComplexConvolution(3, 5)
    frame = frames(1)
    x = frame[0, 0].numpy() + 1j * frame[0, 1].numpy()
    parts = layer.parts.weight.detach().numpy()[:, 0]
    made = layer(frame)[0].detach().numpy()
    for at in range(3):
        taps = parts[at] + 1j * parts[at + 3]
        slow = np.convolve(x, taps[::-1], mode="same")  # a layer correlates
        np.testing.assert_allclose(made[at] + 1j * made[at + 3], slow, atol=1e-5)


def test_complex_convolution_turns_with_its_input():
    layer = ComplexConvolution(2, 3)
    frame = frames(1)
    quarter = torch.stack([-frame[:, 1], frame[:, 0]], dim=1)
    still, turned = layer(frame), layer(quarter)
    torch.testing.assert_close(turned, torch.cat([-still[:, 2:], still[:, :2]], dim=1))


def test_attention_scales_whole_channels():
    attention = ChannelAttention(8)
    input = torch.rand(2, 8, 6) + 1
    ratio = attention(input) / input
    torch.testing.assert_close(ratio, ratio[:, :, :1].expand_as(ratio))
    assert ((ratio > 0) & (ratio < 1)).all()


def test_the_last_scales_are_added_up():
    model = ULCNN(5, 128, width=8).eval()
    made = []
    for stage in model.stages:
        stage.register_forward_hook(lambda _, given, output: made.append(output))
    logits = model(frames(2, 128))
    assert [output.shape[2] for output in made] == [64, 32, 16, 8, 4]
    assert len(made) == STAGES
    read = sum(output.mean(dim=2) for output in made[-SCALES:])
    torch.testing.assert_close(logits, model.classify(read))
