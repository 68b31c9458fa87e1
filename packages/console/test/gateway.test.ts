// The panel's acts against a daemon that answers as the room does: what is sent, and what is kept of the answers.

import type { VNode } from "preact";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type {
  CallResultVm,
  CapVm,
  LauncherVm,
  LaunchVm,
  OperationVm,
  SessionVm,
  StateVm,
} from "../src/operator/wire";

const shelf = new Map([
  ["doorward.keys", JSON.stringify({ proof: "p", csrf: "c", content: "http://127.0.0.1:2" })],
]);
const asked: { what: string; body: unknown }[] = [];
let answers: Record<string, unknown> = {};

vi.stubGlobal("sessionStorage", {
  getItem: (name: string) => shelf.get(name) ?? null,
  setItem: (name: string, value: string) => shelf.set(name, value),
  removeItem: (name: string) => shelf.delete(name),
});
vi.stubGlobal("location", { hash: "", pathname: "/" });
vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
  const what = `${init.method} ${path.replace("/api/operator", "")}`;
  asked.push({ what, body: init.body ? JSON.parse(String(init.body)) : null });
  const answer = answers[what] ?? denied(404, "unknownRoute");
  return answer instanceof Response ? answer.clone() : new Response(JSON.stringify(answer));
});

const denied = (status: number, denial: string): Response =>
  new Response(JSON.stringify({ denial, message: "No.", requestId: "r_1" }), { status });

const { door, listMore, live, said, unlisted } = await import("../src/house");
const store = await import("../src/operator/store");
const calls = await import("../src/operator/calls");
const { Result } = await import("../src/operator/result");

const operation = (name: string, effect: OperationVm["effect"]): OperationVm => ({
  name,
  label: `Do ${name}`,
  effect,
  fields: [
    { name: "name", label: "Name", kind: "line", required: true, least: null, most: 64, choices: [] },
    { name: "pin", label: "Pin", kind: "secret", required: false, least: null, most: 64, choices: [] },
  ],
});

const notes = (ref: string): CapVm => ({
  ref,
  name: "notes",
  contractLabel: "Notes",
  operations: [operation("get", "read"), operation("delete", "destructive")],
  leaseExpiresAt: null,
});

const state = (change: Partial<StateVm> = {}): StateVm => ({
  owner: { state: "mine", since: "2026-11-24T12:00:00Z" },
  gateway: { name: "lab", kind: "capnp", methods: [] },
  gateways: [{ name: "lab", kind: "capnp" }],
  session: {
    profile: "operator",
    principalLabel: "ada",
    authStrength: "password",
    expiresAt: null,
    renewal: null,
  },
  step: null,
  caps: [notes("c_1")],
  ...change,
});

const free = (): StateVm => state({ owner: { state: "free", since: null }, session: null, caps: [] });

const done = (text: string) => ({
  requestId: "r",
  shape: "text",
  text,
  fields: [],
  columns: [],
  rows: [],
  truncated: false,
});

const sent = (what: string): unknown[] => asked.filter((one) => one.what === what).map(({ body }) => body);

beforeEach(async () => {
  answers = { "GET /api/state": { content: "http://127.0.0.1:2" }, "GET /state": free() };
  await door.open();
  await store.loadOperator();
  answers["GET /state"] = state();
  await store.loadOperator();
  asked.length = 0;
  store.ended.value = null;
});

