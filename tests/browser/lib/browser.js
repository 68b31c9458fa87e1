// What a test may do with a browser, whichever engine it is. `puppeteer.js` (Chromium, Firefox) and `webdriver.js`
// (WebKitGTK) implement it; a test body that keeps to it runs in all three.

/**
 * @typedef {object} Page
 * @property {(url: string) => Promise<number | null>} goto  Resolves when the page has loaded, with the status where the
 *   engine tells it (WebKitGTK does not). A download or an aborted load resolves with null.
 * @property {(what: Function | string, ...args: unknown[]) => Promise<any>} evaluate  Runs a function, async or not, or an
 *   expression, in the page's own world. Arguments and result pass as JSON.
 * @property {(what: Function | string, options?: {timeout?: number, args?: unknown[], why?: string}) => Promise<any>} waitFor
 *   Polls until the answer is truthy and resolves with it. Survives navigations.
 * @property {(selector: string) => Promise<void>} click  A real click, by the engine's input path.
 * @property {(selector: string, text: string) => Promise<void>} type  Real key strokes into an element.
 * @property {(key: string) => Promise<void>} press  One real key stroke: a character, `Enter`, `Escape`, `ArrowRight` ...
 * @property {(path: string) => Promise<void>} screenshot  Writes a PNG of the viewport.
 * @property {(width: number, height: number) => Promise<void>} size
 * @property {(scheme: "light" | "dark") => Promise<void>} scheme  Only Chromium can; the others throw.
 * @property {() => Promise<string>} url
 * @property {() => Promise<Violation[]>} violations  Content Security Policy violations of the current document; in
 *   WebKitGTK only those after its load.
 * @property {() => {status: number, url: string, method: string}[]} answers  Every answer seen so far, where the engine
 *   tells them; empty in WebKitGTK, so never the only proof.
 * @property {() => string[]} complaints  Console errors and uncaught exceptions, where the engine tells them.
 * @property {(name: string, setting: "granted" | "denied" | "prompt") => Promise<void>} permission  Only Chromium can.
 * @property {(selector: string, files: string[]) => Promise<void>} drop  Only Chromium can.
 * @property {(t: import("node:test").TestContext) => Promise<{file: (name: string) => Promise<string>}>} downloads  Only
 *   Chromium can.
 * @property {() => Promise<void>} close
 */

/** @typedef {{directive: string, blocked: string, source: string}} Violation */

/**
 * @typedef {object} Browser
 * @property {string} engine
 * @property {() => Promise<Page>} newPage  A tab in the same profile.
 * @property {(url: string) => Promise<Cookie[]>} cookies  As the browser keeps them for that URL, HttpOnly ones included.
 * @property {() => Promise<void>} close
 */

/** @typedef {{name: string, value: string, path: string, httpOnly: boolean, secure: boolean, sameSite: string}} Cookie */

/** Source text of a function or an expression as an awaited call with JSON arguments. */
export function callSource(what, args = []) {
  if (typeof what === "function") return `(${what})(...${JSON.stringify(args)})`;
  return `(${what})`;
}

/** Shared by both implementations: polling by `evaluate` needs no `unsafe-eval`, unlike the libraries' own waiters. */
export async function poll(page, what, { timeout = 15_000, args = [], why = "" } = {}) {
  const end = Date.now() + timeout;
  let last;
  for (;;) {
    try {
      last = await page.evaluate(what, ...args);
      if (last) return last;
    } catch (cause) {
      last = cause;
    }
    if (Date.now() > end) {
      const text = why || String(what).slice(0, 200);
      throw new Error(`waited ${timeout} ms for: ${text} (last answer: ${describe(last)}) at ${await page.url().catch(() => "?")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs in every new document before its own scripts, where the engine can. */
export function watchViolations() {
  window.__violations = [];
  window.addEventListener(
    "securitypolicyviolation",
    (e) => window.__violations.push({ directive: e.effectiveDirective, blocked: e.blockedURI, source: `${e.sourceFile}:${e.lineNumber}` }),
    true,
  );
}

/**
 * For the engine without such a hook: listens from now on, once per document. What happened before is on record only
 * where the policy names a `report-to` group (WebKitGTK 2.50), so early violations show by what they broke.
 */
export function watchViolationsFromNow() {
  if (window.__violations) return;
  window.__violations = [];
  window.addEventListener(
    "securitypolicyviolation",
    (e) => window.__violations.push({ directive: e.effectiveDirective, blocked: e.blockedURI, source: `${e.sourceFile}:${e.lineNumber}` }),
    true,
  );
}

function describe(value) {
  if (value instanceof Error) return value.message;
  return JSON.stringify(value);
}
