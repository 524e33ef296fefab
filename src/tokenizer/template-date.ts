/** The date and time that a chat template is told (`strftime_now`), as Python's `datetime.now().strftime` writes them. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** Local time without a zone, `2024-07-26T14:05:09`: equal text for whoever reads it, wherever. */
export type LocalTime = string;

/** Now, on this machine's clock. */
export function localTime(at: Date = new Date()): LocalTime {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Told wherever nothing else is: the moment this program started. */
export const PROGRAM_START: LocalTime = localTime();

/** @throws Error for a directive that is not among Python's usual ones. */
export function strftime(time: LocalTime, format: string): string {
  // The fields of a time without a zone are read as UTC's, so that none shifts.
  const at = new Date(`${time}Z`);
  if (Number.isNaN(at.getTime())) throw new Error(`${time} is not a date`);
  const [year, month, date] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()];
  const [hours, minutes, seconds, day] = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds(), at.getUTCDay()];
  const padded = (value: number, width = 2): string => String(value).padStart(width, "0");
  const dayOfYear = Math.floor((Date.UTC(year, month, date) - Date.UTC(year, 0, 1)) / 86_400_000) + 1;
  const fields: Record<string, () => string> = {
    Y: () => padded(year, 4),
    y: () => padded(year % 100),
    m: () => padded(month + 1),
    d: () => padded(date),
    e: () => String(date).padStart(2),
    B: () => MONTHS[month]!,
    b: () => MONTHS[month]!.slice(0, 3),
    h: () => MONTHS[month]!.slice(0, 3),
    A: () => DAYS[day]!,
    a: () => DAYS[day]!.slice(0, 3),
    w: () => String(day),
    u: () => String(day || 7),
    j: () => padded(dayOfYear, 3),
    H: () => padded(hours),
    I: () => padded(hours % 12 || 12),
    p: () => (hours < 12 ? "AM" : "PM"),
    M: () => padded(minutes),
    S: () => padded(seconds),
    f: () => "000000",
    F: () => strftime(time, "%Y-%m-%d"),
    T: () => strftime(time, "%H:%M:%S"),
    R: () => strftime(time, "%H:%M"),
    D: () => strftime(time, "%m/%d/%y"),
    x: () => strftime(time, "%m/%d/%y"),
    X: () => strftime(time, "%H:%M:%S"),
    c: () => strftime(time, "%a %b %e %H:%M:%S %Y"),
    Z: () => "",
    z: () => "",
    n: () => "\n",
    t: () => "\t",
    "%": () => "%",
  };
  return format.replace(/%(-?)(.)/gs, (directive, plain: string, letter: string) => {
    const field = Object.hasOwn(fields, letter) ? fields[letter] : undefined;
    if (!field) throw new Error(`strftime_now does not know ${directive}`);
    return plain ? field().replace(/^[0 ]+(?=.)/, "") : field();
  });
}
