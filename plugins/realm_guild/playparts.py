"""Small parts of the picture that know nothing of the game: bars, curves, pieces that flow into lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.text import Text

from realm_guild.charts import BLOCKS

GAP = "   "


def line(*parts: str | tuple[str, str]) -> Text:
    """One line of plain and styled parts that is cut, never wrapped."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def bar(share: float, width: int, style: str, mark: float | None = None) -> Text:
    """A bar of `width` columns, filled to `share`, with a mark where something begins to count."""
    width = max(1, width)
    filled = min(width, max(0, round(share * width)))
    cells = ["━"] * filled + ["─"] * (width - filled)
    styles = [style] * filled + ["dim"] * (width - filled)
    if mark is not None:
        place = min(width - 1, max(0, round(mark * width)))
        cells[place], styles[place] = "╋" if place < filled else "┼", "bold"
    text = Text(no_wrap=True)
    for cell, look in zip(cells, styles, strict=True):
        text.append(cell, look)
    return text


def course(values: Sequence[float], width: int) -> str:
    """The course of positive values in at most `width` blocks, each a mean; the scale is logarithmic, as losses are."""
    if not values or width < 1:
        return ""
    count = min(width, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)]
    means = [sum(values[low:high]) / (high - low) for low, high in zip(edges, edges[1:], strict=False)]
    heights = [math.log(max(mean, 1e-9)) for mean in means]
    low, span = min(heights), max(heights) - min(heights)
    if span < 1e-9:
        return BLOCKS[0] * count
    return "".join(BLOCKS[round((height - low) / span * (len(BLOCKS) - 1))] for height in heights)


def flow(pieces: Iterable[Text], width: int) -> list[Text]:
    """The pieces beside each other as far as they fit, then on the next line."""
    lines: list[Text] = []
    for piece in pieces:
        if lines and cell_len(lines[-1].plain) + len(GAP) + cell_len(piece.plain) <= width:
            lines[-1].append(GAP).append_text(piece)
        else:
            lines.append(line().append_text(piece))
    return lines
