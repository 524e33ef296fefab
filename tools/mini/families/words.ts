import { type Fact, type Family, pairs } from "../family.js";

const oppositePairs =
  pairs(`hot|cold, big|small, up|down, left|right, black|white, fast|slow, open|closed, full|empty, rich|poor, young|old, happy|sad,
  strong|weak, high|low, hard|soft, wet|dry, light|dark, long|short, thick|thin, early|late, near|far, clean|dirty, loud|quiet, deep|shallow, wide|narrow,
  brave|afraid, sharp|blunt, heavy|weightless, true|false, first|last, inside|outside, sweet|bitter, push|pull, buy|sell, win|lose, day|night, front|back, love|hate,
  begin|end, arrive|leave, rough|smooth`);

export const opposites: Family = {
  name: "opposite",
  facts: [...oppositePairs, ...oppositePairs.map(({ x, answer }) => ({ x: answer, answer: x }))],
  questions: [
    "What is the opposite of {x}?",
    "Give the opposite of {x}.",
    "Which word is the opposite of {x}?",
    "{X} is the opposite of what?",
  ],
  tasks: 2,
  statements: [
    "The opposite of {x} is {a}.",
    "What is not {x} may be {a}, its opposite.",
    "{X} and {a} are opposites.",
    "If {x} is one end, {a} is the other.",
  ],
  weight: 3,
};

export const plurals: Family = {
  name: "plural",
  facts:
    pairs(`mouse|mice, foot|feet, tooth|teeth, man|men, woman|women, child|children, goose|geese, ox|oxen, leaf|leaves, knife|knives, wolf|wolves, life|lives,
    city|cities, baby|babies, lady|ladies, story|stories, fly|flies, box|boxes, bus|buses, dish|dishes, watch|watches, potato|potatoes, tomato|tomatoes, hero|heroes,
    cat|cats, dog|dogs, book|books, car|cars, tree|trees, house|houses, boy|boys, girl|girls, key|keys, day|days, sheep|sheep, half|halves, shelf|shelves, loaf|loaves,
    thief|thieves, church|churches, brush|brushes, penny|pennies`),
  questions: [
    "What is the plural of {x}?",
    "Give the plural of {x}.",
    "One {x}, two what?",
    "How do you write more than one {x}?",
  ],
  tasks: 2,
  statements: [
    "The plural of {x} is {a}.",
    "One {x}, two {a}.",
    "More than one {x} are called {a}.",
    "We say {x} for one and {a} for many.",
  ],
  weight: 3,
};

export const pasts: Family = {
  name: "past",
  facts:
    pairs(`go|went, see|saw, eat|ate, run|ran, sing|sang, swim|swam, drink|drank, write|wrote, give|gave, take|took, come|came, make|made, find|found, buy|bought,
    bring|brought, think|thought, teach|taught, catch|caught, fly|flew, know|knew, grow|grew, throw|threw, break|broke, speak|spoke, drive|drove, ride|rode, sleep|slept,
    keep|kept, feel|felt, lose|lost, win|won, sit|sat, stand|stood, tell|told, sell|sold, hold|held, fall|fell, begin|began, choose|chose, forget|forgot, walk|walked, play|played`),
  questions: [
    "What is the past tense of {x}?",
    "Give the past tense of {x}.",
    "Today I {x}. Yesterday I what?",
    "How do you say {x} when it was yesterday?",
  ],
  tasks: 2,
  statements: [
    "The past tense of {x} is {a}.",
    "Today I {x}, yesterday I {a}.",
    "We write {a} when we mean {x} in the past.",
    "{X} becomes {a} in the past tense.",
  ],
  weight: 3,
};

export const french: Family = {
  name: "french",
  facts:
    pairs(`dog|chien, cat|chat, house|maison, water|eau, bread|pain, milk|lait, sun|soleil, moon|lune, tree|arbre, book|livre, table|table, door|porte, window|fenetre,
    king|roi, queen|reine, friend|ami, night|nuit, day|jour, red|rouge, green|vert, white|blanc, black|noir, one|un, two|deux, three|trois, fish|poisson, bird|oiseau,
    horse|cheval, apple|pomme, cheese|fromage, school|ecole, street|rue, car|voiture, hand|main, head|tete, heart|coeur, sea|mer, snow|neige, rain|pluie, fire|feu`),
  questions: [
    "What is the French word for {x}?",
    "Translate {x} into French.",
    "How do you say {x} in French?",
    "In French, what is {x}?",
  ],
  tasks: 2,
  statements: [
    "The French word for {x} is {a}.",
    "In French, {x} is {a}.",
    "The French say {a} for {x}.",
    "{A} is French and means {x}.",
  ],
  weight: 3,
};

const spelled =
  `cat dog sun hat pen cup bus egg box key map net jam leg arm ear eye fox hen cow pig bat bed bag car day fan gas ice ink
  fish bird tree moon star book door hand rain snow milk cake lamp ship boat frog duck rose leaf king`.split(/\s+/);

/** Words letter by letter: a small tokenizer hides the letters, so they have to be learnt by heart. */
const spellingFacts: Fact[] = spelled.map((x) => ({ x, answer: [...x].join("-") }));

export const spelling: Family = {
  name: "spelling",
  facts: spellingFacts,
  questions: [
    "Spell the word {x}.",
    "How is the word {x} spelled?",
    "Which letters are in {x}, in order?",
    "Spell {x} for me.",
  ],
  tasks: 2,
  statements: [
    "The word {x} is spelled {a}.",
    "{X} is written {a}.",
    "Letter by letter, {x} is {a}.",
    "You spell {x} like this: {a}.",
  ],
  weight: 2,
};
