// The real daemon, started as a person would start it, in a home of its own.

import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { doorwardBinary } from "./places.js";
import { keep, pause } from "./process.js";

const run = promisify(execFile);

/**
 * `doorward serve ... --json --no-open`. Resolves when the ready line has come.
 *
 * @param {{sources?: string[], args?: string[], env?: object, home?: string}} [options]  `home` is that of a daemon before, which it takes over
 */
export async function startDaemon({ sources = [], args = [], env: more = {}, home: before } = {}) {
  const binary = doorwardBinary();
  const home = before ?? (await mkdtemp(join(tmpdir(), "dw-")));
  // Without a private folder of its own, every daemon would meet the others in the temp folder's.
  await mkdir(join(home, "run"), { mode: 0o700, recursive: true });
  const env = { ...isolated(home), ...more };
  const child = keep(spawn(binary, ["serve", ...sources, "--json", "--no-open", ...args], { env, stdio: ["ignore", "pipe", "pipe"] }));
  const log = [];
  child.stderr.setEncoding("utf8").on("data", (text) => log.push(text));
  // The pipes must not hold the test process open once a test forgot to stop its daemon.
  child.stderr.unref?.();
  const ready = await firstLine(child, log);
  child.stdout.unref?.();
  return {
    ...ready,
    port: Number(new URL(ready.control).port),
    home,
    log: () => log.join(""),
    /** A new launch URL for a second tab. */
    open: async () => {
      const { stdout } = await run(binary, ["open", "--json", "--no-open"], { env }).catch(() => run(binary, ["open", "--json"], { env }));
      const said = JSON.parse(stdout.trim().split("\n")[0]);
      const url = said.launchUrl ?? said.url;
      if (!url) throw new Error(`doorward open --json said no launchUrl: ${stdout}`);
      return url;
    },
    command: (...words) => run(binary, words, { env }),
    /** Ends it as a crash would. */
    kill: () => {
      child.ref();
      const exit = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      return exit;
    },
    stop: async () => {
      const ended = child.exitCode !== null || child.signalCode !== null;
      if (!ended) {
        child.ref();
        const exit = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGTERM");
        const quick = await Promise.race([exit.then(() => true), pause(5_000)]);
        if (!quick) child.kill("SIGKILL");
      }
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** One request without any of a browser's manners: only the headers that are given, and Host. */
export function plain(origin, { method = "GET", path = "/", headers = {}, body } = {}) {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = http.request({ host: hostname, port, method, path, headers: { ...headers, ...length }, agent: false }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", () => {
        const text = Buffer.concat(parts).toString();
        let json = null;
        try {
          json = JSON.parse(text);
        } catch {
          // Not every answer is JSON.
        }
        resolve({ status: answer.statusCode, headers: answer.headers, text, json });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

function isolated(home) {
  const env = { ...process.env, HOME: home, XDG_RUNTIME_DIR: join(home, "run"), XDG_CONFIG_HOME: join(home, "config") };
  Object.assign(env, { XDG_STATE_HOME: join(home, "state"), XDG_DATA_HOME: join(home, "data"), XDG_CACHE_HOME: join(home, "cache") });
  for (const name of Object.keys(env)) if (name.startsWith("DOORWARD_")) delete env[name];
  return env;
}

function firstLine(child, log) {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    const late = setTimeout(() => fail("said nothing for 30 s"), 30_000);
    const fail = (what) => {
      clearTimeout(late);
      child.kill("SIGKILL");
      reject(new Error(`doorward serve ${what}\n${log.join("")}`));
    };
    child.once("error", (cause) => fail(String(cause)));
    child.once("exit", (code) => fail(`ended with ${code}`));
    lines.once("line", (line) => {
      clearTimeout(late);
      child.removeAllListeners("exit");
      try {
        resolve(JSON.parse(line));
      } catch {
        fail(`did not start with a JSON line but with: ${line}`);
      }
    });
  });
}
