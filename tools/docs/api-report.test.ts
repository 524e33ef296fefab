/** The public interface is documented throughout, and every change of it shows in docs/api.md. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import * as engine from "../../src/engine.js";
import * as graph from "../../src/graph/index.js";
import * as library from "../../src/index.js";
import * as metrics from "../../src/metrics/index.js";
import { apiReport } from "./api-report.js";

const report = apiReport();

it("has a doc comment everywhere, no any, no type that is not exported, and says what is thrown", () => {
  expect(report.faults).toEqual([]);
});

it.each([
  ["evoke", library],
  ["evoke/metrics", metrics],
  ["evoke/graph", graph],
  ["evoke/engine", engine],
])("shows every value that %s exports", (_, module) => {
  const values = Object.keys(module).filter((name) => name !== "ops");
  expect(values.filter((name) => !report.markdown.includes(`\n### ${name}\n`))).toEqual([]);
});

it("is what docs/api.md shows; where the change is meant: npm run docs:api, and a line in CHANGELOG.md", () => {
  const page = fileURLToPath(new URL("../../docs/api.md", import.meta.url));
  expect(report.markdown).toBe(readFileSync(page, "utf8"));
});
