// How a page reaches 127.0.0.1: the browser's permission (Local Network Access), and
// requests that say where they go.

import { base64url, decoded, random } from "./bytes.js";
import { DoorwardError } from "./errors.js";
import { type Keys, VERSION } from "./pairing.js";
import { provesItself } from "./signing.js";

/** A companion that answered. */
export interface Found {
  port: number;
  instance: string;
  /** `127.0.0.1:7319`. */
  listen: string;
  /** Seconds since 1970; not proven. */
  now: number;
  /** Whether new pages may ask: `ask`, `window` (after a gesture there) or `off`. */
  pairing: "ask" | "window" | "off";
  /** It has the key of this page, and proved it. */
  proven: boolean;
  /** It speaks the version of this library. */
  speaksOurs: boolean;
}

/** `granted` also where the browser knows no such permission. */
export type Permission = "granted" | "prompt" | "denied";

/** A companion that is there answers at once. */
const WITHIN = 3_000;
/** A person who is asked by the browser takes time. */
const ASKED_WITHIN = 60_000;

/**
 * The browser's permission to reach this computer. Pages of this computer itself
 * need none, whatever the browser says of them.
 */
export async function permission(): Promise<Permission> {
  for (const name of ["loopback-network", "local-network-access"]) {
    try {
      const { state } = await navigator.permissions.query({ name: name as PermissionName });
      return state === "prompt" && isLocal() ? "granted" : state;
    } catch {
      // A browser that does not know this name.
    }
  }
  return "granted";
}

function isLocal(): boolean {
  const { hostname } = globalThis.location ?? { hostname: "" };
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127(\.\d+){3}$/.test(hostname)
  );
}

/** A request to `url` on this computer. Redirects are errors, cookies stay here. */
export function reach(url: URL | string, init: RequestInit = {}): Promise<Response> {
  const plain: RequestInit = {
    credentials: "omit",
    redirect: "error",
    cache: "no-store",
    referrerPolicy: "no-referrer",
    ...init,
  };
  return fetch(url, { ...plain, ...addressSpace() });
}

/** `targetAddressSpace`, in browsers that know the word. */
function addressSpace(): RequestInit {
  const init = { targetAddressSpace: "loopback" } as RequestInit;
  try {
    // Another word than those it knows is a TypeError; who reads none of them ignores it.
    new Request("http://127.0.0.1/", init);
    return init;
  } catch {
    return {};
  }
}

/**
 * Asks every port who is there. A challenge is all that a stranger hears, and the
 * public name of the key. The first that proves our key wins, then the first that
 * is a companion.
 */
export async function discover(
  ports: readonly number[],
  keys: Keys | null,
  asks: boolean,
): Promise<Found | null> {
  const found = await Promise.all(ports.map((port) => hello(port, keys, asks)));
  return (
    found.find((one) => one?.proven) ??
    found.find((one) => one?.speaksOurs) ??
    found.find((one) => one !== null) ??
    null
  );
}

async function hello(port: number, keys: Keys | null, asks: boolean): Promise<Found | null> {
  const challenge = random(32);
  const listen = `127.0.0.1:${port}`;
  const body = JSON.stringify({ challenge: base64url(challenge), ...(keys && { keyId: keys.keyId }) });
  try {
    const answer = await reach(`http://${listen}/hello`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      signal: AbortSignal.timeout(asks ? ASKED_WITHIN : WITHIN),
    });
    if (!answer.ok) return null;
    const told = (await answer.json()) as Record<string, unknown>;
    const { instance, now, pairing } = told;
    if (typeof told.v !== "number" || told.listen !== listen) return null;
    if (typeof instance !== "string" || !decoded(instance, 16) || typeof now !== "number") return null;
    if (pairing !== "ask" && pairing !== "window" && pairing !== "off") return null;
    const proven =
      keys !== null && (await provesItself(keys, challenge, { listen, instance, proof: told.proof }));
    return { port, instance, listen, now, pairing, proven, speaksOurs: told.v === VERSION };
  } catch {
    return null;
  }
}

/** The text of an answer to a request that is not signed, or the refusal in it. */
export async function told(answer: Promise<Response>): Promise<{ status: number; text: string }> {
  try {
    const response = await answer;
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    throw new DoorwardError("unavailable", "The companion does not answer.", { cause });
  }
}
