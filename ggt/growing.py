"""Makes a bank and adds models to it; may be stopped at any moment and asked again."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count, takewhile
from pathlib import Path

import torch
from torch import nn

from ggt.bank import Bank
from ggt.bank_folder import BankFolder
from ggt.bank_request import BASE, FLOOR, check_same, data_of, settled, usual_recipe
from ggt.bank_request import BankRequest as BankRequest
from ggt.clock import Row, forget
from ggt.design import Design, member_graphs
from ggt.manifest import Manifest, Member, Rejected
from ggt.members import MemberTask, Recipe, checkpoint_of, design_plan, train_member
from ggt.networks import dense_builder
from ggt.originals import copy_original, train_original
from ggt.splits import DataRequest, Splits, load_splits
from ggt.workers import Inline, Processes, Workers
from graphprune.errors import MismatchError, SpecError, TrainingError
from graphprune.models import build_model
from graphprune.monitor import Monitor, Silent
from graphprune.nn.saved_files import saved_config
from graphprune.records import remove

LEAST_TRIES = 6  # before a design is given up


def grow(request: BankRequest, monitor: Monitor | None = None) -> Bank:
    """Make a bank, or add models to one, until it has as many as are asked for.

    The manifest is rewritten after every model, and a training goes on from its last epoch, so
    the same request finishes what was interrupted. On a CPU equal requests with equal
    `threads` give equal banks, however often they were interrupted and whatever `jobs` is.

    Args:
        request: What to make.
        monitor: Told of stages and progress.

    Returns:
        The bank. One that has enough models already is left as it is.

    Raises:
        MismatchError: The bank there was begun with another original, data, floor or seed, or
            its files were changed.
        FileError: Another process is at work on it, or a file is damaged or cannot be written.
        SpecError: The model cannot be pruned or judged as asked for.
        TrainingError: Too many models were rejected, or a process was killed again and again.
    """
    folder = BankFolder(request.folder)
    with folder.locked(), _threads(request.threads):
        manifest = Manifest.read(folder.manifest) if folder.manifest.exists() else None
        names = {member.name for member in manifest.members} if manifest else set()
        folder.tidy(names)
        if manifest is not None:
            check_same(request, manifest)
        if manifest is None or len(manifest.members) < request.models:
            _make(request, folder, manifest, monitor or Silent())
    return Bank.load(folder.path, builder=request.own_builder)


def fingerprint_of(splits: Splits) -> str:
    """Hash of the training images and labels; 64 hexadecimal digits."""
    digest = hashlib.sha256(splits.train.images.tobytes())
    digest.update(splits.train.labels.tobytes())
    return digest.hexdigest()


def check_rejections(manifest: Manifest, design: Design, recipe: Recipe) -> None:
    """Give up on a design most of whose models are rejected.

    The models are counted in the order of their indices, so jobs do not matter.

    Raises:
        TrainingError: Of the first 6 models made so, or more, over half were rejected.
    """
    tried = manifest.tried()
    rows = [tried[at] for at in takewhile(tried.__contains__, count())]
    rows = [one for one in rows if (one.design, one.recipe) == (design, recipe)]
    rejected = 0
    for number, one in enumerate(rows, start=1):
        rejected += isinstance(one, Rejected)
        if number >= LEAST_TRIES and 2 * rejected > number:
            raise TrainingError(
                f"{rejected} of {number} models ({design.label}) were rejected, the last: "
                f"{_last_reason(rows)}; more epochs, a higher degree or a lower floor may help"
            )


def _make(
    request: BankRequest, folder: BankFolder, manifest: Manifest | None, tell: Monitor
) -> None:
    """Make the original if there is none, then the models that lack."""
    data = manifest.data if manifest else data_of(request)
    tell.stage(f"reading {data.name}")
    splits = load_splits(data, request.data_dir)
    if not len(splits.judge):
        raise SpecError("no training image is held out, so no model can be judged")
    flip = splits.dataset.flip
    last = next(reversed(manifest.tried().values()), None) if manifest else None
    design = request.design or (last.design if last else Design())
    usual = usual_recipe(signals=splits.dataset.signal is not None)
    recipe = settled(request.recipe or (last.recipe if last else usual), flip=flip)
    if manifest is not None:
        Bank.load(folder.path, builder=request.own_builder)  # refuses changed files
        if fingerprint_of(splits) != manifest.fingerprint:
            raise MismatchError(
                f"{folder.path}: the bank was begun with other training images of {data.name}"
            )
    manifest = manifest or _begun(request, folder, data, splits, design, tell)
    build = dense_builder(saved_config(folder.base), request.own_builder)
    design = _sized(design, build, manifest.seed)
    manifest.write(folder.manifest)
    _fill(request, folder, manifest, design, recipe, tell)
    remove(folder.checkpoints)


def _begun(
    request: BankRequest,
    folder: BankFolder,
    data: DataRequest,
    splits: Splits,
    design: Design,
    tell: Monitor,
) -> Manifest:
    """The manifest of a bank that has its original and no model yet."""
    seed, base = request.seed or 0, request.base or BASE
    if request.copied:
        tell.stage(f"copying {base}")
        original, scale = copy_original(folder, Path(base), splits, builder=request.builder)
    else:
        dataset = splits.dataset
        sizes = {"classes": len(dataset.classes), "size": dataset.size}
        build = partial(build_model, base, in_channels=dataset.channels, **sizes)
        _sized(design, build, seed)  # refused before minutes of training
        tell.stage(f"training the original, {base}")
        usual = usual_recipe(signals=dataset.signal is not None, base=True)
        recipe = settled(request.base_recipe or usual, flip=dataset.flip)
        original, scale = train_original(
            folder,
            base,
            splits,
            recipe,
            seed=seed,
            device=request.device,
            on_epoch=partial(_tell_epoch, tell, recipe.epochs),
        )
    return Manifest(
        base=original,
        preprocessing=scale,
        data=data,
        fingerprint=fingerprint_of(splits),
        floor=FLOOR if request.floor is None else request.floor,
        seed=seed,
    )


def _fill(
    request: BankRequest,
    folder: BankFolder,
    manifest: Manifest,
    design: Design,
    recipe: Recipe,
    tell: Monitor,
) -> None:
    """Make models until enough are kept; the manifest follows each of them."""
    task = MemberTask(
        folder=folder,
        index=0,
        design=design,
        recipe=recipe,
        seed=manifest.seed,
        data=manifest.data,
        preprocessing=manifest.preprocessing,
        least_accuracy=manifest.least_accuracy,
        base_hash=manifest.base.hash,
        fingerprint=manifest.fingerprint,
        data_dir=request.data_dir,
        builder=request.own_builder,
        device=request.device,
        threads=request.threads,
    )
    on_epoch = partial(_tell_epoch, tell, recipe.epochs)
    workers: Workers = (
        Processes() if request.jobs > 1 else Inline(partial(train_member, on_epoch=on_epoch))
    )
    tried = manifest.tried()
    free = (index for index in count() if index not in tried)
    try:
        while True:
            check_rejections(manifest, design, recipe)
            lacking = request.models - len(manifest.members)
            while workers.running < min(request.jobs, lacking):
                index = next(free)
                tell.stage(f"training model {index:03d} ({design.label})")
                workers.start(replace(task, index=index))
            if not workers.running:
                return
            for made in workers.finished():
                manifest = manifest.with_result(made)
                manifest.write(folder.manifest)
                forget(checkpoint_of(replace(task, index=made.index)))
    finally:
        workers.stop()


def _sized(design: Design, build: Callable[[], nn.Module], seed: int) -> Design:
    """The design with its node count told; refused where the network cannot carry it."""
    with torch.random.fork_rng(devices=[]):
        plan = design_plan(design, build())
    if plan is None:
        return design
    member_graphs(design, plan, seed=seed, index=0)
    return replace(design, nodes=plan.nodes)


def _last_reason(rows: list[Member | Rejected]) -> str:
    return [one.reason for one in rows if isinstance(one, Rejected)][-1]


def _tell_epoch(tell: Monitor, epochs: int, row: Row) -> None:
    tell.progress(row["epoch"] / epochs, f"loss {row['train_loss']:.3f}")


@contextmanager
def _threads(wanted: int) -> Iterator[None]:
    """Torch on this many threads while a bank is made."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
