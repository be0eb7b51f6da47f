"""Tiny random models of several architectures, each with a tokenizer and a chat template unlike dio-mini's."""

from __future__ import annotations

from pathlib import Path

TEXT = "the quick brown fox jumps over the lazy dog 0 1 2 3 4 5 6 7 8 9 say it is user assistant model turn"
TURN_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
INST_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
)


def save_tokenizer(folder: Path, template: str, specials: list[str]) -> int:
    """A byte-level BPE tokenizer with a few merges; its vocabulary size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    plain.train_from_iterator([TEXT] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token=specials[0], eos_token=specials[1], additional_special_tokens=specials[2:]
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def llama(folder: Path) -> Path:
    """Llama with [INST] turns and </s>."""
    from transformers import LlamaConfig, LlamaForCausalLM

    vocabulary = save_tokenizer(folder, INST_TEMPLATE, ["<s>", "</s>"])
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def gemma(folder: Path) -> Path:
    """Gemma 3 with sliding windows shorter than the samples, soft caps and tied weights."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    vocabulary = save_tokenizer(folder, TURN_TEMPLATE, ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"])
    config = Gemma3TextConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, sliding_window=4, layer_types=["sliding_attention", "full_attention"],
        max_position_embeddings=256, final_logit_softcapping=30.0, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    Gemma3ForCausalLM(config).save_pretrained(folder)
    return folder


def mamba(folder: Path) -> Path:
    """Mamba: a running state that packed samples would share."""
    from transformers import MambaConfig, MambaForCausalLM

    vocabulary = save_tokenizer(folder, TURN_TEMPLATE, ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"])
    config = MambaConfig(
        vocab_size=vocabulary, hidden_size=32, state_size=4, num_hidden_layers=2, bos_token_id=0, eos_token_id=1,
        pad_token_id=1,
    )  # fmt: skip
    MambaForCausalLM(config).save_pretrained(folder)
    return folder
