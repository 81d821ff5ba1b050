"""One HTML file that holds studies and records whole: plots, tables, settings, no address.

Computes nothing but means and intervals of what it draws.
"""

from graphprune.report.page.parts import RecordPart as RecordPart
from graphprune.report.page.parts import StudyPart as StudyPart
from graphprune.report.page.parts import page_of as page_of
from graphprune.report.page.parts import write_report as write_report
