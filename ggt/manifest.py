"""`bank.json`: what a bank holds, how it was made, and the hashes that tell it is whole."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from ggt.bank_folder import files_hash
from ggt.design import Design
from ggt.manifest_fields import (
    files_of,
    hash_of,
    names_of,
    parts_of,
    share_of,
    texts_of,
    value_of,
)
from ggt.preprocessing import Preprocessing as Preprocessing
from ggt.preprocessing import listed_preprocessing
from ggt.splits import DataRequest
from graphprune.errors import FileError, MismatchError
from graphprune.nn.card_checks import Fields
from graphprune.records import read_json_object, read_text, write_text
from graphprune.training import Settings

FORMAT = "graphprune-bank"
FORMAT_VERSION = 1
RANGE = (0, 1)  # of the pixels that a bank takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The model that a bank watches.

    `model` names its network, `classes` its labels. `origin` is the hash of the folder it was
    copied from, or empty where it was trained for the bank by `recipe`. `accuracy` is the share
    of the judging images it gets right, `files` maps names to SHA-256, `bytes` counts those of
    the files, `seconds` tells the wall-clock time of its training (None if copied).
    """

    model: str
    classes: tuple[str, ...]
    origin: str
    recipe: Settings | None
    accuracy: float
    files: Mapping[str, str]
    bytes: int
    seconds: float | None

    @property
    def hash(self) -> str:
        """Hash of its files."""
        return files_hash(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One model of a bank; fields as those of `Original`.

    `index` counts the models tried, those rejected too; `seed` follows from it and from the
    bank's. `graphs` are the hashes of its graphs, one a layer or one for all (none for the
    controls), `aspl` (hops) and `degree_mean` the means over them.
    """

    index: int
    design: Design
    seed: int
    recipe: Settings
    graphs: tuple[str, ...]
    aspl: float | None
    degree_mean: float | None
    accuracy: float
    files: Mapping[str, str]
    bytes: int
    seconds: float

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.index:03d}"

    @property
    def hash(self) -> str:
        """Hash of its files."""
        return files_hash(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A model that was tried and not kept; `accuracy` is None where it has none."""

    index: int
    design: Design
    seed: int
    recipe: Settings
    accuracy: float | None
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything about a bank but the numbers in its models.

    `fingerprint` is a hash of the training images, `floor` the share of the original's accuracy
    that a model must reach, `seed` the source of every random choice. `members` and `rejected`
    are in the order of their indices.
    """

    base: Original
    preprocessing: Preprocessing
    data: DataRequest
    fingerprint: str
    floor: float
    seed: int
    members: tuple[Member, ...] = field(default=())
    rejected: tuple[Rejected, ...] = field(default=())

    @property
    def hash(self) -> str:
        """Hash of original, preprocessing and models in their order; 64 hexadecimal digits."""
        parts = [
            self.base.hash,
            self.preprocessing.values(),
            [member.hash for member in self.members],
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def least_accuracy(self) -> float:
        """Share of the judging images that a model must get right."""
        return self.floor * self.base.accuracy

    def tried(self) -> dict[int, Member | Rejected]:
        """Every model made so far by index, in order."""
        made: tuple[Member | Rejected, ...] = (*self.members, *self.rejected)
        return {one.index: one for one in sorted(made, key=_index)}

    def with_result(self, result: Member | Rejected) -> "Manifest":
        """The manifest with one model more, in its place."""
        if isinstance(result, Member):
            return replace(self, members=tuple(sorted((*self.members, result), key=_index)))
        return replace(self, rejected=tuple(sorted((*self.rejected, result), key=_index)))

    def to_json(self) -> str:
        """The manifest as one JSON object with a final newline."""
        body = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "hash": self.hash,
            "range": RANGE,
            **dataclasses.asdict(self),
        }
        body["preprocessing"] = self.preprocessing.values()
        for entry, member in zip(body["members"], self.members, strict=True):
            entry |= {"name": member.name, "hash": member.hash}
        body["base"]["hash"] = self.base.hash
        return json.dumps(body, indent=1, allow_nan=False) + "\n"

    def write(self, path: Path) -> None:
        """Write the file whole or not at all.

        Raises:
            FileError: It cannot be written.
        """
        write_text(path, self.to_json())

    @classmethod
    def from_json(cls, text: str, *, name: str = "bank.json") -> Self:
        """The manifest that `to_json` wrote; `name` stands in error messages.

        Raises:
            FileError: It is damaged, foreign or of another version; a field is wrong.
            MismatchError: Its hash is not that of the parts it lists.
        """
        body = read_json_object(text, name=name, format=FORMAT, version=FORMAT_VERSION)
        fields = Fields(body, name)
        manifest = cls(
            base=_original(fields.part("base")),
            preprocessing=listed_preprocessing(fields.part("preprocessing")),
            data=value_of(DataRequest, fields, "data"),
            fingerprint=hash_of(fields, "fingerprint"),
            floor=share_of(fields, "floor"),
            seed=fields.count("seed"),
            members=tuple(map(_member, parts_of(fields, "members"))),
            rejected=tuple(map(_rejected, parts_of(fields, "rejected"))),
        )
        fields.only("format", "version", "hash", "range", *names_of(cls))
        if body.get("range") != list(RANGE):
            raise fields.wrong("range", f"{list(RANGE)}")
        _check_order(manifest, name)
        if hash_of(fields, "hash") != manifest.hash:
            raise MismatchError(f"{name}: its hash is not that of the parts it lists")
        return manifest

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest from its file.

        Raises:
            FileError: As `from_json`, or the file is missing or cannot be read.
            MismatchError: As `from_json`.
        """
        return cls.from_json(read_text(path), name=str(path))


