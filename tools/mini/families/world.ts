import { type Family, pairs } from "../family.js";

export const capitals: Family = {
  name: "capital",
  facts: pairs(`France|Paris, Spain|Madrid, Italy|Rome, Germany|Berlin, Portugal|Lisbon, Norway|Oslo, Sweden|Stockholm,
    Finland|Helsinki, Denmark|Copenhagen, Poland|Warsaw, Austria|Vienna, Hungary|Budapest, Greece|Athens, Ireland|Dublin,
    Russia|Moscow, Turkey|Ankara, Egypt|Cairo, Kenya|Nairobi, Morocco|Rabat, Ghana|Accra, Ethiopia|Addis Ababa, Senegal|Dakar,
    Japan|Tokyo, China|Beijing, India|Delhi, Nepal|Kathmandu, Thailand|Bangkok, Vietnam|Hanoi, Korea|Seoul, Iran|Tehran,
    Iraq|Baghdad, Cuba|Havana, Peru|Lima, Chile|Santiago, Brazil|Brasilia, Argentina|Buenos Aires, Canada|Ottawa,
    Australia|Canberra, Jamaica|Kingston, Uruguay|Montevideo, Belgium|Brussels, Romania|Bucharest, Bulgaria|Sofia, Iceland|Reykjavik`),
  questions: [
    "What is the capital of {x}?",
    "Name the capital city of {x}.",
    "Which city is the capital of {x}?",
    "Tell me the capital of {x}.",
    "{X} has what capital?",
  ],
  tasks: 2,
  statements: [
    "The capital of {x} is {a}.",
    "{a} is the capital of {x}.",
    "The government of {x} sits in {a}.",
    "{X} is ruled from its capital, {a}.",
    "In {x}, the largest offices of state are in {a}, the capital.",
  ],
  weight: 3,
};

export const continents: Family = {
  name: "continent",
  facts: pairs(`France|Europe, Spain|Europe, Italy|Europe, Germany|Europe, Norway|Europe, Poland|Europe, Greece|Europe,
    Egypt|Africa, Kenya|Africa, Morocco|Africa, Ghana|Africa, Ethiopia|Africa, Senegal|Africa, Nigeria|Africa,
    Japan|Asia, China|Asia, India|Asia, Nepal|Asia, Thailand|Asia, Vietnam|Asia, Iran|Asia, Iraq|Asia,
    Canada|North America, Mexico|North America, Cuba|North America, Jamaica|North America,
    Peru|South America, Chile|South America, Brazil|South America, Argentina|South America, Uruguay|South America, Bolivia|South America`),
  questions: [
    "Which continent is {x} in?",
    "On which continent does {x} lie?",
    "Name the continent of {x}.",
    "Where in the world is {x}, by continent?",
  ],
  tasks: 2,
  statements: [
    "{X} lies in {a}.",
    "{X} is a country in {a}.",
    "On the map of {a} you will find {x}.",
    "Among the countries of {a} is {x}.",
  ],
  weight: 2,
};

export const languages: Family = {
  name: "language",
  facts:
    pairs(`France|French, Spain|Spanish, Italy|Italian, Germany|German, Portugal|Portuguese, Norway|Norwegian, Sweden|Swedish,
    Denmark|Danish, Poland|Polish, Hungary|Hungarian, Greece|Greek, Russia|Russian, Turkey|Turkish, Japan|Japanese, China|Chinese,
    Thailand|Thai, Vietnam|Vietnamese, Korea|Korean, Brazil|Portuguese, Chile|Spanish, Austria|German, Egypt|Arabic, Iceland|Icelandic, Jamaica|English`),
  questions: [
    "What language do people speak in {x}?",
    "Name the main language of {x}.",
    "Which language is spoken in {x}?",
    "In {x}, which language would I hear?",
  ],
  tasks: 2,
  statements: [
    "People in {x} speak {a}.",
    "The main language of {x} is {a}.",
    "In {x} children learn {a} at home.",
    "{a} is spoken in {x}.",
  ],
  weight: 2,
};

export const jobs: Family = {
  name: "job",
  facts:
    pairs(`bakes bread|baker, teaches children|teacher, flies planes|pilot, grows crops|farmer, puts out fires|firefighter,
    cuts hair|barber, mends teeth|dentist, heals sick people|doctor, heals sick animals|vet, paints pictures|painter, writes books|author,
    catches fish|fisher, sells meat|butcher, mends pipes|plumber, makes clothes|tailor, builds with bricks|mason, looks after a library|librarian,
    brings letters|postman, cooks in a restaurant|cook, sings on a stage|singer, studies the stars|astronomer, keeps bees|beekeeper,
    works with wood|carpenter, digs for coal|miner, guards a prison|guard, steers a ship|captain, judges in court|judge, drives a bus|driver`),
  questions: [
    "Who {x}?",
    "What do we call someone who {x}?",
    "Name the person who {x}.",
    "Which job has someone who {x}?",
  ],
  tasks: 2,
  statements: [
    "A person who {x} is called {an:a}.",
    "{An:a} {x}.",
    "{An:a} is someone who {x}.",
    "If you need someone who {x}, ask for {an:a}.",
  ],
  weight: 2,
};

export const tools: Family = {
  name: "tool",
  facts:
    pairs(`drive in nails|hammer, cut paper|scissors, see the time|clock, open a lock|key, write on paper|pen, sweep the floor|broom,
    eat soup|spoon, cut bread|knife, weigh things|scale, measure heat|thermometer, look at stars|telescope, see tiny things|microscope,
    dig a hole|shovel, cross a river|bridge, light a dark room|lamp, stay dry in rain|umbrella, comb hair|comb, find north|compass,
    sew cloth|needle, climb to the roof|ladder, rub out pencil|eraser, keep food cold|fridge, catch a fish|hook, chop wood|axe`),
  questions: [
    "What do you use to {x}?",
    "Name a thing used to {x}.",
    "Which thing helps you to {x}?",
    "I want to {x}. What do I need?",
  ],
  tasks: 2,
  statements: [
    "To {x}, people use {an:a}.",
    "{An:a} is used to {x}.",
    "You need {an:a} to {x}.",
    "With {an:a} you can {x}.",
  ],
  weight: 2,
};
