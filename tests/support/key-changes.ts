/** For the test of keys: a change of every field that a file may have, and the steps that it reaches. */

export interface Change {
  /** A `--set`, or a change of the file's text. */
  set: string | ((text: string) => string);
  /** Ids of steps that may change; some must. Undefined: no key changes. */
  reaches?: RegExp;
}

const to = (set: Change["set"], reaches?: RegExp): Change[] => [{ set, ...(reaches ? { reaches } : {}) }];
const replace =
  (from: string, into: string) =>
  (text: string): string => {
    if (!text.includes(from)) throw new Error(`the experiment has no ${from}`);
    return text.replace(from, into);
  };

const TUNED = /^(train|(eval|answers)\.(it|rt)|eval\.base\.versus)/;
const RT = /^(train\.rt|eval\.rt)/;
const after = (step: string): RegExp => new RegExp(`^data\\.${step}$|${RT.source}`);

/** Fields of the cluster, under an experiment and in a recipe. */
const cluster = (prefix: string, reaches: RegExp): Record<string, Change[]> => ({
  address: to(`${prefix}cluster.address="ray://other:8265"`),
  token_env: to(`${prefix}cluster.token_env=OTHER`),
  workers: to(`${prefix}cluster.workers=3`, reaches),
  gpus_per_worker: [...to(`${prefix}cluster.gpus_per_worker=0`, reaches), ...to(`${prefix}cluster.gpus_per_worker=2`)],
  cpus_per_worker: to(`${prefix}cluster.cpus_per_worker=4`),
  resources_per_worker: to(`${prefix}cluster.resources_per_worker={x: 1}`),
  model: [
    ...to(`${prefix}cluster.model=hf:org/other@${"c".repeat(40)}`, reaches),
    ...to(`${prefix}cluster.model=/mnt/model`),
  ],
  storage: to(`${prefix}cluster.storage=/mnt/x`),
  storage_local: to(`${prefix}cluster.storage_local=/mnt/y`),
  precision: to(`${prefix}cluster.precision=bfloat16`, reaches),
  pip: to(`${prefix}cluster.pip=default`, reaches),
  runtime_env: to(`${prefix}cluster.runtime_env={conda: x}`, reaches),
  env: to(`${prefix}cluster.env=[A]`),
  retries: to(`${prefix}cluster.retries=9`),
  patience_minutes: to(`${prefix}cluster.patience_minutes=9`),
});

const under = (prefix: string, entries: Record<string, Change[]>): Record<string, Change[]> =>
  Object.fromEntries(Object.entries(entries).map(([name, change]) => [`${prefix}.${name}`, change]));

