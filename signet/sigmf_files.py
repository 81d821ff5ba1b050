"""SigMF recordings: the metadata read and written, and the file of samples found.

Source: SigMF specification 1.2, https://sigmf.org; the metadata go through the library sigmf.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphprune.errors import FileError, SpecError
from graphprune.records import read_text, write_text
from signet.optional import library
from signet.sample_types import SampleType, sample_type

META, DATA = ".sigmf-meta", ".sigmf-data"
_START, _COUNT, _LABEL = "core:sample_start", "core:sample_count", "core:label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """What is said of a stretch of samples.

    `start` and `count` are in samples; `count` None reaches to the end. `fields` are all
    further fields by their full names, "core:comment" or "signet:snr" say.
    """

    start: int
    count: int | None = None
    label: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigmfRecording:
    """A SigMF recording whose metadata agree with its file of samples.

    `samples` counts them; `sample_rate` is in Hz, None where the metadata do not say.
    """

    meta: Path
    data: Path
    type: SampleType
    samples: int
    sample_rate: float | None
    annotations: tuple[Annotation, ...]
    info: Mapping[str, Any]


def read_sigmf(path: Path) -> SigmfRecording:
    """Metadata of a recording, checked against its file of samples.

    Args:
        path: Its .sigmf-meta or its .sigmf-data file.

    Raises:
        FileError: A file is missing or damaged, the datatype is unknown, the samples are cut
            off or more than one channel, or an annotation reaches past the end.
        SpecError: The library sigmf is not installed.
    """
    meta = path.with_suffix(META)
    body = _parsed(meta)
    info = body["global"]
    try:
        type = sample_type(info.get("core:datatype"), where=f"{meta}: core:datatype")
    except SpecError as error:
        raise FileError(str(error)) from error
    _check_plain(info, body["captures"], str(meta))
    data = _data_file(meta, info)
    samples = sample_count(data, type)
    return SigmfRecording(
        meta=meta,
        data=data,
        type=type,
        samples=samples,
        sample_rate=_rate(info.get("core:sample_rate"), str(meta)),
        annotations=tuple(
            _annotation(entry, samples, f"{meta}: annotation {number}")
            for number, entry in enumerate(body["annotations"])
        ),
        info=info,
    )


def sample_count(path: Path, type: SampleType) -> int:
    """Number of samples in a file of nothing but samples.

    Raises:
        FileError: The file is missing, unreadable, empty, or ends within a sample.
    """
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
    if not size:
        raise FileError(f"{path}: is empty")
    if size % type.bytes:
        raise FileError(
            f"{path}: cut off, {size:,} bytes are no whole number of {type.name} samples of "
            f"{type.bytes} bytes"
        )
    return size // type.bytes


def write_meta(
    path: Path,
    *,
    datatype: str,
    sample_rate: float | None = None,
    annotations: Iterable[Annotation] = (),
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write the metadata of a recording; the file appears whole or not at all.

    Args:
        path: The .sigmf-meta file.
        datatype: Name of the datatype of the samples, "cf32_le" say.
        sample_rate: In Hz; None leaves it out.
        annotations: In any order; the file has them by their start.
        info: Further global fields by their full names; fields of an extension's namespace
            here or in annotations, "signet:snr" say, are declared as optional.

    Raises:
        SpecError: The datatype is unknown, or the library sigmf is not installed.
        FileError: The file cannot be written.
    """
    sigmf = library("sigmf", needed_by="writing SigMF metadata")
    entries = [_entry(found) for found in sorted(annotations, key=lambda found: found.start)]
    fields = {"core:datatype": sample_type(datatype).name, **(info or {})}
    if sample_rate is not None:
        fields["core:sample_rate"] = sample_rate
    names = {name.partition(":")[0] for part in (fields, *entries) for name in part}
    if extensions := sorted(names - {"core"}):
        fields["core:extensions"] = [
            {"name": name, "version": "1.0.0", "optional": True} for name in extensions
        ]
    body = {"global": fields, "captures": [{_START: 0}], "annotations": entries}
    write_text(path, str(sigmf.SigMFFile(metadata=body).dumps()) + "\n")


def _parsed(meta: Path) -> dict[str, Any]:
    """The three parts of a metadata file, each of the right kind."""
    sigmf = library("sigmf", needed_by=f"reading {meta.name}")
    text = read_text(meta)
    try:
        body = dict(sigmf.SigMFFile(metadata=text).ordered_metadata())
    except Exception as error:  # the library raises what it likes on damage
        raise FileError(f"{meta}: no sound SigMF metadata ({error})") from error
    for key, kind in (("global", dict), ("captures", list), ("annotations", list)):
        if not isinstance(body[key], kind):
            raise FileError(f"{meta}: no sound SigMF metadata ({key} is no {kind.__name__})")
    for key in ("captures", "annotations"):
        if not all(isinstance(entry, dict) for entry in body[key]):
            raise FileError(f"{meta}: no sound SigMF metadata ({key} are no objects)")
    return body


def _check_plain(info: Mapping[str, Any], captures: list[Any], name: str) -> None:
    """Refuse files with anything but the samples of one channel in them."""
    if (channels := info.get("core:num_channels", 1)) != 1:
        raise FileError(f"{name}: core:num_channels is {channels!r}, only 1 is read")
    if info.get("core:metadata_only"):
        raise FileError(f"{name}: core:metadata_only is set, so there are no samples")
    for found in (info, *captures):
        for key in ("core:header_bytes", "core:trailing_bytes", "core:offset"):
            if found.get(key):
                raise FileError(f"{name}: {key} is {found[key]!r}, only 0 is read")


def _data_file(meta: Path, info: Mapping[str, Any]) -> Path:
    """The file of samples: of the same name, or the one that the metadata name beside it."""
    named = info.get("core:dataset")
    if named is None:
        data = meta.with_suffix(DATA)
    elif isinstance(named, str) and named and Path(named).name == named:
        data = meta.with_name(named)
    else:
        raise FileError(f"{meta}: core:dataset must name a file beside it, got {named!r}")
    if not data.is_file():
        raise FileError(f"{data}: the samples of {meta.name} are missing")
    return data


def _rate(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise FileError(f"{name}: core:sample_rate must be above 0 Hz, got {value!r}")
    return float(value)


def _annotation(entry: dict[str, Any], samples: int, name: str) -> Annotation:
    start = _whole(entry.get(_START), f"{name}: {_START}")
    count = _whole(entry[_COUNT], f"{name}: {_COUNT}") if _COUNT in entry else None
    label = entry.get(_LABEL)
    if start + (count or 0) > samples:
        raise FileError(
            f"{name}: {count or 0:,} samples from {start:,} reach past the end, there are "
            f"{samples:,} samples"
        )
    if not (label is None or isinstance(label, str)):
        raise FileError(f"{name}: {_LABEL} must be text, got {label!r}")
    rest = {key: value for key, value in entry.items() if key not in (_START, _COUNT, _LABEL)}
    return Annotation(start=start, count=count, label=label, fields=rest)


def _entry(found: Annotation) -> dict[str, Any]:
    entry: dict[str, Any] = {_START: found.start}
    if found.count is not None:
        entry[_COUNT] = found.count
    if found.label is not None:
        entry[_LABEL] = found.label
    return {**entry, **found.fields}


def _whole(value: Any, name: str) -> int:
    if type(value) is not int or value < 0:
        raise FileError(f"{name} must be a whole number of at least 0, got {value!r}")
    return value
