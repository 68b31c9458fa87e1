// Child processes that never outlive the tests, and small waits.

import { once } from "node:events";
import net from "node:net";

const kept = new Set();

/** Ends the child when this process ends, however it ends. */
export function keep(child) {
  kept.add(child);
  child.once("exit", () => kept.delete(child));
  child.unref();
  return child;
}

process.once("exit", () => {
  for (const child of kept) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

/** Ends the child, and waits until it has ended. */
export async function end(child, signal = "SIGKILL") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // What is kept does not hold this process open, but here it is waited for.
  child.ref();
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
}

/** For programs that cannot pick a port themselves. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().unref();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Whether somebody listens there. */
export const answers = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => resolve(true) ?? socket.destroy());
    socket.once("error", () => resolve(false));
  });

export async function until(condition, timeout, what) {
  const end = Date.now() + timeout;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${timeout} ms for ${what}`);
    await pause(50);
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
