import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { addressWarnings, parseAddress } from "../cluster/ray/address.js";
import { RayClient } from "../cluster/ray/client.js";
import { followJob } from "../cluster/ray/follow.js";
import { parseJobLine } from "../cluster/ray/job-events.js";
import { ended, type Job } from "../cluster/ray/wire.js";
import { FailureError, UsageError } from "../errors.js";
import { RunFolder } from "../train/run-folder.js";
import { globalOptions, printJson, say } from "./output.js";

interface JobsFlags {
  on?: string;
  tokenEnv: string;
}

/** `evoke jobs list|logs|stop|delete`: what runs on a Ray cluster; `fetch`: the result of an exported recipe. */
export function jobsCommand(): Command {
  const jobs = new Command("jobs").description(
    "See, stop and delete training jobs on a Ray cluster; fetch what another trainer made.",
  );
  const sub = (name: string, description: string): Command =>
    jobs
      .command(name)
      .description(description)
      .option("--on <address>", "the cluster, as in evoke train; default: the run folder's, or EVOKE_CLUSTER")
      .option("--token-env <name>", "environment variable that holds the cluster's token", "RAY_AUTH_TOKEN");

  sub("list", "list the cluster's jobs, newest first")
    .option("--all", "also jobs that evoke did not submit", false)
    .action(async (flags: JobsFlags & { all: boolean }, command: Command) => {
      const global = globalOptions(command);
      const found = (await open(flags, undefined, global.quiet).client.list())
        .filter(({ metadata }) => flags.all || metadata?.evoke !== undefined)
        .sort((a, b) => (b.start_time ?? 0) - (a.start_time ?? 0));
      if (global.json) printJson(found.map(listed));
      else if (found.length) process.stdout.write(table(found.map(listed)));
      else say("no jobs", global);
    });

  sub("logs", "print what a job has printed; its messages to evoke are left out")
    .argument("<job>", "job, or the run folder that it fills")
    .option("--follow", "follow the log until the job ends", false)
    .option("--raw", "raw log", false)
    .action(async (name: string, flags: JobsFlags & { follow: boolean; raw: boolean }, command: Command) => {
      const global = globalOptions(command);
      const { client, id } = open(flags, name, global.quiet);
      const print = (line: string): void => {
        if (flags.raw || !parseJobLine(line)) process.stdout.write(`${line}\n`);
      };
      if (flags.follow) {
        const outcome = await followJob(client, id, {
          onLine: print,
          say: (line) => say(line, global),
          patienceMinutes: 60,
        });
        if (outcome.end === "lost") throw unknown(client, id);
        say(`${id}: ${outcome.job.status.toLowerCase()}`, global);
        return;
      }
      const text = await client.logs(id);
      if (text === undefined) throw unknown(client, id);
      if (text !== "") for (const line of text.replace(/\n$/, "").split("\n")) print(line);
    });

  sub("stop", "end a job; what its storage holds is kept")
    .argument("<job>", "job, or the run folder that it fills")
    .action(async (name: string, flags: JobsFlags, command: Command) => {
      const global = globalOptions(command);
      const { client, id } = open(flags, name, global.quiet);
      const job = await client.job(id);
      if (!job) throw unknown(client, id);
      const stopped = !ended(job.status) && (await client.stop(id));
      if (global.json) printJson({ job: id, stopped });
      else
        process.stdout.write(
          stopped ? `${id}: asked to stop\n` : `${id}: has ended already (${job.status.toLowerCase()})\n`,
        );
    });

  sub("delete", "make the cluster forget a job that has ended, with its output; what its storage holds is kept")
    .argument("<job>", "job, or the run folder that it filled")
    .action(async (name: string, flags: JobsFlags, command: Command) => {
      const global = globalOptions(command);
      const { client, id } = open(flags, name, global.quiet);
      const job = await client.job(id);
      if (!job) throw unknown(client, id);
      if (!ended(job.status))
        throw new UsageError(`${id}: still ${job.status.toLowerCase()}; end it first: evoke jobs stop ${name}`);
      const deleted = await client.delete(id);
      if (global.json) printJson({ job: id, deleted });
      else process.stdout.write(deleted ? `${id}: deleted\n` : `${id}: was gone already\n`);
    });
  addFetch(jobs);
  return jobs;
}

function addFetch(jobs: Command): void {
  jobs
    .command("fetch")
    .description("make a run folder of what TRL or Axolotl made of an exported recipe")
    .argument("<place>", "the exported folder after its training: a path, s3://BUCKET/PREFIX or hf:ORG/NAME[@REV]")
    .requiredOption("--out <dir>", "the run folder to make")
    .action(async (place: string, { out }: { out: string }, command: Command) => {
      const global = globalOptions(command);
      const { fetchRun } = await import("../cluster/export/fetch-run.js");
      const record = await fetchRun(place, out, (line) => say(line, global));
      if (global.json) printJson(record);
      else {
        const loss = record.loss === undefined ? "" : `, loss ${record.loss.toFixed(4)}`;
        process.stdout.write(`${out}: ${record.progress.step} steps${loss}, trained by ${record.device.name}\n`);
      }
    });
}

/** The cluster and the job meant: a run folder knows both. */
function open(flags: JobsFlags, name: string | undefined, quiet: boolean): { client: RayClient; id: string } {
  const run = name !== undefined && existsSync(join(name, "run.json")) ? new RunFolder(name).record() : undefined;
  if (run && !run.cluster) throw new UsageError(`${name}: trained locally; there is no cluster job`);
  const address = flags.on ?? run?.cluster?.address ?? process.env.EVOKE_CLUSTER;
  if (!address) throw new UsageError("no cluster given: pass --on ray://HOST:8265 or set EVOKE_CLUSTER");
  const parsed = parseAddress(address);
  const token = process.env[flags.tokenEnv]?.trim() || undefined;
  for (const line of addressWarnings(parsed, token, flags.tokenEnv)) say(line, { quiet });
  return { client: new RayClient(parsed, { token, tokenEnv: flags.tokenEnv }), id: run?.cluster?.job ?? name ?? "" };
}

function unknown(client: RayClient, id: string): FailureError {
  return new FailureError(`${client.address.url}: knows no job ${id}; evoke jobs list shows those it knows`);
}

interface Listed {
  job: string;
  status: string;
  started: string;
  /** Minutes it ran or runs. */
  minutes: number | null;
  message: string;
}

function listed({ submission_id, entrypoint, status, start_time, end_time, message }: Job): Listed {
  return {
    job: submission_id ?? entrypoint ?? "",
    status: status.toLowerCase(),
    started: start_time ? new Date(start_time).toISOString() : "",
    minutes: start_time ? Math.round(((end_time || Date.now()) - start_time) / 6000) / 10 : null,
    message: status === "FAILED" ? (message?.trim().split("\n").at(-1) ?? "") : "",
  };
}

function table(rows: readonly Listed[]): string {
  const width = Math.max(3, ...rows.map(({ job }) => job.length));
  const line = (job: string, status: string, started: string, minutes: string, message: string): string =>
    `${[job.padEnd(width), status.padEnd(9), started.padEnd(16), minutes.padStart(7), message].join("  ").trimEnd()}\n`;
  const body = rows.map(({ job, status, started, minutes, message }) =>
    line(job, status, started.slice(0, 16).replace("T", " "), minutes === null ? "" : minutes.toFixed(1), message),
  );
  return line("job", "status", "started (UTC)", "minutes", "") + body.join("");
}
