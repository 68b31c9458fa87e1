// A daemon with its companion, and a page of another origin that uses the client library.

import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { startDaemon } from "./daemon.js";
import { startForeign } from "./foreign.js";
import { root } from "./places.js";
import { pause } from "./process.js";

const run = promisify(execFile);
let built = null;

/** packages/client as a page gets it: built once for all tests of a file. */
function library() {
  built ??= (async () => {
    const folder = join(root, "packages/client");
    const dist = mkdtempSync(join(tmpdir(), "dw-client-"));
    process.on("exit", () => rmSync(dist, { recursive: true, force: true }));
    await run(join(folder, "node_modules/.bin/tsc"), ["-p", "tsconfig.build.json", "--outDir", dist], { cwd: folder });
    return dist;
  })();
  return built;
}

/** A site with the library under `/doorward/` and one empty page. */
export async function startSite(t, { html = "<!doctype html><title>Notes</title>" } = {}) {
  const dist = await library();
  const site = await startForeign();
  t.after(() => site.stop());
  for (const name of readdirSync(dist).filter((file) => file.endsWith(".js"))) {
    site.file(`/doorward/${name}`, join(dist, name), "text/javascript");
  }
  site.page("/", html);
  return site;
}

/** examples/files with the library, as its serve.js would serve it. */
export async function startFiles(t) {
  const site = await startSite(t);
  const folder = join(root, "examples/files");
  const types = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8" };
  for (const name of readdirSync(folder).filter((file) => extname(file) in types && file !== "serve.js")) {
    site.file(name === "index.html" ? "/" : `/${name}`, join(folder, name), types[extname(name)]);
  }
  return site;
}

/**
 * `doorward serve --companion` on a free port, unless `args` name one, whose pairings end with it; `pair` runs `doorward pair ... --json`. That
 * a keyring keeps them is shown by crates/doorward-cli/tests/pairings.rs.
 */
export async function startCompanion(t, ...args) {
  const daemon = await startCompanionIn(null, { DOORWARD_COMPANION_VAULT: "memory" }, ...args);
  t.after(() => daemon.stop());
  return daemon;
}

/** The same in the home of a daemon before, with what its environment says of where pairings are kept; the test stops it. */
export async function startCompanionIn(home, vault, ...args) {
  const env = { DOORWARD_COMPANION_APPROVE: "command", ...vault };
  const port = args.includes("--companion-port") ? [] : ["--companion-port", "0"];
  const daemon = await startDaemon({ args: ["--companion", ...port, ...args], env, ...(home && { home }) });
  const pair = async (...words) => {
    const { stdout } = await daemon.command("pair", ...words, "--json");
    return JSON.parse(stdout);
  };
  return { ...daemon, companionPort: Number(new URL(daemon.companion).port), pair };
}

/** An approval in the first second after the window opened counts for nothing. */
export const FIRST_SECOND = 1_200;

/** Runs in the page. `kept: false` is a browser that keeps no key. */
export async function openDoor(port, kept = true) {
  const { connect } = await import("/doorward/index.js");
  const nowhere = {
    load: async () => null,
    save: async () => {
      throw new Error("full");
    },
    clear: async () => {},
  };
  window.door = await connect(kept ? { ports: [port] } : { ports: [port], store: nowhere });
  window.states = [];
  window.door.state.subscribe((state) => window.states.push(state));
  return window.door.state.value;
}

/** Runs in the page: begins an attempt and tells its code. */
export async function ask(scopes = []) {
  window.waiting = await window.door.pair({ label: "Notes", scopes });
  window.ended = null;
  window.waiting.done.then(
    () => (window.ended = "paired"),
    (cause) => (window.ended = cause.code ?? cause.message),
  );
  return window.waiting.code;
}

/** How the attempt ended. */
export const ended = (page) => page.waitFor(() => window.ended, { why: "the attempt to end" });

/** The person compares, approves here and confirms there. */
export async function introduce(page, daemon, scopes = []) {
  const code = await page.evaluate(ask, scopes);
  await pause(FIRST_SECOND);
  await daemon.pair("approve", "--code", code.replace(" ", ""));
  await page.evaluate(() => window.waiting.confirm());
  return ended(page);
}
