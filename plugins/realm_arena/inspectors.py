"""The gatekeeper's three inspectors. Each one's work is a module of its own that is imported when it is needed."""

from __future__ import annotations

from dataclasses import dataclass

from realm_cli.config import Depth
from realm_cli.inspection import Report, Subject
from realm_cli.parts import Part


@dataclass(frozen=True)
class _Inspector:
    depth: Depth
    work: Part

    def inspect(self, subject: Subject, report: Report) -> None:
        """Read the file and add to the report."""
        self.work.load()(subject, report)


Quick = _Inspector("quick", Part("quick", "realm_arena.quick:inspect"))
"""The schema of every line."""

Standard = _Inspector("standard", Part("standard", "realm_arena.standard:inspect"))
"""Token lengths and trained share with the hero's tokenizer and template; leaves the tokens and a preview behind."""

Deep = _Inspector("deep", Part("deep", "realm_arena.deep:inspect"))
"""Duplicates, leaked answers, damaged text, turn order, contamination of evals."""
