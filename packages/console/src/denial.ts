// Every failure the console can meet, as one typed value that says what happened, why, and what to do.

import { clock, span } from "./format";

export class Denied extends Error {
  override readonly name = "Denied";
  constructor(
    readonly status: number,
    readonly denial: string,
    message: string,
    readonly requestId: string | null = null,
    readonly retryAfterMs: number | null = null,
    /** RFC 3339: since when what stands in the way has stood there. */
    readonly since: string | null = null,
  ) {
    super(message);
  }

  /** The session is gone for good: nothing but a new launch ticket helps. */
  get sessionOver(): boolean {
    return SESSION_OVER.has(this.denial);
  }
}

const SESSION_OVER = new Set(["browserSessionRequired", "browserSessionExpired", "tabProofRequired"]);

export interface Trouble {
  what: string;
  why: string;
  advice: string;
  command: string | null;
}

type Advice = readonly [advice: string, command: string | null];

const ADVICE: Record<string, Advice> = {
  unreachable: ["Start it again, or check that it is still running:", "doorward doctor"],
  browserSessionRequired: ["Open the console again:", "doorward open"],
  browserSessionExpired: ["Open the console again:", "doorward open"],
  tabProofRequired: ["Open the console again:", "doorward open"],
  ticketInvalid: ["Tickets work once, for a minute. Make another:", "doorward open"],
  grantExpired: ["Mint a new URL for this file.", null],
  grantRevoked: ["Mint a new URL for this file.", null],
  grantUnknown: ["Mint a new URL for this file, or reload the folder.", null],
  credentialsExpired: [
    "Renew the store's credentials, restart the daemon with them, then mint a new URL.",
    null,
  ],
  credentialsRejected: ["Check the store's credentials that the daemon was started with.", null],
  changed: ["Open it again: that mints a URL for the new file.", null],
  rateLimited: ["Wait a moment, then try again.", null],
  lockedOut: ["Wait until the lockout ends, then try again.", null],
  tooManyConnections: ["Close other tabs or players that use this daemon, then try again.", null],
  hostNotAllowed: ["Open the console by the address the daemon printed:", "doorward open"],
  sourceNotAllowed: ["Name the source when the daemon starts:", "doorward serve SOURCE"],
  csrfMismatch: ["Open the console again:", "doorward open"],
  sessionAlreadyInUse: ["Sign out of the gateway over there, or wait until that session ends.", null],
  gatewayNotAllowed: ["Name it under [[gateway]] in the configuration:", "doorward init"],
  badRequest: ["Check what you typed, then try again.", null],
  disabledAuthMethod: ["Choose another way to sign in.", null],
  authenticationDenied: [
    "Check the account and what proves it. Every failure makes the next try wait longer.",
    null,
  ],
  unauthenticated: ["Sign in to the gateway.", null],
  unknownCap: ["List what the session may use again.", null],
  interfaceMismatch: ["List what the session may use again.", null],
  staleSession: ["Sign in to the gateway again.", null],
  methodDenied: ["Sign in with a profile that may, or ask whoever runs the gateway.", null],
  serviceUnavailable: ["Try again later, or ask whoever runs the gateway.", null],
  upstreamTimeout: ["It may have been done all the same: look before you try again.", null],
  upstreamDisconnected: ["Check that the gateway runs, then sign in again.", null],
  resultTooLarge: ["Ask for less.", null],
  hostKeyMismatch: ["Do not sign in until you know why its key changed.", null],
  notOwner: ["Ask whoever holds it over there.", null],
  busy: ["Wait until something else is done, then try again.", null],
  bodyTooLarge: ["Send less.", null],
  peerNotAllowed: ["Use a browser that runs as the same user as the daemon.", null],
};

export function troubleOf(cause: unknown, what: string): Trouble {
  if (cause instanceof Denied) {
    const [advice, command] = ADVICE[cause.denial] ?? [
      cause.requestId ? "Try again; if it stays, find this request in the audit log:" : "Try again.",
      cause.requestId ? "doorward audit tail" : null,
    ];
    const since = cause.since ? ` since ${clock(cause.since, false)}` : "";
    const why = `${sentence(cause.message)}${since} (${cause.denial})`;
    // How long is worth more than that it is a while.
    if (cause.retryAfterMs !== null && !command) {
      return { what, why, advice: `Wait ${span(cause.retryAfterMs)}, then try again.`, command };
    }
    return { what, why, advice, command };
  }
  const why = cause instanceof Error && cause.message ? cause.message : "No reason was given";
  return {
    what,
    why: sentence(why),
    advice: "Try again; if it stays, ask the daemon:",
    command: "doorward doctor",
  };
}

export const unreachable = (): Denied =>
  new Denied(0, "unreachable", "The daemon does not answer on this address");

/** Reads a refusal; an answer that is not ours becomes a denial too, so that callers meet one type only. */
export async function denialOf(answer: Response): Promise<Denied> {
  let body: Record<string, unknown> = {};
  try {
    const parsed: unknown = await answer.json();
    if (parsed !== null && typeof parsed === "object") body = parsed as Record<string, unknown>;
  } catch {
    // Not JSON: the status is all there is.
  }
  const text = (name: string): string | null =>
    typeof body[name] === "string" ? (body[name] as string) : null;
  const retry = typeof body.retryAfterMs === "number" ? body.retryAfterMs : null;
  return new Denied(
    answer.status,
    text("denial") ?? `http${answer.status}`,
    text("message") ?? `The answer was ${answer.status} without a reason`,
    text("requestId"),
    retry,
    text("since"),
  );
}

const sentence = (text: string): string => text.trim().replace(/[.\s]+$/, "");
