"""Reads exported recipes with the trainers' own parsers: python check_export.py FOLDER...

Prints a JSON list, one entry for each folder: what TRL or Axolotl understood, and the labels of the first rows as TRL's
collator hands them to the model.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def trl() -> dict[str, Any]:
    from datasets import load_dataset
    from trl import ModelConfig, ScriptArguments, SFTConfig, TrlParser, get_peft_config, get_quantization_config
    from trl.scripts.utils import DatasetMixtureConfig
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig))
    # bfloat16 asks for a GPU as soon as it is read.
    arguments = ["--config", "sft.yaml", "--use_cpu", "true", "--bf16", "false"]
    script, training, model, _ = parser.parse_args_and_config(arguments, fail_with_unknown_args=True)
    quantization, peft = get_quantization_config(model), get_peft_config(model)
    data = load_dataset(script.dataset_name)
    rows = [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in data[script.dataset_train_split]]
    batch = DataCollatorForLanguageModeling(pad_token_id=0)(rows)
    labels = [line[: len(row["input_ids"])] for line, row in zip(batch["labels"].tolist(), rows, strict=True)]
    assert labels == [row["labels"] for row in rows]
    return {
        "tool": "trl",
        "model": model.model_name_or_path,
        "learning_rate": training.learning_rate,
        "scheduler": str(getattr(training.lr_scheduler_type, "value", training.lr_scheduler_type)),
        "warmup": training.get_warmup_steps(100),
        "batch": [training.per_device_train_batch_size, training.gradient_accumulation_steps],
        "epochs": training.num_train_epochs,
        "max_steps": training.max_steps,
        "clip": training.max_grad_norm,
        "epsilon": training.adam_epsilon,
        "quantization": quantization
        and {
            "bits": 4 if quantization.load_in_4bit else 8,
            "double": quantization.load_in_4bit and quantization.bnb_4bit_use_double_quant,
        },
        "lora": peft and {"r": peft.r, "alpha": peft.lora_alpha, "targets": sorted(peft.target_modules)},
        "evaluates": str(getattr(training.eval_strategy, "value", training.eval_strategy)) != "no",
        "examples": len(rows),
        "validation": len(data["validation"]) if "validation" in data else 0,
        "learnt": sum(label != -100 for line in labels for label in line),
    }


def axolotl() -> dict[str, Any]:
    import yaml
    from axolotl.utils.schemas.config import AxolotlInputConfig

    given = yaml.safe_load(Path("axolotl.yaml").read_text())
    unknown = sorted(set(given) - set(AxolotlInputConfig.model_fields))
    assert not unknown, f"keys that Axolotl does not know: {unknown}"
    config = AxolotlInputConfig(**given)
    rows = [json.loads(line) for line in Path(config.datasets[0].path).read_text().splitlines()]
    tests = config.test_datasets or []
    double = (config.bnb_config_kwargs or {}).get("bnb_4bit_use_double_quant", False)
    return {
        "tool": "axolotl",
        "model": config.base_model,
        "learning_rate": float(config.learning_rate),
        "scheduler": str(getattr(config.lr_scheduler, "value", config.lr_scheduler)),
        "warmup": config.warmup_steps,
        "batch": [config.micro_batch_size, config.gradient_accumulation_steps],
        "epochs": config.num_epochs,
        "max_steps": config.max_steps or -1,
        "clip": config.max_grad_norm,
        "epsilon": config.adam_epsilon,
        "quantization": ({"bits": 4, "double": double} if config.load_in_4bit else None)
        or ({"bits": 8, "double": False} if config.load_in_8bit else None),
        "lora": config.adapter
        and {"r": config.lora_r, "alpha": config.lora_alpha, "targets": sorted(config.lora_target_modules)},
        "evaluates": bool(tests),
        "examples": len(rows),
        "validation": len(Path(tests[0].path).read_text().splitlines()) if tests else 0,
        "learnt": sum(label != -100 for row in rows for label in row["labels"]),
    }


def main() -> None:
    results = []
    for folder in map(Path, sys.argv[1:]):
        os.chdir(folder.resolve())
        results.append(trl() if Path("sft.yaml").exists() else axolotl())
    print(json.dumps(results))


if __name__ == "__main__":
    main()
