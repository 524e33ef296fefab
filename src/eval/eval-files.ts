import { githubFile, type PinnedFile, RESPONSE_TUNING, SELF_INSTRUCT } from "../data/pinned-file.js";

const ALPACA = ["tatsu-lab/alpaca_eval", "cd543a149df89434d8a54582c0151c0b945c3d20"] as const;
const JUST_EVAL = ["Re-Align/just-eval", "3e1a1265e210be1d6ad71624c91da3efc36493ca"] as const;

/** Files of the public benchmarks, and of the prompts that their tools ask with. */
export const EVAL_FILES = {
  alpacaEval: {
    local: ["alpaca_eval/alpaca_eval.json"],
    remote: githubFile(
      ...ALPACA,
      "results/text_davinci_003/model_outputs.json",
      "af0bc112f08c88bf589bbfe6fc1036806d0a0f6fec9c4d5a4db860f5afe73b4b",
    ),
  },
  alpacaReference: {
    local: ["alpaca_eval/reference_outputs_gpt4_1106_preview.json"],
    remote: githubFile(
      ...ALPACA,
      "results/gpt4_1106_preview/model_outputs.json",
      "83db546b872ddebee8965fd05fa48461ee3c32bc695c62fb57f2d214ff741ec4",
    ),
  },
  justEval: {
    local: ["just_eval/just_eval_instruct.jsonl"],
    remote: { hub: "hf:re-align/just-eval-instruct:test" },
  },
  advbench: {
    local: ["refusal/advbench_harmful_behaviors.csv"],
    remote: githubFile(
      "andyrdt/refusal_direction",
      "9d852fae1a9121c78b29142de733cb1340770cc3",
      "dataset/raw/advbench.csv",
      "6cd1a5c63c07610d7eb67307772ee5606017ee950b5770ab288a2c487489d3e1",
    ),
  },
  harmbenchStandard: {
    local: ["refusal/harmbench_standard.jsonl", "refusal/harmbench_standard.csv"],
    remote: { hub: "hf:walledai/HarmBench:standard/train" },
  },
  harmbenchContextual: {
    local: ["refusal/harmbench_contextual.jsonl", "refusal/harmbench_contextual.csv"],
    remote: { hub: "hf:walledai/HarmBench:contextual/train" },
  },
  maliciousInstruct: {
    local: ["refusal/malicious_instruct.jsonl", "refusal/malicious_instruct.csv"],
    remote: { hub: "hf:walledai/MaliciousInstruct:train" },
  },
  xstest: {
    local: ["refusal/xstest_prompts.csv"],
    remote: githubFile(
      "paul-rottger/exaggerated-safety",
      "d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d",
      "xstest_prompts.csv",
      "11783fb294ed017473ee53c207d71f2161c7672c8d0b037501e78387f801cb5a",
    ),
  },
  userTasks: {
    local: ["self_instruct/user_oriented_instructions.jsonl"],
    remote: githubFile(
      ...SELF_INSTRUCT,
      "human_eval/user_oriented_instructions.jsonl",
      "81d60a117db495cecedecd9193504fd07c5b5a42f6699ef6b0f9da10fc22f42e",
    ),
  },
  gsm8kShots: {
    local: ["originals/gsm8k-cot-llama.yaml"],
    remote: githubFile(
      "EleutherAI/lm-evaluation-harness",
      "4e7e0d47f33bc71070c1d38394bafbb52b117163",
      "lm_eval/tasks/gsm8k/gsm8k-cot-llama.yaml",
      "c295bc7e942e8f3a51b91d14d5e592d2b037330c831f4ab5b2f8ddca27e031d6",
    ),
  },
  justEvalRegular: {
    local: ["originals/just-eval-multi.py"],
    remote: githubFile(
      ...JUST_EVAL,
      "just_eval/_MULTI_SCORE_TEMPLATE.py",
      "6bdabf59b1cd4693d20aeff4ff0d4651a14d2ddcd445c13db9cd847ca7c26925",
    ),
  },
  justEvalSafety: {
    local: ["originals/just-eval-safety.py"],
    remote: githubFile(
      ...JUST_EVAL,
      "just_eval/_SAFETY_SCORE_TEMPLATE.py",
      "6cbc853795184a2ed2488561d111821728f829a25aeeeaf0b4cedbd23d06d400",
    ),
  },
  justEvalRequest: {
    local: ["originals/just-eval-utils.py"],
    remote: githubFile(
      ...JUST_EVAL,
      "just_eval/utils.py",
      "c448b9c73ed9026f7baf4e0faa133ea53f9b248a6cbd2616ecfdce3a45790579",
    ),
  },
  alpacaJudge: {
    local: ["originals/alpaca-eval-clf.txt"],
    remote: githubFile(
      ...ALPACA,
      "src/alpaca_eval/evaluators_configs/alpaca_eval_clf_gpt4_turbo/alpaca_eval_clf.txt",
      "784227e6dc2832fc08c43d2c8ea3a308e7523780187a1aaad2f85e30bac85f62",
    ),
  },
  refusalJudge: {
    local: ["originals/refusal-judge.py"],
    remote: githubFile(
      ...RESPONSE_TUNING,
      "eval/safety_eval_utils.py",
      "51da28edfa52c65959469a0e89727b5428433d0c09181f4aee1ec2da8c702552",
    ),
  },
  urial: {
    local: ["originals/urial.txt"],
    remote: githubFile(
      ...RESPONSE_TUNING,
      "prompts/urial1kv4-4shot.txt",
      "abdce7f6d114dd63addf4fec5af9a2f84fbecfe05c1a04e3d76fa59c614b6296",
    ),
  },
  urial_r: {
    local: ["originals/urial_r.txt"],
    remote: githubFile(
      ...RESPONSE_TUNING,
      "prompts/urial1kv4_r-4shot.txt",
      "7bd1b19db035aa1f646105da7f785693c97240fd39377784505a8da805435398",
    ),
  },
  "0shot": {
    local: ["originals/0shot.txt"],
    remote: githubFile(
      ...RESPONSE_TUNING,
      "prompts/urial-0shot.txt",
      "41471418fea45a0b967f334bfdc28ffb26795cea20d308006794d09b75672318",
    ),
  },
} satisfies Record<string, PinnedFile>;

