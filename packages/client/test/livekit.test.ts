import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { rewriteLocalhost, rtcConfig } from "../src/livekit.js";

interface Table {
  rewriteLocalhost: { livekit: string; relay: string; becomes: string }[];
  isLocal: Record<string, boolean>;
}

// The daemon's own test reads it too.
const path = new URL("../../../crates/doorward-relay/tests/livekit.json", import.meta.url);
const table: Table = JSON.parse(readFileSync(path, "utf8"));

describe("r25: rewriteLocalhost", () => {
  it.each(table.rewriteLocalhost)("$livekit beside $relay", ({ livekit, relay, becomes }) => {
    expect(rewriteLocalhost(livekit, relay)).toBe(becomes);
  });
});

describe("r25: rtcConfig", () => {
  it.each(Object.entries(table.isLocal))("%s is local: %s", (url, local) => {
    expect(rtcConfig(url)).toEqual(local ? {} : { iceTransportPolicy: "relay" });
  });
});
