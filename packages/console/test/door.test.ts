import { describe, expect, it, vi } from "vitest";
import { Denied, denialOf, troubleOf } from "../src/denial";
import { Door, type Surroundings } from "../src/door";

const KEYS = { proof: "proof-1", csrf: "csrf-1", content: "http://127.0.0.1:2" };
const TICKET = "t".repeat(43);

type Answer = { status?: number; body: unknown };

/** Of a list, one answer after the other; the last stays. */
function scene(
  hash: string,
  answers: Record<string, Answer | Error | Answer[]>,
  stored: object | null = null,
) {
  const shelf = new Map<string, string>();
  if (stored) shelf.set("doorward.keys", JSON.stringify(stored));
  const asked: { path: string; init: RequestInit; headers: Headers }[] = [];
  let active = false;
  const around: Surroundings = {
    fetch: async (path, init = {}) => {
      asked.push({ path, init, headers: new Headers(init.headers) });
      const known = answers[`${init.method} ${path}`];
      const answer = Array.isArray(known) && known.length > 1 ? known.shift() : [known].flat()[0];
      if (!answer || answer instanceof Error) throw answer ?? new TypeError("failed to fetch");
      return new Response(JSON.stringify(answer.body), { status: answer.status ?? 200 });
    },
    storage: {
      getItem: (name) => shelf.get(name) ?? null,
      setItem: (name, value) => void shelf.set(name, value),
      removeItem: (name) => void shelf.delete(name),
    },
    hash: () => hash,
    cleanHash: vi.fn(),
    active: () => {
      const was = active;
      active = false;
      return was;
    },
  };
  return { door: new Door(around), around, asked, shelf, touch: () => (active = true) };
}

const CLAIMED = { body: { ...KEYS, session: {} } };
const STATE = { body: { content: KEYS.content } };
const OVER = {
  status: 401,
  body: { denial: "browserSessionExpired", message: "It ended.", requestId: "r_1" },
};

describe("opening", () => {
  it("trades the ticket and keeps the keys for this tab", async () => {
    const { door, around, asked, shelf } = scene(`#ticket=${TICKET}`, { "POST /api/session/claim": CLAIMED });
    expect(await door.open()).toEqual({ open: true });
    expect(around.cleanHash).toHaveBeenCalledOnce();
    expect(asked[0]?.init.body).toBe(JSON.stringify({ ticket: TICKET }));
    expect(asked[0]?.headers.has("x-doorward-proof")).toBe(false);
    expect(JSON.parse(shelf.get("doorward.keys") ?? "")).toEqual(KEYS);
    expect(door.content).toBe(KEYS.content);
  });

  it("takes the ticket out of the address before the first await", () => {
    const { door, around } = scene(`#ticket=${TICKET}`, {});
    void door.open();
    expect(around.cleanHash).toHaveBeenCalledOnce();
  });

  it("leaves other fragments alone", async () => {
    const { door, around } = scene("#/media/pictures/", {});
    expect(await door.open()).toEqual({ open: false, cause: null });
    expect(around.cleanHash).not.toHaveBeenCalled();
  });

  it("uses a stored proof that still works instead of the ticket", async () => {
    const { door, asked } = scene(`#ticket=${TICKET}`, { "GET /api/state": STATE }, KEYS);
    expect(await door.open()).toEqual({ open: true });
    expect(asked.map((one) => one.path)).toEqual(["/api/state"]);
    expect(asked[0]?.headers.get("x-doorward-proof")).toBe("proof-1");
  });

  it("drops a stored proof that is over, and tries the ticket", async () => {
    const answers = { "GET /api/state": OVER, "POST /api/session/claim": CLAIMED };
    const { door } = scene(`#ticket=${TICKET}`, answers, { ...KEYS, proof: "old" });
    expect(await door.open()).toEqual({ open: true });
  });

  it("stays outside when the stored proof is over and there is no ticket", async () => {
    const { door, shelf } = scene("", { "GET /api/state": OVER }, KEYS);
    expect((await door.open()).open).toBe(false);
    expect(shelf.size).toBe(0);
  });

  it("keeps the proof while the daemon is merely away", async () => {
    const { door, shelf } = scene("", { "GET /api/state": new TypeError("refused") }, KEYS);
    expect(await door.open()).toEqual({ open: true });
    expect(shelf.size).toBe(1);
  });

  it("says why a ticket was refused", async () => {
    const refused = { status: 403, body: { denial: "ticketInvalid", message: "Used.", requestId: "r_2" } };
    const { door } = scene(`#ticket=${TICKET}`, { "POST /api/session/claim": refused });
    const opening = await door.open();
    expect(opening).toMatchObject({ open: false, cause: { denial: "ticketInvalid", status: 403 } });
  });

  it("ignores storage that holds something else", async () => {
    const { door } = scene("", {}, { proof: 7 });
    expect(await door.open()).toEqual({ open: false, cause: null });
  });
});

