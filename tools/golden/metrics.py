"""Makes the golden files of the text metrics, of Python's random numbers and of the similarity filter.

Usage: python tools/golden/metrics.py DATA_DIR [PART ...]     (parts: random porter rouge published statistics
                                                               length similarity; default all)

Needs sacrebleu 2.6.0, rouge-score 0.1.2, nltk 3.10, scipy, scikit-learn. `similarity` scores millions of pairs in
Python and takes several minutes.
"""

import hashlib
import json
import math
import random
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "src"


def write(path, value):
    path = ROOT / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1 if len(json.dumps(value)) < 4000 else None) + "\n")
    print(path.relative_to(ROOT), path.stat().st_size)


def rows(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file if line.strip()]


def digest(numbers):
    return hashlib.sha256(b"".join(struct.pack("<d", x) for x in numbers)).hexdigest()


# Python's random numbers -------------------------------------------------------------------------------------------


def make_random():
    cases = []
    for seed in [0, 1, 42, -7, 2**31, 2**40 + 3, 2**200 + 12345, "", "a", "is_switched_outputs déjà vu 🙂0", "x" * 500]:
        rng = random.Random(seed)
        deck = list(range(30))
        case = {
            "seed": str(seed) if isinstance(seed, int) else seed,
            "integer": isinstance(seed, int),
            "random": [rng.random() for _ in range(5)],
            "bits": [rng.getrandbits(k) for k in (1, 7, 31, 32, 33, 53)],
            "randint": [rng.randint(-3, 10**k) for k in range(10)],
            "choices": rng.choices("abcdefg", k=12),
            "weighted": rng.choices("abc", weights=[1, 5, 0.5], k=12),
            "choice": [rng.choice("abcdefg") for _ in range(5)],
            "smallSample": rng.sample(range(30), 8),
            "largeSample": rng.sample(range(5000), 7),
            "middleSample": rng.sample(range(90), 6),
        }
        rng.shuffle(deck)
        case["shuffle"] = deck
        for _ in range(700):
            rng.random()
        case["late"] = rng.random()
        cases.append(case)
    write("random/fixtures/python-random.json", cases)


# Porter stemmer ----------------------------------------------------------------------------------------------------

STEMS = (
    "a be ar sky toy syz plan hop fall fizz siz trouble relat condi ration val hesit digit conform radic differ vile "
    "anal vietnam predic oper feud deci hope call form sensi triplic electr good reviv allow infer airlin gyroscop adjust "
    "defens irrit replac depend adopt homolog commun activ angul effect bowdler probat rat ceas contr rol enjo happ "
    "cr sp tr fl agre f bl bl motor conflat tann plaster s hiss fil yy yyy eyy theo geo archae log philo apo cann inn out "
    "proce exce succe how new dy ly ty b ab abc queu aeiou str"
).split()
SUFFIXES = (
    "- s es ies ss sses ed ied eed ing y ying yed ational tional enci anci izer bli abli alli entli eli ousli ization "
    "ation ator alism iveness fulness ousness aliti iviti biliti fulli logi logy icate ative alize iciti ical ful ness al "
    "ance ence er ic able ible ant ement ment ent sion tion ion ou ism ate iti ous ive ize e ll lle at bl iz lly ally fully"
).split()


def make_porter():
    from nltk.stem.porter import PorterStemmer

    stemmer = PorterStemmer()
    words = [stem + suffix.replace("-", "") for stem in STEMS for suffix in SUFFIXES]
    write(
        "metrics/fixtures/porter.json",
        {"stems": STEMS, "suffixes": SUFFIXES, "expected": " ".join(stemmer.stem(word) for word in words)},
    )


# ROUGE -------------------------------------------------------------------------------------------------------------

