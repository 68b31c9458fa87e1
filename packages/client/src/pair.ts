// One attempt, from the first message until both sides said yes.

import { DoorwardError, refusal } from "./errors.js";
import { Attempt, type Keys, type Scope } from "./pairing.js";
import { reach, told } from "./reach.js";

/** What the page asks for. */
export interface Asking {
  /** What the page calls itself; never shown in place of its origin. */
  label: string;
  /** Folders by name, with rights; none is a pairing that reaches no files. */
  scopes?: Scope[];
  /** Ends the attempt. */
  signal?: AbortSignal;
}

/** An attempt whose digits are shown on both sides. */
export interface Waiting<T = void> {
  /** `123 456`. Show it large: the person compares it. */
  code: string;
  /** The person types the code into the companion's window, because write or delete was asked for. */
  typed: boolean;
  /** Then it is over, by this page's clock. */
  expiresAt: Date;
  /** The person says that the digits are the same. */
  confirm(): Promise<void>;
  /** Ends the attempt: afterwards it cannot be approved. */
  cancel(): Promise<void>;
  /** Resolves once both sides said yes; fails with why not. */
  done: Promise<T>;
}

const JSON_TYPE = { "content-type": "application/json" };
/** After a poll that failed, before the next. The companion waits for ten seconds. */
const AGAIN = 1_000;
/** Polls that fail in a row: the companion gave the attempt up by then. */
const FAILURES = 8;

export async function pair(listen: string, asking: Asking): Promise<Waiting<Keys & { scopes: Scope[] }>> {
  const { label, scopes = [], signal } = asking;
  const attempt = await Attempt.begin(location.origin, label, scopes);
  const post = async (path: string, body: string, more: RequestInit = {}): Promise<string> => {
    const sent = reach(`http://${listen}/pair/${path}`, {
      method: "POST",
      headers: JSON_TYPE,
      body,
      ...more,
    });
    const { status, text } = await told(sent);
    if (status !== 200) throw refusal(status, parsed(text));
    return text;
  };
  const offer = await post("start", attempt.start);
  const { pid, code, proof, paired } = await attempt.compare(offer, listen);
  const shown = parsed(await post(`${pid}/reveal`, attempt.reveal));
  const stop = new AbortController();
  // Sent even while the page goes away.
  const leave = () => void post(`${pid}/cancel`, "{}", { keepalive: true }).catch(() => {});
  globalThis.addEventListener?.("pagehide", leave);
  const cancel = async () => {
    stop.abort();
    await post(`${pid}/cancel`, "{}", { keepalive: true }).catch(() => {});
  };
  const abort = () => void cancel();
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();

  const wait = async () => {
    let failures = 0;
    for (;;) {
      if (stop.signal.aborted) throw new DoorwardError("cancelled", "This page ended the attempt.");
      try {
        const { status, text } = await told(reach(`http://${listen}/pair/${pid}`, { signal: stop.signal }));
        const answer = parsed(text);
        if (status !== 200) throw refusal(status, answer);
        failures = 0;
        if (answer.state !== "paired") continue;
        return { ...(await paired(answer.proof)), scopes: answer.scopes as Scope[] };
      } catch (cause) {
        if (stop.signal.aborted) continue;
        const gone = cause instanceof DoorwardError && cause.code !== "unavailable";
        if (gone || ++failures > FAILURES) throw cause;
        await new Promise((resolve) => setTimeout(resolve, AGAIN));
      }
    }
  };
  const done = wait().finally(() => {
    globalThis.removeEventListener?.("pagehide", leave);
    signal?.removeEventListener("abort", abort);
  });
  const seconds = typeof shown.expiresIn === "number" ? shown.expiresIn : 0;
  return {
    code,
    typed: shown.typed === true,
    expiresAt: new Date(Date.now() + 1_000 * seconds),
    confirm: async () => void (await post(`${pid}/confirm`, JSON.stringify({ proof }))),
    cancel,
    done,
  };
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new DoorwardError("malformed", "The companion's answer cannot be read.");
}
