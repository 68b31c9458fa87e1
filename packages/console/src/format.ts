// Numbers and times as people read them. Pure: the clock is an argument.

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/** Decimal units, as file managers and S3 consoles show them. */
export function bytes(n: number | null): string {
  if (n === null || !Number.isFinite(n) || n < 0) return "–";
  let unit = 0;
  let value = n;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.95 ? 1 : 2;
  return `${trim(value.toFixed(digits))} ${UNITS[unit]}`;
}

export const rate = (perSecond: number): string => `${bytes(Math.round(perSecond))}/s`;

/** `11 h 42 min`, `42 min`, `40 s`; never negative. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** `42:10`, `1:02:03`. */
export function playTime(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`;
}

export function clock(iso: string, withSeconds = true): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "–";
  const two = (n: number): string => String(n).padStart(2, "0");
  const hm = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return withSeconds ? `${hm}:${two(at.getSeconds())}` : hm;
}

/** The date, with the time only while it is today's. */
export function day(iso: string | null, now: Date): string {
  if (iso === null) return "–";
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "–";
  if (at.toDateString() === now.toDateString()) return `today ${clock(iso, false)}`;
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

export const count = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString("en-GB")} ${n === 1 ? one : many}`;

/** The part of a name a tag can show: `PNG`, or nothing. */
export function suffix(name: string): string {
  const dot = name.lastIndexOf(".");
  const tail = dot > 0 ? name.slice(dot + 1) : "";
  return tail.length > 0 && tail.length <= 5 ? tail.toUpperCase() : "";
}

const trim = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
