"""Relevance: what the z+ rule gives each layer, and which filters it prunes."""

import copy
from dataclasses import replace

import pytest
import torch
from sparse_toys import (
    LAYERS,
    SmallNet,
    begun,
    budget,
    every_step,
    examples,
    kept,
    moment,
    small_net,
)
from torch import nn

from graphprune.errors import SpecError
from graphprune.methods import relevance
from graphprune.methods.relevance import Relevance
from graphprune.models.resnet import resnet8_wide
from graphprune.nn import masks_of
from graphprune.sparse_training.filters import filters_of
from graphprune.sparse_training.relevances import (
    filter_relevances,
    layer_relevances,
    plain_copy,
    silence,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def linear(rows):
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))
    return layer


def lived(model, seed=0):
    """The model with BatchNorms of any scale, shift and statistics."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.weight.normal_(0.2, 1, generator=rng)
                norm.bias.normal_(generator=rng)
                norm.running_mean.normal_(generator=rng)
                norm.running_var.uniform_(0.5, 2, generator=rng)
    return model.eval()


def relevances(model, inputs, labels):
    return layer_relevances(plain_copy(model, "toy"), inputs, labels)


def test_the_rule_by_hand():
    # x = (1, 2) makes z = (-1, 4), and these 3 and 4 of the output 7: relevances 3/7 and 4/7.
    # Positive weights [[1, 0], [2, 1]] share 3 and 4 out as 3 + 4 * 2/4 = 5 and 4 * 2/4 = 2.
    net = nn.Sequential(
        linear([[1.0, 0.0], [0.0, 1.0]]),
        linear([[1.0, -1.0], [2.0, 1.0]]),
        linear([[-3.0, 1.0]]),
    )
    found = relevances(net, torch.tensor([[1.0, 2.0]]), torch.tensor([0]))
    torch.testing.assert_close(found["2"], torch.tensor([[1.0]]))
    torch.testing.assert_close(found["1"], torch.tensor([[3.0, 4.0]]) / 7)
    torch.testing.assert_close(found["0"], torch.tensor([[5.0, 2.0]]) / 7)


def test_relevance_begins_at_the_label_alone():
    net = nn.Sequential(linear([[1.0, 0.0], [0.0, 1.0]]), linear([[1.0, 1.0], [0.0, -1.0]]))
    found = relevances(net, torch.tensor([[2.0, 6.0], [2.0, -6.0]]), torch.tensor([0, 1]))
    torch.testing.assert_close(found["1"], torch.eye(2))  # a negative output is 1 too
    torch.testing.assert_close(found["0"], torch.tensor([[0.25, 0.75], [0.0, 1.0]]))


def test_a_residual_sum_shares_by_its_parts():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.branch = linear([[1.0]]), linear([[3.0]])
            self.end = linear([[1.0]])

        def forward(self, x):
            x = torch.relu(self.stem(x))
            y = self.branch(x)
            y += x  # in place, as many networks do
            return self.end(torch.relu(y))

    found = relevances(Sum(), torch.tensor([[5.0]]), torch.tensor([0]))
    assert found["branch"].item() == pytest.approx(0.75)
    assert found["stem"].item() == pytest.approx(1)  # three quarters, and the shortcut's one


def test_relevance_is_conserved_through_convolutions_and_pooling():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, bias=False), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1, bias=False), nn.ReLU(inplace=True), nn.AvgPool2d(2),
        nn.Flatten(), nn.Dropout(), nn.Linear(8, 3, bias=False),
    )  # fmt: skip
    images, labels = examples()
    found = relevances(net, images.abs(), labels)
    for name in ("0", "3", "8"):
        per_example = found[name].flatten(1).sum(dim=1)
        torch.testing.assert_close(per_example, torch.ones(24), atol=1e-4, rtol=0)


def test_relevance_is_conserved_in_a_residual_network():
    torch.manual_seed(0)
    net = resnet8_wide(classes=3, in_channels=1)
    images, labels = examples()
    found = relevances(net, images, labels)
    first = next(iter(found))
    torch.testing.assert_close(
        found[first].flatten(1).sum(dim=1), torch.ones(24), atol=1e-3, rtol=0
    )


def folded(net):
    """The net with each BatchNorm folded into its convolution."""
    for conv, norm in (("first", "norm"), ("second", "last_norm")):
        layer, after = net.get_submodule(conv), net.get_submodule(norm)
        scale = after.weight / (after.running_var + after.eps).sqrt()
        whole = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1)
        with torch.no_grad():
            whole.weight.copy_(layer.weight * scale.reshape(-1, 1, 1, 1))
            bias = 0 if layer.bias is None else layer.bias
            whole.bias.copy_(after.bias + (bias - after.running_mean) * scale)
        setattr(net, conv, whole)
        setattr(net, norm, nn.Identity())
    return net


def test_a_norm_counts_as_part_of_its_convolution():
    net = lived(small_net())
    net.second = nn.Conv2d(8, 16, 3, padding=1)  # its bias counts for nothing either
    assert (net.norm.weight < 0).any()
    images, labels = examples()
    one, other = relevances(net, images, labels), relevances(folded(net), images, labels)
    assert set(one) == set(other) == {"stem", "first", "second", "classify"}
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-5, rtol=1e-4)


def test_a_norm_on_its_own_passes_relevance_on():
    images, labels = examples()
    for with_norm in (True, False):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(4) if with_norm else
            nn.Identity(), nn.Flatten(), nn.Linear(64, 3, bias=False),
        )  # fmt: skip
        found = relevances(net.eval(), images, labels)["0"].flatten(1).sum(dim=1)
        torch.testing.assert_close(found, torch.ones(24), atol=1e-4, rtol=0)


def test_filters_without_a_part_in_the_output_have_no_relevance():
    net = small_net()
    with torch.no_grad():
        net.second.weight[:, 5] = 0
        net.second.weight[3] = 0
    plain = plain_copy(net, "toy")
    found = filter_relevances(plain, LAYERS, *examples())
    assert found["first"][5] == 0
    assert found["first"].count_nonzero() > 4
    for each in found.values():
        assert each.min() >= 0
        assert each.sum().item() == pytest.approx(1)
    silence(plain, {"first": torch.arange(8) < 2})
    again = filter_relevances(plain, LAYERS, *examples())
    assert not again["first"][2:].any()
    assert net.first.weight.flatten(1).any(dim=1).all()  # the copy alone is changed


def test_masks_at_work_count():
    pruner = begun(Relevance())
    mask = (torch.arange(8) < 3).reshape(8, 1, 1, 1).expand(8, 8, 3, 3)
    pruner._body.put(pruner.masks | {"first": mask})
    found = filter_relevances(plain_copy(pruner.model, "toy"), LAYERS, *examples())
    assert not found["first"][3:].any()
    pruner.model(examples()[0])  # the network still runs with its masks
    assert pruner.model.first.weight[3:].count_nonzero() == 0


def test_it_prunes_once_and_exactly():
    before = None
    for step, pruner in enumerate(every_step(Relevance(at=0.5), steps=20, density="3/8")):
        total = sum(kept(pruner.masks).values())
        if step < 10:
            assert total == 72 * 24
            continue
        assert total == pruner.budget.total
        for mask in pruner.masks.values():
            assert mask.flatten(1).all(dim=1).equal(filters_of(mask))
            assert mask.any()
        assert before is None or all(torch.equal(before[n], pruner.masks[n]) for n in LAYERS)
        before = {name: mask.clone() for name, mask in pruner.masks.items()}
    assert sum(kept(masks_of(pruner.finish())).values()) == pruner.budget.total


@pytest.mark.parametrize(("share", "rounds"), [(1.0, 1), (0.25, 3), (1 / 24, 15)])
def test_each_round_scores_what_the_last_one_left(monkeypatch, share, rounds):
    seen = []

    def counting(plain, *others):
        weights = [plain.get_submodule(name).weight for name in LAYERS]
        seen.append(sum(int(w.flatten(1).any(dim=1).sum()) for w in weights))
        return filter_relevances(plain, *others)

    monkeypatch.setattr(relevance, "filter_relevances", counting)
    pruner = begun(Relevance(share=share), density="3/8")
    found = pruner.method.choose(pruner.moment())
    assert sum(kept(found).values()) == pruner.budget.total
    gone = -(-24 * share // 1)
    assert seen == [24 - gone * done for done in range(rounds)]  # 9 of 24 stay


def test_what_a_round_removed_ranks_last_from_then_on(monkeypatch):
    rounds = [[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 1.0]]  # in the second, three are level
    monkeypatch.setattr(
        relevance, "filter_relevances", lambda *_: {"0": torch.tensor(rounds.pop(0))}
    )
    net = nn.Sequential(linear([[1.0]] * 4))
    now = moment(
        {"0": net[0].weight.detach() * 1}, density="1/2", model=net,
        sample=(torch.ones(1, 1), torch.tensor([0])),
    )  # fmt: skip
    found = Relevance(share=0.25).choose(now)
    assert filters_of(found["0"]).tolist() == [False, True, False, True]


def test_the_least_relevant_go_first():
    net = small_net()
    with torch.no_grad():
        net.second.weight[:, :4] = 0  # half of the first layer's filters are read by nobody
        net.classify.weight[:, ::4] = 0
    pruner = begun(Relevance(share=0.1), net=net, density="2/3")  # 16 of 24: these eight go
    found = pruner.method.choose(pruner.moment())
    assert filters_of(found["first"]).tolist() == [False] * 4 + [True] * 4
    assert filters_of(found["second"]).tolist() == [False, True, True, True] * 4


def test_removed_filters_come_back_where_sizes_force_it():
    # Filters of 2 and 3 weights, 3 + 3 of them; the total 12 needs three of the first.
    net = nn.Sequential(linear([[1.0, 1.0]] * 3), nn.ReLU(), linear([[1.0] * 3] * 3))
    now = moment(
        {"0": net[0].weight.detach() * 1, "2": net[2].weight.detach() * 1},
        density="4/5", model=net, sample=(torch.tensor([[1.0, 1.0]]), torch.tensor([0])),
    )  # fmt: skip
    assert now.budget.total == 13
    now = replace(now, budget=budget(now.budget.shapes, density="23/30"))
    assert now.budget.total == 12
    found = Relevance(share=0.01).choose(now)
    assert kept(found) == {"0": 6, "2": 6}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": 0.0}, r"relevance: at must be in \(0, 1\], got 0.0"),
        ({"share": 1.5}, r"relevance: share must be in \(0, 1\], got 1.5"),
    ],
)
def test_nonsense_options_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        Relevance(**options)


class WithNorm(SmallNet):
    def __init__(self, layer):
        super().__init__()
        self.norm = layer


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.GroupNorm(2, 8), r"norm \(GroupNorm\)"),
        (nn.PReLU(), r"norm \(PReLU\)"),
        (nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"), r"norm \(Conv2d\)"),
    ],
)
def test_layers_without_a_rule_are_refused(layer, words):
    with pytest.raises(
        SpecError, match=f"relevance: no rule for {words}: weights must"
    ) as said:
        begun(Relevance(), net=WithNorm(layer))
    assert "\n" not in str(said.value)


def test_what_it_lacks_is_refused():
    with pytest.raises(SpecError, match="relevance scores weights on examples: it needs data"):
        begun(Relevance(), sample=None)
    with pytest.raises(
        SpecError, match=r"relevance: ratio 0.7 keeps 519 weights, which no whole"
    ):
        begun(Relevance(), density="3/10")


def test_the_network_is_left_as_it_was():
    pruner = begun(Relevance())
    before = copy.deepcopy(pruner.model.state_dict())
    pruner.method.choose(pruner.moment())
    after = pruner.model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert pruner.model.training
    assert all(parameter.requires_grad for parameter in pruner.model.parameters())
