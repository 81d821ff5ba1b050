"""The tables of a study's file, their version, and how older files become new ones."""

import sqlite3

from graphprune.errors import FileError

APPLICATION = 0x67727374  # "grst", stands in the file's header
LABELS = {
    "role": "TEXT",
    "family": "TEXT",
    "nodes": "INTEGER",
    "degree": "INTEGER",
    "level": "REAL",
    "target": "REAL",
    "seed": "INTEGER",
}  # columns that say where in a design a run stands
RESULTS = {
    "accuracy": "REAL",
    "train_accuracy": "REAL",
    "held_out_accuracy": "REAL",
    "density": "REAL",
    "ratio": "REAL",
    "parameters_kept": "INTEGER",
    "macs_kept": "INTEGER",
    "weights_kept": "INTEGER",
    "train_macs": "REAL",
    "dense_ms": "REAL",
    "masked_ms": "REAL",
    "compact_ms": "REAL",
    "train_seconds": "REAL",
}  # columns that a finished run may fill
MEASURES = (
    "aspl",
    "diameter",
    "clustering",
    "spectral_gap",
    "ramanujan_margin",
    "log_paths",
    "parameter_usage",
    "gradient_resistance",
)  # of a run's graph


VERSION_1 = """
CREATE TABLE study (settings TEXT NOT NULL, versions TEXT NOT NULL, machine TEXT NOT NULL,
    created TEXT NOT NULL);
CREATE TABLE graphs (hash TEXT PRIMARY KEY, nodes INTEGER NOT NULL, degree INTEGER NOT NULL,
    edges TEXT NOT NULL, aspl REAL, diameter REAL, clustering REAL, spectral_gap REAL,
    ramanujan_margin REAL, log_paths REAL, parameter_usage REAL, gradient_resistance REAL);
CREATE TABLE runs (key TEXT PRIMARY KEY, position INTEGER NOT NULL UNIQUE,
    function TEXT NOT NULL, arguments TEXT NOT NULL, graph TEXT REFERENCES graphs(hash),
    role TEXT, family TEXT, nodes INTEGER, degree INTEGER, level REAL, seed INTEGER,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'done', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, worker TEXT, started TEXT, ended TEXT, seconds REAL,
    accuracy REAL, train_accuracy REAL, held_out_accuracy REAL, density REAL, ratio REAL,
    parameters_kept INTEGER, macs_kept INTEGER, dense_ms REAL, masked_ms REAL,
    compact_ms REAL, train_seconds REAL, error TEXT);
CREATE TABLE details (key TEXT PRIMARY KEY REFERENCES runs(key), body TEXT NOT NULL);
CREATE INDEX runs_by_status ON runs(status, position);
"""
VERSION_2 = """
ALTER TABLE runs ADD COLUMN target REAL;
ALTER TABLE runs ADD COLUMN weights_kept INTEGER;
ALTER TABLE runs ADD COLUMN train_macs REAL;
"""
CHANGES = (VERSION_1, VERSION_2)
"""What makes a file of version n one of version n + 1; version 0 is an empty file."""

VERSION = len(CHANGES)


def prepare(connection: sqlite3.Connection, name: str) -> None:
    """Bring an open file to the present version, in one transaction.

    Raises:
        FileError: The file is no study, or of a newer version.
    """
    found = check(connection, name)
    if found == VERSION:
        return
    changes = "".join(CHANGES[found:])
    connection.executescript(
        f"BEGIN IMMEDIATE; {changes} PRAGMA user_version = {VERSION}; "
        f"PRAGMA application_id = {APPLICATION}; COMMIT;"
    )


def check(connection: sqlite3.Connection, name: str) -> int:
    """Version of an open file, 0 for an empty one.

    Raises:
        FileError: The file is no study, or of a newer version.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION and (tables or version):
        raise FileError(f"{name}: a database, but not of a study")
    if version > VERSION:
        raise FileError(
            f"{name}: written by a newer version (format {version}, known up to {VERSION})"
        )
    return version
