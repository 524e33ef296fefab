"""Folders with weights in 8-bit floats, made from the fixture qwen3: src/model/fixtures/fp8-{block,row,tensor}/.

fp8-block     blocks of 8 × 8 with `weight_scale_inv`, as DeepSeek and Qwen 3 are published; logits.json holds the logits that
              transformers gives for it (dequantised on loading)
fp8-row       a scale a row, as compressed-tensors writes it ("channel")
fp8-tensor    a scale for the whole and one for activations, as ModelOpt writes it
expected.json the decoded weights of one layer (fp32, base64), by PyTorch

Run: python tools/golden/fp8.py
"""

import base64
import json

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, FineGrainedFP8Config

from common import ROOT, seven, versions, write_json

MODELS = ROOT / "src/model/fixtures"
BLOCK = 8
MOST = torch.finfo(torch.float8_e4m3fn).max


def group(bits_strategy):
    return {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "symmetric": True, "strategy": bits_strategy}}}


FORMS = {
    "block": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [BLOCK, BLOCK]},
    "row": {"quant_method": "compressed-tensors", "format": "float-quantized", "ignore": ["lm_head"], "config_groups": group("channel")},
    "tensor": {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_scheme": None},
}


def pieces(weight, form):
    """Largest magnitude of each piece, in the shape of its scale, and as large as the weight."""
    rows, columns = weight.shape
    if form == "tensor":
        most = weight.abs().max()
        return most, most.expand_as(weight)
    if form == "row":
        most = weight.abs().amax(1, keepdim=True)
        return most, most.expand_as(weight)
    down, across = -(-rows // BLOCK), -(-columns // BLOCK)
    most = torch.zeros(down, across)
    for i in range(down):
        for j in range(across):
            most[i, j] = weight[i * BLOCK : (i + 1) * BLOCK, j * BLOCK : (j + 1) * BLOCK].abs().max()
    return most, most.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)[:rows, :columns]


def make(form):
    source = MODELS / "qwen3"
    folder = MODELS / f"fp8-{form}"
    folder.mkdir(exist_ok=True)
    config = json.loads((source / "config.json").read_text()) | {"quantization_config": FORMS[form]}
    tensors, expected = {}, {}
    for name, weight in load_file(source / "model.safetensors").items():
        if not name.endswith("_proj.weight"):
            tensors[name] = weight
            continue
        most, full = pieces(weight, form)
        scale, scales = most / MOST, full / MOST
        codes = (weight / scales).to(torch.float8_e4m3fn)
        tensors[name] = codes
        module = name.removesuffix("weight")
        tensors[module + ("weight_scale_inv" if form == "block" else "weight_scale")] = scale
        if form == "tensor":
            tensors[module + "input_scale"] = torch.tensor(0.5)
        if ".layers.1." in name:
            expected[name] = base64.b64encode((codes.float() * scales).numpy().tobytes()).decode()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
    return folder


def logits(folder):
    quantization = FineGrainedFP8Config(weight_block_size=(BLOCK, BLOCK), dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=quantization, dtype=torch.float32, attn_implementation="eager")
    assert not any(weight.dtype == torch.float8_e4m3fn for weight in model.parameters())
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(3, 256, (24,), generator=generator)
    with torch.no_grad():
        result = model(ids[None], use_cache=False, output_hidden_states=True)
    logprobs = torch.log_softmax(result.logits[0, :-1], -1).gather(-1, ids[1:, None])[:, 0]
    return [
        {
            "ids": ids.tolist(),
            "logits": seven(result.logits[0, -3:]),
            "nextLogprobs": seven(logprobs),
            "hiddenLast": [seven(layer[0, -1]) for layer in result.hidden_states],
        }
    ]


torch.set_num_threads(1)
for form in FORMS:
    folder = make(form)
    if form == "block":
        write_json(folder / "logits.json", {"architecture": "Qwen3ForCausalLM", "versions": versions("torch", "transformers"), "sequences": logits(folder)})