describe("operations", () => {
  const [cap] = state().caps as [CapVm];
  const [get, remove] = cap.operations as [OperationVm, OperationVm];

  it("are sent by alias and name, and their answer stays beside them", async () => {
    answers["POST /call"] = done("tea");
    calls.run(cap, get, { name: "a" });
    await vi.waitFor(() => expect(calls.results.value.get("c_1 get")?.result?.text).toBe("tea"));
    expect(sent("POST /call")).toEqual([
      { ref: "c_1", operation: "get", fields: { name: "a" }, confirmed: false },
    ]);
  });

  it("that cannot be undone ask once, and hide what is secret in the question", async () => {
    answers["POST /call"] = done("");
    calls.run(cap, remove, { name: "a", pin: "4711" });
    expect(sent("POST /call")).toEqual([]);
    const question = calls.question.value;
    expect(question?.text).toBe("Notes (notes) · Name: a · Pin: (hidden)");
    question?.act();
    await vi.waitFor(() => expect(calls.results.value.get("c_1 delete")?.busy).toBe(false));
    expect(sent("POST /call")).toMatchObject([{ operation: "delete", confirmed: true }]);
  });

  it("that are denied say so in words, and look again where the session may be gone", async () => {
    answers["POST /call"] = denied(410, "staleSession");
    answers["GET /state"] = free();
    calls.run(cap, get, { name: "a" });
    await vi.waitFor(() => expect(store.operator.value?.session).toBeNull());
    expect(store.ended.value).toBe("it is not known why");
    // Nothing of the session that is over is left.
    expect(calls.results.value.size).toBe(0);
  });

  it("that are commands say it if they ended with anything but 0", async () => {
    const ended = (name: string, value: string): unknown => ({
      ...done(""),
      shape: "fields",
      fields: [{ name, value }],
    });
    const of = (kind: string): StateVm => state({ gateway: { name: "lab", kind, methods: [] } });
    for (const [kind, name, value, text, bad] of [
      ["ssh", "exit", "1", "Do get: it ended with 1.", true],
      ["ssh", "signal", "KILL", "Do get: it ended with KILL.", true],
      ["ssh", "exit", "0", "Do get: done.", false],
      // Elsewhere such a field is anything.
      ["capnp", "exit", "1", "Do get: done.", false],
    ] as const) {
      answers["GET /state"] = of(kind);
      await store.loadOperator();
      answers["POST /call"] = ended(name, value);
      calls.run(cap, get, { name: "a" });
      await vi.waitFor(() => expect(said.value).toMatchObject({ text, bad }));
    }
  });

  it("keep their answers as long as the session is the same one", async () => {
    answers["POST /call"] = denied(403, "methodDenied");
    calls.run(cap, get, { name: "a" });
    await vi.waitFor(() =>
      expect(calls.results.value.get("c_1 get")?.trouble?.why).toBe("No (methodDenied)"),
    );
    answers["GET /state"] = state({ caps: [notes("c_1"), notes("c_2")] });
    await store.loadOperator();
    expect(calls.results.value.size).toBe(1);
    answers["GET /state"] = state({ caps: [notes("c_9")] });
    await store.loadOperator();
    expect(calls.results.value.size).toBe(0);
  });
});

describe("launch profiles", () => {
  const launcher: LauncherVm = {
    profile: "echo",
    label: "Echo",
    summary: "Says everything back.",
    supported: true,
    status: "stopped",
    grants: [{ name: "log", label: "Log", required: true }],
  };
  const told = (status: string): LaunchVm => ({
    requestId: "r",
    profile: "echo",
    status,
    supported: true,
    message: "It can.",
    grants: status === "running" ? ["log"] : [],
  });

  it("are probed, then launched with what they are given; lists are read again then", async () => {
    answers["POST /launch/probe"] = told("stopped");
    await calls.probe(launcher);
    expect(calls.launches.value.get("echo")?.result?.supported).toBe(true);
    answers["POST /launch/start"] = told("running");
    answers["GET /caps"] = { caps: [notes("c_1"), notes("c_3")] };
    answers["GET /launchers"] = { launchers: [{ ...launcher, status: "running" }] };
    await calls.launch(launcher, ["log"]);
    expect(sent("POST /launch/probe")).toEqual([{ profile: "echo" }]);
    expect(sent("POST /launch/start")).toEqual([{ profile: "echo", grants: ["log"] }]);
    expect(calls.launches.value.get("echo")?.result?.grants).toEqual(["log"]);
    await vi.waitFor(() => expect(calls.launchers.value?.result?.[0]?.status).toBe("running"));
    await vi.waitFor(() => expect(store.operator.value?.caps).toHaveLength(2));
  });

  it("are told anew once the list says that something else became of them", async () => {
    answers["POST /launch/start"] = told("running");
    answers["GET /launchers"] = { launchers: [{ ...launcher, status: "running" }] };
    await calls.launch(launcher, ["log"]);
    await vi.waitFor(() => expect(calls.launchers.value?.result?.[0]?.status).toBe("running"));
    expect(calls.launches.value.get("echo")?.result?.grants).toEqual(["log"]);
    // Something that changes what is there is done: it may have been that.
    answers["GET /launchers"] = { launchers: [{ ...launcher, status: "stopped" }] };
    answers["POST /call"] = done("");
    const [cap] = state().caps as [CapVm];
    const [get, remove] = cap.operations as [OperationVm, OperationVm];
    calls.run(cap, get, { name: "a" });
    await vi.waitFor(() => expect(calls.results.value.get("c_1 get")?.busy).toBe(false));
    expect(calls.launches.value.size).toBe(1);
    calls.run(cap, remove, { name: "echo" });
    calls.question.value?.act();
    await vi.waitFor(() => expect(calls.launchers.value?.result?.[0]?.status).toBe("stopped"));
    expect(calls.launches.value.size).toBe(0);
  });

  it("whose list never says whether they run keep what was told", async () => {
    answers["GET /launchers"] = { launchers: [{ ...launcher, status: "unknown" }] };
    await calls.loadLaunchers();
    answers["POST /launch/start"] = told("started");
    await calls.launch(launcher, []);
    await calls.loadLaunchers();
    expect(calls.launches.value.get("echo")?.result?.status).toBe("started");
  });

  it("that are denied offer nothing to launch", async () => {
    answers["POST /launch/probe"] = denied(503, "serviceUnavailable");
    await calls.probe(launcher);
    const answered = calls.launches.value.get("echo");
    expect([answered?.result, answered?.trouble?.what]).toEqual([null, "Echo was not probed"]);
  });
});

