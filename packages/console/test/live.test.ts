import { describe, expect, it } from "vitest";
import { listed, without } from "../src/flow";
import { type Live, merged, ordered, rateNow, read } from "../src/live";
import type { Grant } from "../src/wire";

const T0 = Date.parse("2026-11-23T12:00:00Z");

const grant = (id: string, change: Partial<Grant> = {}): Grant => ({
  id,
  source: `pictures:${id}`,
  name: id,
  contentType: null,
  createdAt: "2026-11-23T11:00:00Z",
  expiresAt: "2026-11-23T13:00:00Z",
  streams: 0,
  bytes: 0,
  requests: 1,
  lastUsedAt: null,
  ...change,
});

const none: Live = new Map();

describe("live URLs", () => {
  it("measures the rate between two reports", () => {
    const one = merged(none, [grant("a", { bytes: 1_000, streams: 1 })], T0);
    const two = merged(one, [grant("a", { bytes: 5_000, streams: 1 })], T0 + 2_000);
    const a = two.get("a");
    expect(a?.rate).toBe(2_000);
    expect(a && rateNow(a, T0 + 3_000)).toBe(2_000);
    expect(a && rateNow(a, T0 + 9_000)).toBe(0);
  });

  it("shows no rate for an idle grant or one whose count went back", () => {
    const one = merged(none, [grant("a", { bytes: 9_000 })], T0);
    const two = merged(one, [grant("a", { bytes: 10 })], T0 + 1_000);
    expect(two.get("a")?.rate).toBe(0);
    const idle = merged(one, [grant("a", { bytes: 99_000 })], T0 + 1_000).get("a");
    expect(idle && rateNow(idle, T0 + 1_000)).toBe(0);
  });

  it("orders playing first, then by last use, and leaves out what has ended", () => {
    const all = merged(
      none,
      [
        grant("old", { lastUsedAt: "2026-11-23T11:10:00Z" }),
        grant("new", { lastUsedAt: "2026-11-23T11:50:00Z" }),
        grant("playing", { streams: 1, lastUsedAt: "2026-11-23T11:00:00Z" }),
        grant("ended", { expiresAt: "2026-11-23T11:59:59Z", streams: 1 }),
      ],
      T0,
    );
    expect(ordered(all, T0).map((one) => one.id)).toEqual(["playing", "new", "old"]);
  });

  it("forgets revoked ones, and starts over from a listing without losing rates", () => {
    const one = merged(none, [grant("a"), grant("b", { bytes: 1 })], T0);
    const two = merged(one, [grant("b", { bytes: 1_001 })], T0 + 1_000);
    expect([...without(two, "a").keys()]).toEqual(["b"]);
    expect(without(two, "zzz")).toBe(two);
    const again = listed(two, [grant("b", { bytes: 1_001 }), grant("c")], T0 + 2_000);
    expect([...again.keys()]).toEqual(["b", "c"]);
    expect(again.get("b")?.rate).toBe(1_000);
  });

  it("reads as many pages as are wanted, and says how many more there are", async () => {
    const all = Array.from({ length: 5 }, (_, at) => grant(String(at)));
    const asked: (string | null)[] = [];
    const page = async (after: string | null) => {
      asked.push(after);
      const from = after === null ? 0 : Number(after) + 1;
      const grants = all.slice(from, from + 2);
      const more = from + 2 < all.length;
      return { grants, total: all.length, next: more ? (grants.at(-1)?.id ?? null) : null };
    };
    const ids = async (pages: number) => {
      const { grants, left } = await read(page, pages);
      return [grants.map(({ id }) => id).join(""), left];
    };
    expect(await ids(1)).toEqual(["01", 3]);
    expect(await ids(2)).toEqual(["0123", 1]);
    expect(asked).toEqual([null, null, "1"]);
    // Nobody asks for a page that there is not.
    expect(await ids(9)).toEqual(["01234", 0]);
    expect(asked).toHaveLength(6);
    // What ended meanwhile is still counted, and there is another page all the same.
    const stale = async () => ({ grants: all, total: 3, next: "4" });
    expect((await read(stale, 1)).left).toBe(1);
  });
});
