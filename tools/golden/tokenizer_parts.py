"""Ids and texts of tokenizer.json files that cover every kind of part, by the Rust library.

Writes src/tokenizer/fixtures/tokenizer-parts.json.gz: 2,000 texts, a few small models trained on the text below, and cases that put
parts around a model. Of each case the ids of the first texts stand in clear, and a SHA-256 over those of all texts.

    python tools/golden/tokenizer_parts.py
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, pre_tokenizers, trainers
from tokenizers.models import BPE, Unigram, WordLevel, WordPiece

from common import ROOT, versions

OUT = ROOT / "src" / "tokenizer" / "fixtures" / "tokenizer-parts.json.gz"
SHOWN = 12

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
    "äöüßéèñçÅØæœİıſǅ",
    "e\u0301a\u0308n\u0303o\u0302\u0323\u1ab0\u20dd",
    "αβγδσςΣΩάή",
    "абвгдёжЖЩ",
    "漢字日本語中文編碼龍豈\U00020000\U0002b740\uf900",
    "ひらがなカタカナーッ",
    "한국어가각힣\u1100\u1161\u11a8",
    "ภาษาไทยน้ำเก่า",
    "العربيةمرحباً١٢٣",
    "हिन्दीनमस्ते१२३",
    "עבריתשָׁלוֹם",
    "ＡＢＣａｂｃ１２３！（～",
    "ﬁﬂ½²Ⅷ①㍿ﷺ\u212a\u212b",
    ".,;:!?'\"()[]{}<>/\\|@#$%^&*-_=+`~",
    "“”‘’«»—–…¿¡、。「」",
    "€£¥©®™°±×÷√∞≈",
]
SPACES = [" ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2003", "\u2028", "\u0085", "\u000b", "\u200b"]
ODD = ["\ufeff", "\u0000", "\u0007", "\u001b", "\u001f", "\u007f", "\u008f", "\u009f", "\u00ad", "\u200d", "\u200c", "\ufffd", "\ue000", "\u2581", "\u202e"]
EMOJI = ["🙂", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇨🇭", "❤️", "1️⃣", "🙂‍↔️", "𝒳", "𐍈"]
WORDS = "the and isn't don't we're I'll they've it's John's the quick brown fox Jumps over lazy dogs low lower newest widest do not n't 'S 'LL 'RE 'ſ".split()
TAGS = ["<s>", "</s>", "[CLS]", "[MASK]", "<word>", "<left>", "<right>", "<norm>", "<NORM>", "<Ünï>", "word", "<pad>"]


def piece(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(WORDS)
    if kind < 0.62:
        alphabet = rng.choice(ALPHABETS)
        return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 6)))
    if kind < 0.86:
        return rng.choice(SPACES)
    if kind < 0.92:
        return rng.choice(EMOJI)
    if kind < 0.96:
        return rng.choice(ODD)
    return rng.choice(TAGS)


def texts() -> list[str]:
    rng = random.Random(7)
    made = ["", " ", "a", "<s>", "<s>a", "a <word> b", "xword word", "Hello, world! It's 12345 o'clock."]
    while len(made) < 2000:
        made.append("".join(piece(rng) for _ in range(rng.randint(1, 9))))
    return made


def trained(model: Any, trainer: Any, pre: Any, corpus: list[str], normalizer: Any = None) -> dict[str, Any]:
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.train_from_iterator(corpus, trainer)
    return json.loads(tokenizer.to_str())["model"]


def make_models(corpus: list[str]) -> dict[str, dict[str, Any]]:
    """Trained on part of the texts only, so that the others hold what the vocabulary lacks."""
    white = pre_tokenizers.WhitespaceSplit()
    spaces = pre_tokenizers.Metaspace()
    quiet = {"show_progress": False}
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    made = {
        "bytes": trained(
            BPE(),
            trainers.BpeTrainer(vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **quiet),
            pre_tokenizers.ByteLevel(add_prefix_space=True),
            corpus,
        ),
        "fallback": trained(
            BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True),
            trainers.BpeTrainer(vocab_size=520, special_tokens=["<unk>", *byte_tokens], limit_alphabet=60, **quiet),
            spaces,
            corpus,
        ),
        "unknown": trained(
            BPE(unk_token="<unk>"), trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>"], limit_alphabet=60, **quiet), white, corpus
        ),
        "prefix": trained(
            BPE(unk_token="<unk>", continuing_subword_prefix="##"),
            trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>"], limit_alphabet=60, continuing_subword_prefix="##", **quiet),
            white,
            corpus,
        ),
        "suffix": trained(
            BPE(unk_token="<unk>", end_of_word_suffix="</w>"),
            trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>"], limit_alphabet=60, end_of_word_suffix="</w>", **quiet),
            white,
            corpus,
        ),
        "wordpiece": trained(
            WordPiece(unk_token="[UNK]", max_input_chars_per_word=12),
            trainers.WordPieceTrainer(vocab_size=320, special_tokens=["[UNK]"], limit_alphabet=80, **quiet),
            pre_tokenizers.BertPreTokenizer(),
            corpus,
        ),
        "words": trained(WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=200, special_tokens=["<unk>"], **quiet), white, corpus),
        "unigram": trained(
            Unigram(), trainers.UnigramTrainer(vocab_size=300, special_tokens=["<unk>"], unk_token="<unk>", **quiet), spaces, [row for row in corpus if row.isascii()]
        ),
    }
    made["fused"] = {**made["unknown"], "fuse_unk": True}
    made["plain"] = {**made["unknown"], "unk_token": None}
    made["whole"] = {**made["bytes"], "ignore_merges": True}
    # A word of the vocabulary that no merge makes.
    made["whole"]["vocab"] = {**made["bytes"]["vocab"], "Ġquick": len(made["bytes"]["vocab"])}
    vocabulary = made["unigram"]["vocab"]
    made["unigram-bytes"] = {**made["unigram"], "byte_fallback": True, "vocab": vocabulary + [[token, -20.0] for token in byte_tokens]}
    return made


def charsmap() -> str:
    """SentencePiece's table for a few rules of our own."""
    rules = {"ﬁ": "fi", "Ａ": "A", "Ｂ": "B", "①": "1", "e\u0301": "é", "\u0007": "", "½": "1/2", "\u3000": " ", "ｂ": "b", "漢": "han"}
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "rules.tsv"
        table.write_text("".join("{}\t{}\n".format(" ".join(f"{ord(c):X}" for c in source), " ".join(f"{ord(c):X}" for c in target)) for source, target in rules.items()))
        text = Path(scratch) / "text.txt"
        text.write_text("the quick brown fox\n" * 20)
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=str(Path(scratch) / "m"), vocab_size=30, normalization_rule_tsv=str(table), hard_vocab_limit=False, minloglevel=2
        )
        model = (Path(scratch) / "m.model").read_bytes()
        # ModelProto.normalizer_spec (3), in it precompiled_charsmap (2).
        return base64.b64encode(field(field(model, 3), 2)).decode()


