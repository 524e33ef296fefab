/** How an update's examples are shared out over workers. */

export interface Share {
  workers: number;
  /** Examples that a worker computes at once, and such micro-batches of an update over all workers. */
  micro: number;
  accumulation: number;
  /** What was changed and why; undefined when nothing was. */
  said?: string;
}

/**
 * Where there are more workers than micro-batches, smaller micro-batches let all of them work: the loss is the sum over an
 * update's targets divided by their number, so it stays the same. More workers than examples cannot work.
 */
export function shareOut(given: { workers: number; micro: number; accumulation: number }): Share {
  const { workers, micro, accumulation } = given;
  if (workers <= accumulation) return { workers, micro, accumulation };
  const examples = micro * accumulation;
  const size = Math.max(1, Math.floor(examples / workers));
  const batches = Math.ceil(examples / size);
  const working = Math.min(workers, batches);
  const plan = `an update of ${examples} examples in micro-batches of ${size} instead of ${micro}`;
  const fewer = working < workers ? `; ${working} of ${workers} workers, as there are no more examples` : "";
  return {
    workers: working,
    micro: size,
    accumulation: batches,
    said: `${workers} workers for ${accumulation} micro-batches: ${plan}${fewer}`,
  };
}
