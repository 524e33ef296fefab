/** Figures and times as people read them. */

/** Four significant digits, without an exponent where that is short; – for what is not there. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(1);
  return Number.isInteger(value) ? value.toLocaleString("en-US") : String(Number(value.toPrecision(4)));
}

export function seconds(value: number): string {
  if (value < 60) return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(value % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(0)} kB`;
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(1)} GB`;
}

/** A figure to the place where its error has two digits. */
export function measured(value: number | null, stderr: number | null): { value: string; error: string } {
  if (value === null || stderr === null || !(stderr > 0)) return { value: figure(value), error: "" };
  const places = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(stderr))));
  return { value: value.toFixed(places), error: stderr.toFixed(places) };
}

/** Such as "5 min ago"; the date where it is longer than a day. */
export function ago(iso: string | undefined, now = Date.now()): string {
  const time = Date.parse(iso ?? "");
  if (!Number.isFinite(time)) return "";
  const past = Math.max(0, (now - time) / 1000);
  if (past < 60) return "just now";
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < 86_400) return `${Math.floor(past / 3600)} h ago`;
  return new Date(time).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

export function percent(probability: number): string {
  const value = probability * 100;
  return value >= 99.95 ? "100 %" : value < 0.05 ? "< 0.1 %" : `${value.toFixed(1)} %`;
}
