import type { Family } from "../family.js";
import { lists } from "./lists.js";
import { colours, homes, kinds, legs, sounds, young } from "./nature.js";
import { asDigits, asWord, nextNumber, orders, sums } from "./numbers.js";
import { french, opposites, pasts, plurals, spelling } from "./words.js";
import { capitals, continents, jobs, languages, tools } from "./world.js";

/** Everything the mini model is taught. */
export const families: readonly Family[] = [
  capitals,
  continents,
  languages,
  jobs,
  tools,
  sounds,
  young,
  homes,
  colours,
  kinds,
  legs,
  opposites,
  plurals,
  pasts,
  french,
  spelling,
  sums,
  asWord,
  asDigits,
  nextNumber,
  ...orders,
  ...lists,
];
