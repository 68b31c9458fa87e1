// What is told on sockets, by a companion that loses them, skips numbers and refuses.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Events } from "../src/events.js";
import { type WatchEvent, Watches } from "../src/watch.js";

class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 1;
  readonly said: Record<string, unknown>[] = [];
  onmessage: (event: { data: string }) => void = () => {};
  onclose: () => void = () => {};

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.said.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
  }

  tell(...messages: object[]): void {
    for (const message of messages) this.onmessage({ data: JSON.stringify(message) });
  }

  drop(): void {
    this.readyState = 3;
    this.onclose();
  }
}

let tickets = 0;
const ticket = async () => ({ ticket: `t${++tickets}`, listen: "127.0.0.1:7319" });

beforeEach(() => {
  FakeSocket.all = [];
  tickets = 0;
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const socket = async (count: number): Promise<FakeSocket> => {
  await vi.advanceTimersByTimeAsync(count > 1 ? 1_000 : 0);
  expect(FakeSocket.all.length).toBe(count);
  return FakeSocket.all[count - 1] as FakeSocket;
};
const heard = () => {
  const events: WatchEvent[] = [];
  return { events, watcher: (event: WatchEvent) => events.push(event) };
};
const subscribed = (id: string, sequence = 0, epoch = "e1") => ({
  kind: "subscribed",
  id,
  folder: "Notes",
  path: "",
  epoch,
  sequence,
});
const changed = (id: string, sequence: number, name = `n${sequence}`) => ({
  kind: "changed",
  id,
  sequence,
  changes: [{ name, what: "created" }],
});

it("one socket has all that is watched, and one subscription whoever watches the same", async () => {
  const watches = new Watches(ticket);
  const [one, two, other] = [heard(), heard(), heard()];
  watches.watch("Notes", "", one.watcher);
  const stop = watches.watch("Notes", "a", other.watcher);
  const only = await socket(1);
  expect([only.url, only.protocols]).toEqual([
    "ws://127.0.0.1:7319/watch",
    ["doorward.v1", "doorward.ticket.t1"],
  ]);
  expect(only.said).toEqual([]);
  only.tell({ kind: "hello" }, subscribed("w1"), subscribed("w2"));
  expect(only.said).toEqual([
    { action: "subscribe", id: "w1", folder: "Notes", path: "" },
    { action: "subscribe", id: "w2", folder: "Notes", path: "a" },
  ]);
  watches.watch("Notes", "", two.watcher);
  await vi.waitFor(() => expect(two.events).toEqual([{ kind: "ready" }]));
  only.tell(changed("w1", 1), changed("w2", 1));
  const news = { kind: "changed", changes: [{ name: "n1", what: "created" }] };
  for (const { events } of [one, two, other]) expect(events).toEqual([{ kind: "ready" }, news]);
  stop();
  expect(only.said.at(-1)).toEqual({ action: "unsubscribe", id: "w2" });
  expect(FakeSocket.all.length).toBe(1);
});

it("after a lost connection what was missed follows, from where it was heard", async () => {
  const watches = new Watches(ticket);
  const { events, watcher } = heard();
  watches.watch("Notes", "", watcher);
  const first = await socket(1);
  first.tell({ kind: "hello" }, subscribed("w1", 7), changed("w1", 8));
  first.drop();
  expect(events.at(-1)).toEqual({ kind: "lost" });
  const second = await socket(2);
  second.tell({ kind: "hello" });
  expect(second.said).toEqual([
    { action: "subscribe", id: "w1", folder: "Notes", path: "", since: { epoch: "e1", sequence: 8 } },
  ]);
  second.tell(subscribed("w1", 8), changed("w1", 9));
  expect(events.map(({ kind }) => kind)).toEqual(["ready", "changed", "lost", "back", "changed"]);
});

it("what cannot follow is a resync: another run, a gap, a companion that says so", async () => {
  const watches = new Watches(ticket);
  const { events, watcher } = heard();
  watches.watch("Notes", "", watcher);
  const first = await socket(1);
  first.tell({ kind: "hello" }, subscribed("w1", 0), changed("w1", 1), changed("w1", 3));
  expect(events.at(-1)).toEqual({ kind: "resync", why: "gap" });
  first.tell({ kind: "resync", id: "w1", sequence: 9, why: "overflow" }, changed("w1", 10));
  expect(events.slice(-2).map(({ kind }) => kind)).toEqual(["resync", "changed"]);
  first.drop();
  const second = await socket(2);
  const restarted = { kind: "resync", id: "w1", sequence: 0, why: "restarted" };
  second.tell({ kind: "hello" }, subscribed("w1", 0, "e2"), restarted, changed("w1", 1));
  expect(events.slice(-3).map(({ kind }) => kind)).toEqual(["back", "resync", "changed"]);
});

it("a directory that is gone and one that is refused are told once, and the rest goes on", async () => {
  const watches = new Watches(ticket);
  const [gone, refused, rest] = [heard(), heard(), heard()];
  watches.watch("Notes", "gone", gone.watcher);
  watches.watch("Notes", "refused", refused.watcher);
  const stop = watches.watch("Notes", "", rest.watcher);
  const only = await socket(1);
  only.tell({ kind: "hello" }, subscribed("w1"), subscribed("w3"));
  only.tell({ kind: "refused", id: "w2", denial: "folderUnknown", message: "Not shared." });
  only.tell({ kind: "gone", id: "w1", why: "removed" }, changed("w1", 1), changed("w3", 1));
  expect(gone.events).toEqual([{ kind: "ready" }, { kind: "gone", why: "removed" }]);
  expect(refused.events).toMatchObject([{ kind: "refused", error: { code: "folderUnknown" } }]);
  expect(rest.events.length).toBe(2);
  stop();
  expect(only.readyState).toBe(3);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(FakeSocket.all.length).toBe(1);
});

it("a connection that ended without a word is noticed", async () => {
  const watches = new Watches(ticket);
  const { events, watcher } = heard();
  watches.watch("Notes", "", watcher);
  const first = await socket(1);
  first.tell({ kind: "hello" }, subscribed("w1"));
  await vi.advanceTimersByTimeAsync(30_000);
  expect(first.said.at(-1)).toEqual({ action: "ping" });
  first.tell({ kind: "pong" });
  await vi.advanceTimersByTimeAsync(30_000);
  expect(FakeSocket.all.length).toBe(1);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(FakeSocket.all.length).toBe(2);
  expect(events.at(-1)).toEqual({ kind: "lost" });
  expect(first.readyState).toBe(3);
});

it("events come back by themselves, later and later, and at once when it is known that they can", async () => {
  const ended = vi.fn();
  const events = new Events({ ticket, ended });
  const kinds: string[] = [];
  const stop = events.listen(({ kind }) => kinds.push(kind));
  const first = await socket(1);
  first.tell({ kind: "hello" });
  first.drop();
  await vi.advanceTimersByTimeAsync(999);
  expect(FakeSocket.all.length).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  (await socket(2)).drop();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(FakeSocket.all.length).toBe(2);
  events.soon();
  const third = await socket(3);
  third.tell({ kind: "hello" }, { kind: "pairing.revoked" });
  expect(kinds).toEqual(["hello", "hello", "pairing.revoked"]);
  expect(ended).toHaveBeenCalledOnce();
  stop();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(FakeSocket.all.length).toBe(3);
});
