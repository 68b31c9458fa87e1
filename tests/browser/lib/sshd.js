// A real OpenSSH server, as whoever runs the test: its own host key and accounts. The account comes from nss_wrapper and
// its password from pam_wrapper, so that the system's own are not touched.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { answers, end, freePort, keep, until } from "./process.js";

const BINARY = "/usr/sbin/sshd";
/** pam_wrapper's module that reads passwords from a file. */
const matrix = () =>
  readdirSync("/usr/lib")
    .map((name) => `/usr/lib/${name}/pam_wrapper/pam_matrix.so`)
    .find((path) => existsSync(path));

export const needsSshd = () =>
  existsSync(BINARY) && matrix() ? null : "OpenSSH's server is not installed (Debian: openssh-server, libnss-wrapper, libpam-wrapper)";

/** Signing in takes the key in `id` and then, by prompts, the password. */
export async function startSshd(t) {
  const folder = await mkdtemp(join(tmpdir(), "dw-sshd-"));
  const at = (name) => join(folder, name);
  await mkdir(at("pam"));
  await mkdir(at("home"));
  for (const name of ["host", "id"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at(name)]);
  const { uid, gid } = userInfo();
  const account = { account: "ada", password: "correct-horse" };
  // Where Debian's sshd puts the part of it that has no rights.
  if (uid === 0) await mkdir("/run/sshd", { recursive: true });
  await writeFile(at("passwd"), `ada:x:${uid}:${gid}::${at("home")}:/bin/sh\nroot:x:0:0::/root:/bin/sh\nsshd:x:104:65534::/run/sshd:/usr/sbin/nologin\n`);
  await writeFile(at("group"), `mine:x:${gid}:\nnogroup:x:65534:\n`);
  await writeFile(at("passwords"), `${account.account}:${account.password}:sshd\n`, { mode: 0o600 });
  const stack = ["auth", "account", "password", "session"].map((kind) => `${kind} required ${matrix()} passdb=${at("passwords")}\n`);
  await writeFile(at("pam/sshd"), stack.join(""));
  const lines = [
    `HostKey ${at("host")}`,
    `AuthorizedKeysFile ${at("id.pub")}`,
    "ListenAddress 127.0.0.1",
    "PidFile none",
    "StrictModes no",
    "PermitRootLogin yes",
    "UsePAM yes",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication yes",
    "AuthenticationMethods publickey,keyboard-interactive",
  ];
  await writeFile(at("config"), lines.join("\n"));
  const port = await freePort();
  const env = {
    ...process.env,
    LD_PRELOAD: "libpam_wrapper.so:libnss_wrapper.so",
    PAM_WRAPPER: "1",
    PAM_WRAPPER_SERVICE_DIR: at("pam"),
    NSS_WRAPPER_PASSWD: at("passwd"),
    NSS_WRAPPER_GROUP: at("group"),
  };
  const child = keep(spawn(BINARY, ["-D", "-e", "-f", at("config"), "-p", port], { env, stdio: "ignore" }));
  t.after(async () => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  });
  await until(() => answers(port), 15_000, "sshd");
  return {
    ...account,
    address: `127.0.0.1:${port}`,
    at,
    /** What its entry in doorward.toml says besides. */
    entry: `kind = "ssh"\nhost_keys = [${JSON.stringify((await readFile(at("host.pub"), "utf8")).trim())}]\nkey = ${JSON.stringify(at("id"))}\n`,
  };
}
