"""Long recordings classified window by window, in constant memory."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from graphprune.errors import MismatchError, SpecError
from signet.iq import NORMALISATIONS, Normalisation, Samples, normalised
from signet.segments import WindowBatch
from signet.windows import Cut, Windows

_LEAST, _MOST = 1e-30, 1e30  # mean powers that single precision squares safely


class Classified:
    """The windows of a recording with their classes, batch by batch; iterated once.

    Iterating raises `SpecError` where a sample or an output of the network is not finite, where
    the recording is shorter than one window or the network does not take windows of this
    length; `MismatchError` where the network has another count of classes.
    """

    def __init__(self, windows: Windows, batches: Generator[WindowBatch, None, None]) -> None:
        """`windows`: what is cut; `batches`: what is handed out."""
        self._windows, self._batches = windows, batches

    def __iter__(self) -> Iterator[WindowBatch]:
        """The batches."""
        return self

    def __next__(self) -> WindowBatch:
        """The next batch."""
        return next(self._batches)

    @property
    def samples(self) -> int:
        """Samples read so far."""
        return self._windows.samples

    @property
    def windows(self) -> int:
        """Windows handed out so far."""
        return self._windows.windows

    @property
    def rest(self) -> int:
        """Samples read so far behind the last window, too few for another one."""
        return self._windows.rest


def classify_stream(
    model: nn.Module,
    blocks: Iterable[NDArray[np.complex64]],
    *,
    length: int,
    classes: Sequence[str],
    normalise: Normalisation,
    hop: int | None = None,
    batch: int = 256,
    top: int = 3,
    threshold: float | None = None,
    noise_floor: float | None = None,
    device: str | torch.device | None = None,
    threads: int | None = None,
) -> Classified:
    """Cut a recording into windows and classify each; nothing is kept between batches.

    A window is unknown where the likeliest class has a share below `threshold`, where its
    power is below `noise_floor`, and where all its samples are 0.

    Args:
        model: From float32 of shape (batch, 2, length) to logits, shape (batch, classes). It
            runs in evaluation mode; its modes are put back at the end. `inference_form` gives
            a faster equal one.
        blocks: Complex samples in blocks of any sizes.
        length: Samples a window: what the model was trained on.
        classes: Names of the classes, in the order of the logits.
        normalise: What the model was trained with.
        hop: Samples from one window to the next; None is `length`. Above it, windows are a
            sample of the recording.
        batch: Windows that the model sees at a time.
        top: Classes told for a window; all where there are fewer.
        threshold: Least share of the likeliest class, in [0, 1]; None takes every class.
        noise_floor: Least mean power |x|^2 in dB of full scale; None sets none.
        device: Where the windows go; None is where the model is.
        threads: Threads of an operator on the CPU; None leaves torch's own setting.

    Returns:
        An iterator of batches that counts what it read.

    Raises:
        SpecError: An argument is out of range.
    """
    if normalise not in NORMALISATIONS:
        raise SpecError(
            f"normalise must be one of {', '.join(NORMALISATIONS)}, got {normalise!r}"
        )
    if threshold is not None and not 0 <= threshold <= 1:
        raise SpecError(f"threshold must be a share in [0, 1], got {threshold}")
    if noise_floor is not None and not np.isfinite(noise_floor):
        raise SpecError(f"noise_floor must be finite, in dB, got {noise_floor}")
    for name, value in (("top", top), ("threads", threads), ("classes", len(classes))):
        if value is not None and value < 1:
            raise SpecError(f"{name} must be at least 1, got {value}")
    windows = Windows(blocks, length=length, hop=hop, batch=batch)

    def run() -> Generator[WindowBatch, None, None]:
        place = torch.device(device) if device is not None else _device_of(model)
        with _evaluating(model):
            for cut in windows:
                power = mean_power(cut)
                ready = fast_normalised(cut.iq, normalise, power)
                shares = _shares(model, ready, place, threads)
                if shares.shape != (len(cut), len(classes)):
                    raise MismatchError(
                        f"the network has {shares.shape[-1]} classes, but {len(classes)} names "
                        "are given"
                    )
                yield _judged(
                    cut, shares, power, top=top, threshold=threshold, noise_floor=noise_floor
                )
        if not windows.windows:
            raise SpecError(
                f"the recording has {windows.samples:,} samples; one window needs {length:,}"
            )

    return Classified(windows, run())


def mean_power(cut: Cut) -> NDArray[np.float64]:
    """Mean of |x|^2 over each window; shape (count,).

    Raises:
        SpecError: A sample is NaN or infinite; the message gives its position.
    """
    with np.errstate(over="ignore"):
        sums = np.einsum("nij,nij->n", cut.iq, cut.iq)
    power: NDArray[np.float64] = sums.astype(np.float64) / cut.iq.shape[2]
    for row in np.flatnonzero(~_safe(power)):
        bad = np.flatnonzero(~np.isfinite(cut.iq[row]).all(axis=0))
        if len(bad):
            at = int(cut.starts[row]) + int(bad[0])
            raise SpecError(f"the recording holds NaN or infinity at sample {at:,}")
        power[row] = np.square(cut.iq[row], dtype=np.float64).sum() / cut.iq.shape[2]
    return power


def fast_normalised(iq: Samples, kind: Normalisation, power: NDArray[np.float64]) -> Samples:
    """What `signet.iq.normalised` gives, in single precision wherever that is safe.

    Args:
        iq: Shape (count, 2, length).
        kind: One of `NORMALISATIONS`.
        power: Mean of |x|^2 of each window; shape (count,).
    """
    if kind == "none":
        return iq
    safe = _safe(power)
    if kind == "power":
        scale = np.sqrt(power)
    else:
        with np.errstate(over="ignore"):
            squares = np.square(iq[:, 0]) + np.square(iq[:, 1])
        scale = np.sqrt(squares.max(axis=1)) if kind == "peak" else np.sqrt(squares).sum(axis=1)
    factor = np.divide(1, scale, out=np.zeros_like(scale), where=safe).astype(np.float32)
    found: Samples = iq * factor[:, None, None]
    if not safe.all():
        found[~safe] = normalised(iq[~safe], kind)
    return found


def _safe(power: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where squares in single precision neither overflow nor vanish."""
    found: NDArray[np.bool_] = (power > _LEAST) & (power < _MOST)
    return found