/** The eight published models whose answers to the 252 user tasks are compared with, and their files' SHA-256. */
const PREDICTIONS = {
  davinci: "29ebefae64941a53d296021d191462e7f1ec87c3112d5bf4971d62ba61b30730",
  "davinci-t0-ft": "346c6f6f24e126a1ca8c97593275558f4e83c0b36ed9125e4b7c2c9ac22200b2",
  "davinci-superni-ft": "e38f88de443b3a567ffffb80312dba796fd3ccf227b63842e218a4517678e87d",
  "davinci-self-instruct": "d454d989d16567ba9ed2898940beb3bfced2887b8014a5b6f5fa7955e499a4b8",
  "davinci-self-instruct-and-superni-ft": "6aed46012920f7eb2f2779c329e5e06c57d59ed66235a40c155bcc62952ec89f",
  "text-davinci-001": "0e5486cb74260ed10dfc43d6c26343c4bb98251401003b46ae3fca498305a94d",
  "text-davinci-002": "30e448059bb2c3aaf2926c93f97d967aa7523acdcaec08b2bbd36ea6b4e1e9f7",
  "text-davinci-003": "9fbf9229c917f2c832399e4d474f0ed1a4f367fae61e5eee814f3db687e0d584",
} as const;

export const PREDICTION_FILES: readonly (PinnedFile & { model: string })[] = Object.entries(PREDICTIONS).map(
  ([model, sha256]) => ({
    model,
    local: [`self_instruct/predictions/${model}_predictions.jsonl`],
    remote: githubFile(...SELF_INSTRUCT, `human_eval/predictions/${model}_predictions.jsonl`, sha256),
  }),
);