export const EXPERIMENT_CHANGES: Readonly<Record<string, Change[]>> = {
  name: to("name=another"),
  title: to("title=Another"),
  description: to("description=Another"),
  models: [
    ...to("models.base=HOME/other.gguf", /./),
    ...to(
      "models.judge=openai:k@http://h/v1",
      /^(data\.(refined|made)|train\.rt|eval\.rt|eval\.base\.(judged|plain|versus))/,
    ),
  ],
  original_prompts: to(
    "original_prompts=true",
    /^(data\.made$|train\.rt|eval\.rt|eval\.named\.asked|eval\.base\.(plain|versus))/,
  ),
  model: to("model=other", /./),
  sweep: to("sweep={n: [1, 2]}"),
  ...under("data.*", {
    path: to(
      replace("path: rows.jsonl", "path: more.jsonl"),
      /^(data\.(refined|mixed)|train|(eval|answers)\.(it|rt)|eval\.base\.versus)/,
    ),
    prepare: to("data.prepared.prepare=HOME/more.jsonl", after("prepared")),
    refine: to("data.refined.refine=more", after("refined")),
    mix: to("data.mixed.mix=more", after("mixed")),
    self_instruct: to("data.made.self_instruct.seed=7", after("made")),
    max_examples: to("data.prepared.max_examples=4", after("prepared")),
    max_characters: to("data.prepared.max_characters=40", after("prepared")),
    skip: to("data.prepared.skip=1", after("prepared")),
    seed: [
      ...to("data.prepared.seed=3", after("prepared")),
      ...to("data.mixed.seed=3", after("mixed")),
      ...to("data.refined.seed=3"),
    ],
    "columns.prompt": to("data.prepared.columns.prompt=question", after("prepared")),
    "columns.completion": to("data.prepared.columns.completion=answer", after("prepared")),
    "columns.input": to("data.prepared.columns.input=extra", after("prepared")),
    skip_invalid: to("data.prepared.skip_invalid=true", after("prepared")),
    refiner: to("data.refined.refiner=other", after("refined")),
    prompt: to(replace(", prompt: refine.txt", ""), after("refined")),
    marker: to('data.refined.marker="Better:"', after("refined")),
    max_new_tokens: to("data.refined.max_new_tokens=9", after("refined")),
    temperature: to("data.refined.temperature=1", after("refined")),
    original_prompts: [
      ...to("data.made.original_prompts=true", after("made")),
      // The file that is named comes first.
      ...to("data.refined.original_prompts=true"),
    ],
    // Of a server's weights nothing is known.
    weights: to("data.refined.weights=int8"),
    safety: to("data.mixed.safety=more", after("mixed")),
    count: to("data.mixed.count=2", after("mixed")),
    model: to("data.made.model=base", after("made")),
  }),
  recipe: to("recipe.max_steps=3", TUNED),
  ...under("arms.*", {
    title: to("arms.it.title=Another"),
    model: to("arms.it.model=other", /^(train\.it|(eval|answers)\.it|eval\.base\.versus)/),
    mode: to("arms.it.mode=text", /^(train\.it|(eval|answers)\.it|eval\.base\.versus)/),
    data: [
      ...to("arms.it.data=more", /^(train\.it|(eval|answers)\.it|eval\.base\.versus)/),
      ...to("arms.rt.data=[refined, rows, mixed, prepared, made]", RT),
    ],
    set: to("arms.it.set={lora: {r: 3}}", /^(train\.it|(eval|answers)\.it|eval\.base\.versus)/),
    prompt: [...to("arms.named.prompt=urial_r", /^eval\.named/), ...to("arms.icl.prompt=urial", /^eval\.icl/)],
    rules: to("arms.base.rules=[eos]", /^(eval|answers)\.base/),
    chat_template: to("arms.base.chat_template=none", /^(eval|answers)\.base/),
  }),
  ...under("evaluations.*", {
    title: to("evaluations.core.title=Another"),
    suites: to("evaluations.core.suites=[piqa]", /core$/),
    arms: to("evaluations.core.arms=[base]"),
    limit: to("evaluations.core.limit=3", /core$/),
    shots: to("evaluations.core.shots=1", /core$/),
    k: to("evaluations.ranks.k=3", /ranks$/),
    seed: [
      ...to("evaluations.ranks.seed=3", /ranks$/),
      ...to("evaluations.plain.seed=3", /^eval\.base\.plain$/),
      ...to("evaluations.asked.seed=3"),
      ...to("evaluations.core.seed=3"),
    ],
    chat_template: to("evaluations.asked.chat_template=model", /asked$/),
    bos: [...to("evaluations.core.bos=none", /core$/), ...to("evaluations.core.bos=tokenizer")],
    max_new_tokens: to("evaluations.asked.max_new_tokens=7", /asked$/),
    weights: to("evaluations.asked.weights=int8", /asked$/),
    judge: to("evaluations.plain.judge=other", /^eval\.base\.plain$/),
    judge_max_new_tokens: to("evaluations.plain.judge_max_new_tokens=7", /^eval\.base\.plain$/),
    judge_prompt: to(replace("judge_prompt: judge.txt, ", ""), /^eval\.base\.judged$/),
    judge_safety_prompt: to(replace("judge_safety_prompt: judge.txt, ", ""), /^eval\.base\.judged$/),
    original_prompts: [
      ...to("evaluations.plain.original_prompts=true", /^eval\.base\.plain$/),
      // Nothing is asked with prompts of the originals; what is not at hand is not looked for here.
      ...to("evaluations.core.original_prompts=true"),
      ...to("evaluations.plain.original_prompts=auto"),
    ],
    rows: to("evaluations.asked.rows.instruct=more", /asked$/),
    reference: to(replace("reference: reference.json, ", ""), /^eval\.base\.judged$/),
    reference_arm: to("evaluations.versus.reference_arm=rt", /^eval\.base\.versus$/),
    difficulty: to(replace("difficulty: difficulty.csv, ", ""), /^eval\.base\.judged$/),
    bertscore: to("evaluations.tasks.bertscore=false", /tasks$/),
    skip_invalid: to("evaluations.core.skip_invalid=true", /core$/),
  }),
  seeds: [...to("seeds=[0, 1]"), ...to("seeds=[4]", /./)],
  ...under("published.*", {
    source: to("published=[{source: other}]"),
    url: to('published=[{source: paper, url: "http://x"}]'),
    note: to("published=[{source: paper, note: x}]"),
    arms: to("published=[{source: paper, arms: {it: {piqa.acc: 0.4}}}]"),
    "tables.*.title": to("published=[{source: paper, tables: [{title: a, columns: [b], rows: {c: [1]}}]}]"),
    "tables.*.note": to("published=[{source: paper, tables: [{title: a, note: n, columns: [b], rows: {c: [1]}}]}]"),
    "tables.*.columns": to("published=[{source: paper, tables: [{title: a, columns: [d], rows: {c: [1]}}]}]"),
    "tables.*.rows": to("published=[{source: paper, tables: [{title: a, columns: [b], rows: {c: [2]}}]}]"),
  }),
  ...under("llm", {
    concurrency: to("llm.concurrency=1"),
    retries: to("llm.retries=3"),
    timeout: to("llm.timeout=3"),
    max_requests: to("llm.max_requests=3"),
    max_tokens: to("llm.max_tokens=3"),
    api_key_env: to("llm.api_key_env=OTHER"),
    price: to("llm.price=[1, 2]"),
    api: [
      ...to("llm.api=chat", /^(data\.(refined|made)|train\.rt|eval\.rt|eval\.base\.(judged|plain|versus))/),
      ...to("llm.api=auto"),
    ],
    steps: to("llm.steps=1"),
  }),
  smoke: to((text) => `${text}smoke: { recipe: { max_steps: 1 } }\n`),
  ...under("cluster", cluster("", TUNED)),
};

