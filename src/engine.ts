/**
 * The engine's own parts, for programs that build something else from them: what `import … from "evoke/engine"` gives. Less
 * settled than the library's verbs: before version 1.0 names may change with any version.
 */

export { type Checkpoint, openCheckpoint } from "./checkpoint/open.js";
export { type Conversation, loadConversations } from "./data/conversation.js";
export { encodeConversation, type TrainingExample } from "./data/encode.js";
export { Generator, type GeneratorOptions } from "./generate/generator.js";
export { loadModel } from "./generate/load-model.js";
export type { GenerationOptions, GenerationResult, LocalGenerateRequest, WrittenToken } from "./generate/request.js";
export { resolveModel } from "./hub/resolve-model.js";
export { createEmbeddedModel } from "./llm/embedded.js";
export { withJournal } from "./llm/journal.js";
export type { GenerateRequest, GenerateResult, LanguageModel } from "./llm/language-model.js";
export { resolveLanguageModel } from "./llm/resolve.js";
export { loadAdapter, saveAdapter } from "./peft/adapter-io.js";
export { mergeAdapter } from "./peft/merge.js";
export { dequantizeNf4, quantizeNf4 } from "./quant/nf4.js";
export { loadRecipe, parseRecipe } from "./recipe/load.js";
export { recipeJsonSchema, type TrainingRecipe } from "./recipe/schema.js";
export { Device } from "./runtime/device.js";
export { loadTokenizer, type Tokenizer } from "./tokenizer/tokenizer.js";
export { type TrainRunOptions, trainRun } from "./train/run.js";
