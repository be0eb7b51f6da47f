"""The picture of `realm play`: a scene as lines that fit the terminal. Knows nothing of files or processes."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from realm_cli import eventwords, phrases
from realm_cli.records import EvalView, EventRecord, SampleView, TrainingStatus
from realm_cli.snapshot_records import HeroView, SkillView
from realm_cli.terminal import human_seconds
from realm_cli.watchtower import STEPS_PER_LEVEL
from realm_guild.playparts import bar, course, flow, line
from realm_guild.playscene import Scene

STATES = {
    "training": ("⚔", "bold green"), "evaluating": ("◆", "bold cyan"), "saving": ("▼", "bold cyan"),
    "paused": ("‖", "bold yellow"), "waiting": ("…", "bold yellow"), "idle": ("…", "bold yellow"),
    "starting": ("·", "bold"), "stopping": ("▼", "bold"), "stopped": ("■", "bold"), "failed": ("✗", "bold red"),
}  # fmt: skip
LOOKS = {eventwords.GREAT: ("★", "bold yellow"), eventwords.BAD: ("!", "red"), eventwords.PLAIN: ("·", "")}
EVENTS = 5
FULL_SKILLS = 2
"""With more skills than these each has one line."""
SKILL_ROWS = 6
TALL_EVENTS = 14
"""Events on a terminal with room to spare."""


@dataclass
class Block:
    """Lines that belong together; where the terminal is too small the ones of the highest rank are left out."""

    rank: int
    lines: list[Text]


def picture(scene: Scene, width: int, height: int) -> Group:
    """The scene on a terminal of that size: never wider, never higher."""
    head, foot = _head(scene, width), _foot(scene, width)
    blocks = [
        Block(1, _hero(scene, width)),
        Block(2, _skills(scene, width)),
        Block(0, _quest(scene, width)),
        Block(3, _loss(scene, width)),
        Block(4, _eval(scene)),
    ]
    blocks = [block for block in blocks if block.lines]
    room = height - len(head) - len(foot)
    while blocks and sum(len(block.lines) for block in blocks) >= room:  # one line is for the news
        blocks.remove(max(blocks, key=lambda block: block.rank))
    shown = [block.lines for block in blocks]
    spare = room - sum(map(len, shown))
    most = EVENTS if spare - len(shown) <= EVENTS else min(TALL_EVENTS, spare - len(shown))
    news = _news(scene, max(1, min(most, spare)))
    return Group(*_cut([*head, *_spaced([*shown, news], room), *foot], width, height))


def _spaced(blocks: list[list[Text]], room: int) -> list[Text]:
    """The blocks under each other, with empty lines between as far as there is room, filled to `room`."""
    spare = room - sum(map(len, blocks))
    lines: list[Text] = []
    for index, block in enumerate(blocks):
        if index and spare > 0:
            lines.append(line())
            spare -= 1
        lines += block
    return lines + [line()] * spare


def _cut(lines: list[Text], width: int, height: int) -> list[Text]:
    for text in lines:
        text.truncate(width, overflow="ellipsis")
    return lines[:height]


def _edge(left: Text, right: Text, width: int) -> Text:
    """A line across the terminal with something at both ends."""
    rule = width - cell_len(left.plain) - cell_len(right.plain)
    return left.append("─" * max(1, rule), "dim").append_text(right)


def _head(scene: Scene, width: int) -> list[Text]:
    hero = scene.snapshot.hero.name
    title = f", {scene.title}" if scene.title and width >= 60 else ""
    state = _state(scene)
    sign, style = STATES.get(state, ("?", "bold"))
    left = line(("── ", "dim"), (f"{hero}{title}", "bold"), " ")
    lines = [_edge(left, line(" ", (f"{sign} {state}", style), (" ──", "dim")), width)]
    if scene.banner:
        lines.append(line((f"★ LEVEL UP ★  {scene.banner}".center(width), "bold black on yellow")))
    return lines


def _state(scene: Scene) -> str:
    if scene.leaving and not scene.watching:
        return "stopping"
    return scene.training.state if scene.training else "starting"


def _foot(scene: Scene, width: int) -> list[Text]:
    if scene.leaving and not scene.watching:
        text = line(("── ", "dim"), ("saving and stopping; a moment ", "bold"))
    else:
        keys = (("p", "pause"), ("r", "resume"), ("s", "save"), ("q", "leave the view" if scene.watching else "quit"))
        text = line(("── ", "dim"))
        for key, word in keys:
            text.append(key, "bold").append(f" {word}  ")
    lines = [_edge(text, _saved(scene), width)]
    lines += [line((f"── {text}", "dim")) for text in scene.services]
    if scene.warning:
        lines.insert(0, line(("! ", "bold yellow"), (scene.warning, "yellow")))
    return lines


def _saved(scene: Scene) -> Text:
    """What became of the checkpoint that was asked for."""
    if not scene.save_asked:
        return line()
    answer = scene.training.acknowledged.get("save") if scene.training else None
    if answer is None or answer.when < scene.save_asked:
        return line(" saving ──")
    return line(f" saved at step {answer.step:,} ──")


def _hero(scene: Scene, width: int) -> list[Text]:
    hero, training = scene.snapshot.hero, scene.training
    step = training.step if training else hero.step
    powers = phrases.powers(_fresh(hero, training))
    level, xp = divmod(step, STEPS_PER_LEVEL)
    champion = scene.snapshot.champion
    pieces = [
        line("level ", (f"{level}", "bold magenta")),
        line("XP ", (f"{step:,}", "bold")),
        line("gold ", (f"{hero.gold:,}", "bold yellow")),
        *([line("champion ", (f"step {champion.step:,}", "bold yellow"))] if champion else []),
    ]
    told = f" {STEPS_PER_LEVEL - xp:,} XP to level {level + 1}"
    way = bar(xp / STEPS_PER_LEVEL, width - len(told), "magenta").append(told)
    return [*flow(pieces, width), way, *flow(map(_power, powers, powers.values()), width)]


def _power(name: str, value: str) -> Text:
    """The game number bold, the real one beside it."""
    game, bracket, real = value.partition(" (")
    return line(f"{name.upper()} ", (game, "bold"), (bracket + real, "dim"))


def _fresh(hero: HeroView, training: TrainingStatus | None) -> HeroView:
    """The hero with the losses that the battle wrote last, which is newer than the snapshot."""
    if training is None:
        return hero
    loss, val_loss = training.smoothed_loss, training.val_loss
    atk, defence = (1 / value if value else None for value in (loss, val_loss))
    return replace(hero, loss=loss, val_loss=val_loss, atk=atk, defence=defence)


def _skills(scene: Scene, width: int) -> list[Text]:
    """Every open skill, in one line each when there are many; what is locked in one line."""
    skills = scene.snapshot.skills
    named = [(scene.names.get(name, name), skill) for name, skill in skills.items() if not skill.unlock]
    if len(named) <= FULL_SKILLS:
        lines = [text for name, skill in named for text in _skill(name, skill, width)]
    else:
        lines = [_skill_row(name, skill) for name, skill in named[:SKILL_ROWS]]
    hidden = len(named) - SKILL_ROWS
    if hidden > 0:
        lines.append(line((f"and {hidden} more: realm status", "dim")))
    locked = [f"{name} {phrases.locked(skill.unlock)}" for name, skill in skills.items() if skill.unlock]
    return [*lines, *([line(("; ".join(locked), "dim"))] if locked else [])]


def _skill_row(name: str, skill: SkillView) -> Text:
    share = skill.accuracy or 0.0
    style = "green" if share >= skill.threshold else "cyan"
    closed = f", {phrases.CLOSED}" if skill.closed else ""
    head = line((name, "bold"), " level ", (f"{skill.level} ", "bold cyan"))
    return head.append_text(bar(share, 12, style, skill.threshold)).append(f" {phrases.accuracy(skill)}{closed}")


def _skill(name: str, skill: SkillView, width: int) -> list[Text]:
    pieces = [
        line((name, "bold")),
        line("level ", (f"{skill.level}", "bold cyan"), " in training"),
        *([line((f"{len(skill.mastered)} mastered", "green"))] if skill.mastered else []),
        *([line((f"{len(gone)} lost", "bold red"))] if (gone := phrases.lost(skill)) else []),
        *([line(("suspicious", "bold red"))] if skill.flagged else []),
    ]
    told = f" {phrases.accuracy(skill)}"
    closed = f", {phrases.CLOSED}: learned by heart" if skill.closed else ""
    if len(told + closed) > width // 2:
        closed = f", {phrases.CLOSED}" if skill.closed else ""
    share = skill.accuracy or 0.0
    style = "green" if share >= skill.threshold else "cyan"
    room = width - len(told + closed)
    gauge = bar(share, max(6, room), style, skill.threshold).append(told).append(closed, "dim")
    return [*flow(pieces, width), gauge]


def _quest(scene: Scene, width: int) -> list[Text]:
    training = scene.training
    if training is None:
        return [line("quest  ", ("the hero is being loaded", "dim"))]
    if training.state in ("training", "saving") and not training.reason:
        doing = line("quest  ", (phrases.quest_name(training.quest_name) or "-", "bold"))
    else:
        reason = phrases.why(training.reason) or phrases.quest_name(training.quest_name)
        doing = line(f"{training.state}  ", (reason, STATES.get(training.state, ("", ""))[1]))
    total = max(1, training.samples_total)
    share = min(1.0, training.samples_done / total)
    left = f", {human_seconds(training.eta_s)} left" if training.eta_s is not None else ""
    counted = f" of {training.samples_total:,} samples" if width >= 60 else ""
    told = f" {phrases.percent(share)}{counted}{left}"
    return [doing, bar(share, max(6, width - len(told)), "green").append(told)]


def _loss(scene: Scene, width: int) -> list[Text]:
    training = scene.training
    values = [loss for _, loss in scene.losses]
    if training is None or training.loss is None or not values:
        return []
    speed = f"{training.tokens_per_s:,.0f} trained tokens/s" if training.tokens_per_s else ""
    since = human_seconds(scene.losses[-1][0] - scene.losses[0][0])
    told = f" {training.loss:.4f} now" + (f", last {since}" if width >= 60 else "")
    curve = line("loss   ", (course(values, max(6, width - 7 - len(told))), "blue"), told)
    return [curve, *([line("speed  ", speed)] if speed else [])]


def _eval(scene: Scene) -> list[Text]:
    view = scene.training.last_eval if scene.training else None
    if view is None:
        return []
    return [line("eval   ", phrases.eval_view(view)), *_answers(view)]


def _answers(view: EvalView) -> list[Text]:
    """A right and a wrong answer, the golden one beside the wrong."""
    right = _answer("✓", "green", view.right) if view.right else line(("     ✓ none right yet", "dim"))
    if view.wrong is None:
        return [right, line(("     ✗ none wrong", "dim")), line()]
    golden = phrases.short(view.wrong.golden)
    return [right, _answer("✗", "red", view.wrong), line(("       not → ", "dim"), (golden, "green"))]


def _answer(sign: str, style: str, sample: SampleView) -> Text:
    prompt, arrow, answer = phrases.exchange(sample).rpartition(" → ")
    return line("     ", (sign, f"bold {style}"), f" {prompt}", (arrow, "dim"), (answer, style))


def _news(scene: Scene, count: int) -> list[Text]:
    if scene.away:
        return [line((text, "bold" if index == 0 else "")) for index, text in enumerate(scene.away[:count])]
    told = [event for event in scene.events if eventwords.worth(event) != eventwords.NOISE] or list(scene.events)
    return [_event(event) for event in told[-count:]]


def _event(event: EventRecord) -> Text:
    sign, style = LOOKS.get(eventwords.worth(event), ("·", ""))
    return line((eventwords.clock(event), "dim"), (f" {sign} {eventwords.words(event)}", style))
