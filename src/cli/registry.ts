import type { Command } from "commander";

/** One line per command. `load` imports the command's file only when it is used, so that `evoke --help` stays fast. */
export interface CommandEntry {
  name: string;
  summary: string;
  group: "Train" | "Use a model" | "Data" | "Evaluate" | "Experiments" | "Tools";
  load: () => Promise<() => Command>;
}

// biome-ignore format: one line per command reads as the table it is
export const commands: readonly CommandEntry[] = [
  { name: "quickstart", summary: "tune a small model two ways and compare", group: "Train", load: async () => (await import("./quickstart.js")).quickstartCommand },
  { name: "init", summary: "write a commented recipe to start from", group: "Train", load: async () => (await import("./init.js")).initCommand },
  { name: "train", summary: "fine-tune a model from a recipe", group: "Train", load: async () => (await import("./train.js")).trainCommand },
  { name: "jobs", summary: "see and stop jobs on a Ray cluster", group: "Train", load: async () => (await import("./jobs.js")).jobsCommand },
  { name: "merge", summary: "fold an adapter into its base model", group: "Train", load: async () => (await import("./merge.js")).mergeCommand },
  { name: "push", summary: "put a run on the Hugging Face Hub", group: "Train", load: async () => (await import("./push.js")).pushCommand },
  { name: "export", summary: "hand models and recipes to other programs", group: "Train", load: async () => (await import("./export.js")).exportCommand },
  { name: "chat", summary: "talk to a model", group: "Use a model", load: async () => (await import("./chat.js")).chatCommand },
  { name: "generate", summary: "write answers to a file of prompts", group: "Use a model", load: async () => (await import("./generate.js")).generateCommand },
  { name: "score", summary: "log-probabilities of continuations", group: "Use a model", load: async () => (await import("./score.js")).scoreCommand },
  { name: "model", summary: "fetch a model, or show what it holds", group: "Use a model", load: async () => (await import("./model.js")).modelCommand },
  { name: "serve", summary: "offer a model over the OpenAI API", group: "Use a model", load: async () => (await import("./serve.js")).serveCommand },
  { name: "data", summary: "get, prepare, refine, mix and inspect data", group: "Data", load: async () => (await import("./data.js")).dataCommand },
  { name: "self-instruct", summary: "grow instruction data from seed tasks", group: "Data", load: async () => (await import("./self-instruct.js")).selfInstructCommand },
  { name: "eval", summary: "evaluate a model, or report judged files", group: "Evaluate", load: async () => (await import("./eval.js")).evalCommand },
  { name: "metrics", summary: "score texts against references", group: "Evaluate", load: async () => (await import("./metrics.js")).metricsCommand },
  { name: "runs", summary: "list, compare and delete training runs", group: "Experiments", load: async () => (await import("./runs.js")).runsCommand },
  { name: "studio", summary: "see runs, train and chat in the browser", group: "Experiments", load: async () => (await import("./studio.js")).studioCommand },
  { name: "playground", summary: "train and ask a small model in a browser tab", group: "Experiments", load: async () => (await import("./playground.js")).playgroundCommand },
  { name: "run", summary: "run a whole experiment and write its report", group: "Experiments", load: async () => (await import("./run.js")).runCommand },
  { name: "doctor", summary: "check this machine, with advice", group: "Tools", load: async () => (await import("./doctor.js")).doctorCommand },
  { name: "completion", summary: "print a completion script for a shell", group: "Tools", load: async () => { const { completionCommand } = await import("./completion.js"); return () => completionCommand(commands); } },
  { name: "schema", summary: "print the JSON Schema of recipe files", group: "Tools", load: async () => (await import("./schema.js")).schemaCommand },
];