describe("calling", () => {
  it("sends proof always, CSRF on changes only, and activity once after real input", async () => {
    const answers = { "GET /api/state": STATE, "GET /api/x": { body: 1 }, "POST /api/y": { body: 2 } };
    const { door, asked, touch } = scene("", answers, KEYS);
    await door.open();
    touch();
    await door.read("/api/x");
    await door.post("/api/y", { a: 1 });
    const [, get, post] = asked;
    expect(get?.headers.get("x-doorward-proof")).toBe("proof-1");
    expect(get?.headers.has("x-csrf-token")).toBe(false);
    expect(get?.headers.get("x-doorward-active")).toBe("1");
    expect(post?.headers.get("x-csrf-token")).toBe("csrf-1");
    expect(post?.headers.get("content-type")).toBe("application/json");
    expect(post?.headers.has("x-doorward-active")).toBe(false);
    expect(post?.init).toMatchObject({ cache: "no-store", redirect: "error" });
  });

  it("never counts the event stream as activity", async () => {
    const { door, asked, touch } = scene(
      "",
      { "GET /api/state": STATE, "GET /api/events": { body: "" } },
      KEYS,
    );
    await door.open();
    touch();
    await door.stream("/api/events", "41", new AbortController().signal);
    expect(asked[1]?.headers.get("last-event-id")).toBe("41");
    expect(asked[1]?.headers.has("x-doorward-active")).toBe(false);
  });

  it("forgets the session when the daemon says it is over, and tells once", async () => {
    const { door, shelf } = scene("", { "GET /api/state": STATE, "GET /api/x": OVER }, KEYS);
    const over = vi.fn();
    door.onOver(over);
    await door.open();
    await expect(door.read("/api/x")).rejects.toMatchObject({ denial: "browserSessionExpired" });
    await expect(door.read("/api/x")).rejects.toBeInstanceOf(Denied);
    expect(over).toHaveBeenCalledOnce();
    expect(shelf.size).toBe(0);
  });

  it("keeps the session on any other refusal", async () => {
    const busy = {
      status: 429,
      body: { denial: "rateLimited", message: "Slow.", requestId: "r", retryAfterMs: 900 },
    };
    const { door, shelf } = scene("", { "GET /api/state": STATE, "GET /api/x": busy }, KEYS);
    await door.open();
    await expect(door.read("/api/x")).rejects.toMatchObject({ retryAfterMs: 900, status: 429 });
    expect(shelf.size).toBe(1);
  });
});

