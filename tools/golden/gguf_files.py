"""Golden GGUF files, written by the `gguf` package. Everything goes to src/model/fixtures/gguf/.

blocks.gguf, blocks.json   one [2, 256] tensor of every block format with random bytes, and what the package decodes it to
                           (fp32, base64)
llama.gguf, llama-tied-rope3.gguf, qwen2.gguf, gemma2.gguf, gemma3.gguf, olmo.gguf, smollm3.gguf, granite.gguf, phi3.gguf, olmo3.gguf
                           layer 0 of the folders of the same names in src/model/fixtures, stored as converters to GGUF store
                           them: query and key rows of Llama and OLMo interleaved, Gemma's norms raised by 1, Llama 3's rope
                           as divisors. llama.gguf also holds a small byte-level vocabulary, qwen2.gguf none.
spm.gguf                   a small SentencePiece vocabulary without weights.

Run: python tools/golden/gguf_files.py
"""

import base64
import json
import math

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q
from safetensors.numpy import load_file

from common import ROOT, versions

MODELS = ROOT / "src/model/fixtures"
OUT = MODELS / "gguf"
FORMATS = [Q.F32, Q.F16, Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q4_K, Q.Q5_K, Q.Q6_K, Q.Q2_K, Q.Q3_K, Q.IQ4_NL, Q.IQ4_XS]
# Byte offsets of the fp16 scales in a block; other bytes may be anything.
SCALES = {Q.Q8_0: [0], Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208], Q.Q2_K: [80, 82], Q.Q3_K: [108], Q.IQ4_NL: [0], Q.IQ4_XS: [0]}


