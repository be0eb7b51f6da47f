"""`realm doctor`."""

from __future__ import annotations

import textwrap

import click
import msgspec

from realm_cli.checks import Finding, FindingsRecord
from realm_cli.errors import EXIT_DONE, EXIT_FAILED
from realm_cli.terminal import Context, emit, json_option, note, pass_context_realm, quiet_option
from realm_sentinels import doctor

GRADES = ("error", "unknown", "warning")
WIDTH = 80


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, then look again.")
@click.option("--check", "only", metavar="NAME", help="Make one check only.")
@json_option
@quiet_option
@pass_context_realm
def doctor_command(ctx: Context, fix: bool, only: str | None, as_json: bool, quiet: bool) -> int:
    """Examine the realm: what is wrong, how that is known, what to do. Exit code 1 when there is an error."""
    manager = doctor.plugins(ctx.realm)
    mended = doctor.mend(ctx.realm, manager, only) if fix else []
    for one in mended:
        if not quiet:
            note(f"{'mended' if one.ok else 'not mended'}: {one.check}: {one.said}")
    record = doctor.examine(ctx.realm, manager, only)
    data = {**record.to_dict(), "mended": [msgspec.to_builtins(one) for one in mended]}
    text = page(record, is_fixing=fix, is_quiet=quiet)
    emit(data, as_json, lambda: click.echo(text, nl=bool(text)))
    return EXIT_FAILED if any(finding.grade == "error" for finding in record.findings) else EXIT_DONE


def page(record: FindingsRecord, *, is_fixing: bool, is_quiet: bool) -> str:
    """The findings for people, the worst first; what is well stands in one line."""
    blocks = [
        _block(finding, is_fixing=is_fixing)
        for grade in GRADES
        for finding in record.findings
        if finding.grade == grade
    ]
    wrong = {finding.check for finding in record.findings if finding.grade != "ok"}
    well = sorted({finding.check for finding in record.findings} - wrong)
    if well and not is_quiet:
        blocks.append(_wrapped("ok", "", ", ".join(well)))
    return "\n".join(blocks)


def _block(finding: Finding, *, is_fixing: bool) -> str:
    lines = [_wrapped(finding.grade, finding.check, finding.message)]
    facts = [("seen", finding.evidence), ("do", finding.remedy)]
    if finding.fix and not is_fixing:
        facts.append(("--fix", finding.fix))
    lines += [_wrapped("", name, text) for name, text in facts if text]
    return "\n".join(lines)


def _wrapped(grade: str, name: str, text: str) -> str:
    """One fact in lines of 80 columns."""
    head = f"{grade:<8} {name:<11} " if name or not grade else f"{grade:<8} "
    return textwrap.fill(
        " ".join(text.split()), WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False,
    )  # fmt: skip
