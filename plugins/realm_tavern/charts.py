"""Charts as SVG, made by the server: what a browser without scripts shows, and what stands there before they run."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from markupsafe import escape

WIDTH, HEIGHT = 960, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 14, 28
Scale = Callable[[float], float]


def loss_svg(series: dict[str, Any], *, log: bool) -> str:
    """The loss: a band from lowest to highest, the mean, the smoothed line, the validation loss, marks of level-ups."""
    if not series["x"]:
        return _empty("No loss yet: nothing was trained.")
    losses = [*series["min"], *series["max"], *(loss for _, loss in series["val"])]
    positive = [loss for loss in losses if loss > 0]
    log = log and bool(positive)
    low, high = (min(positive), max(positive)) if log else (0.0, max(losses))
    x, ticks_x = _x_axis(series)
    y = _scale(low, high, HEIGHT - BOTTOM, TOP, log=log)
    band = [
        *zip(series["x"], series["max"], strict=True),
        *reversed(list(zip(series["x"], series["min"], strict=True))),
    ]
    parts = [
        *_grid(ticks_x, x, _ticks(low, high, log=log), y, "{:.3g}"),
        f'<polygon class="band" points="{_points(band, x, y)}"/>',
        f'<polyline class="mean" points="{_points(zip(series["x"], series["mean"], strict=True), x, y)}"/>',
        f'<polyline class="smooth" points="{_points(zip(series["x"], series["smooth"], strict=True), x, y)}"/>',
        *(
            f'<circle class="val" cx="{x(at):.1f}" cy="{y(loss):.1f}" r="3"/>'
            for at, loss in _inside(series["val"], series)
        ),
        *_levels(series, x),
    ]
    newest = series["smooth"][-1]
    title = f"Loss by {series['by']}, now about {newest:.4f}; dots are the validation loss"
    return _svg(title, parts)


def evals_svg(series: dict[str, Any]) -> str:
    """The evals: accuracy with its 95 % interval, a line for each level."""
    evals = [one for one in series["evals"] if _is_inside(one["x"], series)]
    if not evals or not series["x"]:
        return _empty("No eval yet: the first comes with a checkpoint.")
    x, ticks_x = _x_axis(series)
    y = _scale(0, 1, HEIGHT - BOTTOM, TOP, log=False)
    parts = _grid(ticks_x, x, [0, 0.2, 0.4, 0.6, 0.8, 1], y, "{:.0%}")
    names = sorted({(one["skill"], one["level"]) for one in evals})
    for number, (skill, level) in enumerate(names):
        mine = [one for one in evals if (one["skill"], one["level"]) == (skill, level)]
        group = [f'<g class="series s{number % 8}"><title>{escape(skill)} level {level}</title>']
        group += [
            f'<line x1="{x(one["x"]):.1f}" x2="{x(one["x"]):.1f}" y1="{y(one["interval"][0]):.1f}" y2="{y(one["interval"][1]):.1f}"/>'
            f'<circle cx="{x(one["x"]):.1f}" cy="{y(one["accuracy"]):.1f}" r="3"/>'
            for one in mine
        ]
        group += [f'<polyline points="{_points([(one["x"], one["accuracy"]) for one in mine], x, y)}"/></g>']
        parts += group
        parts.append(
            f'<text class="key s{number % 8}" x="{LEFT + 8 + 110 * (number % 8)}" y="{TOP + 12 + 16 * (number // 8)}">{escape(skill)} {level}</text>'
        )
    return _svg("Accuracy of evals with 95 % intervals, by level", [*parts, *_levels(series, x)])


def _svg(title: str, parts: list[str]) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>'
    return head + "".join(parts) + "</svg>"


def _empty(words: str) -> str:
    return f'<p class="empty">{escape(words)}</p>'


def _is_inside(x: float, series: dict[str, Any]) -> bool:
    return bool(series["x"]) and series["x"][0] <= x <= series["x"][-1]


def _inside(pairs: list[tuple[float, float]], series: dict[str, Any]) -> list[tuple[float, float]]:
    return [(x, value) for x, value in pairs if _is_inside(x, series)]


def _scale(low: float, high: float, begin: float, end: float, *, log: bool) -> Scale:
    """From values to pixels."""
    if log:
        low, high = math.log(low), math.log(high)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        value = math.log(max(value, 1e-12)) if log else value
        return begin + (value - low) / span * (end - begin)

    return place


def _x_axis(series: dict[str, Any]) -> tuple[Scale, list[float]]:
    first, last = series["x"][0], series["x"][-1]
    return _scale(first, last, LEFT, WIDTH - RIGHT, log=False), _ticks(first, last, log=False)


def _ticks(low: float, high: float, *, log: bool) -> list[float]:
    """Round values from low to high; about six."""
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        return [value for value in found if low <= value <= high]
    span = (high - low) or 1.0
    raw = span / 6
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= raw)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _grid(ticks_x: list[float], x: Scale, ticks_y: list[float], y: Scale, form: str) -> list[str]:
    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{form.format(value)}</text>'
        for value in ticks_y
    ]
    return lines + [
        f'<text class="tick" x="{x(value):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{_short(value)}</text>'
        for value in ticks_x
    ]


def _short(value: float) -> str:
    """A step, or a moment for values that can only be seconds since 1970."""
    if value > 1e9:
        return f"{datetime.fromtimestamp(value).astimezone():%m-%d %H:%M}"
    return f"{value:,.0f}"


def _points(pairs: Any, x: Scale, y: Scale) -> str:
    return " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in pairs)


def _levels(series: dict[str, Any], x: Scale) -> list[str]:
    return [
        f'<g class="level"><title>{escape(one["skill"])} level {one["level"]} mastered at step {one["step"]:,}</title>'
        f'<line x1="{x(one["x"]):.1f}" x2="{x(one["x"]):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/></g>'
        for one in series["levels"]
        if _is_inside(one["x"], series)
    ]
