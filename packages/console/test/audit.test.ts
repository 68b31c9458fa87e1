import { describe, expect, it } from "vitest";
import { arrived, EMPTY, jsonLines, loaded, matches, paused, seen } from "../src/audit/tail";
import { asks, refusedAlso, refusedCount } from "../src/doors/words";
import type { AuditEvent, Surface } from "../src/wire";

const event = (seq: number, change: Partial<AuditEvent> = {}): AuditEvent => ({
  seq,
  time: "2026-11-23T12:00:00Z",
  kind: "grant.minted",
  surface: "api",
  outcome: "allowed",
  denial: null,
  subject: null,
  count: 1,
  detail: null,
  hash: "00",
  ...change,
});
const seqs = (events: readonly AuditEvent[]): number[] => events.map((one) => one.seq);

describe("the audit tail", () => {
  it("is newest first, and holds each entry once", () => {
    const tail = arrived(loaded(EMPTY, [event(1), event(2), event(3)]), event(4));
    expect(seqs(tail.shown)).toEqual([4, 3, 2, 1]);
    expect(seqs(arrived(tail, event(4)).shown)).toEqual([4, 3, 2, 1]);
    expect(seqs(loaded(tail, [event(0), event(1)]).shown)).toEqual([4, 3, 2, 1, 0]);
  });

  it("stands still while paused and catches up after", () => {
    const still = arrived(paused(loaded(EMPTY, [event(1)]), true), event(2));
    expect([seqs(still.shown), seqs(still.held)]).toEqual([[1], [2]]);
    const on = paused(still, false);
    expect([seqs(on.shown), on.held]).toEqual([[2, 1], []]);
  });

  it("filters by kind and surface", () => {
    expect(matches(event(1), { kind: "", surface: "" })).toBe(true);
    expect(matches(event(1), { kind: "grant.minted", surface: "media" })).toBe(false);
    expect(
      seen([event(1, { surface: "b" }), event(2, { surface: null }), event(3, { surface: "a" })], "surface"),
    ).toEqual(["a", "b"]);
  });

  it("exports oldest first, one JSON object a line", () => {
    const lines = jsonLines([event(2), event(1)]).split("\n");
    expect(lines.map((line) => JSON.parse(line).seq)).toEqual([1, 2]);
  });
});

describe("doors in words", () => {
  it("says what a door asks", () => {
    const surface = (caller: string, csrf: boolean): Surface => ({ caller, policy: { csrf } }) as Surface;
    expect(asks(surface("session", true)).text).toBe("cookie + tab proof + CSRF");
    expect(asks(surface("open", false)).text).toBe("nothing");
    expect(asks(surface("something new", false)).text).toBe("something new");
  });

  it("adds up refusals as they come", () => {
    const once = refusedAlso([], "hostNotAllowed", 3);
    const twice = refusedAlso(refusedAlso(once, "hostNotAllowed", 2), "rateLimited", 1);
    expect(refusedCount(twice)).toBe(6);
  });
});
