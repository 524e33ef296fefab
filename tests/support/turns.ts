/** Counts the event loop's turns from now until `stop`. */
export function countTurns(): { readonly turns: number; stop: () => void } {
  let turns = 0;
  let counting = true;
  const turn = (): void => {
    if (!counting) return;
    turns++;
    setImmediate(turn);
  };
  setImmediate(turn);
  return {
    get turns() {
      return turns;
    },
    stop: () => void (counting = false),
  };
}
