import type { Entry } from "./entry.js";

/**
 * What went wrong. `code` is stable: one of the words below, or the name of the
 * companion's own refusal, such as `pairingBusy` or `rightMissing`.
 *
 * - `unavailable`: no companion answers.
 * - `permission-needed`: the browser asks its user first, or was told no.
 * - `unsupported`: this browser lacks what pairing needs (X25519 in WebCrypto).
 * - `unpaired`: the page holds no key that the companion knows.
 * - `not-authentic`: something answered that does not have the key.
 * - `version-mismatch`: the companion speaks another version.
 * - `malformed`: an answer that is no answer.
 * - `storage`: the browser does not keep the key.
 * - `cancelled`: this page, or its person, ended it.
 * - `unreadable`: the browser can no longer read the file that is sent.
 */
export class DoorwardError extends Error {
  override readonly name: string = "DoorwardError";
  readonly code: string;
  /** HTTP status of the refusal, where there was one. */
  readonly status: number | undefined;
  /** Milliseconds after which it is worth another try, where the companion said so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    more: { status?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.code = code;
    this.status = more.status;
    this.retryAfterMs = more.retryAfterMs;
  }
}

/** What comes in where something is: `path` and what is known of it. */
export type Incoming = Pick<Entry, "path"> & Partial<Entry>;

/** Something of the name is there (`alreadyExists`): what it is, and what would take its place. */
export class Conflict extends DoorwardError {
  override readonly name = "Conflict";
  readonly existing: Entry;
  readonly incoming: Incoming;

  constructor(message: string, infos: { existing: Entry; incoming: Incoming }) {
    super("alreadyExists", message, { status: 409 });
    this.existing = infos.existing;
    this.incoming = infos.incoming;
  }
}

/** The refusal that an answer holds. */
export function refusal(status: number, body: unknown): DoorwardError {
  const told = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const code = typeof told.denial === "string" ? told.denial : "malformed";
  const message = typeof told.message === "string" ? told.message : `The companion answered ${status}.`;
  const { existing, incoming, retryAfterMs } = told;
  if (code === "alreadyExists" && isInfo(existing) && isInfo(incoming)) {
    return new Conflict(message, { existing: existing as Entry, incoming });
  }
  return new DoorwardError(code, message, {
    status,
    ...(typeof retryAfterMs === "number" && { retryAfterMs }),
  });
}

const isInfo = (value: unknown): value is Incoming =>
  typeof value === "object" && value !== null && "path" in value && typeof value.path === "string";
