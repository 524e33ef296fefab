/** Metrics of texts, each equal to its reference library's to the last digit: what `import … from "evoke/metrics"` gives. */
export { BLEU_TOKENIZERS, type BleuOptions, type BleuScore, type BleuTokenizer, corpusBleu } from "./bleu.js";
export { meanRouge, type RougeOptions, type RougeScore, type RougeType, rouge } from "./rouge.js";