export const RECIPE_CHANGES: Readonly<Record<string, Change[]>> = {
  // Model, mode and seed are the experiment's own; its tests are above.
  model: to("arms.rt.model=other", RT),
  adapter: to(replace(", adapter: ./adapter, early", ", early"), TUNED),
  // The paper's values are the defaults, so its preset changes nothing; what another one sets does.
  preset: [...to("recipe.preset=paper-qlora"), ...to("recipe.preset=paper-lora", TUNED)],
  method: to("recipe.method=lora", TUNED),
  mode: to("arms.rt.mode=text", RT),
  template: to("recipe.template=model", TUNED),
  count_newline_after_eos: to("recipe.count_newline_after_eos=true", TUNED),
  ...under("data", {
    path: to("arms.rt.data=rows", RT),
    format: to("recipe.data.format=alpaca", TUNED),
    columns: to("recipe.data.columns={instruction: question}", TUNED),
    max_examples: to("recipe.data.max_examples=1", TUNED),
    skip_invalid: to("recipe.data.skip_invalid=true", TUNED),
    validation: [...to("recipe.data.validation=0.5", TUNED), ...to("recipe.data.validation=HOME/more.jsonl", TUNED)],
  }),
  ...under("lora", {
    r: to("recipe.lora.r=3", TUNED),
    alpha: to("recipe.lora.alpha=3", TUNED),
    dropout: to("recipe.lora.dropout=0.3", TUNED),
    use_rslora: to("recipe.lora.use_rslora=true", TUNED),
    use_dora: to("recipe.lora.use_dora=true", TUNED),
    target_modules: to("recipe.lora.target_modules=[q_proj]", TUNED),
  }),
  ...under("quantization", {
    type: to("recipe.quantization.type=int8", TUNED),
    double_quant: to("recipe.quantization.double_quant=false", TUNED),
    block_size: to("recipe.quantization.block_size=32", TUNED),
  }),
  ...under("optimizer", {
    lr: to("recipe.optimizer.lr=3", TUNED),
    betas: to("recipe.optimizer.betas=[0.5, 0.5]", TUNED),
    eps: to("recipe.optimizer.eps=3", TUNED),
    weight_decay: to("recipe.optimizer.weight_decay=3", TUNED),
  }),
  ...under("schedule", {
    type: to("recipe.schedule.type=cosine", TUNED),
    warmup_steps: to("recipe.schedule.warmup_steps=3", TUNED),
    warmup_ratio: to("recipe.schedule.warmup_ratio=0.3", TUNED),
  }),
  "batch.micro": to("recipe.batch.micro=3", TUNED),
  "batch.accumulation": to("recipe.batch.accumulation=3", TUNED),
  epochs: to("recipe.epochs=3", TUNED),
  max_steps: to("arms.rt.set.max_steps=3", RT),
  max_length: to("recipe.max_length=30", TUNED),
  max_grad_norm: to("recipe.max_grad_norm=3", TUNED),
  packing: to("recipe.packing=false", TUNED),
  "memory.budget_gb": to("recipe.memory.budget_gb=3"),
  "memory.recompute": to("recipe.memory.recompute=all"),
  "validation.every_steps": to("recipe.validation.every_steps=3", TUNED),
  "validation.max_examples": to("recipe.validation.max_examples=3", TUNED),
  "early_stop.patience": to("recipe.early_stop.patience=3", TUNED),
  "early_stop.min_delta": to("recipe.early_stop.min_delta=3", TUNED),
  "checkpoint.every_steps": to("recipe.checkpoint.every_steps=3"),
  "checkpoint.keep": to("recipe.checkpoint.keep=3"),
  seed: to("seeds=[3]", /./),
  device: to("recipe.device=cpu"),
  threads: to("recipe.threads=1"),
  report_to: to("recipe.report_to=[wandb]"),
  out: to((text) => text), // refused in an experiment
  ...under("cluster", cluster("arms.rt.set.", RT)),
};

