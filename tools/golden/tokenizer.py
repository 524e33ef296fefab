"""Golden token ids of the two small vocabularies in src/model/fixtures/gguf (see gguf_files.py), by the `tokenizers` package.

The tokenizers are put together here from the package's own parts, not from the tokenizer.json that evoke rebuilds.
Writes src/model/fixtures/tokenizer.json.

Run: python tools/golden/tokenizer.py
"""

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from common import ROOT, versions, write_json

TEXTS = [
    "",
    " ",
    "the",
    " the the",
    "  the\n\n\tthe  ",
    "then 12 and 1234 in the inn",
    "it's a héllo wörld 日本 😀 👩‍👩‍👧",
    "<|start|>a<|end|> the",
    "call <tool> the<tool>",
    "</s>the<s> the",
    "▁the ▁ <0x41>",
    "a\u0301 \u00a0\u3000 ½ Ⅷ \x00\x7f",
    "x = f(1,22)  # the\r\nend.",
]


def fields(name):
    reader = GGUFReader(ROOT / f"src/model/fixtures/gguf/{name}.gguf")
    return lambda key: reader.fields[f"tokenizer.ggml.{key}"].contents()


def byte_level():
    field = fields("llama")
    tokens = field("tokens")
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in field("merges")]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in tokens[:3]])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<|start|> $A", special_tokens=[("<|start|>", 1)])
    return tokenizer


def sentence_piece():
    field = fields("spm")
    tokens = field("tokens")
    ids = {t: i for i, t in enumerate(tokens)}
    pieces = tokens[259:]
    merges = [(p[:k], p[k:]) for p in pieces for k in range(1, len(p)) if p[:k] in pieces and p[k:] in pieces]
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in tokens[:3]])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


result = {"versions": versions("tokenizers", "gguf"), "texts": TEXTS}
for name, tokenizer in (("llama", byte_level()), ("spm", sentence_piece())):
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    result[name] = ids
    result[f"{name}-plain"] = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    result[f"{name}-decoded"] = [tokenizer.decode(row, skip_special_tokens=True) for row in ids]
    result[f"{name}-decoded-all"] = [tokenizer.decode(row, skip_special_tokens=False) for row in ids]
write_json(ROOT / "src/model/fixtures/tokenizer.json", result)
