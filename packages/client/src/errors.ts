/**
 * What went wrong. `code` is stable: one of the words below, or the name of the
 * companion's own refusal, such as `pairingBusy` or `gestureNeeded`.
 *
 * - `unavailable`: no companion answers.
 * - `permission-needed`: the browser asks its user first, or was told no.
 * - `unsupported`: this browser lacks what pairing needs (X25519 in WebCrypto).
 * - `unpaired`: the page holds no key that the companion knows.
 * - `not-authentic`: something answered that does not have the key.
 * - `version-mismatch`: the companion speaks another version.
 * - `malformed`: an answer that is no answer.
 * - `storage`: the browser does not keep the key.
 * - `cancelled`: this page ended the attempt.
 */
export class DoorwardError extends Error {
  override readonly name = "DoorwardError";
  readonly code: string;
  /** HTTP status of the refusal, where there was one. */
  readonly status: number | undefined;

  constructor(code: string, message: string, more: { status?: number; cause?: unknown } = {}) {
    super(message, { cause: more.cause });
    this.code = code;
    this.status = more.status;
  }
}

/** The refusal that an answer holds. */
export function refusal(status: number, body: unknown): DoorwardError {
  const told = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const code = typeof told.denial === "string" ? told.denial : "malformed";
  const message = typeof told.message === "string" ? told.message : `The companion answered ${status}.`;
  return new DoorwardError(code, message, { status });
}
