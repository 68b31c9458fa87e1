// A real PostgreSQL server: its own cluster and roles. It does not run as root, so where root runs the tests it runs as
// `postgres`.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { appendFile, chown, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end, freePort, keep, until } from "./process.js";

/** Debian keeps each version's programs apart. */
const VERSIONS = "/usr/lib/postgresql";

export const needsPostgres = () => (existsSync(VERSIONS) ? null : "PostgreSQL is not installed (Debian: postgresql)");

/** With the database `shop`, in which `sql` was run; `ada` may sign in to it. */
export async function startPostgres(t, sql) {
  const folder = await mkdtemp(join(tmpdir(), "dw-pg-"));
  const who = process.getuid() === 0 ? await account() : {};
  if (who.uid) await chown(folder, who.uid, who.gid);
  const [data, programs] = [join(folder, "data"), join(VERSIONS, readdirSync(VERSIONS).sort().at(-1), "bin")];
  const options = { ...who, cwd: folder, stdio: ["ignore", "ignore", "inherit"] };
  const run = (name, ...words) => execFileSync(join(programs, name), words, options);
  // By its socket alone nobody has to prove anything; by TCP, as a database does.
  run("initdb", "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", "-U", "admin", "-E", "UTF8", "--locale=C", "-D", data);
  const port = await freePort();
  await appendFile(join(data, "postgresql.conf"), `unix_socket_directories = '${folder}'\nlisten_addresses = '127.0.0.1'\nport = ${port}\nfsync = off\n`);
  const child = keep(spawn(join(programs, "postgres"), ["-D", data], { ...options, stdio: "ignore" }));
  t.after(async () => {
    // At once, and all of its processes.
    await end(child, "SIGQUIT");
    await rm(folder, { recursive: true, force: true });
  });
  const by = ["-h", folder, "-p", String(port), "-U", "admin"];
  await until(() => ready(() => run("pg_isready", "-q", ...by)), 15_000, "PostgreSQL");
  const right = { account: "ada", password: "correct horse" };
  run("psql", "-q", ...by, "-d", "postgres", "-c", "CREATE DATABASE shop", "-c", `CREATE ROLE ada LOGIN PASSWORD '${right.password}'`);
  run("psql", "-q", ...by, "-d", "shop", "-v", "ON_ERROR_STOP=1", "-c", sql);
  return { ...right, address: `127.0.0.1:${port}`, entry: 'kind = "postgres"\ndatabase = "shop"\n' };
}

function ready(ask) {
  try {
    ask();
    return true;
  } catch {
    return false;
  }
}

async function account() {
  const lines = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  const [, , uid, gid] = lines.find(([name]) => name === "postgres");
  return { uid: Number(uid), gid: Number(gid) };
}
