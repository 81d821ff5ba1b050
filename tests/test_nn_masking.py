"""Masks on layers: answers by hand, and everything that torch does to a model around them."""

import copy

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from toys import linear

from graphprune.errors import SpecError
from graphprune.mask import adjacency, expand
from graphprune.nn.masking import apply_masks, masks_of, strip


def kept(*rows):
    return np.array(rows, dtype=np.bool_)


def with_weight(layer, weight):
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
    return nn.Sequential(layer)


def small_model():
    """A convolution and a linear layer, each of which gets a mask."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 8)
        )


MASKS = {
    "0": kept([1, 0], [0, 1], [1, 1], [0, 0]),
    "4": np.random.default_rng(0).random((8, 16)) < 0.25,
}
IMAGES = torch.arange(64.0).reshape(2, 2, 4, 4) / 64


def small_masked_model():
    return apply_masks(small_model(), MASKS)


def test_linear_output_and_gradient_ignore_pruned_weights():
    masked = apply_masks(linear([2.0, 1e6, 5.0]), {"0": kept([1, 0, 1])}, rescale=False)

    output = masked(torch.tensor([[1.0, 10.0, 100.0]]))
    output.backward()

    assert output.item() == 502.0
    assert masked[0].parametrizations.weight.original.tolist() == [[2.0, 0.0, 5.0]]
    assert masked[0].parametrizations.weight.original.grad.tolist() == [[1.0, 0.0, 100.0]]


def test_conv1d_output_and_gradient_ignore_pruned_channels():
    model = with_weight(nn.Conv1d(2, 1, 2, bias=False), [[[1.0, 2.0], [1e6, 1e6]]])
    masked = apply_masks(model, {"0": kept([1, 0])}, rescale=False)

    output = masked(torch.tensor([[[1.0, 2.0, 3.0], [7.0, 8.0, 9.0]]]))
    output.sum().backward()

    assert output.tolist() == [[[5.0, 8.0]]]  # 1*1 + 2*2 and 1*2 + 2*3
    gradient = masked[0].parametrizations.weight.original.grad
    assert gradient.tolist() == [[[3.0, 5.0], [0.0, 0.0]]]  # 1 + 2 and 2 + 3


def test_conv2d_output_and_gradient_ignore_pruned_channels():
    far = [[1e6, 1e6], [1e6, 1e6]]
    weight = [[[[1.0, 2.0], [3.0, 4.0]], far], [far, [[5.0, 6.0], [7.0, 8.0]]]]
    model = with_weight(nn.Conv2d(2, 2, 2, bias=False), weight)
    masked = apply_masks(model, {"0": kept([1, 0], [0, 1])}, rescale=False)
    image = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]

    output = masked(torch.tensor([image]))
    output.sum().backward()

    assert output.flatten().tolist() == [1.0 + 4.0, 6.0 + 7.0]
    nothing = [[0.0, 0.0], [0.0, 0.0]]
    gradient = masked[0].parametrizations.weight.original.grad
    assert gradient.tolist() == [[image[0], nothing], [nothing, image[1]]]


def test_a_mask_of_the_whole_shape_prunes_single_kernel_positions():
    model = with_weight(nn.Conv1d(1, 1, 3, bias=False), [[[1.0, 1e6, 3.0]]])
    masked = apply_masks(model, {"0": kept([[1, 0, 1]])}, rescale=False)
    assert masked(torch.tensor([[[1.0, 10.0, 100.0]]])).item() == 301.0


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda p: torch.optim.SGD(
        p, 0.05, momentum=0.9, weight_decay=0.1, nesterov=True
    ),
    "adamw": lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, 0.05, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_optimizer_moves_a_pruned_weight_off_zero(name):
    model = small_masked_model()
    before = model[4].weight.detach().clone()
    optimizer = OPTIMIZERS[name](model.parameters())
    for _ in range(30):
        optimizer.zero_grad()
        model(IMAGES).square().sum().backward()
        optimizer.step()
    for layer, mask in masks_of(model).items():
        original = model.get_submodule(layer).parametrizations.weight.original
        assert (original[~mask] == 0).all()
        assert (model.get_submodule(layer).weight[~mask] == 0).all()
    assert not torch.equal(model[4].weight, before)


def test_masks_are_bool_buffers_and_no_parameters():
    masked = small_masked_model()
    buffers = {name: value for name, value in masked.named_buffers() if "mask" in name}
    assert {name: value.dtype for name, value in buffers.items()} == {
        "0.parametrizations.weight.0.mask": torch.bool,
        "4.parametrizations.weight.0.mask": torch.bool,
    }
    plain = sum(parameter.numel() for parameter in small_model().parameters())
    assert sum(parameter.numel() for parameter in masked.parameters()) == plain


def test_the_model_given_is_left_unchanged_bit_for_bit():
    model = small_model()
    before = copy.deepcopy(model.state_dict())
    apply_masks(model, MASKS)
    assert not parametrize.is_parametrized(model[0])
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_mask_changed_afterwards_does_not_change_the_model():
    mask = kept([1, 0, 1])
    masked = apply_masks(linear([2.0, 1.0, 5.0]), {"0": mask}, rescale=False)
    mask[:] = False
    assert masked[0].weight.tolist() == [[2.0, 0.0, 5.0]]


def test_a_mask_that_cannot_be_written_to_is_taken():
    mask = kept([1, 0, 1])
    mask.flags.writeable = False
    masked = apply_masks(linear([2.0, 1.0, 5.0]), {"0": mask}, rescale=False)
    assert masked[0].weight.tolist() == [[2.0, 0.0, 5.0]]


def test_a_deep_copy_is_a_masked_model_of_its_own():
    masked = small_masked_model().eval()
    twin = copy.deepcopy(masked)
    expected = masked(IMAGES)
    assert torch.equal(twin(IMAGES), expected)
    with torch.no_grad():
        twin[4].parametrizations.weight.original.fill_(1e6)
    assert torch.equal(masked(IMAGES), expected)
    assert (twin[4].weight[~masks_of(twin)["4"]] == 0).all()


def test_a_state_dict_carries_weights_and_masks_to_another_model():
    masked = small_masked_model().eval()
    everything = {name: np.ones_like(mask) for name, mask in MASKS.items()}
    other = apply_masks(small_model(), everything).eval()
    assert not torch.equal(other(IMAGES), masked(IMAGES))
    other.load_state_dict(masked.state_dict())
    assert torch.equal(other(IMAGES), masked(IMAGES))


def test_masked_models_can_be_exported():
    masked = small_masked_model().eval()
    exported = torch.export.export(masked, (IMAGES,))
    assert torch.equal(exported.module()(IMAGES), masked(IMAGES))


def test_stripped_models_can_be_exported():
    plain = strip(small_masked_model().eval())
    exported = torch.export.export(plain, (IMAGES,))
    assert torch.equal(exported.module()(IMAGES), plain(IMAGES))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_masks_survive_a_change_of_precision(dtype):
    masked = small_masked_model().to(dtype)
    assert masked[0].weight.dtype == dtype
    assert masks_of(masked)["0"].dtype == torch.bool
    assert (masked[0].weight[~masks_of(masked)["0"]] == 0).all()
    assert masked.eval()(IMAGES.to(dtype)).dtype == dtype


def test_channels_last_changes_no_output():
    masked = small_masked_model().eval()
    last = copy.deepcopy(masked).to(memory_format=torch.channels_last)
    images = IMAGES.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last(images), masked(IMAGES))


def test_strip_gives_equal_outputs_under_the_names_of_the_dense_model():
    masked = small_masked_model().eval()
    plain = strip(masked)
    assert plain.state_dict().keys() == small_model().state_dict().keys()
    assert torch.equal(plain(IMAGES), masked(IMAGES))
    assert type(plain[0]) is nn.Conv2d
    assert type(plain[4]) is nn.Linear
    assert isinstance(plain[4].weight, nn.Parameter)
    assert plain[4].weight.requires_grad
    assert masks_of(plain) == {}


def test_stripped_weights_load_into_the_dense_model():
    masked = small_masked_model().eval()
    dense = small_model().eval()
    dense.load_state_dict(strip(masked).state_dict())
    assert torch.equal(dense(IMAGES), masked(IMAGES))


def test_the_masked_model_still_works_after_strip():
    masked = small_masked_model().eval()
    expected = masked(IMAGES)
    strip(masked)
    assert torch.equal(masked(IMAGES), expected)
    assert list(masks_of(masked)) == ["0", "4"]
    assert (masked[4].weight[~masks_of(masked)["4"]] == 0).all()


def test_copies_of_copies_can_all_be_stripped():
    masked = small_masked_model().eval()
    twin = copy.deepcopy(masked)
    third = copy.deepcopy(twin)
    expected = masked(IMAGES)
    for model in (twin, masked, third):
        assert torch.equal(strip(model)(IMAGES), expected)
        assert torch.equal(model(IMAGES), expected)
    assert torch.equal(strip(strip(third))(IMAGES), expected)
    assert list(masks_of(third)) == ["0", "4"]


def test_stripped_models_train_their_zeros_like_any_other_weight():
    plain = strip(small_masked_model())
    plain(IMAGES).square().sum().backward()
    assert plain[4].weight.grad.abs().sum(dim=1).min() > 0


def test_strip_leaves_other_parametrizations_alone():
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), nn.Linear(3, 3)
    )
    masked = apply_masks(model, {"1": kept([1, 0, 0], [0, 1, 0], [0, 0, 1])})
    plain = strip(masked)
    assert parametrize.is_parametrized(plain[0], "weight")
    assert not parametrize.is_parametrized(plain[1])


def test_rescaled_weights_by_hand():
    model = linear([1.0, 1.0, 1.0, 1.0], *([3.0] * 4 for _ in range(3)))
    mask = kept([1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0])
    weight = apply_masks(model, {"0": mask})[0].weight
    assert weight[0].tolist() == [2.0, 0.0, 0.0, 0.0]  # sqrt(4 / 1)
    assert weight[1].tolist() == pytest.approx([3 * 2**0.5] * 2 + [0.0, 0.0])  # sqrt(4 / 2)
    assert weight[2].tolist() == [3.0] * 4
    assert weight[3].tolist() == [0.0] * 4


def test_rescaling_counts_kernel_positions():
    model = with_weight(nn.Conv1d(1, 1, 4, bias=False), [[[1.0, 1.0, 1.0, 1.0]]])
    masked = apply_masks(model, {"0": kept([[0, 1, 0, 0]])})
    assert masked[0].weight.tolist() == [[[0.0, 2.0, 0.0, 0.0]]]


def test_rescaling_keeps_the_variance_of_every_output():
    model = with_weight(nn.Conv2d(10, 6, 3), np.ones((6, 10, 3, 3)))
    mask = np.random.default_rng(0).random((6, 10)) < 0.4
    masked = apply_masks(model, {"0": mask})
    assert len(set(mask.sum(axis=1))) > 1
    squares = masked[0].weight.square().sum(dim=(1, 2, 3))  # as of 90 weights of 1
    assert squares.tolist() == pytest.approx([90.0] * 6)


def test_without_rescaling_the_kept_weights_stay_bit_for_bit():
    model = small_model()
    masked = apply_masks(model, MASKS, rescale=False)
    mask = torch.from_numpy(MASKS["4"])
    assert torch.equal(masked[4].weight[mask], model[4].weight[mask])


def test_masks_are_told_in_the_shape_of_the_weights():
    masks = masks_of(small_masked_model())
    assert masks["0"].shape == (4, 2, 3, 3)
    assert torch.equal(masks["0"][:, :, 1, 2], torch.from_numpy(MASKS["0"]))
    assert torch.equal(masks["4"], torch.from_numpy(MASKS["4"]))


def test_a_regular_mask_reads_rows_as_outputs_and_columns_as_inputs():
    mask = expand(adjacency(nx.cycle_graph(4)), out_channels=4, in_channels=8)
    masked = apply_masks(linear(*([1.0] * 8 for _ in range(4))), {"0": mask}, rescale=False)
    only_first_channel = torch.eye(8)[:1]  # node 0 of the cycle, joined to 1 and 3
    assert masked(only_first_channel).tolist() == [[0.0, 1.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"7": kept([1])}, "'7' is no layer of this model"),
        ({"2": kept([1])}, "'2' is no layer of this model"),
        ({"4": kept([1, 0])}, r"4: mask has shape \(1, 2\), the weight has \(8, 16\)"),
        ({"0": np.ones((4, 2, 3), bool)}, r"mask has shape \(4, 2, 3\)"),
        ({"0": np.ones((2, 4), bool)}, r"mask has shape \(2, 4\)"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, message):
    with pytest.raises(SpecError, match=message):
        apply_masks(small_model(), masks)


def test_a_layer_is_not_masked_twice():
    with pytest.raises(SpecError, match="0: weight is parametrized already"):
        apply_masks(small_masked_model(), {"0": MASKS["0"]})
