// The audit log as the panel holds it: newest first, bounded, filtered, and still while paused. Pure.

import type { AuditEvent } from "../wire";

export interface Filter {
  kind: string;
  surface: string;
}

export interface Tail {
  /** Newest first. */
  shown: readonly AuditEvent[];
  /** What came while paused, newest first. */
  held: readonly AuditEvent[];
  paused: boolean;
}

export const EMPTY: Tail = { shown: [], held: [], paused: false };

const KEPT = 2_000;

export const matches = (event: AuditEvent, { kind, surface }: Filter): boolean =>
  (kind === "" || event.kind === kind) && (surface === "" || event.surface === surface);

export function arrived(tail: Tail, event: AuditEvent): Tail {
  if (tail.paused) return { ...tail, held: together([event], tail.held) };
  return { ...tail, shown: together([event], tail.shown) };
}

export function loaded(tail: Tail, oldestFirst: readonly AuditEvent[]): Tail {
  return { ...tail, shown: together(oldestFirst, tail.shown) };
}

export function paused(tail: Tail, pause: boolean): Tail {
  if (pause) return { ...tail, paused: true };
  return { shown: together(tail.held, tail.shown), held: [], paused: false };
}

export const jsonLines = (events: readonly AuditEvent[]): string =>
  [...events]
    .reverse()
    .map((event) => JSON.stringify(event))
    .join("\n");

/** Every value a field takes, for the filters. */
export const seen = (events: readonly AuditEvent[], field: "kind" | "surface"): string[] =>
  [...new Set(events.map((event) => event[field]).filter((value): value is string => value !== null))].sort();

/** Replays and listings overlap: one sequence number is one event, and the later copy of it wins. */
function together(news: readonly AuditEvent[], olds: readonly AuditEvent[]): AuditEvent[] {
  const bySeq = new Map(olds.map((event) => [event.seq, event]));
  for (const event of news) bySeq.set(event.seq, event);
  return [...bySeq.values()].sort((a, b) => b.seq - a.seq).slice(0, KEPT);
}
