/** What the documents show is what works: programs compile, links lead somewhere, data parses, commands have those flags. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { globalFlags } from "../../src/cli/output.js";
import { commands } from "../../src/cli/registry.js";
import { codeBlocks } from "./code-blocks.js";
import { type CommandShape, commandFaults, shapeOf } from "./command-lines.js";
import { deadLinks } from "./links.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const files = ["README.md", "FEATURES.md", "CONTRIBUTING.md", ...markdown("docs")].filter(
  (file) => file !== "docs/api.md",
);
const blocks = files.flatMap((file) =>
  codeBlocks(readFileSync(join(ROOT, file), "utf8")).map((block) => ({ ...block, place: `${file}:${block.line}` })),
);

function markdown(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (statSync(join(ROOT, path)).isDirectory()) return markdown(path);
    return name.endsWith(".md") ? [path] : [];
  });
}

it("has no link that leads nowhere", () => {
  expect(deadLinks(ROOT, ["dist", "onnxruntime", "runs", "tmp"])).toEqual([]);
});

it("has programs that compile", () => {
  const programs = new Map(
    blocks
      .filter(({ language }) => language === "ts")
      .map(({ text, place }) => [join(ROOT, `${place.replaceAll(/[/:]/g, "-")}.ts`), text]),
  );
  expect(programs.size).toBeGreaterThan(4);
  const options: ts.CompilerOptions = {
    ...{
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
    },
    ...{
      lib: ["lib.es2023.d.ts"],
      types: ["node"],
      strict: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
      skipLibCheck: true,
    },
    paths: {
      evoke: [join(ROOT, "src/index.ts")],
      "evoke/metrics": [join(ROOT, "src/metrics/index.ts")],
      "evoke/graph": [join(ROOT, "src/graph/index.ts")],
      "evoke/engine": [join(ROOT, "src/engine.ts")],
    },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => programs.has(path) || fileExists(path);
  host.getSourceFile = (path, ...rest) => {
    const text = programs.get(path);
    return text === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, text, ts.ScriptTarget.ES2022);
  };
  const program = ts.createProgram([...programs.keys(), join(ROOT, "src/webassembly.d.ts")], options, host);
  const faults = [...programs.keys()].flatMap((path) => {
    const file = program.getSourceFile(path)!;
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) => `${path}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
    );
  });
  expect(faults).toEqual([]);
});

it.each(["yaml", "json"])("has %s that parses", (language) => {
  const read: (text: string) => unknown = language === "yaml" ? (text) => parse(text) : (text) => JSON.parse(text);
  const faults = blocks
    .filter((block) => block.language === language)
    .flatMap(({ text, place }) => {
      try {
        read(text);
        return [];
      } catch (error) {
        return [`${place}: ${(error as Error).message}`];
      }
    });
  expect(faults).toEqual([]);
});

it("has command lines whose commands and flags there are", async () => {
  const shapes = new Map<string, CommandShape>();
  for (const { name, load } of commands) shapes.set(name, shapeOf((await load())()));
  const everywhere = globalFlags().map(({ flags }) => flags);
  const shells = blocks.filter(({ language }) => ["", "sh", "bash", "console"].includes(language));
  expect(
    shells.flatMap(({ text, place }) => commandFaults(text, shapes, everywhere).map((fault) => `${place}: ${fault}`)),
  ).toEqual([]);
});