def _index(entry: Member | Rejected) -> int:
    return entry.index


def _original(fields: Fields) -> Original:
    fields.only("hash", *names_of(Original))
    recipe = None if fields.body.get("recipe") is None else value_of(Settings, fields, "recipe")
    original = Original(
        model=fields.text("model"),
        classes=texts_of(fields, "classes"),
        origin=fields.text("origin") and hash_of(fields, "origin"),
        recipe=recipe,
        accuracy=share_of(fields, "accuracy"),
        files=files_of(fields),
        bytes=fields.count("bytes"),
        seconds=None if recipe is None else fields.number("seconds"),
    )
    if (original.recipe is None) != bool(original.origin):
        raise fields.wrong("origin", "a hash or empty, empty where there is a recipe")
    return original


def _member(fields: Fields) -> Member:
    fields.only("name", "hash", *names_of(Member))
    graphs = texts_of(fields, "graphs")
    member = Member(
        index=fields.count("index"),
        design=value_of(Design, fields, "design"),
        seed=fields.count("seed"),
        recipe=value_of(Settings, fields, "recipe"),
        graphs=graphs,
        aspl=fields.number("aspl") if graphs else None,
        degree_mean=fields.number("degree_mean") if graphs else None,
        accuracy=share_of(fields, "accuracy"),
        files=files_of(fields),
        bytes=fields.count("bytes"),
        seconds=fields.number("seconds"),
    )
    if fields.body.get("name") != member.name:
        raise fields.wrong("name", repr(member.name))
    return member


def _rejected(fields: Fields) -> Rejected:
    fields.only(*names_of(Rejected))
    told = fields.body.get("accuracy") is not None
    return Rejected(
        index=fields.count("index"),
        design=value_of(Design, fields, "design"),
        seed=fields.count("seed"),
        recipe=value_of(Settings, fields, "recipe"),
        accuracy=share_of(fields, "accuracy") if told else None,
        reason=fields.text("reason"),
        seconds=fields.number("seconds"),
    )


def _check_order(manifest: Manifest, name: str) -> None:
    for entries in (manifest.members, manifest.rejected):
        indices = [one.index for one in entries]
        if indices != sorted(set(indices)):
            raise FileError(f"{name}: models are out of order: {indices}")
    if len(manifest.tried()) < len(manifest.members) + len(manifest.rejected):
        raise FileError(f"{name}: a model is both kept and rejected")
