import { createHash } from "node:crypto";

/** Text that is HTML already and goes into a template unescaped. */
export class Html {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

type Insert = string | number | Html | readonly Html[] | undefined;

/** Template tag: everything inserted is escaped unless it is `Html`; arrays are joined, undefined is empty. */
export function html(strings: TemplateStringsArray, ...inserts: Insert[]): Html {
  let text = strings[0] as string;
  inserts.forEach((insert, i) => {
    text += render(insert) + strings[i + 1];
  });
  return new Html(text);
}

/** Escapes for element content and for attribute values in either kind of quotes. */
function escapeHtml(text: string): string {
  return visible(text).replace(/[&<>"']/g, (sign) => ENTITIES[sign] as string);
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Control, direction-changing and broken (lone surrogate) characters as U+FFFD; tab and line feed stay, CR LF becomes LF. */
export function visible(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(/[^\P{Cc}\n\t]|\p{Cs}|[\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");
}

export interface Page {
  title: string;
  body: Html;
  /** CSS and JavaScript of ours (a page can do without): never made from data. */
  style: string;
  script?: string;
}

/**
 * One self-contained page. Its policy lets nothing be loaded and no script run but the one given, so that text of a
 * model could do nothing even if it got through the escaping.
 */
export function htmlPage({ title, body, style, script }: Page): string {
  const hash = script && createHash("sha256").update(script).digest("base64");
  const scripts = hash ? `'sha256-${hash}'` : "'none'";
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src ${scripts}; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
${body}
${script ? html`<script>${new Html(script)}</script>` : undefined}
</body>
</html>
`.text;
}

function render(insert: Insert): string {
  if (insert === undefined) return "";
  if (insert instanceof Html) return insert.text;
  if (typeof insert === "object") return insert.map(({ text }) => text).join("");
  return escapeHtml(String(insert));
}
