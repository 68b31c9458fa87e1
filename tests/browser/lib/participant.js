// LiveKit's native client, from PyPI, in a process of its own.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { target } from "./places.js";
import { keep } from "./process.js";

const python = () => join(target(), "participant/bin/python");
const program = fileURLToPath(new URL("participant.py", import.meta.url));

export const needsParticipant = () =>
  existsSync(python()) ? null : "LiveKit's Python package is not there (cargo xtask test install)";

/** Joins; `met` resolves with the names of those who were there before. */
export function startParticipant(url, token) {
  const child = keep(spawn(python(), [program, url, token], { stdio: ["pipe", "pipe", "inherit"] }));
  const met = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the participant ended with ${code}`)));
  });
  return { met, leave: () => child.stdin.end(), stop: () => child.kill("SIGKILL") };
}
