// One virtual screen for this process, for the engine that has no headless mode.

import { spawn } from "node:child_process";
import { keep } from "./process.js";

let started;

/** Resolves with a DISPLAY. The server picks a number that is free. */
export function display() {
  started ??= new Promise((resolve, reject) => {
    const args = ["-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp"];
    const child = keep(spawn("Xvfb", args, { stdio: ["ignore", "ignore", "ignore", "pipe"] }));
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`Xvfb ended with ${code}`)));
    child.stdio[3].once("data", (number) => resolve(`:${String(number).trim()}`));
    child.stdio[3].on("error", () => {});
  });
  return started;
}
