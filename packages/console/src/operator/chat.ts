// A capability that is a chat, and what is heard in it. Pure: the clock is an argument.

import type { CallResultVm, CapVm, OperationVm } from "./wire";

export interface Line {
  n: number;
  /** When this page heard it. */
  at: string;
  channel: string;
  sender: string;
  kind: string;
  text: string;
}

/** What a chat has to offer to be shown as one, and what each takes. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  join: ["channel", "nickname"],
  leave: ["channel"],
  send: ["channel", "text"],
  who: ["channel"],
  poll: ["most"],
};

export const isChat = (cap: CapVm): boolean =>
  Object.entries(PARTS).every(([name, takes]) =>
    cap.operations.some((operation) => operation.name === name && sameFields(operation, takes)),
  );

const sameFields = (operation: OperationVm, takes: readonly string[]): boolean =>
  operation.fields.length === takes.length && operation.fields.every((field) => takes.includes(field.name));

const KEPT = 500;

/** With what a poll brought. */
export function heard(lines: readonly Line[], result: CallResultVm, at: string): Line[] {
  const column = (name: string): number => result.columns.indexOf(name);
  const [channel, sender, kind, text] = [column("channel"), column("sender"), column("kind"), column("text")];
  let n = lines.at(-1)?.n ?? 0;
  const fresh = result.rows.map((row) => {
    n += 1;
    const cell = (i: number): string => row[i] ?? "";
    return { n, at, channel: cell(channel), sender: cell(sender), kind: cell(kind), text: cell(text) };
  });
  return fresh.length === 0 ? [...lines] : [...lines, ...fresh].slice(-KEPT);
}

/** A line in words. */
export function lineWords({ kind, sender, text }: Line): string {
  switch (kind) {
    case "message":
      return text;
    case "joined":
      return `${sender} came in`;
    case "left":
      return `${sender} left`;
    default:
      return text ? `${kind}: ${text}` : kind;
  }
}

const FIRST_PAUSE_MS = 2_000;
const LAST_PAUSE_MS = 30_000;

/** The less there is to hear, the more seldom it is asked: each poll is a row of the transcript. */
export const pauseAfter = (quiet: number): number =>
  Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(quiet, 10));
