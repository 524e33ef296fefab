/** Keeps keys of the environment out of pages. */
const NAMES = /TOKEN|SECRET|PASSW|API_?KEY|CREDENTIAL/i;

/** A text with the values of secret environment variables blotted out. */
export function withoutSecrets(text: string, env: NodeJS.ProcessEnv = process.env): string {
  let clean = text;
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && value.length >= 6 && NAMES.test(name)) clean = clean.replaceAll(value, "•••");
  return clean;
}
