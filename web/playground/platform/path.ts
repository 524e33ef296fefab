/** Paths of the tab's files, which are written with slashes. */
export function join(...parts: string[]): string {
  const result: string[] = [];
  for (const part of parts.join("/").split("/")) {
    if (part === "..") result.pop();
    else if (part !== "" && part !== ".") result.push(part);
  }
  return (parts[0]?.startsWith("/") ? "/" : "") + result.join("/");
}

export const basename = (path: string, end = ""): string => {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return end && name.endsWith(end) ? name.slice(0, -end.length) : name;
};
export const dirname = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/"))) || "/";
export const extname = (path: string): string => /\.[^./]+$/.exec(path)?.[0] ?? "";
export const resolve = join;
export const isAbsolute = (path: string): boolean => path.startsWith("/");
export const sep = "/";
