// The relay in a process of its own: crates/doorward/examples/relay.rs.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { target } from "./places.js";
import { keep } from "./process.js";

const binary = () => join(target(), "debug/examples/relay");

export const needsRelay = () =>
  existsSync(binary()) ? null : "the relay example is not built (cargo build -p doorward --example relay --profile test)";

/** `roots`: a file of certificates to trust besides the platform's. */
export function startRelay({ roots } = {}) {
  const child = keep(spawn(binary(), roots ? [roots] : [], { stdio: ["pipe", "pipe", "inherit"] }));
  const waiting = [];
  createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.(line));
  const ask = (line) =>
    new Promise((resolve) => {
      waiting.push(resolve);
      child.stdin.write(`${line}\n`);
    });
  const grant = async (...words) => {
    const answer = await ask(words.join(" "));
    if (!answer.startsWith("{")) throw new Error(answer);
    return JSON.parse(answer);
  };
  return {
    /** `{url, id, expiresAt}` for pages of `origin`: LiveKit's paths. */
    grant: (origin, ...upstreams) => grant("livekit", origin, ...upstreams),
    /** The same, and media too goes through it. */
    grantTurn: (origin, ...upstreams) => grant("turn", origin, ...upstreams),
    /** The same for every path. */
    grantAny: (origin, ...upstreams) => grant("any", origin, ...upstreams),
    revoke: (id) => ask(`revoke ${id}`),
    stop: () => child.kill("SIGTERM"),
  };
}
