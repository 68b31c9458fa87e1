// A desktop's keyring of its own: D-Bus and gnome-keyring, so that a daemon that is started again knows its pages.

import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { keep, until } from "./process.js";

const run = promisify(execFile);

export const needsKeyring = () => {
  const absent = ["dbus-daemon", "dbus-send", "gnome-keyring-daemon"].find((name) => !existsSync(`/usr/bin/${name}`));
  return absent ? `${absent} is not installed (Debian: dbus, gnome-keyring)` : null;
};

/** Resolves with what a program needs in its environment to find the keyring, once it is open. */
export async function startKeyring(t) {
  const home = await mkdtemp(join(tmpdir(), "dw-keyring-"));
  await mkdir(join(home, "run"), { mode: 0o700 });
  const env = { PATH: process.env.PATH, HOME: home, XDG_RUNTIME_DIR: join(home, "run"), XDG_DATA_HOME: join(home, "data") };
  const bus = keep(spawn("dbus-daemon", ["--session", "--nofork", "--print-address=1"], { env, stdio: ["ignore", "pipe", "ignore"] }));
  const [address] = await new Promise((resolve) => createInterface({ input: bus.stdout }).once("line", (line) => resolve([line.trim()])));
  bus.stdout.unref?.();
  const desk = { DBUS_SESSION_BUS_ADDRESS: address };
  const words = ["--foreground", "--unlock", "--components=secrets"];
  const keyring = keep(spawn("gnome-keyring-daemon", words, { env: { ...env, ...desk }, stdio: ["pipe", "ignore", "ignore"] }));
  keyring.stdin.end("pw");
  t.after(async () => {
    for (const child of [keyring, bus]) child.kill("SIGKILL");
    await rm(home, { recursive: true, force: true });
  });
  const asks = ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"];
  const owned = () => run("dbus-send", asks, { env: { ...env, ...desk } }).then(({ stdout }) => stdout.includes("true"), () => false);
  await until(owned, 60_000, "the keyring");
  return desk;
}
