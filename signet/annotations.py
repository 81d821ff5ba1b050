"""What was found in a recording, written as it comes: CSV, lines of JSON, SigMF annotations."""

import csv
import heapq
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from graphprune.errors import FileError, SpecError
from graphprune.records import read_text, writing
from graphprune.whole_folder import check_free
from signet.optional import library
from signet.segments import UNKNOWN_NAME, Segment, WindowBatch
from signet.sigmf_files import DATA, META

STANDARD_OUTPUT = Path("-")
_START = "core:sample_start"
_EXTENSION = {"name": "signet", "version": "1.0.0", "optional": True}


def windows_csv(batches: Iterable[WindowBatch], classes: Sequence[str]) -> Iterator[str]:
    """A line a window: start, end, label, confidence, further choices, unknown, power.

    `end` is the sample behind the last one. The label of an unknown window is its likeliest
    class all the same; `unknown` is 1 there. Power is in dB of full scale, empty for silence.

    Args:
        batches: Windows in order.
        classes: Names of the classes.

    Returns:
        Text in pieces, one a batch; the first begins with the names of the columns.
    """
    names = [_csv_cell(name) for name in classes]
    head = True
    for batch in batches:
        top = batch.classes.shape[1]
        if head:
            further = [f"label_{n},confidence_{n}" for n in range(2, top + 1)]
            columns = ["start,end,label,confidence", *further, "unknown,power_db"]
            yield ",".join(columns) + "\n"
            head = False
        form = "%d,%d," + "%s,%.4f," * top + "%d,%s\n"
        powers = [f"{db:.2f}" if db > -1e9 else "" for db in batch.power_db.tolist()]
        yield "".join([form % row for row in _rows(batch, names, powers)])


def windows_json(batches: Iterable[WindowBatch], classes: Sequence[str]) -> Iterator[str]:
    """A JSON object a window, one a line, with the fields of `windows_csv`.

    `choices` are pairs of a class and its confidence, the likeliest first; `label` is the
    first, null where no class is claimed; `power_db` is null for silence.
    """
    names = [json.dumps(name) for name in classes]
    for batch in batches:
        choices = ", ".join(["[%s, %.4f]"] * batch.classes.shape[1])
        form = (
            f'"start": %d, "end": %d, "choices": [{choices}], "unknown": %s, "power_db": %s}}\n'
        )
        powers = [f"{db:.2f}" if db > -1e9 else "null" for db in batch.power_db.tolist()]
        claimed = [
            "null" if unknown else names[label]
            for label, unknown in zip(
                batch.classes[:, 0].tolist(), batch.unknown.tolist(), strict=True
            )
        ]
        words = ("false", "true")
        yield "".join(
            [
                f'{{"label": {label}, ' + form % (*row[:-2], words[row[-2]], row[-1])
                for label, row in zip(claimed, _rows(batch, names, powers), strict=True)
            ]
        )


def segments_csv(segments: Iterable[Segment], classes: Sequence[str]) -> Iterator[str]:
    """A line a segment: start, end, label, mean confidence, windows; "unknown" is a label."""
    names = [*(_csv_cell(name) for name in classes), UNKNOWN_NAME]
    yield "start,end,label,confidence,windows\n"
    for found in segments:
        end = found.start + found.count
        yield (
            f"{found.start},{end},{names[found.label]},{found.confidence:.4f},{found.windows}\n"
        )


def segments_json(segments: Iterable[Segment], classes: Sequence[str]) -> Iterator[str]:
    """A JSON object a segment, one a line; the label is null where no class is claimed."""
    names: list[str | None] = [*classes, None]
    for found in segments:
        body = {
            "label": names[found.label],
            "start": found.start,
            "end": found.start + found.count,
            "confidence": round(found.confidence, 4),
            "windows": found.windows,
        }
        yield json.dumps(body) + "\n"


def write_lines(pieces: Iterable[str], out: Path) -> None:
    """Write text as it comes; the file appears whole or not at all.

    Args:
        pieces: Text in pieces; what makes it may raise, and then no file appears.
        out: A new file, or `-` for standard output, which is written at once.

    Raises:
        FileError: `out` exists already or cannot be written.
    """
    if out == STANDARD_OUTPUT:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
        return
    check_free(out)
    with writing(out) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        file.writelines(pieces)


def copied_metadata(meta: Path) -> dict[str, Any]:
    """Metadata of a SigMF recording with all it says, to add annotations to.

    Args:
        meta: Its .sigmf-meta file, which `signet.sigmf_files.read_sigmf` takes.

    Raises:
        FileError: The file is unreadable or no SigMF metadata.
    """
    try:
        body = json.loads(read_text(meta))
        parts = {key: body[key] for key in ("global", "captures", "annotations")}
        named = parts["global"].setdefault("core:dataset", meta.with_suffix(DATA).name)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise FileError(f"{meta}: no sound SigMF metadata ({error})") from error
    assert isinstance(named, str)
    return parts


