// A real TURN server on free ports, with a certificate of a root of its own, and time-limited credentials for it.

import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answers, freePort, keep, pause } from "./process.js";

const BINARY = "/usr/bin/turnserver";
const SECRET = "a-secret-of-the-test";

export const needsCoturn = () => (existsSync(BINARY) ? null : "coturn is not installed (Debian: coturn)");

export async function startCoturn() {
  const folder = await mkdtemp(join(tmpdir(), "dw-turn-"));
  const at = (name) => join(folder, name);
  const openssl = (...words) => execFileSync("openssl", words, { stdio: "pipe" });
  const key = (name) => ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at(`${name}.key`)];
  openssl("req", "-x509", ...key("root"), "-out", at("root.pem"), "-days", "30", "-subj", "/CN=a root of the test");
  openssl("req", ...key("cert"), "-out", at("cert.csr"), "-subj", "/CN=localhost");
  await writeFile(at("names"), "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n");
  openssl("x509", "-req", "-in", at("cert.csr"), "-CA", at("root.pem"), "-CAkey", at("root.key"), "-CAcreateserial", "-out", at("cert.pem"), "-days", "30", "-extfile", at("names"));
  const [tcp, tls] = [await freePort(), await freePort()];
  const child = keep(
    spawn(
      BINARY,
      [
        ...["-n", "--no-cli", "--no-udp", "--no-dtls", "--fingerprint", "--allow-loopback-peers", "--use-auth-secret"],
        ...["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--realm=doorward.test", `--static-auth-secret=${SECRET}`],
        ...[`--listening-port=${tcp}`, `--tls-listening-port=${tls}`, `--cert=${at("cert.pem")}`, `--pkey=${at("cert.key")}`],
        ...["--log-file=stdout", "--verbose", `--pidfile=${at("pid")}`, `--userdb=${at("db")}`],
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    ),
  );
  const log = [];
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.setEncoding("utf8").on("data", (text) => log.push(text));
    pipe.unref?.();
  }
  for (const end = Date.now() + 30_000; !(await answers(tls)) || !(await answers(tcp)); ) {
    if (Date.now() > end || child.exitCode !== null) throw new Error(`coturn does not start\n${log.join("")}`);
    await pause(50);
  }
  return {
    tcp,
    tls,
    root: at("root.pem"),
    log: () => log.join(""),
    /** A name that begins with the second in which it ends, and its password (the REST scheme). */
    credentials(expires = Math.floor(Date.now() / 1000) + 3600) {
      const username = `${expires}:participant`;
      return { username, credential: createHmac("sha1", SECRET).update(username).digest("base64") };
    },
    stop: async () => {
      child.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