TYPES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
HARD = [
    ("", ""),
    ("", "word"),
    ("word", ""),
    ("???", "!!"),
    ("one", "one"),
    ("one one one", "one"),
    ("The cats were running quickly", "the cat runs quick"),
    ("first line\nsecond line here\n\nthird", "second line\nfirst line here\nthird third"),
    ("a b c d\ne f g", "a c e g\nb d f\na b"),
    ("Ünïcode wörds ＡＢＣ déjà vu", "unicode words abc deja vu"),
    ("İstanbul K\u212a ſ", "istanbul kk s"),
    ("x_y-z 3.14 1,000", "x y z 3 14 1 000"),
    ("line one\u2028line two\x85three\ttabs", "line one line two three tabs"),
    ("to be or not to be that is the question", "the question is whether to be or not to be"),
    ("skies dying news innings proceeding", "sky die new inning proceeds"),
    (" ".join(str(i % 7) for i in range(70)), " ".join(str(i % 5) for i in range(65))),
    (" ".join(str(i) for i in range(31)), " ".join(str(i) for i in range(30, -1, -1))),
]


def texts_of_tasks(data):
    tasks = rows(data / "self_instruct/seed_tasks.jsonl") + rows(data / "self_instruct/user_oriented_instructions.jsonl")
    texts = []
    for task in tasks:
        texts += [task["instruction"], task["instances"][0]["input"], task["instances"][0]["output"]]
    return [text for text in texts if text]


def make_rouge(data):
    from rouge_score import rouge_scorer

    plain = rouge_scorer.RougeScorer(TYPES)
    stemmed = rouge_scorer.RougeScorer(TYPES, use_stemmer=True)
    hard = []
    for target, prediction in HARD:
        scores = [
            [[score[t].precision, score[t].recall, score[t].fmeasure] for t in TYPES]
            for score in (plain.score(target, prediction), stemmed.score(target, prediction))
        ]
        hard.append({"target": target, "prediction": prediction, "plain": scores[0], "stemmed": scores[1]})
    texts = texts_of_tasks(data)
    rng = random.Random(2024)
    values = {"plain": [], "stemmed": []}
    for _ in range(10_000):
        target, prediction = texts[rng.randrange(len(texts))], texts[rng.randrange(len(texts))]
        for name, scorer in (("plain", plain), ("stemmed", stemmed)):
            score = scorer.score(target, prediction)
            values[name] += [score[t].fmeasure for t in TYPES]
    write(
        "metrics/fixtures/rouge.json",
        {
            "hard": hard,
            "pairs": 10_000,
            "seed": 2024,
            "first": {name: numbers[:800] for name, numbers in values.items()},
            "sha256": {name: digest(numbers) for name, numbers in values.items()},
        },
    )


# Published predictions ---------------------------------------------------------------------------------------------

BLEU_HARD = [
    ["", "nothing"],
    ["   ", "blank"],
    ["Short.", "Short one."],
    ["It costs $3.50, or 3,500-4,000 &amp; more &lt;b&gt;", "It costs $3.50 - or 3,500 & more <b>"],
    ["hyphen-\nated <skipped> words\nnext", "hyphenated words next"],
    ["Ünïcode… «quotes» – dashes 50% @home #1 a/b", "Ünïcode… «quotes» — dashes 50 % @home # 1 a/b"],
    ["1.5.2.a .5 5. a.b,c 10-20-30 -5", "1.5.2.a .5 5. a.b,c 10-20-30 -5"],
    ["tab\tnbsp\u00a0line\u2028sep\x85nel\x1cfs\ufeffbom", "tab nbsp line sep nel fs bom"],
    ["😀. 😀,😀 .😀.", "😀 . 😀 , 😀 . 😀 ."],
    ["the the the the the the the", "the cat is on the mat"],
]