def new_metadata(
    data: Path, *, datatype: str, sample_rate: float | None = None
) -> dict[str, Any]:
    """Metadata for a recording that has none.

    Args:
        data: Its file of samples.
        datatype: By its SigMF name, "ci16_le" say.
        sample_rate: In Hz, where known.
    """
    fields: dict[str, Any] = {"core:datatype": datatype, "core:dataset": data.name}
    if sample_rate is not None:
        fields["core:sample_rate"] = sample_rate
    return {"global": fields, "captures": [{_START: 0}], "annotations": []}


def write_sigmf(
    segments: Iterable[Segment],
    metadata: Mapping[str, Any],
    out: Path,
    *,
    classes: Sequence[str],
) -> None:
    """Write SigMF metadata with an annotation a segment; the file appears whole or not at all.

    Annotations stand in the order of their starts, those of `metadata` among the new ones.
    Each new one has core:label, core:comment, and the confidence in [0, 1] and the count of
    windows as fields of the extension "signet". The metadata name the file of samples, which
    readers look for beside them.

    Args:
        segments: In the order of their starts; written as they come.
        metadata: As `copied_metadata` and `new_metadata` give it; left unchanged.
        out: A new .sigmf-meta file.
        classes: Names of the classes.

    Raises:
        SpecError: `out` has another suffix, or the library sigmf is not installed.
        FileError: The metadata are against the SigMF schema, or `out` exists already or cannot
            be written.
    """
    if out.suffix != META:
        raise SpecError(f"SigMF annotations need a file that ends in {META}, got {out.name}")
    check_free(out)
    body = _declared(metadata, out)
    known = [(int(entry[_START]), json.dumps(entry)) for entry in body["annotations"]]
    with writing(out) as beside, beside.open("w", encoding="utf-8") as file:
        head = {key: body[key] for key in ("global", "captures")}
        file.write(json.dumps(head, indent=4)[:-2] + ',\n    "annotations": [')
        between = "\n"
        for _, entry in heapq.merge(known, _annotations(segments, classes), key=itemgetter(0)):
            file.write(f"{between}        {entry}")
            between = ",\n"
        file.write("\n    ]\n}\n")


def _declared(metadata: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """The metadata with our extension declared, held against the schema."""
    sigmf = library("sigmf", needed_by="writing SigMF annotations")
    fields = {"core:version": sigmf.__specification__, **metadata["global"]}
    if fields.get("core:dataset") == out.with_suffix(DATA).name:
        del fields["core:dataset"]  # the name that readers expect anyway
    others = [e for e in fields.get("core:extensions", []) if e.get("name") != "signet"]
    fields["core:extensions"] = [*others, _EXTENSION]
    try:
        known = sorted(metadata["annotations"], key=itemgetter(_START))
        body = {**metadata, "global": fields, "annotations": known}
        sigmf.SigMFFile(metadata=body).validate()
    except Exception as error:  # the schema's library raises its own tree
        why = str(error).partition("\n")[0]
        raise FileError(f"{out}: not written, unsound SigMF metadata ({why})") from error
    return body


def _annotations(
    segments: Iterable[Segment], classes: Sequence[str]
) -> Iterator[tuple[int, str]]:
    """Start and JSON text of each annotation."""
    names = [json.dumps(name) for name in (*classes, UNKNOWN_NAME)]
    for found in segments:
        many = "s" if found.windows != 1 else ""
        yield (
            found.start,
            f'{{"{_START}": {found.start}, "core:sample_count": {found.count}, '
            f'"core:label": {names[found.label]}, "core:comment": "confidence '
            f'{found.confidence:.3f}, {found.windows} window{many}", '
            f'"signet:confidence": {found.confidence:.4f}, "signet:windows": {found.windows}}}',
        )


def _rows(
    batch: WindowBatch, names: Sequence[str], powers: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Start, end, names and confidences by turns, unknown, power: one tuple a window."""
    starts = batch.starts.tolist()
    choices: list[Sequence[Any]] = []
    for labels, shares in zip(
        batch.classes.T.tolist(), batch.confidences.T.tolist(), strict=True
    ):
        choices += [[names[label] for label in labels], shares]
    ends = [start + batch.length for start in starts]
    return zip(starts, ends, *choices, batch.unknown.tolist(), powers, strict=True)


def _csv_cell(text: str) -> str:
    """A name as a cell, quoted where it must be."""
    drawn = io.StringIO()
    csv.writer(drawn, lineterminator="").writerow([text])
    return drawn.getvalue()
