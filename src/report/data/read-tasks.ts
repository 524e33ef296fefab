import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { strip } from "../../data/python-text.js";
import { readRows } from "../../data/read-rows.js";
import { shapeRow } from "../../data/row-shapes.js";
import type { OnInvalidRow } from "../../data/source-row.js";
import { UsageError } from "../../errors.js";
import type { JsonRow } from "../../files/jsonl.js";
import { meansYes } from "../../self-instruct/classify.js";
import { wasCut } from "../../self-instruct/parse-file.js";
import { parseInstances } from "../../self-instruct/parse-instances.js";
import { classificationFile, FILES } from "../../self-instruct/stage-files.js";

/** A distinct instruction, white space at its ends aside. */
export interface ReportedTask {
  instruction: string;
  /** Where it was read first. */
  source: string;
  /** Undefined where nothing tells. */
  isClassification?: boolean;
}

/** A filled-in example of an instruction; `input` is empty where there is none, or where it is part of the prompt. */
export interface ReportedInstance {
  instruction: string;
  input: string;
  output: string;
  source: string;
}

/** What the files of a report hold. */
export interface ReportedData {
  files: string[];
  tasks: ReportedTask[];
  instances: ReportedInstance[];
  /** False when some rows have one prompt for instruction and input: empty inputs cannot be told there. */
  inputsApart: boolean;
  /** Raw transcripts without a usable instance. */
  emptyTranscripts: number;
  /** Talks of more than one turn, left out. */
  multiTurn: number;
}

/**
 * Reads instruction data of any known kind: rows of prompt and completion, Alpaca's, Dolly's, talks, and all files of
 * Self-Instruct (seed tasks, instructions, classification, transcripts, instances). A Self-Instruct run folder stands
 * for its files.
 *
 * @throws UsageError with file and line on a malformed row, unless `onInvalid` takes it; when there is no usable row.
 */
export async function readTasks(paths: readonly string[], onInvalid?: OnInvalidRow): Promise<ReportedData> {
  const files = [...new Set(paths.flatMap(filesOf).map((path) => resolve(path)))];
  const reader = new TaskReader();
  for (const file of files) {
    const source = basename(file).replace(/\.[^.]+$/, "");
    for await (const { row, line } of readRows(file, onInvalid)) {
      const problem = reader.take(row, source);
      if (problem === undefined) continue;
      const message = `${file}:${line}: ${problem}`;
      if (!onInvalid) throw new UsageError(message);
      onInvalid(message, line);
    }
  }
  reader.parseTranscripts();
  if (reader.tasks.size === 0) throw new UsageError(`${paths.join(", ")}: no usable rows`);
  const { instances, inputsApart, emptyTranscripts, multiTurn } = reader;
  return { files, tasks: [...reader.tasks.values()], instances, inputsApart, emptyTranscripts, multiTurn };
}

function filesOf(path: string): string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [path];
  const own = (name: string): string[] => (existsSync(join(path, name)) ? [join(path, name)] : []);
  const classification = classificationFile(path);
  const parsed = own(FILES.allInstances);
  const found = [
    ...own(FILES.instructions),
    ...(existsSync(classification) ? [classification] : []),
    ...(parsed.length > 0 ? parsed : own(FILES.instances)),
  ];
  if (found.length === 0) throw new UsageError(`${path}: not the folder of a Self-Instruct run; name its data files`);
  return found;
}

interface Transcript {
  instruction: string;
  text: string;
  isCut: boolean;
  source: string;
}

class TaskReader {
  readonly tasks = new Map<string, ReportedTask>();
  readonly instances: ReportedInstance[] = [];
  inputsApart = true;
  emptyTranscripts = 0;
  multiTurn = 0;
  private readonly transcripts: Transcript[] = [];

  /** What is wrong with the row, if anything. */
  take(row: JsonRow, source: string): string | undefined {
    const { instruction } = row;
    if (typeof row.raw_instances === "string") {
      if (typeof instruction !== "string") return 'the field "instruction" is missing or not a text';
      this.addTask(instruction, source);
      const isCut = wasCut(row.instance_metadata);
      this.transcripts.push({ instruction, text: row.raw_instances, isCut, source });
      return undefined;
    }
    const hasResponse = "output" in row || "response" in row || "instances" in row;
    if (typeof instruction === "string" && !hasResponse && !("completion" in row)) {
      this.addTask(instruction, source, saysClassification(row));
      return undefined;
    }
    const shaped = shapeRow(row);
    if (shaped === "multi-turn") this.multiTurn++;
    else if (!Array.isArray(shaped)) return shaped.problem;
    else if (Array.isArray(row.instances)) this.addSeedTask(row, source);
    else if (typeof instruction === "string") this.addInstance(instruction, inputOf(row), outputOf(row), source);
    else {
      this.inputsApart = false;
      const from = typeof row.source === "string" && "completion" in row ? row.source : source;
      for (const { prompt, completion } of shaped) this.addInstance(prompt, "", completion, from);
    }
    return undefined;
  }

  /** Last, when every classification file has been read. Without one a transcript tells its kind by its first marker. */
  parseTranscripts(): void {
    for (const { instruction, text, isCut, source } of this.transcripts) {
      const kind = this.tasks.get(strip(instruction))?.isClassification ?? text.trimStart().startsWith("Class label:");
      const found = parseInstances(text, instruction, kind, isCut);
      if (found.length === 0) this.emptyTranscripts++;
      for (const { input, output } of found) this.addInstance(instruction, input, output, source);
    }
  }

  private addSeedTask(row: JsonRow, source: string): void {
    const instruction = row.instruction as string;
    this.addTask(instruction, source, saysClassification(row));
    for (const instance of row.instances as JsonRow[])
      this.addInstance(instruction, inputOf(instance), outputOf(instance), source);
  }

  private addInstance(instruction: string, input: string, output: string, source: string): void {
    const task = this.addTask(instruction, source);
    this.instances.push({ instruction: task.instruction, input, output, source });
  }

  private addTask(instruction: string, source: string, isClassification?: boolean): ReportedTask {
    const key = strip(instruction);
    let task = this.tasks.get(key);
    if (!task) this.tasks.set(key, (task = { instruction: key, source }));
    task.isClassification ??= isClassification;
    return task;
  }
}

function saysClassification({ is_classification: said }: JsonRow): boolean | undefined {
  if (typeof said === "boolean") return said;
  return typeof said === "string" ? meansYes(said) : undefined;
}

const inputOf = (row: JsonRow): string => (row.input ?? row.context ?? "") as string;
const outputOf = (row: JsonRow): string => (row.output ?? row.response ?? "") as string;