describe("more time", () => {
  it("is asked for with the password, if there is one, and said to be given", async () => {
    answers["POST /session/renew"] = state();
    expect(await store.renew(600, "right")).toBeNull();
    expect(await store.renew(600, "")).toBeNull();
    expect(sent("POST /session/renew")).toEqual([{ seconds: 600, proof: "right" }, { seconds: 600 }]);
  });

  it("is signed for where a step is asked, and a wrong answer is told and looked after", async () => {
    const renewal = { prompt: "Sign this", secret: false, challenge: "Y2hhbGxlbmdl" };
    const session = state().session as SessionVm;
    answers["POST /session/renew"] = state({ session: { ...session, renewal } });
    expect(await store.renew(600, "")).toBeNull();
    expect(store.operator.value?.session?.renewal).toEqual(renewal);
    expect(said.value?.text).toBe("The gateway asks for one more thing.");
    answers["POST /session/renew/step"] = state();
    expect(await store.answerRenewal({ answer: "c2ln" })).toBeNull();
    expect(sent("POST /session/renew/step")).toEqual([{ answer: "c2ln" }]);
    expect(store.operator.value?.session?.renewal).toBeNull();
    expect(said.value?.text).toBe("The session was given more time.");
    // A wrong answer took the step with it.
    expect(await store.renew(600, "")).toBeNull();
    answers["POST /session/renew/step"] = denied(403, "authenticationDenied");
    answers["GET /state"] = state();
    expect((await store.answerRenewal({ answer: "x" }))?.what).toBe("The session was not given more time");
    await vi.waitFor(() => expect(store.operator.value?.session?.renewal).toBeNull());
  });

  it("is given up where a step waits", async () => {
    answers["POST /session/renew/cancel"] = { cancelled: true };
    answers["GET /state"] = state();
    await store.giveUpRenewal();
    expect(sent("POST /session/renew/cancel")).toHaveLength(1);
    expect(said.value?.text).toBe("Gave up asking for more time.");
    answers["POST /session/renew/cancel"] = denied(502, "upstreamDisconnected");
    answers["GET /state"] = free();
    await store.giveUpRenewal();
    expect(said.value).toMatchObject({ bad: true });
    expect(store.operator.value?.session).toBeNull();
  });

  it("that is never given says what to do instead; a wrong password says its own", async () => {
    answers["POST /session/renew"] = denied(403, "methodDenied");
    expect(await store.renew(600, "")).toMatchObject({
      what: "The session was not given more time",
      advice: expect.stringContaining("Sign in again once the session is over."),
    });
    answers["POST /session/renew"] = denied(403, "authenticationDenied");
    expect((await store.renew(600, "wrong"))?.advice).toMatch(/^Check the account/);
  });
});

