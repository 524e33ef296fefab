import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { openCheckpoint } from "../checkpoint/open.js";
import { UsageError } from "../errors.js";
import { chatFiles, writeTokenizerFiles } from "../export/hf-files.js";
import { modelCard } from "../export/model-card.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { readJsonObject } from "../files/json-object.js";
import { type PushFile, pushToHub } from "../hub/push.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
import { versions } from "../train/identity.js";
import { RunFolder, type RunRecord } from "../train/run-folder.js";
import { interruptible } from "./interrupt.js";
import { globalOptions, printJson, say } from "./output.js";

interface PushFlags {
  public: boolean;
  dryRun: boolean;
  message: string;
}

export function pushCommand(): Command {
  return new Command("push")
    .description("Put a run's adapter or model on the Hugging Face Hub, with a model card.")
    .argument("<run>", "run folder")
    .argument("<repository>", "hf:ORG/NAME; created when it is missing")
    .option("--public", "create it for everybody to read", false)
    .option("--dry-run", "look and tell, send nothing", false)
    .option("--message <text>", "title of the commit", "Upload from evoke")
    .action(async (run: string, repository: string, flags: PushFlags, command: Command) => {
      const global = globalOptions(command);
      const name = /^hf:(.+)$/.exec(repository)?.[1];
      if (name === undefined) throw new UsageError(`${repository}: write hf:ORG/NAME`);
      const temporary = mkdtempSync(join(tmpdir(), "evoke-push-"));
      try {
        const files = await runFiles(run, name, temporary);
        const { public: isPublic, message: title, dryRun } = flags;
        const result = await interruptible((signal) =>
          pushToHub(name, files, { private: !isPublic, title, dryRun, signal, say: (line) => say(line, global) }),
        );
        if (global.json) return printJson({ ...result, dryRun: flags.dryRun });
        const what = flags.dryRun ? "would send" : "sent";
        for (const path of result.sent) say(`${what} ${path}`, global);
        process.stdout.write(
          `${result.url}: ${what} ${result.sent.length} files, ${result.unchanged.length} were there\n`,
        );
      } finally {
        rmSync(temporary, { recursive: true, force: true });
      }
    });
}

/** The files of a finished run as a repository holds them. */
async function runFiles(path: string, name: string, temporary: string): Promise<PushFile[]> {
  const run = new RunFolder(path);
  if (!run.exists()) throw new UsageError(`${path}: is no run folder`);
  const record = run.record();
  if (record.status !== "done") throw new UsageError(`${path}: the run is not finished (status: ${record.status})`);
  const model = join(path, "model");
  const kind = existsSync(join(model, "config.json")) ? "model" : "adapter";
  const folder = kind === "model" ? model : run.adapter();
  const files: PushFile[] = readdirSync(folder).map((file) => ({ path: file, file: join(folder, file) }));
  if (kind === "adapter") {
    const checkpoint = openCheckpoint(record.modelPath);
    try {
      const template = record.template === "tulu" ? "tulu" : "model";
      const tokenizer = await loadTokenizer(record.modelPath);
      writeTokenizerFiles(temporary, record.modelPath, chatFiles(tokenizer, template));
    } finally {
      checkpoint.close();
    }
    writePublicConfig(folder, temporary);
    for (const file of readdirSync(temporary)) files.push({ path: file, file: join(temporary, file) });
  }
  const recipe = readFileSync(join(path, "recipe.yaml"), "utf8");
  const card = modelCard({
    name: name.split("/").at(-1)!,
    kind,
    base: baseOnHub(folder, record),
    recipe,
    data: record.data.files,
    figures: figuresOf(record),
    mode: record.mode,
    template: record.template,
    version: versions().evoke!,
  });
  const own = new Map(files.filter((file) => file.path !== "README.md").map((file) => [file.path, file]));
  return [...own.values(), { path: "README.md", text: card }];
}

/** An adapter's settings without the folder of this machine that its base lies in. */
function writePublicConfig(folder: string, temporary: string): void {
  const name = "adapter_config.json";
  const config = readJsonObject(join(folder, name));
  if (isOnHub(config.base_model_name_or_path)) return;
  const text = `${JSON.stringify({ ...config, base_model_name_or_path: null }, null, 2)}\n`;
  writeFileAtomically(join(temporary, name), text);
}

const isOnHub = (name: unknown): name is string => typeof name === "string" && /^[\w.-]+\/[\w.-]+$/.test(name);

function baseOnHub(folder: string, { model }: RunRecord): string | undefined {
  const config = join(folder, "adapter_config.json");
  const named = existsSync(config)
    ? (JSON.parse(readFileSync(config, "utf8")) as { base_model_name_or_path?: string }).base_model_name_or_path
    : /^hf:([^@,]+)/.exec(model)?.[1];
  return isOnHub(named) ? named : undefined;
}

function figuresOf({ progress, data, loss, validationLoss, method, seed }: RunRecord): [string, string][] {
  const shown: [string, string | undefined][] = [
    ["method", method],
    ["steps", String(progress.step)],
    ["training examples", String(data.examples)],
    ["validation examples", data.validation ? String(data.validation) : undefined],
    ["loss of the last step", loss?.toFixed(4)],
    ["validation loss", validationLoss?.toFixed(4)],
    ["seed", String(seed)],
  ];
  return shown.filter((entry): entry is [string, string] => entry[1] !== undefined);
}
