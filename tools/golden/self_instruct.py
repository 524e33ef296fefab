"""Golden results of Self-Instruct's post-processing and instance parsing.

Runs the original project's own functions (https://github.com/yizhongw/self-instruct), read from a checkout of it, on
transcripts written or generated here, and stores inputs and results. Nothing of the original's code or prompts is
stored.

Usage: python tools/golden/self_instruct.py PATH/TO/self-instruct/self_instruct src/self-instruct/fixtures/original.json [RUN...]

RUN is a folder written by `evoke self-instruct`; its answers are added as they are. The stored file has SmolLM2's of two:
a whole run, whose tasks all came out input-first, and the stage `instances` over 26 classification tasks (output-first).
"""

import ast
import json
import random
import re
import string
import sys
from pathlib import Path

FUNCTIONS = {
    "bootstrap_instructions.py": ["encode_prompt", "find_word_in_string", "post_process_gpt3_response"],
    "prepare_for_finetuning.py": [
        "parse_input_output",
        "filter_duplicate_instances",
        "filter_invalid_instances",
        "parse_instances_for_generation_task",
        "parse_instances_for_classification_task",
    ],
}


def original(folder):
    """The named functions alone: the files' imports (an old openai client, pandas) are not needed for them."""
    space = {"re": re, "string": string, "random": random}
    for file, names in FUNCTIONS.items():
        tree = ast.parse((Path(folder) / file).read_text(encoding="utf8"))
        tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
        assert len(tree.body) == len(names), f"{file} lacks a function"
        exec(compile(tree, file, "exec"), space)
    return space


def answer(text, finish):
    return {"choices": [{"text": text, "finish_reason": finish}]}


LISTS = [
    " Name three rivers in Africa.\n10. Write a poem about fog.\n11. what is the CAPITAL of Peru?",
    " Too short.\n10. also too short\n11. this one has four\n12. exactly five words are here",
    " Draw a circle with a compass and ruler.\n10. Describe the image in words for me.\n11. Imagine a perfect morning in spring.",
    " Write a program that sorts numbers fast.\n10. write a Program in any language.\n11. Write programs are hard to say.",
    " \u201cQuote\u201d this sentence in your answer.\n10. (Optional) Tell me a joke now.\n11. \u00c9crire une lettre \u00e0 un ami.",
    " \u00dfeltsam is the first word of this.\n10. \ufb01nd the ligature in this text.\n11. \u0131s the dotless letter ascii here?",
    " The \u0131mage has no dot in it.\n10. These p\u0131ctures have no dots either.\n11. A photograph is not a graph at all.",
    " The graph-like structure is a tree.\n10. The graph_like structure is one word.\n11. Paragraphs and photographs are fine here.",
    " A list with\ta tab and\u00a0a hard space.\n10 . A blank before the stop is allowed.\n11.No blank after the stop is not.",
    " Item nine has no end\n\n10. A blank line came before this one.\n\u0661\u0661. Arabic digits can number items too.",
    " ΑΣ ΟΔΟΣ is greek for something here.\n10. Make ΟΔΟΣ lower case, all of it.\n11. İstanbul is a large city, too.",
    " " + " ".join(["word"] * 150) + "\n10. " + " ".join(["word"] * 151) + "\n11. " + " ".join(["word"] * 149),
    "",
    "\n10. ",
    " Where should I go to learn French?\n10. Going to the market takes long.\n11. Let us GO TO the sea today.",
    " Filesystem is one word for this.\n10. Save the file under a new name.\n11. The profile is not a file name.",
    " a\u2028b c d line separator inside here\n10. nel\u0085splits words as in Python here\n11. bom\ufeffdoes not split any words here",
    " unit\x1fseparators are white space too here\n10. ends with a colon as a task:\n11. 5 numbers may come first here",
]

GENERATION = [
    "Example 1\nInput: a\nOutput: b\nExample 2\nInput: c\nOutput: d",
    "Input: a\nOutput: b\nInput: c\nOutput: d",
    "Output: only an answer",
    "no markers at all",
    "",
    "Example 1\nInput: a\nOutput: b\nExample 2\nInput: a\nOutput: c",
    "Example 1\nInput: a\nOutput: b\nExample 2\nInput: a\nOutput: b",
    "Example 1\nInput:\nOutput: b\nExample 2\nInput:\nOutput: c",
    "Example 1\nInput: same\nOutput: same\nExample 2\nInput: x\nOutput:",
    "Example 1\nInput: list:\nOutput: b\nExample 2\nInput: x\nOutput: here it is:",
    "Example 1.\nInput 1: a\nOutput 1: b\nExample 2.\nInput 2 : c\nOutput 2 : d",
    "An Example of text that has the word Example in it.\nOutput: yes",
    "Examples 1 and 2\nOutput: x",
    "Example 1\nOutput: a\nOutput: b",
    "Example 1\nInput: a\nInput: b\nOutput: c",
    "Example 1\nthe answer alone\nExample 2\nanother answer alone",
    "Example\u00a01\nInput: a\nOutput: b",
    "Example \u0663\nInput\u2003: a\nOutput\u00a0\u0662\u00a0: b",
    "Example 1\nInput: Input: nested\nOutput: out",
    "  \u0085 Example 1\nInput: a\nOutput: b \x1c",
    "Example 1\nInput: \ufeffa\nOutput: b\ufeff",
    "EXAMPLE 1\nINPUT: a\nOUTPUT: b",
    "Example 1\n\nInput: multi\nline\n\nvalue\nOutput: multi\n\nline\nout\n\n",
    "Example 12345. Input: a Output: b",
    "Output 1: first\nOutput 2: second\nInput: third",
]

