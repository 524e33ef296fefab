"""Log-probabilities of lm-evaluation-harness with a tokenizer that adds BOS -> src/eval/fixtures/lm-eval-bos.json

    python tools/golden/lm_eval_bos.py

The model is the bundled toy model; its tokenizer is given a step that puts <|endoftext|> before every text, as Llama's does with its
BOS. `tokenizer` is what lm-eval 0.4.13 does by itself, `none` the rule of 0.4.5, which encodes without special tokens unless
add_bos_token is set. Pairs come from examples/data, and some of their own with white space at the border.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

# A neighbour of this file has the name of the package that it runs.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import lm_eval
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]


def with_bos(folder):
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text("utf-8"))
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}},
    }
    path.write_text(json.dumps(tokenizer), "utf-8")
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "bos_token": "<|endoftext|>"}), "utf-8")


def pairs():
    rows = [json.loads(line) for line in (ROOT / "examples/data/mini-heldout.jsonl").read_text("utf-8").splitlines()]
    plain = [(row["instruction"], " " + row["output"]) for row in rows[:44]]
    return plain + [
        ("A name: ", "Anna"),
        ("A name:\n", " Anna"),
        ("One two", " three four"),
        ("one", "s"),
        ("<|user|>\nHello\n<|assistant|>\n", "Hi"),
        ("The sea is ", " blue"),
    ]


def main():
    scratch = tempfile.TemporaryDirectory()
    folder = Path(scratch.name) / "model"
    shutil.copytree(ROOT / "models/mini", folder)
    with_bos(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    requests = pairs()
    assert len(requests) == 50
    found = {"lm_eval": lm_eval.__version__, "pairs": requests}
    for name, given in (("tokenizer", {}), ("none", {"add_bos_token": False})):
        lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4, device="cpu", **given)
        instances = [
            Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=0) for pair in requests
        ]
        found[name] = [[round(logprob, 6), bool(greedy)] for logprob, greedy in lm.loglikelihood(instances)]
    out = ROOT / "src/eval/fixtures/lm-eval-bos.json"
    out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")


main()
