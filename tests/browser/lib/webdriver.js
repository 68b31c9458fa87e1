// A small W3C WebDriver client, enough to drive WebKitGTK's MiniBrowser through WebKitWebDriver.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callSource, poll, watchViolationsFromNow } from "./browser.js";
import { display } from "./display.js";
import { freePort, keep, until } from "./process.js";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";
const KEYS = {
  Enter: "\uE007",
  Tab: "\uE004",
  Shift: "\uE008",
  Escape: "\uE00C",
  Space: " ",
  Backspace: "\uE003",
  Delete: "\uE017",
  F2: "\uE032",
  Home: "\uE011",
  End: "\uE010",
  PageUp: "\uE00E",
  PageDown: "\uE00F",
  ArrowLeft: "\uE012",
  ArrowUp: "\uE013",
  ArrowRight: "\uE014",
  ArrowDown: "\uE015",
};

export async function webkit({ driver, binary }) {
  const home = await mkdtemp(join(tmpdir(), "dw-webkit-"));
  const port = await freePort();
  const env = {
    ...process.env,
    DISPLAY: await display(),
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    XDG_CACHE_HOME: join(home, "cache"),
    XDG_DATA_HOME: join(home, "data"),
    // Software drawing and no sound card: the machine may have neither.
    LIBGL_ALWAYS_SOFTWARE: "1",
    no_proxy: "*",
  };
  const child = keep(spawn(driver, ["-p", String(port)], { env, stdio: "ignore" }));
  const wire = new Wire(port);
  await until(async () => (await wire.call("GET", "/status").catch(() => null)) !== null, 10_000, "WebKitWebDriver to answer");
  const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": { binary, args: ["--automation"] } } };
  const { sessionId } = await wire.call("POST", "/session", { capabilities });
  wire.session = `/session/${sessionId}`;
  await wire.session_("POST", "/timeouts", { script: 60_000, pageLoad: 60_000, implicit: 0 });
  return new WebDriverBrowser(wire, child, home);
}

class WebDriverBrowser {
  engine = "webkit";
  #wire;
  #child;
  #home;
  #first = true;

  constructor(wire, child, home) {
    this.#wire = wire;
    this.#child = child;
    this.#home = home;
  }

  newPage() {
    return this.#wire.alone(async () => {
      const handle = this.#first ? await this.#wire.session_("GET", "/window") : await this.#another();
      this.#first = false;
      return new WebDriverPage(this.#wire, handle);
    });
  }

  /** A new tab opens from a live one, and the last that was spoken to may have been closed. */
  async #another() {
    const [live] = await this.#wire.session_("GET", "/window/handles");
    await this.#wire.session_("POST", "/window", { handle: live });
    return (await this.#wire.session_("POST", "/window/new", { type: "tab" })).handle;
  }

  /** WebDriver tells only the cookies of the current document, so this opens the URL in a tab of its own. */
  async cookies(url) {
    const page = await this.newPage();
    try {
      await page.goto(url);
      return await page.jar();
    } finally {
      await page.close();
    }
  }

  async close() {
    await this.#wire.session_("DELETE", "").catch(() => {});
    this.#child.kill("SIGTERM");
    await rm(this.#home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }).catch(() => {});
  }
}

class WebDriverPage {
  #wire;
  #handle;

  constructor(wire, handle) {
    this.#wire = wire;
    this.#handle = handle;
  }

  async goto(url) {
    await this.#call("POST", "/url", { url }).catch((cause) => {
      // A cancelled load is how this driver reports a download.
      if (!/cancel|interrupted|timeout/i.test(cause.message)) throw cause;
    });
    await this.evaluate(watchViolationsFromNow).catch(() => {});
    return null;
  }

  async evaluate(what, ...args) {
    const script = `const done = arguments[arguments.length - 1];
      (async () => ${callSource(what, args)})().then(
        (value) => done({ value: value === undefined ? null : JSON.stringify(value) ?? null }),
        (error) => done({ error: String(error) }));`;
    const answer = await this.#call("POST", "/execute/async", { script, args: [] });
    if (answer.error) throw new Error(answer.error);
    return answer.value === null ? undefined : JSON.parse(answer.value);
  }

  waitFor(what, options) {
    return poll(this, what, options);
  }

  async click(selector) {
    const id = await this.#find(selector);
    await this.#call("POST", `/element/${id}/click`, {});
  }

  async type(selector, text) {
    const id = await this.#find(selector);
    await this.#call("POST", `/element/${id}/value`, { text });
  }

  async press(key) {
    const value = KEYS[key] ?? key;
    const actions = [{ type: "keyDown", value }, { type: "keyUp", value }];
    await this.#call("POST", "/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
  }

  async screenshot(path) {
    await writeFile(path, Buffer.from(await this.#call("GET", "/screenshot"), "base64"));
  }

  async size(width, height) {
    await this.#call("POST", "/window/rect", { width, height });
  }

  async scheme() {
    throw new Error("webkit cannot be told a colour scheme");
  }

  url() {
    return this.#call("GET", "/url");
  }

  violations() {
    return this.evaluate(() => window.__violations ?? []);
  }

  answers() {
    return [];
  }

  complaints() {
    return [];
  }

  async jar() {
    const cookies = await this.#call("GET", "/cookie");
    return cookies.map(({ name, value, path, httpOnly, secure, sameSite }) => ({ name, value, path, httpOnly, secure, sameSite: sameSite ?? "" }));
  }

  async close() {
    await this.#call("DELETE", "/window").catch(() => {});
    this.#wire.current = null;
  }

  async #find(selector) {
    const found = await this.#call("POST", "/element", { using: "css selector", value: selector });
    return found[ELEMENT];
  }

  /** Each command goes to this page's window, whichever was last in front. */
  #call(method, path, body) {
    return this.#wire.alone(async () => {
      if (this.#wire.current !== this.#handle) {
        await this.#wire.session_("POST", "/window", { handle: this.#handle });
        this.#wire.current = this.#handle;
      }
      return this.#wire.session_(method, path, body);
    });
  }
}

class Wire {
  session = "";
  current = null;
  #port;
  #queue = Promise.resolve();

  constructor(port) {
    this.#port = port;
  }

  /** One step at a time: a session has one current window. */
  alone(step) {
    const next = this.#queue.then(step, step);
    this.#queue = next.catch(() => {});
    return next;
  }

  session_(method, path, body) {
    return this.call(method, this.session + path, body);
  }

  call(method, path, body) {
    return new Promise((resolve, reject) => {
      const sent = body === undefined ? undefined : JSON.stringify(body);
      const headers = sent === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(sent) };
      const request = http.request({ host: "127.0.0.1", port: this.#port, method, path, headers, agent: false }, (answer) => {
        const parts = [];
        answer.on("data", (part) => parts.push(part));
        answer.on("error", reject);
        answer.on("end", () => {
          let value;
          try {
            ({ value } = JSON.parse(Buffer.concat(parts).toString()));
          } catch (cause) {
            return reject(cause);
          }
          if (answer.statusCode === 200) return resolve(value);
          reject(new Error(`${method} ${path}: ${value?.error}: ${value?.message}`));
        });
      });
      request.on("error", reject);
      request.end(sent);
    });
  }
}
