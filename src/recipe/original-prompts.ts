import { z } from "zod";

/** Whether the original tools' prompts are asked with: `auto` takes them where they can be had, and evoke's own elsewhere. */
export const originalPromptsSchema = z.union([z.boolean(), z.literal("auto")]);

export type OriginalPrompts = z.output<typeof originalPromptsSchema>;
