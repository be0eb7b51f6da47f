"""The peers: TRL's SFTTrainer or transformers' Trainer on the same rows, set up as their documentation shows.

Runs in the peers' environment. Where a default would change the arithmetic (gradient checkpointing, which TRL switches
on; precision; schedule) both get what the battle has.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import datasets  # type: ignore[import-not-found]
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.workers.channel import Channel, Pacer

PACKAGES = ("torch", "transformers", "trl", "datasets", "accelerate")


def arguments(settings: dict[str, Any], batch: int) -> dict[str, Any]:
    """What both take. Logging stays at Trainer's default of 500 steps."""
    return {
        "output_dir": settings["output"], "per_device_train_batch_size": batch, "max_steps": 10**9,
        "lr_scheduler_type": "constant_with_warmup", "optim": "adamw_torch_fused", **settings["optimizer"],
        "bf16": settings["bf16"], "fp16": False, "gradient_checkpointing": False, "use_cpu": True,
        "logging_steps": 500, "save_strategy": "no", "report_to": "none", "seed": 0,
    }  # fmt: skip


def make_trl(settings: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    """SFTTrainer on prompt and completion, loss on the completion, best-fit packing."""
    from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found]

    pairs = [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in rows]
    config = SFTConfig(
        **arguments(settings, batch=1), packing=True, packing_strategy="bfd", max_length=settings["row_tokens"]
    )
    model = AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    return SFTTrainer(
        model=model, args=config, train_dataset=datasets.Dataset.from_list(pairs), processing_class=tokenizer
    )


def make_trainer(settings: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    """Trainer on tokenized rows with labels, padded to the longest of the batch."""
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    return transformers.Trainer(
        model=AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32),
        args=transformers.TrainingArguments(**arguments(settings, batch=settings["batch"])),
        train_dataset=datasets.Dataset.from_list([encode(tokenizer, row["messages"]) for row in rows]),
        data_collator=transformers.DataCollatorForSeq2Seq(tokenizer),
        processing_class=tokenizer,
    )


def encode(tokenizer: Any, messages: list[dict[str, str]]) -> dict[str, list[int]]:
    """Token ids, and labels on the answer alone."""
    prompt = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False)
    ids = tokenizer.apply_chat_template(messages, return_dict=False)
    labels = [-100] * len(prompt) + ids[len(prompt) :]
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels}


def counts(dataset: Any, samples: int) -> list[int]:
    """Samples, tokens and trained tokens of the prepared data."""
    tokens = sum(len(row["input_ids"]) for row in dataset)
    trained = sum(sum(label != -100 for label in row["labels"]) for row in dataset)
    return [samples, tokens, trained]


def pace(trainer: Any, pacer: Pacer) -> None:
    """Make the trainer wait for its turn before each step, and count what it trains."""
    real_step, trained = trainer.training_step, 0

    def step(model: Any, inputs: dict[str, Any], *more: Any, **named: Any) -> Any:
        nonlocal trained
        pacer.turn(trained)
        trained += int((inputs["labels"][:, 1:] != -100).sum())
        return real_step(model, inputs, *more, **named)

    trainer.training_step = step


def main(name: str, settings_file: Path) -> None:
    channel = Channel()
    settings = json.loads(settings_file.read_text(encoding="utf-8"))
    torch.set_num_threads(settings["threads"])
    rows = [json.loads(line) for line in Path(settings["rows"]).read_text(encoding="utf-8").splitlines()]
    trainer = {"trl": make_trl, "trainer": make_trainer}[name](settings, rows)
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    channel.answer(counts=counts(trainer.train_dataset, len(rows)), versions=versions)
    pace(trainer, Pacer(channel))
    trainer.train()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
