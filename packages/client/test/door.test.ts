// The state machine, against a stand-in that shows what a real companion cannot be
// made to show: a stranger on its port, clocks that differ, restarts at a bad moment.
// The real one is met in tests/browser.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { connect, type State } from "../src/door.js";
import { runName, StandIn, storeWith } from "./standin.js";

let companion: StandIn;
beforeEach(async () => {
  vi.stubGlobal("location", { origin: "https://app.example", hostname: "app.example" });
  companion = await StandIn.start();
});
afterEach(() => {
  companion.stop();
  vi.unstubAllGlobals();
});

const open = async (kept: "key" | "lost" | null = "key", ports = [companion.port]) => {
  const store = await storeWith(kept);
  const door = await connect({ ports, store });
  const states: State[] = [];
  door.state.subscribe((state) => states.push(state));
  return { door, store, states };
};

it("a companion that proves itself is paired, and its answers are what it signed", async () => {
  const { door } = await open();
  expect(door.state.value).toBe("paired");
  expect(door.scopes).toEqual([{ folder: "Notes", rights: ["read"] }]);
  expect(await door.call("/pairing?a=b%20c", { method: "POST", body: { x: 1 } })).toEqual({ ok: true });
  const [{ url, body, headers } = { url: "", body: "", headers: {} as Record<string, unknown> }] =
    companion.signed;
  expect([url, body]).toEqual(["/pairing?a=b%20c", '{"x":1}']);
  expect(headers["x-doorward-instance"]).toBe(companion.instance);
});

it("a squatter on the port receives no secret and no application byte", async () => {
  companion.proves = false;
  const { door } = await open();
  expect(door.state.value).toBe("revoked");
  const secret = "the person's own words";
  await expect(door.call("/drives", { method: "POST", body: secret })).rejects.toMatchObject({
    code: "revoked",
  });
  expect(companion.signed).toEqual([]);
  for (const { body, headers } of companion.heard) {
    expect(Object.keys(JSON.parse(body)).sort()).toEqual(["challenge", "keyId"]);
    expect(JSON.stringify([body, headers])).not.toContain(secret);
    expect(headers.signature).toBeUndefined();
  }
});

it("the one that proves itself is ours, wherever it listens", async () => {
  const squatter = await StandIn.start();
  squatter.proves = false;
  const { door } = await open("key", [squatter.port, companion.port]);
  expect(door.state.value).toBe("paired");
  await door.call("/pairing");
  expect(squatter.signed).toEqual([]);
  squatter.stop();
});

it("an answer that it did not sign is no answer", async () => {
  const { door } = await open();
  companion.act = () => ({ body: { drives: ["forged"] }, signed: false });
  await expect(door.fetch("/drives")).rejects.toMatchObject({ code: "not-authentic" });
});

it("a refusal is told by its name, and is not tried again", async () => {
  const { door } = await open();
  companion.act = () => ({ status: 403, body: { denial: "scopeMissing", message: "Not yours." } });
  await expect(door.call("/drives")).rejects.toMatchObject({
    code: "scopeMissing",
    status: 403,
    message: "Not yours.",
  });
  expect(companion.signed.length).toBe(1);
});

it("clocks that differ are corrected once, by the companion's signed word", async () => {
  const { door, states } = await open();
  const ahead = 86_400;
  const skewed = {
    status: 401,
    body: { denial: "clockSkew", message: "", now: Math.floor(Date.now() / 1_000) + ahead },
  };
  companion.act = ({ created }) => (created < Date.now() / 1_000 + ahead - 60 ? skewed : undefined);
  expect(await door.call("/pairing")).toEqual({ ok: true });
  expect(await door.call("/pairing")).toEqual({ ok: true });
  expect(companion.signed.length).toBe(3);
  companion.act = () => skewed;
  await expect(door.call("/pairing")).rejects.toMatchObject({ code: "clockSkew" });
  expect(companion.signed.length).toBe(5);
  expect(states.at(-1)).toBe("clock-skew");
  companion.act = () => undefined;
  await door.call("/pairing");
  expect(states.at(-1)).toBe("paired");
});

it("nobody else sets this page's clock", async () => {
  const { door } = await open();
  companion.act = () => ({ status: 401, body: { denial: "clockSkew", now: 1 }, signed: false });
  await expect(door.call("/pairing")).rejects.toMatchObject({ code: "not-authentic" });
  companion.act = ({ created }) => (created > 1_000 ? undefined : "drop");
  expect(await door.call("/pairing")).toEqual({ ok: true });
});

it("after a restart a request is signed for the new run, and sent once more", async () => {
  const { door } = await open();
  companion.instance = runName("B");
  companion.act = ({ instance }) =>
    instance === runName("B")
      ? undefined
      : { status: 401, body: { denial: "instanceChanged", message: "" }, signed: false };
  expect(await door.call("/pairing", { method: "POST", body: "x" })).toEqual({ ok: true });
  expect(companion.signed.map(({ headers }) => headers["x-doorward-instance"])).toEqual([
    runName("A"),
    runName("B"),
  ]);
});

it("a request that may have been acted on is not sent again", async () => {
  const { door } = await open();
  companion.act = () => "drop";
  await expect(door.call("/pairing", { method: "DELETE" })).rejects.toMatchObject({ code: "unavailable" });
  expect(companion.signed.length).toBe(1);
});

it("states are told apart", async () => {
  companion.proves = false;
  expect((await open(null)).door.state.value).toBe("unpaired");
  expect((await open("lost")).door.state.value).toBe("repair-required");
  companion.version = 2;
  expect((await open(null)).door.state.value).toBe("version-mismatch");
  const { port } = companion;
  companion.stop();
  expect((await open("key", [port])).door.state.value).toBe("unavailable");
});

it("without the browser's permission nothing is asked, and a click asks", async () => {
  let state = "prompt";
  const query = vi.fn(async () => ({ state }));
  vi.stubGlobal("navigator", { permissions: { query } });
  const { door } = await open();
  expect(door.state.value).toBe("permission-needed");
  expect(companion.heard).toEqual([]);
  await expect(door.call("/pairing")).rejects.toMatchObject({ code: "permission-needed" });
  expect(companion.heard).toEqual([]);
  expect(await door.retry()).toBe("paired");
  state = "denied";
  companion.heard.length = 0;
  expect(await door.retry()).toBe("permission-needed");
  expect(companion.heard).toEqual([]);
});

it("forgetting ends it on both sides", async () => {
  const { door, store, states } = await open();
  await door.forget();
  expect(companion.signed.map(({ url }) => url)).toEqual(["/pairing"]);
  expect([store.cleared, states.at(-1), door.scopes]).toEqual([true, "unpaired", []]);
});
