"""Curves of evals as text."""

from __future__ import annotations

from collections.abc import Sequence

from realm_cli.skill_records import EvalLine
from realm_cli.skillstate import comparable, wilson

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 60
HEIGHT = 10


def sparkline(shares: Sequence[float], width: int) -> str:
    """Shares from 0 to 1 as blocks; the newest `width` of them."""
    return "".join(BLOCKS[min(len(BLOCKS) - 1, int(share * len(BLOCKS)))] for share in shares[-width:])


def overview(lines: list[EvalLine], mastered: dict[int, int]) -> str:
    """A row for each level: its curve, the last accuracy with its interval, when it was mastered."""
    rows = []
    for level in sorted({line.level for line in lines}):
        mine = comparable(line for line in lines if line.level == level)
        if not mine:
            rows.append(f"level {level:>2}  no eval counts")
            continue
        last = mine[-1]
        low, high = wilson(last.correct, last.size)
        text = f"level {level:>2}  {sparkline([line.accuracy for line in mine], 24):<24}  {last.accuracy:>4.0%}"
        text += f" ({100 * low:.0f}-{100 * high:.0f})"
        text += f"  mastered at step {mastered[level]:,}" if level in mastered else f"  evals: {len(mine)}"
        under = "" if last.profile == "none" else f", data profile {last.profile}"
        rows.append(text + (", closed" if last.closed else "") + under)
    return "\n".join(rows)


def chart(lines: list[EvalLine], level: int, threshold: float) -> str:
    """Accuracy over steps for one level, the threshold as a dotted line."""
    mine = comparable(lines)
    if not mine:
        return f"level {level}: no eval counts yet"
    first, last = mine[0].step, mine[-1].step
    grid = [[" "] * WIDTH for _ in range(HEIGHT + 1)]
    grid[round(threshold * HEIGHT)] = ["·"] * WIDTH
    for line in mine:
        column = round((line.step - first) / max(1, last - first) * (WIDTH - 1))
        grid[round(line.accuracy * HEIGHT)][column] = "●"
    rows = [
        f"{100 * row // HEIGHT:>4} % ┤{''.join(grid[row]).rstrip()}"
        if row % 2 == 0
        else f"       │{''.join(grid[row]).rstrip()}"
        for row in range(HEIGHT, -1, -1)
    ]
    steps = f"step {first:,}".ljust(WIDTH - len(f"{last:,}")) + f"{last:,}"
    return "\n".join([f"level {level}, evals: {len(mine)}, mastered at {threshold:.0%}", *rows, "        " + steps])