def blocks():
    rng = np.random.default_rng(3)
    writer = gguf.GGUFWriter(OUT / "blocks.gguf", "llama")
    writer.add_embedding_length(256)
    writer.add_head_count(4)
    writer.add_block_count(1)
    writer.add_feed_forward_length(256)
    expected = {"versions": versions("gguf", "numpy")}
    for kind in FORMATS:
        values, size = gguf.GGML_QUANT_SIZES[kind]
        if kind in SCALES:
            raw = rng.integers(0, 256, (2, 256 // values, size), dtype=np.uint8)
            for at in SCALES[kind]:
                scale = (rng.standard_normal(raw.shape[:2]) * 0.1).astype(np.float16)
                raw[:, :, at : at + 2] = scale.view(np.uint8).reshape(*raw.shape[:2], 2)
            raw = raw.reshape(2, -1)
        else:
            raw = gguf.quants.quantize(rng.standard_normal((2, 256)).astype(np.float32), kind)
        decoded = np.ascontiguousarray(gguf.quants.dequantize(raw, kind), np.float32).reshape(2, 256)
        stored = raw if raw.dtype != np.uint8 else raw.view(np.uint8)
        writer.add_tensor(f"test.{kind.name}", stored, raw_dtype=kind)
        expected[kind.name] = base64.b64encode(decoded.tobytes()).decode()
    finish(writer)
    (OUT / "blocks.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


def interleave(weight, heads):
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
}
GEMMA = NAMES | {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}

PHI3 = NAMES | {"self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"}
OLMO2 = NAMES | {
    "post_attention_layernorm": "post_attention_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def bytes_to_unicode():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {}, 0
    for byte in range(256):
        if byte in printable:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + extra)
            extra += 1
    return table


def small_vocabulary(writer):
    tokens = ["<|end|>", "<|start|>", "<pad>", *bytes_to_unicode().values()]
    merges = ["Ġ t", "h e", "Ġt he", "i n", "Ġ a", "1 2"]
    tokens += [merge.replace(" ", "") for merge in merges]
    kinds = [3, 3, 3] + [1] * (len(tokens) - 3)
    tokens.append("<tool>")
    kinds.append(4)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_eot_token_id(2)
    writer.add_chat_template("{% for m in messages %}{{ bos_token + m['role'] + ': ' + m['content'] + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}")


def model(name):
    config = json.loads((MODELS / name / "config.json").read_text())
    weights = load_file(MODELS / name / "model.safetensors")
    kind = config["model_type"].removesuffix("_text")
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head = config.get("head_dim") or config["hidden_size"] // heads
    writer = gguf.GGUFWriter(OUT / f"{name}.gguf", "olmo2" if kind == "olmo3" else kind)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(config["rope_theta"])
    if kind == "olmo":
        writer.add_layer_norm_eps(1e-5)
    else:
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if "head_dim" in config:
        writer.add_key_length(head)
        writer.add_value_length(head)
    if kind == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
        writer.add_sliding_window(config["sliding_window"])
    if kind == "gemma3":
        writer.add_sliding_window(config["sliding_window"])
        writer.add_sliding_window_pattern(config["sliding_window_pattern"])
        writer.add_rope_freq_base_swa(config["rope_local_base_freq"])
    if kind == "olmo3":
        writer.add_sliding_window(config["sliding_window"])
        yarn = config["rope_scaling"]
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(yarn["factor"])
        writer.add_rope_scaling_orig_ctx_len(yarn["original_max_position_embeddings"])
    if kind == "granite":
        writer.add_embedding_scale(config["embedding_multiplier"])
        writer.add_residual_scale(config["residual_multiplier"])
        writer.add_attention_scale(config["attention_multiplier"])
        writer.add_logit_scale(config["logits_scaling"])
    if kind == "phi3":
        original = config["original_max_position_embeddings"]
        writer.add_rope_dimension_count(int(head * config["partial_rotary_factor"]))
        writer.add_rope_scaling_orig_ctx_len(original)
        factor = math.sqrt(1 + math.log(config["max_position_embeddings"] / original) / math.log(original))
        writer.add_rope_scaling_attn_factors(factor)
        for key in ("long", "short"):
            factors = np.array(config["rope_scaling"][f"{key}_factor"], np.float32)
            writer.add_tensor(f"rope_factors_{key}.weight", factors)
    if name == "llama":
        small_vocabulary(writer)
    scaling = config.get("rope_scaling")
    if scaling and scaling.get("rope_type") == "llama3":
        factors = []
        for i in range(head // 2):
            wavelength = 2 * math.pi * config["rope_theta"] ** (2 * i / head)
            low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
            original = scaling["original_max_position_embeddings"]
            if wavelength < original / high:
                factors.append(1)
            elif wavelength > original / low:
                factors.append(scaling["factor"])
            else:
                smooth = (original / wavelength - low) / (high - low)
                factors.append(1 / ((1 - smooth) / scaling["factor"] + smooth))
        writer.add_tensor("rope_freqs.weight", np.array(factors, np.float32))
    gemma = kind.startswith("gemma")
    names = {"phi3": PHI3, "olmo3": OLMO2}.get(kind, GEMMA if gemma else NAMES)
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    if "model.norm.weight" in weights:
        writer.add_tensor("output_norm.weight", weights["model.norm.weight"] + (1 if gemma else 0))
    if not config["tie_word_embeddings"] and kind in ("llama", "olmo", "olmo3", "phi3"):
        writer.add_tensor("output.weight", weights["lm_head.weight"])
    for key, value in weights.items():
        if not key.startswith("model.layers.0."):
            continue
        part, ending = key.removeprefix("model.layers.0.").rsplit(".", 1)
        if kind in ("llama", "olmo", "smollm3", "granite") and part.endswith(("q_proj", "k_proj")):
            value = interleave(value, heads if part.endswith("q_proj") else kv_heads)
        if gemma and part.endswith("norm"):
            value = value + 1
        writer.add_tensor(f"blk.0.{names[part]}.{ending}", np.ascontiguousarray(value))
    finish(writer)


def spm():
    writer = gguf.GGUFWriter(OUT / "spm.gguf", "llama")
    pieces = ["▁the", "▁t", "he", "▁", "t", "h", "e", "▁a", "a", "in", "i", "n"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    writer.add_embedding_length(8)
    writer.add_head_count(1)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(i) for i in range(len(pieces))])
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * len(pieces))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


OUT.mkdir(exist_ok=True)
blocks()
for folder in ("llama", "llama-tied-rope3", "qwen2", "gemma2", "gemma3", "olmo", "smollm3", "granite", "phi3", "olmo3"):
    model(folder)
spm()
