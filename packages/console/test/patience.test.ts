import { describe, expect, it } from "vitest";
import { isFinal, renewIn, TRIES, waitAfter } from "../src/preview/patience";

describe("a player that failed", () => {
  it("tries three times, each later than the last, and then stops", () => {
    const waits = [1, 2, 3, 4, 5].map(waitAfter);
    expect(waits).toEqual([1_000, 2_000, 4_000, null, null]);
    expect(waits.filter((wait) => wait !== null).length).toBe(TRIES);
  });

  it("does not try again what was taken back", () => {
    expect(isFinal("grantRevoked")).toBe(true);
    expect(isFinal("grantExpired")).toBe(true);
    expect(isFinal("credentialsExpired")).toBe(true);
    expect(isFinal("upstreamUnavailable")).toBe(false);
  });
});

describe("a URL that is being played", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  const inMs = (ms: number): string => new Date(now + ms).toISOString();

  it("is renewed a minute before its end, and short ones halfway", () => {
    expect(renewIn(inMs(3_600_000), now)).toBe(3_540_000);
    expect(renewIn(inMs(8_000), now)).toBe(4_000);
  });

  it("is not renewed after its end, or when its end cannot be read", () => {
    expect(renewIn(inMs(0), now)).toBeNull();
    expect(renewIn(inMs(-5_000), now)).toBeNull();
    expect(renewIn("", now)).toBeNull();
  });
});
