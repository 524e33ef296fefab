/**
 * The public interface of the package, read from its declarations as they are published: one Markdown page that is the
 * reference for people and, checked in, shows every change of the interface.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Entry points of package.json, with the source of each and whether semver covers its names. */
const ENTRIES = [
  { name: "evoke", source: "src/index.ts", settled: true },
  { name: "evoke/metrics", source: "src/metrics/index.ts", settled: true },
  { name: "evoke/graph", source: "src/graph/index.ts", settled: true },
  { name: "evoke/engine", source: "src/engine.ts", settled: false },
];

export interface ApiReport {
  /** The page. */
  markdown: string;
  /** What a public interface should not have: each names the entry, the declaration and the fault. */
  faults: string[];
}

/** Reads the sources; takes some seconds. */
export function apiReport(): ApiReport {
  const { checker, module } = declarations();
  const known = new Set<ts.Symbol>();
  const entries = ENTRIES.map((entry) => ({ ...entry, exports: exportsOf(checker, module(entry.source)) }));
  for (const { exports } of entries) for (const { symbol } of exports) known.add(symbol);
  const faults: string[] = [];
  const parts = [
    "# API",
    "Made by `npm run docs:api` from the declarations that are published. Guide: [the library](guides/library.md).",
  ];
  for (const { name, settled, exports } of entries) {
    parts.push(`## ${name}`);
    if (!settled) parts.push("Parts of the engine. Their names may change with any version before 1.0.");
    for (const item of exports) {
      parts.push(`### ${item.name}`, ...describe(item.symbol));
      const found = settled ? faultsOf(item, checker, known) : faultsOf(item, checker);
      faults.push(...found.map((fault) => `${name}: ${item.name}: ${fault}`));
    }
  }
  return { markdown: `${parts.join("\n\n")}\n`, faults };
}

interface Exported {
  name: string;
  symbol: ts.Symbol;
}

/** The declarations that a build would write, in memory, and a checker over them. */
function declarations(): { checker: ts.TypeChecker; module(source: string): ts.Symbol } {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(ROOT, "tsconfig.build.json"),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (problem) => {
        throw new Error(ts.flattenDiagnosticMessageText(problem.messageText, "\n"));
      },
    },
  )!;
  const written = new Map<string, string>();
  const options = {
    ...config.options,
    emitDeclarationOnly: true,
    sourceMap: false,
    outDir: join(ROOT, "dist"),
    noCheck: true,
  };
  const roots = ENTRIES.map(({ source }) => join(ROOT, source));
  ts.createProgram([...roots, join(ROOT, "src/webassembly.d.ts")], options).emit(
    undefined,
    (path, text) => void written.set(path, text),
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => written.has(path) || (!path.startsWith(join(ROOT, "dist")) && fileExists(path));
  host.readFile = (path) => written.get(path) ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const text = written.get(path);
    return text === undefined
      ? getSourceFile(path, ...rest)
      : ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  };
  const declared = (source: string): string =>
    join(ROOT, "dist", source.slice("src/".length).replace(/\.ts$/, ".d.ts"));
  const program = ts.createProgram(
    ENTRIES.map(({ source }) => declared(source)),
    { ...options, noEmit: true },
    host,
  );
  const checker = program.getTypeChecker();
  return { checker, module: (source) => checker.getSymbolAtLocation(program.getSourceFile(declared(source))!)! };
}

