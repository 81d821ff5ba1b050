"""Whole networks through fast regions: equal outputs, and stepping aside when it must."""

import copy
import io
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import graphprune
from graphprune.graph import GraphSpec, random_regular
from graphprune.models import MODELS
from graphprune.nn.compaction import set_layouts
from graphprune.nn.direct import engine, operator

QUICK = settings(max_examples=25, deadline=None)


@pytest.fixture
def runs(monkeypatch):
    """Counts calls of the compiled kernels."""
    found = []
    compiled = operator.run_images

    def counted(*arguments):
        found.append(1)
        compiled(*arguments)

    monkeypatch.setattr(operator, "run_images", counted)
    return found


def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """Random statistics, so that every fold of a BatchNorm shows."""
    rng = torch.Generator().manual_seed(seed)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3, generator=rng)
            part.running_var.uniform_(0.5, 2, generator=rng)
            part.weight.data.uniform_(0.5, 1.5, generator=rng)
            part.bias.data.normal_(0, 0.3, generator=rng)
    return model.eval()


def pruned(model: nn.Module, nodes: int = 8, degree: int = 3, **options) -> nn.Module:
    plan = graphprune.plan(model, nodes=nodes, degree=degree, **options)
    graph = random_regular(GraphSpec(nodes, degree))
    return graphprune.prune(model, plan, graph=graph).eval()


def small_network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return lively(
            nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(16),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                nn.Dropout(),
                nn.Conv2d(16, 16, 3, padding="same"),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(16, 4),
            )
        )


def images(count=2, channels=3, side=12, seed=0):
    return torch.randn(
        count, channels, side, side, generator=torch.Generator().manual_seed(seed)
    )


def check_same(
    model: nn.Module, small: nn.Module, given: torch.Tensor, *, reason: str = ""
) -> None:
    """Equal outputs, and that not only because a wrong program was found out and dropped."""
    with torch.no_grad():
        torch.testing.assert_close(small(given), model(given), rtol=1e-4, atol=1e-4)
    found = small.__dict__["_engine"].reason
    assert reason in found if reason else not found


@pytest.mark.parametrize("name", ["resnet8-wide", "resnet18", "resnet20", "vgg16", "resnet50"])
def test_networks_by_name_run_as_one_region(name, runs):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = lively(MODELS[name](classes=10, in_channels=3))
    masked = pruned(model, 16, 3)
    small = graphprune.compact(masked)
    given = images(side=16)
    with torch.no_grad():
        wanted, got = masked(given), small(given)
    assert len(runs) == 2  # once more when the program was checked
    scale = max(1.0, float(wanted.abs().max()))
    assert float((got - wanted).abs().max()) <= 1e-5 * scale


class Strange(nn.Module):
    """Shortcuts, in-place steps, names read twice, and steps without a form in between."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 8, 3, padding=1)
        self.three = nn.Conv2d(8, 8, (1, 3), padding=(0, 1), stride=(2, 1))
        self.four = nn.Conv2d(8, 16, 2, dilation=2)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        x = self.one(x)
        y = functional.relu(self.norm(x), inplace=True)
        z = self.two(y) + x  # x is read again
        z += y
        z = torch.relu(z) + z  # z is read on both sides
        w = torch.tanh(self.three(z))  # no form
        w = self.four(w)
        w.relu_()
        return self.head(w.mean((2, 3)))


def test_strange_networks_come_in_several_regions(runs):
    torch.manual_seed(1)
    model = lively(Strange())
    masked = pruned(model)
    small = graphprune.compact(masked)
    check_same(masked, small, images())
    assert len(runs) == 4  # two regions, run twice


class InPlace(nn.Module):
    """Steps in place on tensors that are read again under another name."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.same = nn.Identity()
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        first = self.one(x)
        other = self.same(first)
        other.relu_()  # first is clipped too
        second = self.two(first)
        held = second
        added = torch.relu(second)
        second.add_(added)  # held is the sum now
        return self.head((held + first[:, :, 2:, 2:]).mean((2, 3)))