def make_published(data):
    import sacrebleu
    from rouge_score import rouge_scorer
    from sacrebleu.metrics import BLEU
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    scorer = rouge_scorer.RougeScorer(TYPES, use_stemmer=True)

    def bleu(hypotheses, references, **options):
        metric = BLEU(**options)
        score = metric.corpus_score(hypotheses, references)
        return {
            "score": score.score,
            "counts": score.counts,
            "totals": score.totals,
            "precisions": score.precisions,
            "brevityPenalty": score.bp,
            "hypothesisLength": score.sys_len,
            "referenceLength": score.ref_len,
            "signature": str(metric.get_signature()),
        }

    files = {}
    for path in sorted((data / "self_instruct/predictions").glob("*.jsonl")):
        predictions = rows(path)
        responses = [row["response"].strip() for row in predictions]
        targets = [row["target"].strip() for row in predictions]
        means = {t: 0.0 for t in TYPES}
        for target, response in zip(targets, responses):
            for t, score in scorer.score(target, response).items():
                means[t] += score.fmeasure
        files[path.name] = {
            "bleu": bleu(responses, [targets]),
            **{t: total / len(predictions) for t, total in means.items()},
        }
        print(path.name, files[path.name]["bleu"]["score"])
    hypotheses = [pair[0] for pair in BLEU_HARD]
    references = [pair[1] for pair in BLEU_HARD]
    second = [pair[0].upper() for pair in BLEU_HARD]
    tokenizer = Tokenizer13a()
    write(
        "metrics/fixtures/bleu.json",
        {
            "version": sacrebleu.__version__,
            "texts": BLEU_HARD,
            "tokens": [[tokenizer(text.rstrip()).split() for text in pair] for pair in BLEU_HARD],
            "corpus": bleu(hypotheses, [references]),
            "lowercase": bleu(hypotheses, [references], lowercase=True),
            "twoReferences": bleu(hypotheses, [references, second]),
            "sentences": [bleu([h], [[r]], effective_order=True) for h, r in BLEU_HARD],
            "plainSentences": [bleu([h], [[r]]) for h, r in BLEU_HARD],
            "published": files,
        },
    )


# Statistics --------------------------------------------------------------------------------------------------------


def make_statistics():
    from scipy import stats
    from scipy.stats import binomtest

    tests = []
    for k, n, p in [(0, 1, 0.5), (3, 10, 0.5), (5, 10, 0.5), (9, 10, 0.5), (40, 100, 0.5), (7, 20, 0.3), (0, 30, 0.1), (500, 1100, 0.5)]:
        result = binomtest(k, n, p)
        interval = result.proportion_ci(0.95, "exact")
        tests.append([k, n, p, result.pvalue, interval.low, interval.high])
    freedoms = [1, 2, 2.5, 3, 9, 30, 99, 1234.5]
    student = [[t, df, float(stats.t.cdf(t, df))] for df in freedoms for t in (-12.5, -3, -1, -0.1, 0, 0.5, 2, 8)]
    quantiles = [[p, df, float(stats.t.ppf(p, df))] for df in freedoms for p in (0.01, 0.025, 0.3, 0.9, 0.975, 0.999)]
    normal = [[z, float(stats.norm.cdf(z))] for z in (-8, -4.5, -2, -0.7, 0, 0.2, 1.96, 6)]
    write("metrics/fixtures/statistics.json",
          {"binomial": tests, "student": student, "quantiles": quantiles, "normal": normal})


def make_switches(data):
    instructions = [row["instruction"] for row in json.loads((data / "alpaca_eval/alpaca_eval.json").read_text())]
    draws = [random.Random("is_switched_outputs" + text + "0").choices([False, True])[0] for text in instructions]
    write("metrics/fixtures/switches.json", "".join(str(int(draw)) for draw in draws))


# Length-controlled regression --------------------------------------------------------------------------------------


