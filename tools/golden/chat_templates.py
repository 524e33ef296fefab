"""Chat templates in the shape of well-known models': ids of prompts and conversations, and assistant masks, by transformers.

The templates (src/data/fixtures/templates/*.jinja, written for this project) mark the assistant's part with {% generation %}. The marks
are what TRL's `assistant_only_loss` learns from; the product gets the templates without them, all but "generation", and must
find the same tokens. Writes src/data/fixtures/chat-templates.json.

    python tools/golden/chat_templates.py
"""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

import transformers.utils.chat_template_utils as chat_template_utils
from jinja2 import TemplateError
from tokenizers import AddedToken, Tokenizer, processors
from transformers import PreTrainedTokenizerFast

from common import ROOT, versions

FIXTURES = ROOT / "src" / "data" / "fixtures"
TIME = "2024-07-06T09:05:00"
# Added to the tiny tokenizer in this order; the two about thoughts are not special, as in Qwen 3.
SPECIAL = """<|begin_of_text|> <|end_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> <|endoftext|> <|im_start|> <|im_end|>
<|im_sep|> <bos> <eos> <start_of_turn> <end_of_turn> [INST] [/INST] [SYSTEM_PROMPT] [/SYSTEM_PROMPT]""".split()
PLAIN = ["<think>", "</think>"]
# Template → (bos, eos) of the base.
BASES = {
    "llama-3.2": ("<|begin_of_text|>", "<|end_of_text|>"),
    "qwen-2.5": (None, "<|im_end|>"),
    "qwen-3": (None, "<|im_end|>"),
    "gemma-3": ("<bos>", "<eos>"),
    "mistral-v7": ("<s>", "</s>"),
    "phi-4": ("<|endoftext|>", "<|endoftext|>"),
    "smollm-3": (None, "<|im_end|>"),
    "zephyr": ("<s>", "</s>"),
    "chatml": (None, "<|endoftext|>"),
    "generation": ("<s>", "</s>"),
    "strict": ("<s>", "</s>"),
}


def turn(role: str):
    return lambda content, **more: {"role": role, "content": content, **more}


S, U, A, T = turn("system"), turn("user"), turn("assistant"), turn("tool")
TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "description": "Wetter <in> einer Stadt & mehr", "parameters": {"type": "object", "properties": {}}},
    }
]
CALL = [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Zürich"}}}]
CONVERSATIONS: list[dict[str, Any]] = [
    {"messages": [U("Hello"), A("Hi!"), U("Name a colour."), A("Red.")]},
    {"messages": [U("Hello"), A("<think>\ngreet\n</think>\n\nHi!"), U("Name a colour."), A("<think>\npick\n</think>\n\nRed.")]},
    {"messages": [S("Be brief."), U("Hi"), A("Hello")]},
    {"messages": [S("Short. /no_think"), U("a"), A("a"), U("assistant"), A("user"), U("a"), A("\n a \n")]},
    {"messages": [U("  spaces  "), A("  padded\n\n"), U("\n"), A("Ünïcode 漢字 🙂‍↔️ 12345")]},
    {"messages": [U("Wie ist das Wetter?"), A("", tool_calls=CALL), T("12 Grad"), A("Kalt.")], "tools": TOOLS},
    {"messages": [U("Think"), A("No.", reasoning_content="because\nso")]},
    {"messages": [U("Hi"), U("there"), A("Hello")]},
    {"messages": [A("Only an answer.")]},
]


class FixedDate(datetime.datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime.datetime:
        return datetime.datetime.fromisoformat(TIME)


def tokenizer(name: str, template: str, adds_bos: bool, appends_eos: bool) -> PreTrainedTokenizerFast:
    bos, eos = BASES[name]
    raw = Tokenizer.from_file(str(FIXTURES / "tiny-tokenizer" / "tokenizer.json"))
    raw.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    raw.add_tokens([AddedToken(token, special=False, normalized=False) for token in PLAIN])
    before = f"{bos} " if adds_bos and bos else ""
    after = f" {eos}" if appends_eos else ""
    names = [token for token in (bos, eos) if token]
    raw.post_processor = processors.TemplateProcessing(
        single=f"{before}$A{after}", pair=f"{before}$A $B{after}", special_tokens=[(n, raw.token_to_id(n)) for n in dict.fromkeys(names)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token=bos, eos_token=eos, chat_template=template)


def answers(name: str, template: str, adds_bos: bool, appends_eos: bool) -> list[Any]:
    fast = tokenizer(name, template, adds_bos, appends_eos)
    made: list[Any] = []
    for conversation in CONVERSATIONS:
        messages, tools = conversation["messages"], conversation.get("tools")
        try:
            whole = fast.apply_chat_template(messages, tools=tools, return_dict=True, return_assistant_tokens_mask=True)
            prompt = fast.apply_chat_template(messages[:-1], tools=tools, add_generation_prompt=True)["input_ids"] if messages[:-1] else None
        except (TemplateError, TypeError, IndexError) as error:
            made.append(None)
            continue
        mask = "".join(map(str, whole["assistant_masks"]))
        made.append(
            {
                "ids": whole["input_ids"],
                "mask": [[m.start(), m.end()] for m in re.finditer("1+", mask)],
                "prompt": prompt,
            }
        )
    return made


def main() -> None:
    chat_template_utils.datetime = FixedDate
    templates: dict[str, Any] = {}
    for name in BASES:
        template = (FIXTURES / "templates" / f"{name}.jinja").read_text()
        kinds = [answers(name, template, bos, eos) for bos in (False, True) for eos in (False, True)]
        # apply_chat_template adds no special token, whatever the tokenizer does with other texts.
        assert all(kind == kinds[0] for kind in kinds)
        templates[name] = {"bos": BASES[name][0], "eos": BASES[name][1], "answers": kinds[0]}
    golden = {
        "versions": versions("transformers", "tokenizers", "jinja2"),
        "time": TIME,
        "special": SPECIAL,
        "plain": PLAIN,
        "conversations": CONVERSATIONS,
        "templates": templates,
    }
    (FIXTURES / "chat-templates.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
