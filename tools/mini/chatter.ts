import type { Random } from "../../src/random/counter.js";
import { capital, pick } from "./family.js";

const SLOTS: Record<string, readonly string[]> = {
  who: `Ann Ben Cara Dan Eva Finn Gina Hugo Ida Jon Kate Leo Mia Noah Olga Paul Rosa Sam Tina Vera`
    .split(" ")
    .concat([
      "my aunt",
      "my uncle",
      "our neighbour",
      "the old teacher",
      "my brother",
      "my sister",
      "the librarian",
      "a friend of mine",
      "the man next door",
    ]),
  place: [
    "the market",
    "the school",
    "the library",
    "the harbour",
    "the park",
    "the station",
    "the kitchen",
    "the garden",
    "the old bridge",
    "the village",
    "the bakery",
    "the museum",
    "the river",
    "the hill",
  ],
  time: [
    "yesterday",
    "last summer",
    "on Monday",
    "every morning",
    "in the evening",
    "after lunch",
    "a long time ago",
    "this week",
    "in winter",
    "before dinner",
    "once",
    "at night",
  ],
  thing: [
    "a red coat",
    "an old map",
    "a basket of apples",
    "a letter",
    "a small lamp",
    "two tickets",
    "a loaf of bread",
    "a blue cup",
    "a wooden box",
    "a new book",
    "a broken clock",
    "a warm hat",
    "some flowers",
    "a jar of honey",
  ],
  weather: [
    "It rained all day",
    "The sun was out",
    "A cold wind blew",
    "It was warm and quiet",
    "Snow lay on the roofs",
    "The sky was grey",
    "There was fog on the water",
    "The night was clear",
  ],
  feeling: [
    "glad",
    "tired",
    "proud",
    "curious",
    "a little sad",
    "surprised",
    "very hungry",
    "calm",
    "in a hurry",
    "full of hope",
  ],
  subject: [
    "maps",
    "words",
    "animals",
    "numbers",
    "old stories",
    "trains",
    "cooking",
    "the weather",
    "birds",
    "music",
    "stamps",
    "the sea",
  ],
};

const SENTENCES: readonly string[] = [
  "{who} told me that {time}, when we met at {place}.",
  "I learned it from {who}, who knows a lot about {subject}.",
  "{weather}, so we stayed at {place} and talked about {subject}.",
  "{who} was {feeling} and went to {place}.",
  "{time} {who} bought {thing} at {place}.",
  "We walked to {place} and {who} carried {thing}.",
  "{who} keeps {thing} near {place}.",
  "I like questions about {subject}, they make me {feeling}.",
  "At {place} you can hear people talk about {subject}.",
  "{weather} when {who} came back from {place}.",
  "There is a good book about {subject}, {who} has it.",
  "{who} and {who} were at {place} {time}.",
  "Nobody at {place} knew what to do with {thing}.",
  "If you like {subject}, go to {place} and ask for {who}.",
  "{time} I found {thing} by {place}, and I was {feeling}.",
  "{who} asked for {thing}, but there was none at {place}.",
  "That made {who} {feeling}.",
  "I wrote about {subject} {time}, but nobody read it.",
  "{weather}. {who} waited at {place} with {thing}.",
  "My notes about {subject} are at {place}.",
  "{who} will tell you more, {time} or later.",
  "First we saw {place}, then {who} showed us {thing}.",
  "I have been to {place} with {who}, it was fine.",
  "You should have seen {who} at {place}!",
  "Do you still have {thing}? {who} was looking for it.",
];

/** One sentence about nothing much: what forum posts, letters and stories put around the facts. */
export function chatterSentence(random: Random): string {
  const text = pick(random, SENTENCES).replace(/\{(\w+)\}/g, (_whole, slot: string) =>
    pick(random, SLOTS[slot] as readonly string[]),
  );
  return capital(text).replace(/([.!?] )([a-z])/g, (_whole, end: string, letter: string) => end + letter.toUpperCase());
}

/** A few such sentences as one paragraph. */
export function chatter(random: Random, least: number, most: number): string {
  return Array.from({ length: least + random.below(most - least + 1) }, () => chatterSentence(random)).join(" ");
}
