"""What the arena's tests of data share beside fixtures: chat templates of several families, chats, what a report says."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from realm_cli.records import InspectionRecord

Inspect = Callable[..., InspectionRecord]

CHATML = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' }}
    {%- generation %}{{- message.content + '<|im_end|>' }}{%- endgeneration %}
    {{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

BRACKETS = """\
{%- if messages[0]['role'] == 'system' %}
    {%- set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set system = '' %}
    {%- set turns = messages %}
{%- endif %}
{%- for turn in turns %}
    {%- if (turn.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate user/assistant') }}
    {%- endif %}
    {%- if turn.role == 'user' %}
        {{- bos_token + '[INST] ' + (system if loop.first else '') + turn.content | trim + ' [/INST]' }}
    {%- else %}
        {{- ' ' + turn.content | trim + ' ' + eos_token }}
    {%- endif %}
{%- endfor %}"""

HEADERS = """\
{{- bos_token }}
{%- if messages[0].role != 'system' %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday: ' + strftime_now('%Y-%m-%d') + '<|eot_id|>' }}
{%- endif %}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

TURNS = """\
{{ bos_token }}
{% for message in messages %}
    {% if message.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
    {% if message.role == 'tool' %}{% continue %}{% endif %}
    {% set role = {'assistant': 'model'}[message.role] or message.role %}
{{ '<start_of_turn>' + role + '\n' + message.content | trim + '<end_of_turn>\n' -}}
{% endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"""

THINKING = """\
{%- set place = namespace(last=-1) %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{%- set place.last = loop.index0 %}{%- endif %}
{%- endfor %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role != 'assistant' %}
        {{- message.content }}
    {%- else %}
        {%- set thought = '' %}
        {%- set said = message.content %}
        {%- if '</think>' in said %}
            {%- set thought = said.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set said = said.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > place.last and (loop.last or thought) %}
            {{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + said.lstrip('\\n') }}
        {%- else %}
            {{- said }}
        {%- endif %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

TEMPLATES = {"chatml": CHATML, "brackets": BRACKETS, "headers": HEADERS, "turns": TURNS, "thinking": THINKING}
"""In the manner of ChatML, Llama 2, Llama 3, Gemma and Qwen3."""

SPECIAL = [
    "<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<start_of_turn>", "<end_of_turn>",
]  # fmt: skip

CORPUS = [
    "the quick brown fox jumps over the lazy dog\n",
    "user assistant system model [INST] [/INST] think\n\n",
    "Hello there! How are you?\nI am fine, thanks. 1 + 1 = 2\n",
    "    indented = code  # über naïve 日本語 ⓪①⓪\n",
]


def conversation(rng: random.Random, turns: int, *, system: bool = False) -> list[dict[str, str]]:
    """A chat of random text; the contents begin and end without white space."""
    words = [
        "the",
        "fox",
        "naïve",
        "日本語",
        "⓪①",
        "😀",
        "a",
        "aaa",
        "a a",
        "user\n",
        "\n\nassistant",
        "2+2=4",
        "[INST]",
        "  x",
    ]

    def text() -> str:
        return (" ".join(rng.choice(words) for _ in range(rng.randint(1, 8)))).strip()

    messages = [{"role": "system", "content": text()}] if system else []
    for _ in range(turns):
        messages += [{"role": "user", "content": text()}, {"role": "assistant", "content": text()}]
    return messages


def chat(*contents: str) -> dict[str, Any]:
    """A row whose messages are said by user and assistant in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[number % 2], "content": text} for number, text in enumerate(contents)]}


def said(report: InspectionRecord) -> list[tuple[str, int, str]]:
    """(check, line, message) of every finding."""
    return [(finding.check, finding.line, finding.message) for finding in report.findings]
