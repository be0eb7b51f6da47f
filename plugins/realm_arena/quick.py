"""QUICK inspection: every line is a row, in UTF-8, and the file is whole."""

from __future__ import annotations

from realm_arena import rows
from realm_cli import datafiles
from realm_cli.errors import FormatError
from realm_cli.inspection import KEPT_PER_CHECK, Report, Subject


def inspect(subject: Subject, report: Report) -> None:
    """Check every line; also count the samples and note skill and level where all rows agree."""
    skills: set[str] = set()
    levels: set[int] = set()
    try:
        for number, line in datafiles.read_lines(subject.path):
            try:
                row = rows.decode(line)
            except rows.RowError:
                _refuse(line, number, report)
                continue
            report.samples += 1
            if len(skills) < 2:
                skills.add(row.skill)
            if len(levels) < 2:
                levels.add(row.level)
    except datafiles.LongLineError as error:
        report.error("length", f"{error.problem}; {error.hint}", error.line)
    except FormatError as error:
        report.error("compression", error.problem)
    if not report.samples and not report.errors:
        report.error("empty", "the file holds no sample")
    report.skill = skills.pop() if len(skills) == 1 else ""
    report.level = levels.pop() if len(levels) == 1 else 0


def _refuse(line: bytes, number: int, report: Report) -> None:
    if not line.strip():
        report.warning("blank", "blank line", number)
        return
    # A report keeps the first findings of a check; the rest is only counted, so it needs no words.
    last = not line.endswith(b"\n")
    message = rows.explain(line) if last or report.errors < KEPT_PER_CHECK else ""
    if last and message.startswith("not valid JSON"):
        report.error("torn", f"the file seems cut off in its last line ({message})", number)
    else:
        report.error("schema", message, number)
