"""The face of inspection: what an inspector gets, and how it reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from realm_cli.config import Depth
from realm_cli.realm import Realm
from realm_cli.records import InspectionRecord, LineFinding, now

DEPTHS: tuple[Depth, ...] = ("quick", "standard", "deep")
KEPT_PER_CHECK = 20
"""A report lists this many findings of each check; the totals count all."""


@dataclass
class Report:
    """A report in the making. Inspectors add findings and fill in the counts they know."""

    depth: Depth
    hero: str = ""
    samples: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    longest: int = 0
    skipped_samples: int = 0
    skill: str = ""
    level: int = 0
    errors: int = 0
    warnings: int = 0
    findings: list[LineFinding] = field(default_factory=list)
    _per_check: Counter[tuple[str, str]] = field(default_factory=Counter)

    def error(self, check: str, message: str, line: int = 0) -> None:
        """Something that keeps the file from the queue."""
        self.errors += 1
        self._add(LineFinding("error", check, message, line))

    def warning(self, check: str, message: str, line: int = 0) -> None:
        """Something that the user should know."""
        self.warnings += 1
        self._add(LineFinding("warning", check, message, line))

    def _add(self, finding: LineFinding) -> None:
        key = (finding.severity, finding.check)
        self._per_check[key] += 1
        if self._per_check[key] <= KEPT_PER_CHECK:
            self.findings.append(finding)

    def record(self) -> InspectionRecord:
        """The finished report."""
        return InspectionRecord(
            depth=self.depth, hero=self.hero, findings=self.findings, errors=self.errors, warnings=self.warnings,
            samples=self.samples, tokens=self.tokens, trained_tokens=self.trained_tokens, longest=self.longest,
            skipped_samples=self.skipped_samples, skill=self.skill, level=self.level, inspected_at=now(),
        )  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """One file under inspection."""

    realm: Realm
    hero: str
    """Whose tokenizer, template and max_length count."""
    path: Path
    """The data file; its suffix tells the compression."""
    sha256: str
    """Of the decompressed content."""
    quest: str
    """The quest's id; empty while a file is only validated and nothing may be written."""


class Inspector(Protocol):
    """A check on a quest. It runs when the wanted depth is its own or deeper, after the shallower ones found no error."""

    depth: Depth

    def inspect(self, subject: Subject, report: Report) -> None:
        """Read the file in bounded memory and add to the report. Bad data never raises."""
        ...
