"""From parts to one page: the door of this package."""

from collections.abc import Sequence
from pathlib import Path

from graphprune.records import write_text
from graphprune.report.page.contents import RecordPart as RecordPart
from graphprune.report.page.contents import StudyPart as StudyPart
from graphprune.report.page.document import document
from graphprune.report.page.record_section import record_name, record_section
from graphprune.report.page.study_section import study_section


def write_report(parts: Sequence[StudyPart | RecordPart], path: Path, *, title: str) -> None:
    """Write studies and records as one HTML file that needs nothing beside it.

    Args:
        parts: In the order in which the page shows them.
        path: File to write or replace; appears whole or not at all.
        title: Of the page.

    Raises:
        FileError: The file cannot be written.
    """
    write_text(path, page_of(parts, title))


def page_of(parts: Sequence[StudyPart | RecordPart], title: str) -> str:
    """The page that `write_report` writes; equal parts give equal text."""
    names, sections = [], []
    for number, part in enumerate(parts, 1):
        name = f"part-{number}"
        if isinstance(part, StudyPart):
            names.append((name, f"Study {part.name}"))
            sections.append(study_section(part, name))
        else:
            names.append((name, record_name(part.record)))
            sections.append(record_section(part, name))
    return document(title, names, sections)
