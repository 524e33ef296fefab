import { type Family, pairs } from "../family.js";

export const sounds: Family = {
  name: "sound",
  facts:
    pairs(`cow|moo, dog|woof, cat|meow, duck|quack, sheep|baa, pig|oink, horse|neigh, lion|roar, bee|buzz, snake|hiss, owl|hoot,
    frog|croak, crow|caw, mouse|squeak, wolf|howl, donkey|bray, rooster|crow, chick|cheep, goose|honk, elephant|trumpet, dove|coo, turkey|gobble, bear|growl, goat|bleat`),
  questions: [
    "What sound does {an:x} make?",
    "Which noise comes from {an:x}?",
    "Give the sound of {an:x}.",
    "How does {an:x} sound?",
  ],
  tasks: 2,
  statements: [
    "{An:x} says {a}.",
    "The sound of {an:x} is {a}.",
    "When {an:x} calls, you hear {a}.",
    "{A}, goes the {x}.",
  ],
  weight: 2,
};

export const young: Family = {
  name: "young",
  facts:
    pairs(`cow|calf, dog|puppy, cat|kitten, sheep|lamb, horse|foal, duck|duckling, pig|piglet, goat|kid, bear|cub, hen|chick,
    frog|tadpole, deer|fawn, goose|gosling, swan|cygnet, eagle|eaglet, kangaroo|joey, butterfly|caterpillar, owl|owlet, rabbit|bunny, seal|pup`),
  questions: [
    "What is a young {x} called?",
    "Name the young of {an:x}.",
    "What do we call the baby of {an:x}?",
    "Which word names a baby {x}?",
  ],
  tasks: 2,
  statements: [
    "A young {x} is called {an:a}.",
    "The baby of {an:x} is {an:a}.",
    "{An:a} grows up to be {an:x}.",
    "In spring the {x} cares for its {a}.",
  ],
  weight: 2,
};

export const homes: Family = {
  name: "home",
  facts:
    pairs(`bee|hive, bird|nest, dog|kennel, horse|stable, spider|web, lion|den, rabbit|burrow, pig|sty, fish|water, king|palace, monk|monastery,
    nun|convent, prisoner|prison, cow|barn, eagle|eyrie, soldier|barracks, hen|coop, snail|shell, beaver|lodge, bat|cave`),
  questions: [
    "Where does {an:x} live?",
    "Name the home of {an:x}.",
    "What is the home of {an:x}?",
    "In what does {an:x} live?",
  ],
  tasks: 2,
  statements: [
    "The home of {an:x} is {an:a}.",
    "{An:x} lives in {an:a}.",
    "Look into {an:a} and you may find {an:x}.",
    "Every {x} goes back to its {a}.",
  ],
  weight: 2,
};

export const colours: Family = {
  name: "colour",
  facts:
    pairs(`grass|green, snow|white, coal|black, blood|red, a lemon|yellow, the clear sky|blue, a carrot|orange, chocolate|brown, an elephant|grey,
    a flamingo|pink, milk|white, a ripe tomato|red, a banana|yellow, a plum|purple, a frog|green, a crow|black, the sea|blue, a pumpkin|orange,
    a polar bear|white, a pea|green, the sun|yellow, a strawberry|red, wood|brown, ash|grey, a sapphire|blue, an emerald|green, a ruby|red, salt|white, gold|yellow, lavender|purple`),
  questions: [
    "What colour is {x}?",
    "Name the colour of {x}.",
    "Which colour does {x} have?",
    "Tell me the colour of {x}.",
  ],
  tasks: 2,
  statements: [
    "{X} is {a}.",
    "The colour of {x} is {a}.",
    "Painters use {a} for {x}.",
    "Everyone knows that {x} is {a}.",
  ],
  weight: 2,
};

export const kinds: Family = {
  name: "kind",
  facts:
    pairs(`trout|fish, salmon|fish, shark|fish, herring|fish, eagle|bird, sparrow|bird, penguin|bird, robin|bird, oak|tree, pine|tree, birch|tree, willow|tree,
    rose|flower, tulip|flower, daisy|flower, lily|flower, ant|insect, beetle|insect, wasp|insect, moth|insect, apple|fruit, pear|fruit, cherry|fruit, grape|fruit,
    carrot|vegetable, onion|vegetable, cabbage|vegetable, turnip|vegetable, violin|instrument, drum|instrument, flute|instrument, piano|instrument,
    iron|metal, copper|metal, silver|metal, tin|metal, coat|garment, shirt|garment, sock|garment, hat|garment, chair|furniture, sofa|furniture, shelf|furniture, desk|furniture,
    chess|game, tag|game, football|game, tennis|game`),
  questions: [
    "What kind of thing is {an:x}?",
    "To which group does {x} belong?",
    "Into which class would you put {an:x}?",
    "{X}: what kind is it?",
  ],
  tasks: 2,
  statements: [
    "{X} is a kind of {a}.",
    "{X} counts as {a}.",
    "Under {a}, the book lists {x}.",
    "The word {x} names a kind of {a}.",
  ],
  weight: 2,
};

export const legs: Family = {
  name: "legs",
  facts:
    pairs(`dog|four, spider|eight, bird|two, ant|six, snake|none, horse|four, bee|six, hen|two, crab|ten, fish|none, cat|four, beetle|six, scorpion|eight,
    worm|none, cow|four, child|two, butterfly|six, mouse|four, duck|two, lobster|ten`),
  questions: [
    "How many legs does {an:x} have?",
    "Count the legs of {an:x}.",
    "What is the number of legs of {an:x}?",
    "On how many legs does {an:x} stand?",
  ],
  tasks: 2,
  statements: [
    "Count the legs of {an:x}: {a}.",
    "As for legs, {an:x} has {a}.",
    "The number of legs of {an:x} is {a}.",
    "Of legs {an:x} has {a}.",
  ],
  weight: 2,
};
