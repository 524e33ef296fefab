import { Command } from "commander";
import { UsageError } from "../errors.js";
import { writeControl } from "../progress/terminal.js";
import type { Finding } from "./doctor-checks.js";
import type { PlacementFlags } from "./doctor-placement.js";
import { globalOptions, printJson, say, useColour } from "./output.js";

/** `evoke doctor`: whether this machine can run evoke, and what would help. Exit 1 when something must be mended. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Check this machine: versions, devices, memory, and where models and data can come from.")
    .option("--offline", "ask nothing of the network", false)
    .option("--model <model>", "estimate memory and time of training this model, and say where to do it")
    .option("--recipe <file>", "the training to estimate; default: paper-qlora over 1,000 assumed rows")
    .option("--set <key=value>", "with --recipe: override a field (repeatable)", collect, [])
    .option(
      "--cluster <shape>",
      "a live cluster, ray://HOST:8265, or with a training to estimate its shape: [NODESx]GPUSxTYPE[-MEMORYGB], such as 2x8xH100",
    )
    .action(async (flags: PlacementFlags & { offline: boolean }, command: Command) => {
      const { offline, model, recipe, cluster } = flags;
      if (model !== undefined || recipe !== undefined) {
        const { printPlacement } = await import("./doctor-placement.js");
        return printPlacement(flags, globalOptions(command));
      }
      const { clusterFinding, isAddress } = await import("./doctor-cluster.js");
      const head = cluster !== undefined && isAddress(cluster) ? cluster : undefined;
      if (cluster !== head || flags.set.length)
        throw new UsageError("a cluster's shape and --set need a training to estimate: add --model or --recipe");
      const global = globalOptions(command);
      const { json, dataDir } = global;
      const { examine } = await import("./doctor-checks.js");
      const findings = await examine({ offline, dataDir });
      if (head !== undefined) findings.push(await clusterFinding(head, (line) => say(line, global)));
      const ok = findings.every(({ status }) => status !== "fail");
      if (json) printJson({ ok, checks: findings });
      else for (const finding of findings) printFinding(finding);
      if (!ok) process.exitCode = 1;
    });
}

const COLOUR = { ok: 32, warn: 33, fail: 31 };

function printFinding({ name, status, found, advice }: Finding): void {
  const hint = advice === undefined ? "" : `${" ".repeat(23)}${advice}\n`;
  const mark = status.padEnd(4);
  if (useColour(process.stdout)) writeControl(process.stdout, `\u001b[${COLOUR[status]}m${mark}\u001b[0m`);
  else process.stdout.write(mark);
  process.stdout.write(`  ${name.padEnd(16)} ${found}\n${hint}`);
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