/** Exports by name; those of a namespace as `ops.add`. */
function exportsOf(checker: ts.TypeChecker, module: ts.Symbol, prefix = ""): Exported[] {
  return checker
    .getExportsOfModule(module)
    .flatMap((alias) => {
      const symbol = alias.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(alias) : alias;
      const name = `${prefix}${alias.name}`;
      if (symbol.declarations?.some(ts.isSourceFile)) return exportsOf(checker, symbol, `${name}.`);
      return [{ name, symbol }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Words of the doc comment, then the declaration. */
function describe(symbol: ts.Symbol): string[] {
  const parts: string[] = [];
  const words = ts.displayPartsToString(symbol.getDocumentationComment(undefined)).trim();
  if (words) parts.push(words);
  for (const tag of symbol.getJsDocTags()) {
    const text = ts.displayPartsToString(tag.text).trim();
    if (tag.name === "throws") parts.push(`Throws ${text}`);
    if (tag.name === "returns") parts.push(`Returns ${text}`);
    if (tag.name === "param") parts.push(`- ${text.replace(/^(\S+)\s*(?:-\s*)?/, "`$1`: ")}`);
  }
  const texts = (symbol.declarations ?? []).map((node) => declarationText(node));
  parts.push(`\`\`\`ts\n${texts.join("\n")}\n\`\`\``);
  return parts;
}

/** The declaration without its own doc comment and the words of modules; comments of members stay. */
function declarationText(node: ts.Declaration): string {
  const statement = ts.isVariableDeclaration(node) ? node.parent.parent : node;
  const lines = statement.getText().split("\n");
  const visible = lines.filter((line) => !/^\s*private\b/.test(line));
  return visible
    .join("\n")
    .replace(/^export /, "")
    .replace(/^declare /, "");
}

/** @param known exported symbols: a type that is none of them must not be named. Undefined: any may be. */
function faultsOf({ symbol }: Exported, checker: ts.TypeChecker, known?: ReadonlySet<ts.Symbol>): string[] {
  const faults: string[] = [];
  if (symbol.getDocumentationComment(checker).length === 0) faults.push("has no doc comment");
  for (const declaration of symbol.declarations ?? []) {
    const visit = (node: ts.Node): void => {
      if (isPrivate(node)) return;
      if (node.kind === ts.SyntaxKind.AnyKeyword) faults.push(`has an any: ${node.parent.getText().slice(0, 80)}`);
      if (known && isMember(node) && documentation(node) === "")
        faults.push(`${node.name.getText()} has no doc comment`);
      if (
        known &&
        (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node) || ts.isImportTypeNode(node))
      )
        faults.push(...hidden(node, checker, known));
      ts.forEachChild(node, visit);
    };
    visit(declaration);
    if (known && ts.isFunctionDeclaration(declaration)) faults.push(...functionFaults(declaration, symbol));
  }
  return [...new Set(faults)];
}

/** Functions that do work outside of themselves say what they throw. */
function functionFaults(declaration: ts.FunctionDeclaration, symbol: ts.Symbol): string[] {
  const type = declaration.type?.getText() ?? "";
  if (!/^(Promise|Task|TextStream)\b/.test(type)) return [];
  return symbol.getJsDocTags().some(({ name }) => name === "throws") ? [] : ["does not say what it throws"];
}

function isMember(node: ts.Node): node is ts.PropertySignature | ts.PropertyDeclaration | ts.MethodDeclaration {
  if (!ts.isPropertySignature(node) && !ts.isPropertyDeclaration(node) && !ts.isMethodDeclaration(node)) return false;
  // Small objects within a member are spoken of by its comment.
  if (ts.isTypeLiteralNode(node.parent)) return false;
  // What tells the members of a union apart says it by its value.
  return !(node.name.getText() === "type" && node.type && ts.isLiteralTypeNode(node.type));
}

function documentation(node: ts.Node): string {
  return ts
    .getJSDocCommentsAndTags(node)
    .map((comment) => comment.getText())
    .join("");
}

function isPrivate(node: ts.Node): boolean {
  return (
    ts.canHaveModifiers(node) && !!ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
  );
}

function hidden(node: ts.Node, checker: ts.TypeChecker, known: ReadonlySet<ts.Symbol>): string[] {
  const place = ts.isTypeReferenceNode(node)
    ? node.typeName
    : ts.isExpressionWithTypeArguments(node)
      ? node.expression
      : node;
  let symbol = checker.getSymbolAtLocation(place);
  if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
  const files = symbol?.declarations?.map((declaration) => declaration.getSourceFile().fileName) ?? [];
  if (!symbol || symbol.flags & ts.SymbolFlags.TypeParameter || known.has(symbol)) return [];
  return files.some((file) => file.startsWith(join(ROOT, "dist")))
    ? [`names ${symbol.name}, which is not exported`]
    : [];
}
