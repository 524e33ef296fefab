/**
 * The library: what `import … from "evoke"` gives (docs/guides/library.md). The command line is written on it. Nothing here
 * prints, ends the process or listens for its signals.
 *
 * Versions follow semver over what this file exports: names, types and meanings change only with the major version (before 1.0
 * with the minor one). What is marked as internal is not among them. (The mark itself, written here, would take the first export away.)
 */

export {
  type BertScoreOptions,
  type EvaluateOptions,
  type EvaluateResult,
  evaluate,
  type JudgeOptions,
} from "./api/evaluate.js";
export type { CallEvent, CallOptions, NoticeEvent, ProgressEvent as CallProgressEvent } from "./api/events.js";
export { type ExportModelOptions, type ExportModelResult, exportModel } from "./api/export-model.js";
export {
  type AnswerEvent,
  type AnsweringOptions,
  type GenerateManyEvent,
  type GenerateManyOptions,
  type GenerateOptions,
  generate,
  generateMany,
  type PromptOptions,
  type WritingOptions,
} from "./api/generate.js";
export type { TrainingRecipeInput } from "./api/inputs/training-recipe.js";
export { Model, type ModelOptions, type OpenModelOptions, openModel, type ServerModelOptions } from "./api/model.js";
export { type PrepareDataOptions, type PrepareDataResult, prepareData } from "./api/prepare-data.js";
export {
  type ExperimentEvent,
  type ExperimentProgressEvent,
  type ExperimentResult,
  type ExperimentStepEvent,
  type RunExperimentOptions,
  runExperiment,
} from "./api/run-experiment.js";
export { type ScoreOptions, score } from "./api/score.js";
export {
  type SelfInstructEvent,
  type SelfInstructOptions,
  type SelfInstructProgressEvent,
  type SelfInstructResult,
  type SelfInstructTrainEvent,
  selfInstruct,
} from "./api/self-instruct.js";
export { type ModelServer, type ServeOptions, serve } from "./api/serve.js";
export {
  type StreamTextEvent,
  type StreamTextOptions,
  streamText,
  type TextEvent,
  type TextStream,
} from "./api/stream-text.js";
export { Task } from "./api/task.js";
export {
  type TrainEvent,
  type TrainOptions,
  type TrainPlanEvent,
  type TrainResult,
  type TrainStepEvent,
  train,
} from "./api/train.js";
export type { DataExtent } from "./data/extent.js";
export type { PreparedRow } from "./data/prepare.js";
export type { PromptOrigin } from "./data/prompt-origin.js";
export type { Columns } from "./data/row-shapes.js";
export { ContextLengthError, EvokeError, FailureError, InterruptedError, UsageError } from "./errors.js";
export type { MetricValue, SuiteResult } from "./eval/results.js";
export type { Results } from "./eval/results-file.js";
export { SUITE_NAMES as suiteNames } from "./eval/run-suites.js";
export type { ChatTemplate } from "./eval/suite.js";
export type { ExperimentRecord, ExperimentStatus, StepKind, StepRecord, StepStatus } from "./experiment/record.js";
export type { ModelFormat } from "./export/formats.js";
export type { PromptTemplate } from "./generate/prompt.js";
export type { SamplingOptions, TokenLogprob } from "./generate/request.js";
export type { Rule } from "./generate/rules.js";
export type { GenerateResult, ScoreRequest, ScoreResult } from "./llm/language-model.js";
export type { LocalRecord } from "./llm/local-record.js";
export type { Price, Usage } from "./llm/usage.js";
export type { DeviceName } from "./runtime/backend.js";
export type { AskReport } from "./self-instruct/ask.js";
export type { BootstrapReport } from "./self-instruct/bootstrap.js";
export type { DropReason } from "./self-instruct/post-process.js";
export type { Summary as PrepareReport } from "./self-instruct/prepare.js";
export type { RunReport as SelfInstructReport } from "./self-instruct/run.js";
export type { Stage } from "./self-instruct/stages.js";
export type { Message, Role } from "./tokenizer/message.js";
export type { ChatTemplateName } from "./tokenizer/special-tokens.js";