def test_steps_in_place_change_all_names_of_a_tensor(runs):
    torch.manual_seed(1)
    masked = pruned(lively(InPlace()))
    check_same(masked, graphprune.compact(masked), images())
    assert runs


class Augmented(nn.Module):
    """Tracing takes += for a new tensor, which it is not."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        first = second = self.one(x)
        second += self.two(first)
        return self.head(first.mean((2, 3)))


def test_what_tracing_gets_wrong_is_not_used(runs):
    torch.manual_seed(1)
    masked = pruned(lively(Augmented()))
    small = graphprune.compact(masked)
    check_same(masked, small, images(), reason="other outputs")
    assert len(runs) == 1  # the check


class NormAfterSum(nn.Module):
    """BatchNorm scales both sides of the sum before it, and what is clipped comes after."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.last = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.one(x)
        x = self.last(torch.relu(self.norm(self.two(x) + x)))
        return self.head(x.mean((2, 3)))


def test_norms_behind_sums_and_clips(runs):
    torch.manual_seed(1)
    masked = pruned(lively(NormAfterSum()))
    check_same(masked, graphprune.compact(masked), images())
    assert len(runs) == 2


@given(st.integers(0, 2**16), st.integers(1, 3), st.booleans())
@QUICK
def test_random_networks(seed, depth, wide):
    rng = torch.Generator().manual_seed(seed)

    def pick(*choices):
        return choices[int(torch.randint(len(choices), (1,), generator=rng))]

    torch.manual_seed(seed)
    channels, parts = 8, [nn.Conv2d(3, 8, 3, padding=1)]
    for _ in range(depth):
        kernel, out = pick(1, 2, 3), pick(8, 12, 16, 24)
        parts += [
            nn.Conv2d(
                channels,
                out,
                kernel,
                stride=pick(1, 1, 2),
                padding=pick(0, 1, 2),
                dilation=pick(1, 2),
                bias=pick(True, False),
            ),
            nn.BatchNorm2d(out),
            pick(nn.ReLU(), nn.Identity(), nn.ReLU(inplace=True), nn.GELU()),
        ]
        channels = out
    parts += [nn.MaxPool2d(pick(1, 2), ceil_mode=True), nn.Flatten()]
    model = nn.Sequential(*parts)
    given = images(side=19 if wide else 13, seed=seed)
    model.append(nn.Linear(model(given).shape[1], 3))
    masked = pruned(lively(model, seed))
    check_same(masked, graphprune.compact(masked), given)


def test_one_dimension(runs):
    torch.manual_seed(0)
    model = lively(
        nn.Sequential(
            nn.Conv1d(2, 8, 5, padding=2),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Conv1d(8, 16, 3, stride=2, padding=1),
            nn.MaxPool1d(2),
            nn.Conv1d(16, 16, 3),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(16, 3),
        )
    )
    masked = pruned(model)
    small = graphprune.compact(masked, layouts={"*": "direct"})
    given = torch.randn(3, 2, 40)
    check_same(masked, small, given)
    assert runs


def test_changed_weights_and_statistics_are_noticed(runs):
    small = graphprune.compact(pruned(small_network()))
    given = images()
    with torch.no_grad():
        before = small(given)
        for change in (
            lambda: small[3].weight.mul_(2),
            lambda: small[4].running_mean.add_(1),
            lambda: setattr(small[0], "bias", nn.Parameter(torch.ones(8))),
            lambda: small.load_state_dict(halved(small)),
        ):
            change()
            wanted = engine.detach(copy.deepcopy(small))(given)
            torch.testing.assert_close(small(given), wanted, rtol=1e-4, atol=1e-4)
            assert not torch.allclose(wanted, before)
            before = wanted
    assert len(runs) == 10