def make_length():
    import numpy as np
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.metrics import make_scorer
    from sklearn.model_selection import GroupKFold
    import sklearn

    sklearn.set_config(enable_metadata_routing=True)
    cases = []
    for seed, n, level in [(1, 400, -1.0), (2, 805, -2.5), (3, 300, 0.8)]:
        rng = random.Random(seed)
        reference = [200 + math.floor(rng.random() * 2000) for _ in range(n)]
        model = [math.floor(length * (0.3 + rng.random())) for length in reference]
        difficulty = [3 * (rng.random() + rng.random() + rng.random() - 1.5) for _ in range(n)]
        delta = np.array(reference) - np.array(model)
        feature = np.tanh(delta / np.std(delta, ddof=1))
        share = []
        for i in range(n):
            p = 1 / (1 + math.exp(-(level - 1.5 * feature[i] + 0.9 * difficulty[i])))
            share.append(round(min(1.0, max(0.0, (1.0 if rng.random() < p else 0.0) * 0.98 + 0.01)), 6))
        y = np.array(share)
        x = np.stack([feature, np.array(difficulty), np.ones(n)], 1)
        both = np.concatenate([x, x])
        label = np.concatenate([np.ones(n), np.zeros(n)])
        weight = np.concatenate([y, 1 - y])

        def loss(y_true, y_pred, true_prob):
            truth = np.where(y_true == 1, true_prob, 1 - true_prob)
            y_pred = np.clip(y_pred, 1e-15, 1 - 1e-15)
            return -np.mean(truth * np.log(y_pred) + (1 - truth) * np.log(1 - y_pred))

        scorer = make_scorer(loss, response_method="predict_proba", greater_is_better=False).set_score_request(true_prob=True)
        fit = LogisticRegressionCV(
            cv=GroupKFold(n_splits=5), scoring=scorer, random_state=123, penalty="l1", solver="liblinear", fit_intercept=False, tol=1e-8, max_iter=5000
        ).set_fit_request(sample_weight=True)
        fit.fit(both, label, sample_weight=weight, groups=np.concatenate([np.arange(n)] * 2), true_prob=weight)
        test = x.copy()
        test[:, 0] = 0
        predicted = fit.predict_proba(test)[:, 1]
        cases.append(
            {
                "seed": seed,
                "n": n,
                "level": level,
                "preferenceSum": float(np.sum(y)),
                "coefficients": fit.coef_[0].tolist(),
                "l1": 1 / float(fit.C_[0]),
                "winRate": 100 * float(np.mean(predicted)),
                "standardError": 100 * float(np.std(predicted, ddof=1) / math.sqrt(n)),
            }
        )
        print(cases[-1])
    write("metrics/fixtures/length-controlled.json", cases)


# Similarity filter -------------------------------------------------------------------------------------------------


def similarity_candidates(data, count):
    """Real instructions and edited copies of them, in an order that a JavaScript program can draw again."""
    rng = random.Random(11)
    seeds = [row["instruction"] for row in rows(data / "self_instruct/seed_tasks.jsonl")]
    real = [row["instruction"] for row in rows(data / "self_instruct/user_oriented_instructions.jsonl")]
    real += [row["instruction"] for row in rows(data / "sft/alpaca_subset.jsonl")]
    candidates = []
    while len(candidates) < count:
        text = real[rng.randrange(len(real))]
        candidates.append(text)
        words = text.split(" ")
        for _ in range(rng.randrange(1, 9)):
            at = rng.randrange(len(words))
            kind = rng.randrange(3)
            if kind == 0 and len(words) > 2:
                del words[at]
            elif kind == 1:
                words.insert(at, rng.choice(real[rng.randrange(len(real))].split(" ")))
            else:
                other = rng.randrange(len(words))
                words[at], words[other] = words[other], words[at]
        candidates.append(" ".join(words))
    return seeds, candidates[:count]


def make_similarity(data):
    from rouge_score import rouge_scorer, tokenizers

    class Remembering(tokenizers.DefaultTokenizer):
        """The default tokenizer; a text is cut only once."""

        known = {}

        def tokenize(self, text):
            if text not in self.known:
                self.known[text] = super().tokenize(text)
            return self.known[text]

    scorer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=Remembering())
    pool, candidates = similarity_candidates(data, 3000)
    kept, largest, means, tens = [], [], [], []
    for candidate in candidates:
        scores = [scorer.score(text, candidate)["rougeL"].fmeasure for text in pool]
        largest.append(max(scores))
        kept.append(max(scores) <= 0.7)
        if kept[-1]:
            means.append(sum(scores) / len(scores))
            tens += sorted(scores, reverse=True)[:10]
            pool.append(candidate)
    write(
        "self-instruct/fixtures/similarity.json",
        {
            "candidates": len(candidates),
            "textSha256": hashlib.sha256("\n".join(candidates).encode()).hexdigest(),
            "kept": "".join("1" if keep else "0" for keep in kept),
            "largestSha256": digest(largest),
            "nearestTenSha256": digest(tens),
            "means": means[:200],
        },
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    parts = sys.argv[2:] or "random porter rouge published statistics switches length similarity".split()
    for part in parts:
        make = globals()[f"make_{part}"]
        make(folder) if part in ("rouge", "published", "switches", "similarity") else make()
