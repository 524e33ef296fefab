"""Two hundred conversations for trl_masks.py: ordinary ones, and ones whose text is hard on masks."""

from __future__ import annotations

import random

Message = dict[str, str]


def user(content: str) -> Message:
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}


def system(content: str) -> Message:
    return {"role": "system", "content": content}


PLAIN = [
    ("Name three birds that cannot fly.", "Three birds that cannot fly are the ostrich, the emu and the kiwi."),
    ("What is the boiling point of water at sea level?", "Water boils at 100 °C, which is 212 °F, at sea level."),
    ("Give me a rhyme for 'light'.", "Night, bright, sight and kite all rhyme with light."),
    ("How do I keep basil alive?", "Keep it in the sun, water it from below, and pick the top leaves often."),
    ("Who wrote Pride and Prejudice?", "Jane Austen wrote it; it came out in 1813."),
    ("What is 17 times 23?", "17 times 23 is 391."),
    ("Is a tomato a fruit?", "Yes. To a botanist it is a berry; to a cook it is a vegetable."),
    ("Suggest a name for a grey cat.", "Ash would suit a grey cat well."),
    ("What does a carpenter do?", "A carpenter builds and repairs things made of wood."),
    ("Say hello in four languages.", "Hello, hola, bonjour and hallo."),
    ("Why do leaves turn red?", "The green fades first, and the red that the leaf makes in autumn is left to be seen."),
    ("How long is a marathon?", "A marathon is 42.195 kilometres long."),
    ("Explain recursion to a child.", "To find out how tall a tower is, count one block and ask how tall the rest is."),
    ("What is a good breakfast before a hike?", "Oats with nuts and a banana keep you going for hours."),
    ("Which planet has the most moons?", "Saturn has the most known moons."),
    ("Turn this into a question: You are tired.", "Are you tired?"),
]

LISTS = [
    ("List the steps to change a bicycle tube.", "1. Take the wheel off.\n2. Lever the tyre open.\n3. Swap the tube.\n4. Pump it up."),
    ("Write a short poem about fog.", "Fog on the quay,\nno mast to see,\na bell, a gull,\na wooden hull."),
    ("Show a Python loop that prints 0 to 2.", "```python\nfor i in range(3):\n    print(i)\n```"),
    ("Make a table of two animals and their legs.", "| animal | legs |\n|---|---|\n| hen | 2 |\n| ant | 6 |"),
    ("Pack a bag for the beach.", "- towel\n- water\n- hat\n\nAnd a book."),
    ("Write JSON for a point.", '{\n  "x": 1.5,\n  "y": -2\n}'),
]

HARD = [
    ("Start your answer with a blank line.", "\nHere it is, after a blank line."),
    ("Start with two blank lines.", "\n\n\nThere they were."),
    ("End with a line break.", "This ends with one.\n"),
    ("End with several.", "This ends with three.\n\n\n"),
    ("Answer with spaces in front.", "   indented answer"),
    ("Answer with spaces behind.", "trailing spaces   "),
    ("Answer with a tab.", "\tafter a tab"),
    ("\nMy question has blank lines around it.\n\n", "So has it."),
    ("Answer with one letter.", "A"),
    ("Answer with a full stop.", "."),
    ("Answer with a single space.", " "),
    ("Write the tag of the user.", "It is written <|user|> in this template."),
    ("Write the tag of the assistant on its own line.", "<|assistant|>\nis the tag."),
    ("What does </s mean?", "It looks like the start of an end tag: </s and then a bracket."),
    ("日本の首都はどこですか。", "東京です。"),
    ("Ответь одним словом: столица Франции?", "Париж."),
    ("¿Cómo se dice 'thank you'?", "Se dice «gracias»."),
    ("Send me some emoji.", "🙂🚀👩‍🔬🇵🇹"),
    ("Say something in Arabic.", "مرحبا بك"),
    ("Combine accents: e + ́", "é and é look alike."),
    ("Numbers: 3.14159, 1,000,000 and 007?", "3.14159 1,000,000 007"),
    ("Use Windows line ends.", "one\r\ntwo\r\nthree"),
    ("No-break space and zero width?", "a\u00a0b\u200bc"),
]

LONGER = [
    [user("Hi."), assistant("Hello! How can I help?"), user("What is the capital of Norway?"), assistant("Oslo.")],
    [
        system("You are brief."),
        user("Name a prime number above 10."),
        assistant("11."),
        user("And the next?"),
        assistant("13."),
        user("And above 100?"),
        assistant("101."),
    ],
    [system("Answer like a pirate."), user("Where is the treasure?"), assistant("Arr, under the third palm, matey.")],
    [user("One."), assistant("\nTwo."), user("\n\nThree."), assistant("Four.\n\n")],
    [user("First part of my question."), user("Second part."), assistant("An answer to both parts.")],
]

# What may stand where a turn begins and ends: characters that tokens join over, parts of tags, whole special tokens.
EDGES = ["", "", "\n", "\n\n", " ", "  ", "\t", "\r\n", ".", "7", "42", "é", "🙂", "\u00a0", "<|", "|>", "</s", "</s>", "<s>"]
EDGES += ["<|user|>\n", "<|assistant|>", "s>", "- ", "\n- ", "`", "東", "\u0301"]


def composed(count: int) -> list[list[Message]]:
    """Conversations of one to three exchanges whose turns are put together from the texts above and EDGES."""
    draw = random.Random(0)
    texts = [text for pair in PLAIN + LISTS + HARD for text in pair]

    def content() -> str:
        return draw.choice(EDGES) + draw.choice([*texts, ""]) + draw.choice(EDGES) or "-"

    rows: list[list[Message]] = []
    while len(rows) < count:
        row = [system(content())] if draw.random() < 0.2 else []
        for _ in range(draw.choice([1, 1, 2, 3])):
            row += [user(content()), assistant(content())]
        rows.append(row)
    return rows


WRITTEN: list[list[Message]] = [[user(q), assistant(a)] for q, a in PLAIN + LISTS + HARD] + LONGER
ROWS: list[list[Message]] = WRITTEN + composed(200 - len(WRITTEN))
assert (len(WRITTEN), len(ROWS)) == (50, 200)