def test_changes_that_torch_hides_are_noticed_after_training():
    parts = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)
    model = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    small = graphprune.compact(pruned(model))
    with torch.no_grad():
        before = small(images())
        small[2].weight.data.mul_(2)
        small.train()
        small(images())
        small.eval()
        wanted = engine.detach(copy.deepcopy(small))(images())
        torch.testing.assert_close(small(images()), wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(wanted, before)


def test_a_part_that_was_replaced_is_noticed():
    small = graphprune.compact(pruned(small_network()))
    with torch.no_grad():
        before = small(images())
        small[1] = nn.Identity().eval()
        wanted = engine.detach(copy.deepcopy(small))(images())
        torch.testing.assert_close(small(images()), wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(wanted, before)


def test_weights_made_in_inference_mode_leave_it_to_the_modules(runs):
    with torch.inference_mode():
        small = graphprune.compact(pruned(small_network()))
        assert small(images()).shape == (2, 4)
    assert not runs


def halved(model: nn.Module) -> dict[str, torch.Tensor]:
    """State with all weights and statistics halved."""
    state = model.state_dict()
    return {key: v * 0.5 if v.is_floating_point() else v for key, v in state.items()}


def test_a_first_batch_that_is_not_finite(runs):
    masked = pruned(small_network())
    small = graphprune.compact(masked)
    with torch.no_grad():
        assert small(images() / 0).isnan().all()
    check_same(masked, small, images())
    assert len(runs) == 3


def test_changed_layouts_are_noticed(runs):
    masked = pruned(small_network())
    small = graphprune.compact(masked)
    check_same(masked, small, images())
    set_layouts(small, {"3": "dense"})
    check_same(masked, small, images())  # layer 8 is left for a second region, of its own
    set_layouts(small, {"*": "grouped"})
    runs.clear()
    check_same(masked, small, images())
    assert not runs


def aside(small, given):
    """Every way of running a network in which its modules must run themselves."""
    small.eval()
    yield "gradients", lambda: small(given)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            yield "autocast", lambda: small(given)
        with FlopCounterMode(display=False):
            yield "a dispatch mode", lambda: small(given)
        handle = small[3].register_forward_hook(lambda *_: None)
        yield "a hook", lambda: small(given)
        handle.remove()
        handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
        yield "a global hook", lambda: small(given)
        handle.remove()
        small.train()
        yield "training", lambda: small(given)
        small.eval()
        small[1].train()
        yield "a part in training", lambda: small(given)
        small.eval()
        yield "vmap", lambda: torch.func.vmap(lambda x: small(x[None]))(given)
        yield "double precision", lambda: small.double()(given.double())


def test_steps_aside_where_modules_must_run(runs):
    small = graphprune.compact(pruned(small_network()))
    given = images()
    with torch.no_grad():
        small(given)
    runs.clear()
    for name, run in aside(small, given):
        assert run() is not None
        assert not runs, name
    small.float()
    with torch.no_grad():
        small(given)
    assert runs


def test_hooks_see_what_they_see_on_the_modules():
    small = graphprune.compact(pruned(small_network()))
    seen = []
    small[3].register_forward_hook(lambda _m, _i, output: seen.append(output.shape))
    with torch.no_grad():
        small(images())
    assert seen == [(2, 16, 6, 6)]


def test_regions_that_read_each_other(runs):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        masked = pruned(lively(MODELS["resnet8-wide"](classes=10, in_channels=3)), 16, 3)
    layouts = {"stage2.0.branch.conv1": "dense", "stage3.0.branch.conv1": "grouped"}
    check_same(masked, graphprune.compact(masked, layouts=layouts), images(side=8))
    assert len(runs) == 6  # three regions, run twice


def test_every_size_has_its_program_and_old_ones_go(runs):
    masked = pruned(small_network())
    small = graphprune.compact(masked)
    for side in range(8, 8 + engine.MOST_SHAPES + 3):
        check_same(masked, small, images(side=side))
    assert len(small.__dict__["_engine"]._programs) == engine.MOST_SHAPES
    check_same(masked, small, images(side=8))
    assert len(runs) == 2 * (engine.MOST_SHAPES + 4)


def test_gradients_and_training_are_the_modules(runs):
    masked = pruned(small_network())
    small = graphprune.compact(masked)
    small.train()
    small(images()).sum().backward()
    assert small[3].weight.grad is not None
    assert not runs


def test_copies_have_engines_of_their_own(runs):
    small = graphprune.compact(pruned(small_network()))
    given = images()
    with torch.no_grad():
        first = small(given)
        twin = copy.deepcopy(small)
        twin[3].weight.zero_()
        assert torch.equal(small(given), first)
        assert not torch.allclose(twin(given), first)
        again = pickle.loads(pickle.dumps(small))
        assert torch.equal(again(given), first)
        whole = io.BytesIO()
        torch.save(small, whole)
        whole.seek(0)
        assert torch.equal(torch.load(whole, weights_only=False)(given), first)
    assert isinstance(again, nn.Sequential)
    assert twin.__dict__["_engine"] is not small.__dict__["_engine"]
    assert runs


def test_copies_of_a_network_whose_layers_went_dense():
    small = graphprune.compact(pruned(small_network()))
    set_layouts(small, {"*": "dense"})
    plain = engine.detach(copy.deepcopy(small))
    assert type(plain) is nn.Sequential
    with torch.no_grad():
        torch.testing.assert_close(plain(images()), small(images()))


def test_attached_network_looks_like_the_one_it_was():
    small = graphprune.compact(pruned(small_network()))
    assert type(small).__name__ == "Sequential"
    assert isinstance(small, nn.Sequential)
    plain = engine.detach(copy.deepcopy(small))
    assert type(plain) is nn.Sequential
    assert list(plain.state_dict()) == list(small.state_dict())


class Branching(nn.Module):
    """Cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.body(x)
        if x.sum() > 0:
            x = -x
        return self.head(x.mean((2, 3)))


def test_what_cannot_be_traced_runs_as_it_is(runs):
    masked = pruned(Branching().eval())
    small = graphprune.compact(masked)
    check_same(masked, small, images(), reason="cannot be traced")
    assert not runs


def test_a_wrong_program_is_never_used(runs, monkeypatch):
    """The outputs are compared when a program is made; here one is made wrong on purpose."""
    masked = pruned(small_network())
    small = graphprune.compact(masked)
    right = engine.find_regions

    def wrong(*arguments):
        regions = right(*arguments)
        for region in regions:
            region.program.constants[:] *= 1.01
        return regions

    monkeypatch.setattr(engine, "find_regions", wrong)
    check_same(masked, small, images(), reason="other outputs")
    assert len(runs) == 1


def test_inputs_that_are_refused_are_refused_by_the_modules():
    small = graphprune.compact(pruned(small_network()))
    with torch.no_grad():
        small(images())
        with pytest.raises((RuntimeError, ValueError)):
            small(images(channels=4))
        with pytest.raises((RuntimeError, ValueError)):
            small(torch.zeros(2, 3, 12))


def test_empty_batch_and_unbatched_image():
    masked = pruned(nn.Sequential(*list(small_network())[:3], *list(small_network())[3:9]))
    small = graphprune.compact(masked.eval())
    with torch.no_grad():
        assert small(images(0)).shape == masked(images(0)).shape


def test_export_and_compile_trace_the_modules(runs):
    masked = pruned(small_network())
    small = graphprune.compact(masked)
    batch = torch.export.Dim("batch")
    exported = torch.export.export(small, (images(),), dynamic_shapes=({0: batch},))
    operators = {str(node.target) for node in exported.graph.nodes}
    assert not any("planes" in each for each in operators)
    with torch.no_grad():
        compiled = torch.compile(small, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(images()), masked(images()), rtol=1e-4, atol=1e-4)
        module = exported.module()
        torch.testing.assert_close(module(images(5)), masked(images(5)), rtol=1e-4, atol=1e-4)
    assert not runs
