import { expect, it } from "vitest";
import { SUITE_NAMES, suiteSummary } from "./run-suites.js";

it.each(SUITE_NAMES)("says in one line what %s measures", (name) => {
  expect(suiteSummary(name)).toMatch(/^(?!the set of $).{10,}$/);
});
