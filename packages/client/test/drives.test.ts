// Folders, against a stand-in that loses connections, forgets and refuses at the worst moment.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { connect, type Door } from "../src/door.js";
import type { Entry } from "../src/entry.js";
import { Conflict } from "../src/errors.js";
import type { ToldJob } from "../src/jobs.js";
import type { UploadProgress } from "../src/upload.js";
import { type Answer, type Heard, runName, StandIn, storeWith } from "./standin.js";

const CHUNK = 4;

const entry = (path: string, more: Partial<Entry> = {}): Entry => ({
  name: path.split("/").at(-1) ?? "",
  path,
  kind: "file",
  size: 10,
  modifiedAt: "2026-01-02T03:04:05.000Z",
  createdAt: null,
  hidden: false,
  readOnly: false,
  mediaType: null,
  etag: '"1"',
  ...more,
});

/** Uploads as a companion keeps them. `trouble` may answer first, and `lose` loses the answer. */
class Shelf {
  readonly files = new Map<string, string>();
  readonly dates = new Map<string, string>();
  readonly parts = new Map<string, { path: string; size: number; bytes: string }>();
  trouble: (request: Heard) => Partial<Answer> | "drop" | undefined = () => undefined;
  lose: (request: Heard) => boolean = () => false;
  #count = 0;

  act = (request: Heard): Partial<Answer> | "drop" | undefined => {
    const before = this.trouble(request);
    if (before) return before;
    const answer = this.#answer(request);
    return this.lose(request) ? "drop" : answer;
  };

  #answer({ method, url, body, headers }: Heard): Partial<Answer> {
    const [path = "", query = ""] = url.split("?");
    const refused = (status: number, denial: string, more = {}) => ({
      status,
      body: { denial, message: "", ...more },
    });
    if (path === "/drives/Notes/uploads") {
      const wanted = JSON.parse(body);
      if (wanted.onConflict === "fail" && this.files.has(wanted.path)) {
        const infos = { existing: entry(wanted.path), incoming: { path: wanted.path, size: wanted.size } };
        return refused(409, "alreadyExists", infos);
      }
      this.#count += 1;
      this.parts.set(`u${this.#count}`, { path: wanted.path, size: wanted.size, bytes: "" });
      return {
        status: 201,
        body: { id: `u${this.#count}`, offset: 0, size: wanted.size, chunkBytes: CHUNK },
      };
    }
    if (path === "/drives/Notes/info") {
      const name = decodeURIComponent(query.split("path=")[1] ?? "");
      const size = this.files.get(name)?.length;
      const modifiedAt = this.dates.get(name) ?? null;
      return size === undefined ? refused(404, "pathUnknown") : { body: entry(name, { size, modifiedAt }) };
    }
    const [, id = "", finish] = /^\/drives\/uploads\/(\w+)(\/finish)?$/.exec(path) ?? [];
    const part = this.parts.get(id);
    if (!part) return refused(404, "uploadUnknown");
    const view = () => ({ id, offset: part.bytes.length, size: part.size, chunkBytes: CHUNK });
    if (method === "DELETE") {
      this.parts.delete(id);
      return { body: { ended: true } };
    }
    if (finish) {
      if (part.bytes.length !== part.size)
        return refused(409, "uploadIncomplete", { offset: part.bytes.length });
      this.files.set(part.path, part.bytes);
      this.dates.set(part.path, new Date().toISOString());
      this.parts.delete(id);
      return { status: 201, body: entry(part.path, { size: part.size }) };
    }
    if (method === "PUT") {
      if (Number(headers["x-doorward-offset"]) !== part.bytes.length) {
        return refused(409, "offsetMismatch", { offset: part.bytes.length });
      }
      part.bytes += body;
    }
    return { body: view() };
  }
}

let companion: StandIn;
let shelf: Shelf;
let door: Door;