describe("a session that gets a new id", () => {
  const TURNED = { body: { csrf: "csrf-2", state: {} } };
  const OLD_TOKEN = { status: 403, body: { denial: "csrfMismatch", message: "No.", requestId: "r_3" } };

  it("takes its new token from the answer, and keeps it for this tab", async () => {
    const { door, asked, shelf } = scene(
      "",
      { "GET /api/state": STATE, "POST /in": TURNED, "POST /y": { body: 1 } },
      KEYS,
    );
    await door.open();
    expect(await door.turn("/in", { account: "a" })).toEqual(TURNED.body);
    await door.post("/y");
    expect(asked.at(-1)?.headers.get("x-csrf-token")).toBe("csrf-2");
    expect(JSON.parse(shelf.get("doorward.keys") ?? "")).toEqual({ ...KEYS, csrf: "csrf-2" });
  });

  it("keeps the token where the answer brings none", async () => {
    const answers = { "GET /api/state": STATE, "POST /in": { body: { csrf: null } }, "POST /y": { body: 1 } };
    const { door, asked } = scene("", answers, KEYS);
    await door.open();
    await door.turn("/in", {});
    await door.post("/y");
    expect(asked.at(-1)?.headers.get("x-csrf-token")).toBe("csrf-1");
  });

  it("asks once more what was under way with the id before", async () => {
    const answers = { "GET /api/state": STATE, "GET /x": [OVER, { body: 7 }] };
    const { door, asked, shelf } = scene("", answers, KEYS);
    await door.open();
    expect(await door.read("/x")).toBe(7);
    expect(asked.map((one) => one.path)).toEqual(["/api/state", "/x", "/x"]);
    expect(shelf.size).toBe(1);
  });

  it("waits for the new token before it asks once more", async () => {
    const { door, around, asked } = scene(
      "",
      { "GET /api/state": STATE, "POST /y": [OLD_TOKEN, { body: 1 }] },
      KEYS,
    );
    await door.open();
    let answer = (_: Response): void => {};
    const plain = around.fetch;
    around.fetch = (path, init) =>
      path === "/in" ? new Promise<Response>((done) => (answer = done)) : plain(path, init);
    const turning = door.turn("/in", {});
    const posted = door.post("/y");
    await vi.waitFor(() => expect(asked.length).toBe(2));
    answer(new Response(JSON.stringify(TURNED.body)));
    await turning;
    expect(await posted).toBe(1);
    expect(asked.map((one) => one.headers.get("x-csrf-token"))).toEqual([null, "csrf-1", "csrf-2"]);
  });

  it("is not asked again for a token that is merely wrong", async () => {
    const { door, asked } = scene("", { "GET /api/state": STATE, "POST /y": OLD_TOKEN }, KEYS);
    await door.open();
    await expect(door.post("/y")).rejects.toMatchObject({ denial: "csrfMismatch" });
    expect(asked.length).toBe(2);
  });

  it("does not wait for itself, and is over where the answer stays", async () => {
    const { door, shelf } = scene("", { "GET /api/state": STATE, "POST /in": OVER }, KEYS);
    await door.open();
    await expect(door.turn("/in", {})).rejects.toMatchObject({ denial: "browserSessionExpired" });
    expect(shelf.size).toBe(0);
  });

  it("stays where a gateway wants somebody to sign in", async () => {
    const answers = {
      "GET /api/state": STATE,
      "GET /caps": { status: 401, body: { denial: "unauthenticated", message: "Sign in." } },
    };
    const { door, shelf } = scene("", answers, KEYS);
    await door.open();
    await expect(door.read("/caps")).rejects.toMatchObject({ denial: "unauthenticated" });
    expect(shelf.size).toBe(1);
  });
});

describe("denials", () => {
  it("makes one of an answer that is not ours", async () => {
    const denial = await denialOf(new Response("<h1>no</h1>", { status: 502 }));
    expect(denial).toMatchObject({ denial: "http502", status: 502, requestId: null });
  });

  it("says since when, and for how long", async () => {
    const inUse = { denial: "sessionAlreadyInUse", message: "It is in use.", since: "2026-11-24T12:00:00Z" };
    const denial = await denialOf(new Response(JSON.stringify(inUse), { status: 409 }));
    expect(troubleOf(denial, "You were not signed in").why).toMatch(
      /^It is in use since \d\d:\d\d \(sessionAlreadyInUse\)$/,
    );
    const locked = new Denied(429, "lockedOut", "Too many.", null, 32_000);
    expect(troubleOf(locked, "x").advice).toBe("Wait 32 s, then try again.");
  });

  it("says what happened, why and what to do", () => {
    const trouble = troubleOf(new Denied(403, "sourceNotAllowed", "Not here."), "It was not added");
    expect(trouble).toEqual({
      what: "It was not added",
      why: "Not here (sourceNotAllowed)",
      advice: "Name the source when the daemon starts:",
      command: "doorward serve SOURCE",
    });
  });
});
