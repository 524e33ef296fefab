/** Whether nothing may be fetched from anywhere (`HF_HUB_OFFLINE`, as Hugging Face's own tools read it). */
export function isOffline(env: NodeJS.ProcessEnv = process.env): boolean {
  return /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? "");
}
