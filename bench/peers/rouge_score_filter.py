"""Self-Instruct's similarity filter with rouge_score, for comparison: python rouge_score_filter.py FILE

FILE is JSON: {"pool": [text, ...], "candidates": [text, ...]}. Prints {"seconds", "max": [number, ...]}. Every candidate
is scored against the whole pool, as the original pipeline does on one core.
"""

import json
import sys
import time

from rouge_score import rouge_scorer

with open(sys.argv[1], encoding="utf-8") as file:
    work = json.load(file)
scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
started = time.perf_counter()
largest = [max(scorer.score(text, candidate)["rougeL"].fmeasure for text in work["pool"]) for candidate in work["candidates"]]
print(json.dumps({"seconds": time.perf_counter() - started, "max": largest}))
