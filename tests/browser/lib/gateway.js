// The reference gateway as its own process, a daemon whose console may sign in to it, and the Operator panel as its
// page sees it. Names of elements are those of packages/console/README.md.

import { spawn } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { enter } from "./console.js";
import { startDaemon } from "./daemon.js";
import { doorwardBinary } from "./places.js";
import { end, keep } from "./process.js";

export const RIGHT = { account: "ada", password: "hunter2-right" };

/**
 * `doorward gateway` with the account of `RIGHT`, guests, and `grace`, who signs with a key. `more` is what the file of
 * its accounts says besides, given the paths of an empty folder.
 */
export async function startGateway(t, more = () => "") {
  const folder = await mkdtemp(join(tmpdir(), "dw-gateway-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const accounts = join(folder, "accounts.toml");
  await mkdir(join(folder, "empty"));
  const at = (name) => join(folder, "empty", name);
  await writeFile(accounts, `guests = true\nanonymous = true\n${more(at)}`, { mode: 0o600 });
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  // The last 32 bytes of the structure are the key itself.
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("base64");
  await add(accounts, `${RIGHT.password}\n`, RIGHT.account);
  await add(accounts, null, "grace", "--key", raw);
  const child = keep(spawn(doorwardBinary(), ["gateway", "--accounts", accounts], { stdio: ["ignore", "pipe", "inherit"] }));
  const [address] = await once(createInterface({ input: child.stdout }), "line");
  child.stdout.unref?.();
  t.after(() => child.kill("SIGKILL"));
  return {
    address,
    at,
    /** What `grace` answers to a challenge. */
    sign: (challenge) => sign(null, Buffer.from(challenge, "base64"), privateKey).toString("base64"),
    kill: () => end(child),
  };
}

async function add(accounts, password, ...words) {
  const child = spawn(doorwardBinary(), ["gateway", "add-account", ...words, "--accounts", accounts], {
    // Who signs with a key is asked for no password.
    stdio: [password === null ? "ignore" : "pipe", "ignore", "inherit"],
  });
  child.stdin?.end(password);
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`doorward gateway add-account ended with ${code}`);
}

/** A daemon whose console may sign in to `gateways`, by name; `entry` is what is written of one besides its address. */
export async function startOperator(t, gateways) {
  const folder = await mkdtemp(join(tmpdir(), "dw-operator-"));
  const config = join(folder, "doorward.toml");
  const tables = Object.entries(gateways).map(([name, { address, entry = "" }]) => `[[gateway]]\nname = "${name}"\naddress = "${address}"\n${entry}`);
  await writeFile(config, tables.join("\n"));
  const daemon = await startDaemon({ args: ["--config", config] });
  t.after(() => daemon.stop());
  t.after(() => rm(folder, { recursive: true, force: true }));
  return daemon;
}

/** Opens the console of `launchUrl` at its Operator panel. */
export async function openPanel(page, launchUrl) {
  await enter(page, launchUrl);
  await toPanel(page);
}

export async function toPanel(page) {
  await page.waitFor(() => document.querySelector('[data-testid="rail-operator"]') !== null, { why: "the rail" });
  await page.evaluate(() => {
    location.hash = "#/operator";
  });
  await page.waitFor(() => document.querySelector('main [data-testid="gateway"]') !== null, { why: "the Operator panel" });
}

/** Fills the form of `scope` in without a key stroke, so that nothing counts as input, and gives it. */
export async function give(page, scope, values) {
  await page.waitFor((it) => document.querySelector(`${it} .fields [data-testid="run"]`) !== null, { args: [scope], why: `the form of ${scope}` });
  await page.evaluate(
    (it, given) => {
      const form = document.querySelector(`${it} .fields`);
      for (const [name, value] of Object.entries(given)) {
        const input = form.querySelector(`[data-field="${name}"]`);
        input[typeof value === "boolean" ? "checked" : "value"] = value;
      }
      form.querySelector('[data-testid="run"]').click();
    },
    scope,
    values,
  );
}

export const operation = (cap, name) => `[data-cap="${cap}"] [data-operation="${name}"]`;

/** Opens the form of an operation, if it is not open, and gives it. */
export async function call(page, cap, name, values = null) {
  const at = operation(cap, name);
  await page.waitFor((it) => document.querySelector(it) !== null, { args: [at], why: `the operation ${cap}.${name}` });
  if (values === null) return press(page, `${at} [data-testid="run"]`);
  await page.evaluate((it) => {
    const button = document.querySelector(`${it} [data-testid="open-form"]`);
    if (button.getAttribute("aria-expanded") !== "true") button.click();
  }, at);
  await give(page, at, values);
}

export const press = (page, selector) => page.evaluate((it) => document.querySelector(it).click(), selector);

/** What is shown there, once it is shown. */
export async function shown(page, selector, why = selector) {
  await page.waitFor((it) => document.querySelector(it) !== null, { args: [selector], why });
  return page.evaluate((it) => document.querySelector(it).textContent, selector);
}

/** Signs in by password, and waits for the session. */
export async function signIn(page, values = RIGHT) {
  await give(page, '[data-testid="sign-in"]', values);
  return shown(page, '[data-testid="gateway-session"]', "the session on the gateway");
}