describe("whose the gateway is", () => {
  it("is told when another browser gives it back", async () => {
    answers["GET /state"] = state({
      owner: { state: "inUse", since: "2026-11-24T12:00:00Z" },
      session: null,
      caps: [],
    });
    await store.loadOperator();
    answers["GET /state"] = free();
    await store.loadOperator();
    expect(said.value?.text).toBe("The gateway is free.");
  });

  it("says why a session ended, but not after one's own sign-out", async () => {
    answers["POST /logout"] = { ended: true };
    answers["GET /state"] = free();
    await store.leave();
    expect([store.operator.value?.session, store.ended.value]).toEqual([null, null]);
    answers["GET /state"] = state();
    await store.loadOperator();
    store.rows.value = [
      {
        seq: 1,
        at: "2026-11-24T12:00:00Z",
        kind: "end",
        summary: "the session's time was over",
        outcome: "ok",
      },
    ];
    answers["GET /state"] = free();
    await store.loadOperator();
    expect(store.ended.value).toBe("the session's time was over");
    store.rows.value = [];
  });

  it("keeps quiet about one's own sign-out, whichever answer tells of it first", async () => {
    answers["POST /logout"] = { ended: true };
    answers["GET /state"] = free();
    const plain = globalThis.fetch;
    const looks: ((answer: Response) => void)[] = [];
    vi.stubGlobal("fetch", (path: string, init: RequestInit) =>
      path.endsWith("/state") ? new Promise<Response>((arrive) => looks.push(arrive)) : plain(path, init),
    );
    const leaving = store.leave();
    await vi.waitFor(() => expect(looks).toHaveLength(1));
    // The event comes while the look after the sign-out is under way: that one counts for nothing then.
    const event = store.loadOperator();
    for (const [look, done] of [
      [looks[0], leaving],
      [looks[1], event],
    ] as const) {
      look?.(new Response(JSON.stringify(free())));
      await done;
    }
    vi.stubGlobal("fetch", plain);
    expect([store.operator.value?.session, store.ended.value]).toEqual([null, null]);
  });

  it("lets the answer of a sign-in count for more than what was asked before it", async () => {
    let late = (_: Response): void => {};
    const slow = new Promise<Response>((arrive) => {
      late = arrive;
    });
    answers["GET /state"] = free();
    await store.loadOperator();
    const plain = globalThis.fetch;
    vi.stubGlobal("fetch", (path: string, init: RequestInit) =>
      path.endsWith("/state") ? slow : plain(path, init),
    );
    const asking = store.loadOperator();
    answers["POST /login/password"] = { state: state(), csrf: "c2" };
    expect(await store.signIn("password", { account: "ada", password: "x" })).toBe(true);
    late(new Response(JSON.stringify(free())));
    await asking;
    expect(store.operator.value?.session?.principalLabel).toBe("ada");
    expect(JSON.parse(shelf.get("doorward.keys") ?? "").csrf).toBe("c2");
    vi.stubGlobal("fetch", plain);
  });
});

/** What parts without a state of their own come to. */
function drawn(of: unknown): string {
  if (Array.isArray(of)) return of.map(drawn).join("");
  if (typeof of !== "object" || of === null) return typeof of === "string" ? of : "";
  const { type, props } = of as VNode<{ children?: unknown }>;
  if (typeof type === "function") return drawn((type as (props: unknown) => unknown)(props));
  return `<${type}>${drawn(props.children)}</${type}>`;
}

describe("a table of a gateway", () => {
  it("tells no value from an empty text, and from the word for it", () => {
    const result: CallResultVm = {
      requestId: "r",
      shape: "table",
      text: null,
      fields: [],
      columns: ["a", "b", "c"],
      rows: [[null, "", "NULL"]],
      truncated: false,
    };
    const answered = { busy: false, result, trouble: null, at: 0 };
    const shown = drawn(Result({ label: "Rows", answered }));
    expect(shown).toContain("<td><em>NULL</em></td><td></td><td>NULL</td>");
  });
});

describe("URLs in use", () => {
  const grant = (id: string) => ({ id, bytes: 0, streams: 0, expiresAt: "2999-01-01T00:00:00Z" });
  const FIRST = "GET /api/grants?active=true";

  it("are listed a page more at a time, and the rest is counted", async () => {
    answers = {
      [FIRST]: { grants: [grant("a")], total: 4, next: "a" },
      [`${FIRST}&after=a`]: { grants: [grant("b")], total: 4, next: "b" },
    };
    await listMore();
    expect([[...live.value.keys()], unlisted.value]).toEqual([["a", "b"], 2]);
    // What could not be read leaves what is there.
    await listMore();
    expect([[...live.value.keys()], unlisted.value]).toEqual([["a", "b"], 2]);
    expect(said.value?.text).toMatch(/^The other URLs were not listed/);
    answers[`${FIRST}&after=b`] = { grants: [grant("c"), grant("d")], total: 4, next: null };
    await listMore();
    expect([[...live.value.keys()], unlisted.value]).toEqual([["a", "b", "c", "d"], 0]);
  });
});