def field(message: bytes, wanted: int) -> bytes:
    """The first length-delimited field of this number in a protocol buffer."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        number, kind = key >> 3, key & 7
        if kind == 2:
            size = varint()
            if number == wanted:
                return message[at : at + size]
            at += size
        elif kind == 0:
            varint()
        else:
            at += 4 if kind == 5 else 8
    raise ValueError(wanted)


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
# A space before each piece shows where the text was cut.
CUT = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False}
BYTES_BACK = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


def cut(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": [*parts, CUT]}


def added(content: str, **more: Any) -> dict[str, Any]:
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False, **more}


ADDED = [
    added("<s>", special=True),
    added("</s>", special=True),
    added("<word>", single_word=True),
    added("word", single_word=True),
    added("<left>", lstrip=True),
    added("<right>", rstrip=True, special=True),
    added("<norm>", normalized=True),
    added("<Ünï>", normalized=True),
    added("[MASK]", lstrip=True, rstrip=True, special=True),
    added("<s", special=False),
]


def cases() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []

    def case(name: str, model: str, **parts: Any) -> None:
        made.append({"name": name, "model": model, **parts})

    for form in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel"]:
        parts = {"pre_tokenizer": None if form == "ByteLevel" else BYTES}
        case(f"normalizer {form}", "bytes", normalizer={"type": form}, decoder=BYTES_BACK, **parts)
    for left in (True, False):
        case(f"normalizer Strip {left}", "bytes", normalizer={"type": "Strip", "strip_left": left, "strip_right": not left}, pre_tokenizer=BYTES)
    case("normalizer Strip both", "bytes", normalizer={"type": "Strip", "strip_left": True, "strip_right": True}, pre_tokenizer=BYTES)
    case("normalizer Prepend, Replace", "bytes", pre_tokenizer=BYTES, normalizer={"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁$&"}, {"type": "Replace", "pattern": {"Regex": r"\s{2,}|[aeiou]+"}, "content": "$1_"}]})
    case("normalizer Precompiled", "bytes", pre_tokenizer=BYTES, normalizer={"type": "Precompiled", "precompiled_charsmap": charsmap()})
    for name, settings in {
        "default": dict(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True),
        "cased": dict(clean_text=True, handle_chinese_chars=False, strip_accents=None, lowercase=False),
        "accents": dict(clean_text=False, handle_chinese_chars=True, strip_accents=True, lowercase=False),
        "kept": dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=True),
    }.items():
        case(f"normalizer Bert {name}", "bytes", pre_tokenizer=BYTES, normalizer={"type": "BertNormalizer", **settings})

    for name in ["Whitespace", "WhitespaceSplit", "BertPreTokenizer"]:
        case(f"pre-tokenizer {name}", "bytes", pre_tokenizer=cut({"type": name}))
    case("pre-tokenizer CharDelimiterSplit", "bytes", pre_tokenizer=cut({"type": "CharDelimiterSplit", "delimiter": "a"}))
    case("pre-tokenizer FixedLength", "bytes", pre_tokenizer=cut({"type": "FixedLength", "length": 3}))
    for individual in (True, False):
        case(f"pre-tokenizer Digits {individual}", "bytes", pre_tokenizer=cut({"type": "Digits", "individual_digits": individual}))
        case(f"pre-tokenizer ByteLevel {individual}", "bytes", decoder=BYTES_BACK, pre_tokenizer={"type": "ByteLevel", "add_prefix_space": individual, "trim_offsets": True, "use_regex": True})
    behaviors = ["Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"]
    for behavior in behaviors:
        case(f"pre-tokenizer Punctuation {behavior}", "bytes", pre_tokenizer=cut({"type": "Punctuation", "behavior": behavior}))
        for invert in (False, True):
            case(f"pre-tokenizer Split regex {behavior} {invert}", "bytes", pre_tokenizer=cut({"type": "Split", "pattern": {"Regex": r"\p{L}|\d+"}, "behavior": behavior, "invert": invert}))
            case(f"pre-tokenizer Split string {behavior} {invert}", "bytes", pre_tokenizer=cut({"type": "Split", "pattern": {"String": " "}, "behavior": behavior, "invert": invert}))
    patterns = {
        "cl100k": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "cl100k possessive": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "atomic": r"(?>a+|\s+)b?|\w+\b|[[:punct:]]+|.",
        "anchors": r"^\s*|\S+$|\h+|[一-龥ぁ-ん]+",
        "deepseek": r"[一-龥぀-ゟ゠-ヿ]+|[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    }
    for name, pattern in patterns.items():
        case(f"pattern {name}", "bytes", pre_tokenizer=cut({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}))
    for scheme in ["always", "first", "never"]:
        for split in (True, False):
            meta = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}
            case(f"Metaspace {scheme} {split}", "fallback", pre_tokenizer=meta, decoder=meta, added=ADDED)
            case(f"Metaspace {scheme} {split}, cut", "bytes", pre_tokenizer=cut(meta), added=ADDED)

    llama = {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    spaces = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    case("Llama 2", "fallback", normalizer=spaces, pre_tokenizer=None, decoder=llama, added=ADDED)
    white = {"type": "WhitespaceSplit"}
    for model in ["unknown", "fused", "plain", "prefix", "words"]:
        case(f"model {model}", model, pre_tokenizer=white)
        case(f"model {model}, no cut", model, pre_tokenizer=None)
    case("model suffix", "suffix", pre_tokenizer=white, decoder={"type": "BPEDecoder", "suffix": "</w>"})
    case("model whole", "whole", pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}, decoder=BYTES_BACK)
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    for cleanup in (True, False):
        case(f"model wordpiece {cleanup}", "wordpiece", normalizer=bert, pre_tokenizer={"type": "BertPreTokenizer"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": cleanup})
    meta = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    case("model unigram", "unigram", pre_tokenizer=meta, decoder=meta, added=ADDED)
    case("model unigram, no cut", "unigram", normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, pre_tokenizer=None)
    case("model unigram-bytes", "unigram-bytes", pre_tokenizer=meta, decoder=llama)
    case("decoder CTC", "words", pre_tokenizer=white, decoder={"type": "CTC", "pad_token": "the", "word_delimiter_token": "fox", "cleanup": True})
    case("decoder Replace, Strip", "unknown", pre_tokenizer=white, decoder={"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"Regex": "[aeiou]+"}, "content": "$&-"}, {"type": "Strip", "content": "o", "start": 1, "stop": 2}, {"type": "Fuse"}]})

    case("added tokens", "bytes", pre_tokenizer=CUT, decoder=BYTES_BACK, added=ADDED)
    case("added tokens, lower case", "bytes", normalizer={"type": "Lowercase"}, pre_tokenizer=CUT, decoder=BYTES_BACK, added=ADDED)
    case("added tokens, no accents", "bytes", pre_tokenizer=CUT, added=ADDED, normalizer={"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Strip", "strip_left": True, "strip_right": False}]})
    single = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    case("post-processor Template", "bytes", pre_tokenizer=BYTES, added=ADDED, post_processor={"type": "Sequence", "processors": [BYTES_BACK, {"type": "TemplateProcessing", "single": single, "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [420], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [421, 420], "tokens": ["</s>", "<s>"]}}}]})
    for kind in ["BertProcessing", "RobertaProcessing"]:
        more = {"trim_offsets": True, "add_prefix_space": False} if kind == "RobertaProcessing" else {}
        case(f"post-processor {kind}", "bytes", pre_tokenizer=BYTES, added=ADDED, post_processor={"type": kind, "sep": ["</s>", 421], "cls": ["<s>", 420], **more})
    return made


def digest(rows: list[Any]) -> str:
    return hashlib.sha256("\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows).encode("utf-8", "surrogatepass")).hexdigest()


def main() -> None:
    all_texts = texts()
    made = make_models(all_texts[:900])
    golden = []
    for case in cases():
        model = made[case["model"]]
        size = len(model["vocab"])
        tokens = [{"id": size + i, **token} for i, token in enumerate(case.get("added", []))]
        file = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": tokens,
            "normalizer": case.get("normalizer"),
            "pre_tokenizer": case.get("pre_tokenizer"),
            "post_processor": case.get("post_processor"),
            "decoder": case.get("decoder"),
            "model": model,
        }
        tokenizer = Tokenizer.from_str(json.dumps(file))
        # One that the model has as well goes by the model's id.
        tokens = json.loads(tokenizer.to_str())["added_tokens"]
        ids = [tokenizer.encode(text).ids for text in all_texts]
        whole = [tokenizer.decode(row, skip_special_tokens=False) for row in ids]
        bare = [tokenizer.decode(row, skip_special_tokens=True) for row in ids]
        rng = random.Random(3)
        mixed = [[rng.randrange(size + len(tokens)) for _ in range(rng.randint(1, 12))] for _ in range(200)]
        golden.append(
            {
                **{key: value for key, value in case.items() if key != "added"},
                "added": tokens,
                "first": ids[:SHOWN],
                "ids": digest(ids),
                "decoded": digest(whole),
                "bare": digest(bare),
                "mixed": mixed[:40] if case.get("decoder") else [],
                "mixedText": [tokenizer.decode(row, skip_special_tokens=False) for row in mixed[:40]] if case.get("decoder") else [],
            }
        )
    content = {"versions": versions("tokenizers"), "texts": all_texts, "models": made, "cases": golden}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(gzip.compress(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), 9, mtime=0))
    print(len(golden), "cases,", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
