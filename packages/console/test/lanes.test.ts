import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Feel, onFreeLane, onRecentLane } from "../src/media/lanes";

const OWN = "http://127.0.0.1:7001";
const LANES = ["http://127.0.0.1:7002", "http://127.0.0.1:7003"];
const URL_ = `${OWN}/m/token`;

/** Lanes by what becomes of a request to them; the rest wait for ever. */
function lanesThat(
  answer: string[],
  refuse: string[] = [],
): { feel: Feel; asked: string[]; stopped: string[] } {
  const asked: string[] = [];
  const stopped: string[] = [];
  const feel: Feel = (origin, signal) => {
    asked.push(origin);
    signal.addEventListener("abort", () => stopped.push(origin));
    if (answer.includes(origin)) return Promise.resolve();
    if (refuse.includes(origin)) return Promise.reject(new Error("refused"));
    return new Promise(() => {});
  };
  return { feel, asked, stopped };
}

describe("onFreeLane", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("stays on its own port while that answers", async () => {
    const { feel, asked } = lanesThat([OWN, ...LANES]);
    expect(await onFreeLane(URL_, LANES, feel)).toBe(URL_);
    expect(asked).toEqual([OWN]);
  });

  it("feels for the one port there is", async () => {
    expect(await onFreeLane(URL_, [], lanesThat([OWN]).feel)).toBe(URL_);
    expect(await onFreeLane(URL_, [], lanesThat([], [OWN]).feel)).toBeNull();
  });

  it("goes on to the port that answers, and lets the others be", async () => {
    const { feel, asked, stopped } = lanesThat([LANES[1] as string]);
    const found = onFreeLane(URL_, LANES, feel);
    await vi.advanceTimersByTimeAsync(249);
    expect(asked).toEqual([OWN]);
    await vi.advanceTimersByTimeAsync(251);
    expect(await found).toBe("http://127.0.0.1:7003/m/token");
    expect(asked).toEqual([OWN, ...LANES]);
    expect(stopped).toContain(OWN);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("passes a port that nobody forwarded at once", async () => {
    const { feel, asked } = lanesThat([LANES[1] as string], [LANES[0] as string]);
    const found = onFreeLane(URL_, LANES, feel);
    await vi.advanceTimersByTimeAsync(250);
    expect(await found).toBe("http://127.0.0.1:7003/m/token");
    expect(asked).toEqual([OWN, ...LANES]);
  });

  it("says so where none answers", async () => {
    const refused = lanesThat([], [OWN, ...LANES]);
    expect(await onFreeLane(URL_, LANES, refused.feel)).toBeNull();
    const { feel } = lanesThat([]);
    const found = onFreeLane(URL_, LANES, feel);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await found).toBeNull();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("onRecentLane", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("feels once for many", async () => {
    const { feel, asked } = lanesThat([LANES[0] as string]);
    const found = [1, 2, 3].map((n) => onRecentLane(`${OWN}/m/${n}`, LANES, feel));
    await vi.advanceTimersByTimeAsync(250);
    expect(await Promise.all(found)).toEqual([1, 2, 3].map((n) => `http://127.0.0.1:7002/m/${n}`));
    expect(asked).toEqual([OWN, LANES[0]]);
    await vi.advanceTimersByTimeAsync(2_001);
    expect(await onRecentLane(URL_, LANES, lanesThat([OWN]).feel)).toBe(URL_);
  });
});
