/** A short public name that shows no local folders: `hf:ORG/NAME@REV` → `ORG/NAME`, `pip:NAME==1` → `NAME`, a path → its last part. */
export function modelName(reference: string): string {
  const first = reference.split(",")[0]!.trim();
  const [, scheme, rest = first] = /^([a-z]{2,}):(.*)$/.exec(first) ?? [];
  if (scheme === "hf") return rest.replace(/@.*$/, "");
  if (scheme !== undefined) return rest.replace(/==.*$/, "");
  const parts = first.split(/[/\\]+/).filter((part) => part !== "" && !/^\.+$/.test(part));
  return (parts.at(-1) ?? "model").replace(/\.gguf$/i, "");
}
