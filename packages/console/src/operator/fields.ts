// What a person filled in, read by an operation's fields. The daemon judges it again: this only saves a refusal.

import { bytes } from "../format";
import type { FieldVm } from "./wire";

/** As the form has it, by name: text, or whether a box is ticked. */
export type Filled = ReadonlyMap<string, string | boolean>;
export type Values = Record<string, string | number | boolean>;
/** What is wrong, by name. */
export type Wrongs = ReadonlyMap<string, string>;

export type Read = { values: Values } | { wrongs: Wrongs };

export function readFields(fields: readonly FieldVm[], filled: Filled): Read {
  const values: Values = {};
  const wrongs = new Map<string, string>();
  for (const field of fields) {
    const read = readField(field, filled.get(field.name) ?? "");
    if (read === null) continue;
    if (typeof read === "object") wrongs.set(field.name, read.wrong);
    else values[field.name] = read;
  }
  return wrongs.size > 0 ? { wrongs } : { values };
}

/** Null is left out: a field that nobody filled in. */
function readField(field: FieldVm, filled: string | boolean): Values[string] | { wrong: string } | null {
  if (field.kind === "flag") return filled === true;
  const text = String(filled);
  // An empty text can be meant; an empty line is one that was forgotten.
  if (text === "" && !(field.kind === "text" && field.required)) {
    return field.required ? { wrong: "This is needed." } : null;
  }
  switch (field.kind) {
    case "number":
      return readNumber(field, text);
    case "choice":
      return field.choices.includes(text) ? text : { wrong: "Choose one of those listed." };
    default:
      return readText(field, text);
  }
}

function readNumber({ least, most }: FieldVm, text: string): number | { wrong: string } {
  const number = Number(text);
  if (!/^\s*[+-]?\d+\s*$/.test(text) || !Number.isSafeInteger(number)) {
    return { wrong: "A whole number is needed." };
  }
  const fits = number >= (least ?? number) && number <= (most ?? number);
  return fits ? number : { wrong: `${rangeWords(least, most)} is needed.` };
}

function readText({ kind, most }: FieldVm, text: string): string | { wrong: string } {
  if (most !== null && new TextEncoder().encode(text).length > most) {
    return { wrong: `This is longer than ${bytes(most)}.` };
  }
  const breaks = kind === "text" ? /[^\P{Cc}\n\r\t]/u : /\p{Cc}/u;
  return breaks.test(text) ? { wrong: "Control characters are not taken." } : text;
}

/** `1 to 500`, `at least 1`; ends beyond what a number holds are no ends. */
export function rangeWords(least: number | null, most: number | null): string {
  const [from, to] = [least, most].map((end) => (end !== null && Number.isSafeInteger(end) ? end : null));
  if (from !== null && to !== null) return `A number from ${from} to ${to}`;
  if (from !== null) return `A number of at least ${from}`;
  return to !== null ? `A number of at most ${to}` : "A number";
}

/** What stands below an empty field. */
export function hintWords(field: FieldVm): string {
  const words = [field.kind === "number" ? rangeWords(field.least, field.most) : ""];
  if (!field.required && field.kind !== "flag") words.push("may be left empty");
  return words.filter(Boolean).join(", ");
}
