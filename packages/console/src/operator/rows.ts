// The transcript as it is shown: rows that repeat are one line with a count, as a chat that is asked again and again.

import type { TranscriptRowVm } from "./wire";

export interface Line {
  row: TranscriptRowVm;
  /** When it happened for the last time. */
  until: string;
  count: number;
}

/** The daemon keeps as many. */
const KEPT = 1_000;

/** With rows that came now. Events and listings overlap, and come in any order. */
export function added(
  known: readonly TranscriptRowVm[],
  rows: readonly TranscriptRowVm[],
): TranscriptRowVm[] {
  const all = new Map([...known, ...rows].map((row) => [row.seq, row]));
  return [...all.values()].sort((a, b) => a.seq - b.seq).slice(-KEPT);
}

/** Newest first. */
export function folded(rows: readonly TranscriptRowVm[]): Line[] {
  const lines: Line[] = [];
  for (const row of rows) {
    const before = lines.at(-1);
    if (before && same(before.row, row)) {
      before.until = row.at;
      before.count += 1;
    } else {
      lines.push({ row, until: row.at, count: 1 });
    }
  }
  return lines.reverse();
}

const same = (a: TranscriptRowVm, b: TranscriptRowVm): boolean =>
  a.kind === b.kind && a.summary === b.summary && a.outcome === b.outcome;