const MADE = after("made");
const made = (field: string, value: string, reaches: RegExp | undefined = MADE): Change[] =>
  to(`data.made.self_instruct.${field}=${value}`, reaches);

export const SELF_INSTRUCT_CHANGES: Readonly<Record<string, Change[]>> = {
  model: to("data.made.model=other", MADE),
  adapter: to(replace(", adapter: ./adapter } }", " } }"), MADE),
  out: [{ set: "data.made.self_instruct.out=x" }],
  seed_tasks: made("seed_tasks", "HOME/more.jsonl"),
  seed: made("seed", "3"),
  num_instructions: made("num_instructions", "3"),
  classification_seeds_only: made("classification_seeds_only", "true"),
  prompts: to(replace(", prompts: prompts", ""), MADE),
  original_prompts: to("data.made.self_instruct.original_prompts=true", after("made")),
  weights: to("data.made.self_instruct.weights=int8"),
  chat: made("chat", "true"),
  ...under("bootstrap", {
    instructions_per_prompt: made("bootstrap.instructions_per_prompt", "3"),
    machine_instructions_per_prompt: made("bootstrap.machine_instructions_per_prompt", "3"),
    requests_per_batch: made("bootstrap.requests_per_batch", "3"),
    similarity_threshold: made("bootstrap.similarity_threshold", "0.3"),
    max_tokens: made("bootstrap.max_tokens", "3"),
    temperature: made("bootstrap.temperature", "0.3"),
    top_p: made("bootstrap.top_p", "0.3"),
    presence_penalty: made("bootstrap.presence_penalty", "0.3"),
    cut_responses: made("bootstrap.cut_responses", "trim"),
    max_idle_batches: made("bootstrap.max_idle_batches", "3"),
  }),
  ...under("instances", {
    max_instances: made("instances.max_instances", "3"),
    max_tokens_classification: made("instances.max_tokens_classification", "3"),
    max_tokens_generation: made("instances.max_tokens_generation", "3"),
    presence_penalty: made("instances.presence_penalty", "3"),
  }),
  ...under("classify", { max_tokens: made("classify.max_tokens", "5") }),
  ...under("prepare", {
    include_seed_tasks: made("prepare.include_seed_tasks", "false"),
    num_instructions: made("prepare.num_instructions", "3"),
    completion_style: made("prepare.completion_style", "continuation"),
  }),
  ...under("llm", {
    concurrency: to("data.made.self_instruct.llm.concurrency=3"),
    retries: to("data.made.self_instruct.llm.retries=3"),
    timeout: to("data.made.self_instruct.llm.timeout=3"),
    max_requests: to("data.made.self_instruct.llm.max_requests=3"),
    max_tokens: to("data.made.self_instruct.llm.max_tokens=3"),
    api_key_env: to("data.made.self_instruct.llm.api_key_env=OTHER"),
    api: made("llm.api", "chat"),
  }),
  train: to("data.made.self_instruct.train=x.yaml"),
};