CLASSIFICATION = [
    "Class label: A\nText: x\nClass label: B\nText: y",
    "Class label: A\nClass label: B",
    "Class label:A\nx\nClass label:A\nx",
    "Class label: A\nx\nClass label: B\nx",
    "class label: A\nx",
    "text before Class label: A\nrest of it\nmore of it",
    "Class label:\n\nA\n\nx",
    "Class label: A\r\nx\r\nClass label: B\ry",
    "Class label: \u0085A\u2028x\nClass label: B\x0bx",
    "Class label: A:\nx\nClass label: B\nx:",
    "Class label: same\nsame",
    "Class label:",
    "",
    "Class label: A\nx\nClass label: A\nx\nClass label: C",
    "Class label: yes\nSentence: it is\n\nClass label: no\nSentence: it is not\n",
]

PIECES = [
    "Example 1", "Example 2.", "Example", "Example\u00a03", "Input:", "Input 2:", "Input :", "Output:", "Output 1:",
    "Output\u2003:", "Class label:", "Class label: yes", "\n", "\n\n", " ", "\t", "\r\n", "\u0085", "\u2028", "\ufeff",
    "\x1d", "a", "b", "the same", "the same", "ends:", ":", "\u4f60\u597d", "\U0001f600", "1. ", "\n10. ",
    "\n11 . ", "Write a program", "image", "four words are here", "Task about maps now please", "\u00c9", "\u00df",
]


def random_text(rng):
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 14)))


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf8").split("\n") if line]


def real_answers(runs):
    """Distinct (text, finish reason) of each run: continued lists, and transcripts."""
    lists, transcripts = [], []
    for run in runs:
        proposed = [row["metadata"]["response"] for row in rows_of(run / "machine_generated_instructions.jsonl")]
        written = [row["instance_metadata"]["response"] for row in rows_of(run / "machine_generated_instances.jsonl")]
        distinct = lambda answers: sorted({(a["choices"][0]["text"], a["choices"][0]["finish_reason"]) for a in answers if a})
        lists += distinct(proposed)[:12]
        transcripts += distinct(written)[:26]
    return lists, transcripts


def main(folder, target, *runs):
    functions = original(folder)
    rng = random.Random(20221220)
    lists, instances, prompts = [], [], []
    texts = LISTS + [random_text(rng) for _ in range(250)]
    for i, text in enumerate(texts):
        finish = "length" if i % 17 == 16 else "stop"
        lists.append([text, finish, functions["post_process_gpt3_response"](answer(text, finish))])
    cases = [(text, False) for text in GENERATION] + [(text, True) for text in CLASSIFICATION]
    cases += [(random_text(rng), rng.random() < 0.4) for _ in range(600)]
    for text, classification in cases:
        for finish in ["stop", "length"]:
            name = "classification" if classification else "generation"
            parse = functions[f"parse_instances_for_{name}_task"]
            found = parse(text, " Do it \n", {"response": answer(text, finish)})
            # the original removes duplicates through a set, whose order means nothing
            instances.append([text, classification, finish, sorted([i, o] for _, i, o in found)])
    real_lists, real_transcripts = real_answers([Path(run) for run in runs])
    for text, finish in real_lists:
        for end in {finish, "stop"}:
            lists.append([text, end, functions["post_process_gpt3_response"](answer(text, end))])
    for text, finish in real_transcripts:
        for classification in [False, True]:
            name = "classification" if classification else "generation"
            found = functions[f"parse_instances_for_{name}_task"](text, "Do it", {"response": answer(text, finish)})
            instances.append([text, classification, finish, sorted([i, o] for _, i, o in found)])
    for batch in [["Do this:", "  do\n that  ::", "x"], ["One."], ["a:b:", "trailing : ", "\u2003wide\u2003space"]]:
        body = functions["encode_prompt"](batch)
        prompts.append([batch, body[body.index("\n") + 1 :]])  # without the original's lead sentence
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    with open(target, "w", encoding="utf8") as file:
        json.dump({"lists": lists, "instances": instances, "prompts": prompts}, file, ensure_ascii=True)
        file.write("\n")
    kept = sum(1 for *_, found in instances if found)
    print(f"{len(lists)} lists, {len(instances)} transcripts ({kept} with instances), {len(prompts)} prompts")


if __name__ == "__main__":
    main(*sys.argv[1:])
