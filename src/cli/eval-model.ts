import { join } from "node:path";
import type { LocateOptions } from "../data/source-files.js";
import { UsageError } from "../errors.js";
import type { PromptFile } from "../eval/prompt-file.js";
import type { SuiteContext } from "../eval/suite.js";
import type { JournaledModel } from "../llm/journal.js";
import type { ResolvedModel } from "../llm/resolve.js";
import { createProgress } from "../progress/progress.js";
import type { EvalFlags } from "./eval-flags.js";
import type { GlobalOptions } from "./output.js";

interface Parts {
  model?: ResolvedModel;
  judge?: ResolvedModel;
  out: string;
  flags: EvalFlags;
  /** Where the original prompts come from. */
  source: LocateOptions;
}

/** The package's own prompt of that name or a file; with --original-prompts the name means the original. */
async function promptOf(name: string, { originalPrompts }: EvalFlags, source: LocateOptions): Promise<PromptFile> {
  const { BUILT_IN_PROMPTS, loadPromptFile } = await import("../eval/prompt-file.js");
  const builtIn = BUILT_IN_PROMPTS.find((each) => each === name);
  if (!originalPrompts || !builtIn) return loadPromptFile(name);
  const { originalPromptFile } = await import("../eval/originals.js");
  return originalPromptFile(builtIn, source);
}

/** Journals around model and judge, and the way conversations become text for this model. */
export async function openEvalModel({ model, judge, out, flags, source }: Parts): Promise<{
  context: Pick<SuiteContext, "model" | "judge" | "chat" | "sendsText" | "responseText" | "prompt" | "template">;
  progress: (globals: GlobalOptions) => SuiteContext["progress"];
  close: () => void;
}> {
  const { withJournal } = await import("../llm/journal.js");
  const prompt = flags.prompt === undefined ? undefined : await promptOf(flags.prompt, flags, source);
  if (prompt && flags.chatTemplate && flags.chatTemplate !== "none")
    throw new UsageError("eval: --prompt writes no conversation; leave --chat-template out");
  const { chatRendering, runTemplate } = await import("../eval/chat-rendering.js");
  // A run is asked as it was trained, also where choices are scored, as Response Tuning's scripts do.
  const template = flags.chatTemplate ?? (prompt ? undefined : await runTemplate(model));
  const rendering = model ? await chatRendering(model, template, flags.eosToken) : {};
  const opened: JournaledModel[] = [];
  const journal = (each: ResolvedModel | undefined, name: string): JournaledModel | undefined => {
    if (!each) return undefined;
    const journaled = withJournal(each, join(out, name));
    opened.push(journaled);
    return journaled;
  };
  return {
    context: {
      model: journal(model, "journal.jsonl"),
      judge: journal(judge, "journal-judge.jsonl"),
      prompt,
      template,
      ...rendering,
    },
    progress: (globals) => (label, total) => {
      const line = createProgress({ label, total, unit: "rows", quiet: globals.quiet });
      return (done) => (done === undefined ? line.finish() : line.update(done));
    },
    close: () => {
      for (const each of opened) each.close();
    },
  };
}
