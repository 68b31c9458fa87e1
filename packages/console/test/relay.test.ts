import { describe, expect, it } from "vitest";
import { listed, rateNow, without } from "../src/flow";
import { endWords, merged, type Open, ordered, rttWords } from "../src/relay/open";
import type { Relay } from "../src/wire";

const T0 = Date.parse("2026-11-24T12:00:00Z");

const relay = (id: string, change: Partial<Relay> = {}): Relay => ({
  id,
  name: null,
  upstream: "wss://lk.example.com",
  createdAt: "2026-11-24T11:00:00Z",
  expiresAt: "2026-11-24T15:00:00Z",
  connections: 0,
  turnConnections: 0,
  requests: 0,
  bytesUp: 0,
  bytesDown: 0,
  framesUp: 0,
  framesDown: 0,
  rttPageMs: null,
  rttUpstreamMs: null,
  lastEnd: null,
  lastUsedAt: null,
  ...change,
});

const none: Open = new Map();

describe("open upstreams", () => {
  it("measure their rate between two reports, both ways together", () => {
    const one = merged(none, [relay("a", { bytesUp: 100 })], T0);
    const two = merged(one, [relay("a", { bytesUp: 1_100, bytesDown: 3_000 })], T0 + 2_000).get("a");
    expect(two?.rate).toBe(2_000);
    expect(two && rateNow(two, T0 + 3_000)).toBe(2_000);
    expect(two && rateNow(two, T0 + 9_000)).toBe(0);
  });

  it("start over from a listing without losing rates, and forget what was revoked", () => {
    const one = merged(none, [relay("a")], T0);
    const two = merged(one, [relay("a", { bytesDown: 500 })], T0 + 1_000);
    const again = listed(two, [relay("a", { bytesDown: 500 }), relay("b")], T0 + 1_500);
    expect([...again.keys()]).toEqual(["a", "b"]);
    expect(again.get("a")?.rate).toBe(500);
    expect([...without(again, "a").keys()]).toEqual(["b"]);
    expect(without(again, "zzz")).toBe(again);
  });

  it("come in use first, then newest, without those whose time is over", () => {
    const open = listed(
      none,
      [
        relay("old"),
        relay("new", { createdAt: "2026-11-24T11:30:00Z" }),
        relay("busy", { createdAt: "2026-11-24T10:00:00Z", connections: 2 }),
        relay("over", { expiresAt: "2026-11-24T11:59:59Z", connections: 1 }),
      ],
      T0,
    );
    expect(ordered(open, T0).map((one) => one.id)).toEqual(["busy", "new", "old"]);
  });

  it("say in words what was measured and how it ended", () => {
    expect(rttWords(relay("a"))).toBe("no ping seen");
    expect(rttWords(relay("a", { rttPageMs: 1.234, rttUpstreamMs: 41.6 }))).toBe(
      "1.2 ms to the page, 42 ms to the upstream",
    );
    expect(endWords("networkChanged")).toBe("the network changed");
    expect(endWords("somethingNew")).toBe("somethingNew");
  });
});