beforeEach(async () => {
  vi.stubGlobal("location", { origin: "https://app.example", hostname: "app.example" });
  // Events have a test of their own; here nobody tells.
  vi.stubGlobal("WebSocket", class {});
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"], now: Date.now() });
  companion = await StandIn.start();
  shelf = new Shelf();
  companion.act = shelf.act;
  door = await connect({ ports: [companion.port], store: await storeWith("key") });
});
afterEach(() => {
  companion.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const send = (words: string, more = {}) => {
  const states: UploadProgress[] = [];
  const onProgress = (progress: UploadProgress) => states.push(progress);
  const upload = door.drives.upload("Notes", "a b/c.txt", new Blob([words]), { onProgress, ...more });
  return { upload, states, told: () => states.map(({ state, sent }) => `${state} ${sent}`) };
};
/** Waits, and every pause between two tries is over at once. */
const settled = async <T>(promise: Promise<T>): Promise<T> => {
  let over = false;
  const end = () => {
    over = true;
  };
  promise.then(end, end);
  while (!over) {
    await vi.advanceTimersByTimeAsync(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return promise;
};
const puts = () => companion.signed.filter(({ method }) => method === "PUT");

it("what a directory holds comes page by page, and one by one", async () => {
  companion.act = ({ url }) =>
    url.includes("after=x")
      ? { body: { path: "", entries: [entry("c")], next: null, total: 3 } }
      : { body: { path: "", entries: [entry("a"), entry("b")], next: "x", total: 3 } };
  const names = [];
  for await (const { name } of door.drives.list("My Notes", "a b", { sort: "size", order: "desc" }))
    names.push(name);
  expect(names).toEqual(["a", "b", "c"]);
  const url = "/drives/My%20Notes/list?path=a%20b&sort=size&order=desc";
  expect(companion.signed.map((one) => one.url)).toEqual([url, `${url}&after=x`]);
});

it("a search that is given up is over", async () => {
  const stop = new AbortController();
  companion.act = () => {
    stop.abort();
    return "drop";
  };
  const found = door.drives.search("Notes", "x&y", { signal: stop.signal });
  await expect(found).rejects.toMatchObject({ name: "AbortError" });
  expect(companion.signed.map(({ url }) => url)).toEqual(["/drives/Notes/search?q=x%26y"]);
});

it("a file goes up in chunks, each where the one before ended", async () => {
  const { upload, told } = send("0123456789", { modifiedAt: new Date(0) });
  expect(await settled(upload.done)).toMatchObject({ path: "a b/c.txt", size: 10 });
  expect(shelf.files.get("a b/c.txt")).toBe("0123456789");
  expect(puts().map(({ headers, body }) => [headers["x-doorward-offset"], body])).toEqual([
    ["0", "0123"],
    ["4", "4567"],
    ["8", "89"],
  ]);
  expect(JSON.parse(companion.signed[0]?.body ?? "")).toEqual({
    path: "a b/c.txt",
    size: 10,
    onConflict: "fail",
    modifiedAt: "1970-01-01T00:00:00.000Z",
  });
  expect(told()).toEqual(["sending 0", "sending 4", "sending 8", "finishing 10", "done 10"]);
});

it("an empty file is a file", async () => {
  await settled(send("").upload.done);
  expect([shelf.files.get("a b/c.txt"), puts().length]).toEqual(["", 0]);
});

it("a chunk whose answer is lost is asked for, and not sent twice", async () => {
  let lost = false;
  shelf.lose = ({ method, headers }) => {
    const now = !lost && method === "PUT" && headers["x-doorward-offset"] === "4";
    lost ||= now;
    return now;
  };
  const { upload, told } = send("0123456789");
  await settled(upload.done);
  expect(shelf.files.get("a b/c.txt")).toBe("0123456789");
  expect(puts().map(({ headers }) => headers["x-doorward-offset"])).toEqual(["0", "4", "8"]);
  expect(told()).toContain("waiting 4");
});

it("a chunk that did not arrive is sent again", async () => {
  let drops = 3;
  shelf.trouble = ({ method }) => (method === "PUT" && drops-- > 0 ? "drop" : undefined);
  await settled(send("0123456789").upload.done);
  expect(shelf.files.get("a b/c.txt")).toBe("0123456789");
});

it("a companion that was started anew goes on where it was", async () => {
  let restarted = false;
  shelf.trouble = ({ instance, method }) => {
    if (method === "PUT" && !restarted) {
      restarted = true;
      companion.instance = runName("B");
    }
    const old = instance !== companion.instance;
    return old ? { status: 401, body: { denial: "instanceChanged", message: "" }, signed: false } : undefined;
  };
  await settled(send("0123456789").upload.done);
  expect(shelf.files.get("a b/c.txt")).toBe("0123456789");
  expect(shelf.parts.size).toBe(0);
});

it("one that no longer knows it hears it from the beginning, a few times", async () => {
  let forgets = 1;
  shelf.trouble = ({ method, headers }) => {
    if (method === "PUT" && headers["x-doorward-offset"] === "4" && forgets-- > 0) shelf.parts.clear();
    return undefined;
  };
  await settled(send("0123456789").upload.done);
  expect(puts().map(({ headers }) => headers["x-doorward-offset"])).toEqual(["0", "4", "0", "4", "8"]);
  forgets = 1_000;
  const { upload } = send("0123456789", { onConflict: "replace" });
  await expect(settled(upload.done)).rejects.toMatchObject({ code: "uploadUnknown" });
});

it("a finish whose answer is lost is not taken for a failure", async () => {
  shelf.lose = ({ url }) => url.includes("/finish");
  expect(await settled(send("0123456789").upload.done)).toMatchObject({ size: 10 });
  expect(companion.signed.filter(({ url }) => url.endsWith("/uploads")).length).toBe(1);
});

it("a finish that was lost with the file is a failure, and an older file of its length is not it", async () => {
  const old = "2020-01-01T00:00:00.000Z";
  shelf.lose = ({ url }) => {
    if (!url.includes("/finish")) return false;
    shelf.files.set("a b/c.txt", "9876543210");
    shelf.dates.set("a b/c.txt", old);
    return true;
  };
  for (const more of [{}, { modifiedAt: new Date("2021-01-01") }]) {
    const { upload } = send("0123456789", { onConflict: "replace", ...more });
    await expect(settled(upload.done)).rejects.toMatchObject({ code: "uploadUnknown" });
  }
});

it("it is given up after many failures, and another visit resumes it", async () => {
  let down = false;
  shelf.trouble = ({ method, headers }) => {
    if (method === "PUT" && headers["x-doorward-offset"] === "4") down = true;
    return down ? { status: 503, body: { denial: "folderBusy", message: "", retryAfterMs: 50 } } : undefined;
  };
  const first = send("0123456789");
  await expect(settled(first.upload.done)).rejects.toMatchObject({ code: "folderBusy" });
  expect(first.upload.id).toBe("u1");
  shelf.trouble = () => undefined;
  companion.heard.length = 0;
  await settled(send("0123456789", { resume: "u1" }).upload.done);
  expect(puts().map(({ body }) => body)).toEqual(["4567", "89"]);
});

it("what is there already is told with both infos", async () => {
  shelf.files.set("a b/c.txt", "old");
  const { upload } = send("new");
  const cause = await settled(upload.done).catch((cause: unknown) => cause);
  expect(cause).toBeInstanceOf(Conflict);
  expect(cause).toMatchObject({
    code: "alreadyExists",
    existing: { path: "a b/c.txt" },
    incoming: { size: 3 },
  });
  await settled(send("new", { onConflict: "replace" }).upload.done);
  expect(shelf.files.get("a b/c.txt")).toBe("new");
  expect(companion.signed.at(-1)?.url).toContain("/finish?onConflict=replace");
});

it("a pause holds it, a cancel leaves nothing", async () => {
  const { upload } = send("0123456789", {
    onProgress: ({ sent, state }: UploadProgress) => {
      if (sent === 4 && state === "sending") upload.pause();
    },
  });
  await vi.waitFor(() => expect(upload.progress.state).toBe("paused"));
  const before = puts().length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(puts().length).toBe(before);
  upload.resume();
  await settled(upload.done);
  expect(shelf.files.size).toBe(1);

  shelf.files.clear();
  const stop = new AbortController();
  shelf.trouble = ({ method }) => {
    if (method === "PUT") stop.abort();
    return undefined;
  };
  await expect(settled(send("0123456789", { signal: stop.signal }).upload.done)).rejects.toMatchObject({
    code: "cancelled",
  });
  expect([shelf.files.size, shelf.parts.size]).toEqual([0, 0]);
});

it("a refusal that does not pass is told at once", async () => {
  shelf.trouble = () => ({ status: 507, body: { denial: "diskFull", message: "No space is left." } });
  await expect(send("0123456789").upload.done).rejects.toMatchObject({ code: "diskFull", status: 507 });
  expect(companion.signed.length).toBe(1);
});

const job = (more: Partial<ToldJob>): ToldJob => ({
  id: "j1",
  kind: "copy",
  state: "running",
  folder: "Notes",
  path: "a",
  doneBytes: 0,
  totalBytes: 10,
  doneFiles: 0,
  totalFiles: 1,
  leftFiles: 0,
  ...more,
});

it("what is quick is done when it answers, what is not is a job that is asked after", async () => {
  companion.act = () => ({ body: entry("b") });
  const quick = await door.drives.copy("Notes", "a", "b");
  expect(await quick.done).toMatchObject({ path: "b" });
  companion.act = () => ({ body: { path: "b", trashed: true } });
  expect(await (await door.drives.remove("Notes", "b")).done).toBeNull();

  let asked = 0;
  companion.act = ({ method, url }) => {
    if (method === "POST" && url.endsWith("/move"))
      return { status: 202, body: { job: job({ kind: "move" }) } };
    if (url !== "/jobs/j1") return { status: 503, body: { denial: "tooManyConnections", message: "" } };
    asked += 1;
    const over = { state: "done", doneBytes: 10, entry: entry("b") } as const;
    return { body: job(asked === 1 ? { doneBytes: 5 } : over) };
  };
  const moved = await door.drives.move("Notes", "a", { folder: "Other", path: "b" });
  const progress: number[] = [];
  moved.subscribe(({ doneBytes }) => progress.push(doneBytes));
  expect(await settled(moved.done)).toMatchObject({ path: "b" });
  expect(progress).toEqual([0, 5, 10]);
});

it("a job that fails says why, one that is cancelled or lost too", async () => {
  const begun = async (later: (method: string) => Partial<Answer>) => {
    companion.act = ({ method, url }) => {
      if (url.endsWith("/delete")) return { status: 202, body: { job: job({ kind: "delete" }) } };
      return url === "/jobs/j1"
        ? later(method)
        : { status: 503, body: { denial: "tooManyConnections", message: "" } };
    };
    return door.drives.remove("Notes", "a", { permanently: true });
  };
  const full = await begun(() => ({ body: job({ state: "failed", denial: "diskFull", message: "Full." }) }));
  await expect(settled(full.done)).rejects.toMatchObject({ code: "diskFull", message: "Full." });
  const gone = await begun(() => ({ status: 404, body: { denial: "jobUnknown", message: "" } }));
  await expect(settled(gone.done)).rejects.toMatchObject({ code: "jobUnknown" });
  const ended = await begun((method) => ({
    body: job({ state: method === "DELETE" ? "running" : "cancelled" }),
  }));
  await ended.cancel();
  await expect(ended.done).rejects.toMatchObject({ code: "cancelled" });
});

it("a URL is asked for once, anew before it ends, after a restart, and of a file that changed", async () => {
  let minted = 0;
  companion.act = ({ body }) => {
    const { paths } = JSON.parse(body) as { paths: string[] };
    const good = paths.filter((path) => path !== "no");
    const grants = good.map((path) => ({
      path,
      id: "g",
      url: `http://127.0.0.1:1/m/${++minted}/${path}`,
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    }));
    const refused = paths.filter((path) => path === "no").map((path) => ({ path, denial: "notAFile" }));
    return { status: 201, body: { grants, refused } };
  };
  const { drives } = door;
  const first = await drives.url("Notes", entry("a"));
  expect(await drives.urls("Notes", [entry("a"), "b", "b", "no"])).toEqual([
    first,
    "http://127.0.0.1:1/m/2/b",
    "http://127.0.0.1:1/m/2/b",
    null,
  ]);
  await expect(drives.url("Notes", "no")).rejects.toMatchObject({ code: "notAFile" });
  expect(minted).toBe(2);
  expect(await drives.url("Notes", entry("a", { etag: '"2"' }))).not.toBe(first);
  drives.forgetUrl("Notes", entry("a"));
  expect(await drives.url("Notes", entry("a"))).not.toBe(first);

  const held: string[] = [];
  const release = drives.hold("Notes", "b", (url) => held.push(url));
  await vi.waitFor(() => expect(held.length).toBe(1));
  await vi.advanceTimersByTimeAsync(50 * 60_000);
  await vi.waitFor(() => expect(held.length).toBe(2));
  release();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(new Set(held).size).toBe(2);

  const before = await drives.url("Notes", entry("a"));
  companion.instance = runName("B");
  await door.retry();
  expect(await drives.url("Notes", entry("a"))).not.toBe(before);
});

it("many URLs are asked for five hundred at a time", async () => {
  companion.act = ({ body }) => {
    const { paths } = JSON.parse(body) as { paths: string[] };
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    return { body: { grants: paths.map((path) => ({ path, url: `u/${path}`, expiresAt })), refused: [] } };
  };
  const urls = await door.drives.urls(
    "Notes",
    Array.from({ length: 1_200 }, (_, at) => `f${at}`),
  );
  expect([urls.length, urls[1_199]]).toEqual([1_200, "u/f1199"]);
  expect(companion.signed.map(({ body }) => JSON.parse(body).paths.length)).toEqual([500, 500, 200]);
});
