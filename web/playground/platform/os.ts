/** What the tab knows of its machine. */
const GUESS = 4e9;

export const availableParallelism = (): number => navigator.hardwareConcurrency || 1;
export const totalmem = (): number => GUESS;
export const freemem = (): number => GUESS;
export const hostname = (): string => "tab";
export const tmpdir = (): string => "/tmp";
export const homedir = (): string => "/";