def _shares(
    model: nn.Module, ready: Samples, device: torch.device, threads: int | None
) -> NDArray[np.float32]:
    """Softmax shares; shape (count, classes)."""
    with _threads(threads), torch.inference_mode():
        try:
            logits = model(torch.from_numpy(ready).to(device))
        except RuntimeError as error:
            why = str(error).partition("\n")[0]
            raise SpecError(
                f"the network does not take windows of {ready.shape[2]} samples ({why})"
            ) from error
        shares: NDArray[np.float32] = torch.softmax(logits.float(), dim=-1).cpu().numpy()
    if not np.isfinite(shares).all():
        raise SpecError("the network gives NaN or infinity; are its weights sound?")
    return shares


def _judged(
    cut: Cut,
    shares: NDArray[np.float32],
    power: NDArray[np.float64],
    *,
    top: int,
    threshold: float | None,
    noise_floor: float | None,
) -> WindowBatch:
    """The likeliest classes, equal shares in the order of the classes."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    confidences = np.take_along_axis(shares, order, axis=1)
    with np.errstate(divide="ignore"):
        power_db = (10 * np.log10(power)).astype(np.float32)
    unknown = power == 0
    if threshold is not None:
        unknown |= confidences[:, 0] < threshold
    if noise_floor is not None:
        unknown |= power_db < noise_floor
    return WindowBatch(
        starts=cut.starts,
        length=cut.iq.shape[2],
        classes=order.astype(np.int64),
        confidences=confidences,
        unknown=unknown,
        power_db=power_db,
        iq=cut.iq,
    )


def _device_of(model: nn.Module) -> torch.device:
    """Where the first parameter lies; the CPU where there is none."""
    first: Any = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode, and each of its modules back afterwards."""
    modes = {part: part.training for part in model.modules()}
    try:
        model.eval()
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let torch use `count` threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
