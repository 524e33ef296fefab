"""Tokens and loss masks that TRL's SFTTrainer makes of IT and RT rows in the Tulu template.

TRL learns which tokens are the assistant's from {% generation %} in the chat template, as offsets into the text.
Writes src/data/fixtures/tiny-tokenizer/ (a byte-level BPE trained on the text below) and src/data/fixtures/trl-masks.json.

    python tools/golden/trl_masks.py
"""

from __future__ import annotations

import base64
import json
import logging
import re
import tempfile
from typing import Any

from datasets import Dataset
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from architectures import OUT as MODELS
from common import ROOT, versions, write_json
from trl_rows import ROWS, WRITTEN

OUT = ROOT / "src" / "data" / "fixtures"
EOS, PAD = "</s>", "<pad>"
VOCAB = 640

# What is inside {% generation %} is learnt; the newline that ends the turn is put INSIDE or OUTSIDE of it.
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<|user|>\\n' + message['content'] + '\\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\\n' }}"
    "{% generation %}{{ message['content'] + eos_token INSIDE }}{% endgeneration %}OUTSIDE"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
MASK_WITHOUT_NEWLINE = TEMPLATE.replace(" INSIDE", "").replace("OUTSIDE", "{{ '\\n' }}")
MASK_WITH_NEWLINE = TEMPLATE.replace("INSIDE", "+ '\\n'").replace("OUTSIDE", "")


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE with single digits; spaces and line breaks may join, so tokens can straddle where a turn begins."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=[PAD, "<s>", EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = [message["content"] for row in WRITTEN for message in row]
    tags = ["<|user|>\n", "<|assistant|>\n", "\n\n", "\n\n\n", "  ", "\n  "] * 40
    tokenizer.train_from_iterator(texts + tags, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token=EOS, pad_token=PAD)
    folder = OUT / "tiny-tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "add_bos_token": False,
        "bos_token": "<s>",
        "eos_token": EOS,
        "pad_token": PAD,
        "model_max_length": 4096,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": MASK_WITHOUT_NEWLINE.replace("{% generation %}", "").replace("{% endgeneration %}", ""),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    model = {"model_type": "llama", "vocab_size": VOCAB, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    (folder / "config.json").write_text(json.dumps(model, indent=2) + "\n")
    size = (folder / "tokenizer.json").stat().st_size
    assert size < 60_000, size
    return fast


def trl_examples(tokenizer: PreTrainedTokenizerFast, template: str, rows: list[list[dict[str, str]]]) -> list[dict[str, Any]]:
    """The trainer's own preparation and its collator's labels, padding taken off again."""
    tokenizer.chat_template = template
    with tempfile.TemporaryDirectory() as scratch:
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(MODELS / "llama"),
            processing_class=tokenizer,
            train_dataset=Dataset.from_list([{"messages": row} for row in rows]),
            args=SFTConfig(
                output_dir=scratch,
                assistant_only_loss=True,
                max_length=None,
                packing=False,
                report_to="none",
                use_cpu=True,
                bf16=False,
            ),
        )
    examples = []
    for row in trainer.train_dataset:
        batch = trainer.data_collator([row])
        length = len(row["input_ids"])
        ids = batch["input_ids"][0, :length].tolist()
        labels = batch["labels"][0, :length].tolist()
        assert ids == row["input_ids"]
        assert all(label in (-100, token) for label, token in zip(labels, ids, strict=True))
        examples.append({"ids": ids, "mask": "".join("0" if label == -100 else "1" for label in labels)})
    return examples


def packed(ids: list[int]) -> str:
    """Ids as base64 of little-endian 16-bit numbers."""
    return base64.b64encode(b"".join(token.to_bytes(2, "little") for token in ids)).decode()


def spans(mask: str) -> str:
    """A mask of 0 and 1 as the ranges of its ones: "3-7 12-20", ends exclusive."""
    return " ".join(f"{m.start()}-{m.end()}" for m in re.finditer("1+", mask))


def main() -> None:
    logging.disable(logging.WARNING)
    tokenizer = make_tokenizer()
    responses = [[message for message in row if message["role"] == "assistant"] for row in ROWS]
    made = {
        mode: (trl_examples(tokenizer, MASK_WITHOUT_NEWLINE, rows), trl_examples(tokenizer, MASK_WITH_NEWLINE, rows))
        for mode, rows in (("it", ROWS), ("rt", responses))
    }
    golden = []
    for index, row in enumerate(ROWS):
        entry: dict[str, Any] = {"messages": row}
        for mode, (without, with_newline) in made.items():
            assert without[index]["ids"] == with_newline[index]["ids"]
            entry[mode] = {**without[index], "maskWithNewline": with_newline[index]["mask"]}
        golden.append(entry)
    write_json(
        OUT / "trl-masks.json",
        {
            "versions": versions("trl", "transformers", "tokenizers"),
            "rows": [
                [
                    [[message["role"][0], message["content"]] for message in entry["messages"]],
                    *(
                        [packed(entry[mode]["ids"]), spans(entry[mode]["mask"]), spans(entry[mode]["maskWithNewline"])]
                        for mode in ("it", "rt")
                    ),
                ]
                for entry in golden
            ],
        },
    )
    stops = tokenizer.convert_tokens_to_ids(EOS)
    for entry in golden:
        for mode in ("it", "rt"):
            ids, mask = entry[mode]["ids"], entry[mode]["mask"]
            turns = sum(message["role"] == "assistant" for message in entry["messages"])
            learnt = sum(token == stops and bit == "1" for token, bit in zip(ids, mask, strict=True))
            assert learnt >= turns, (entry["messages"], learnt)
    print(f"{len(golden)} rows, {sum(len(e['it']['ids']) for e in golden)} IT tokens")


if __name__ == "__main__":
    main()
