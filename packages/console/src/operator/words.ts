// A gateway and what becomes of it, in words.

import { span } from "../format";
import type { AuthStrength, CapVm, Effect, HealthVm, LauncherVm, SessionVm, TranscriptKind } from "./wire";

const STRENGTHS: Readonly<Record<AuthStrength, string>> = {
  none: "nothing was proven",
  localPresence: "by being on the same machine",
  password: "by a password",
  publicKey: "by a key",
  hardwareKey: "by a key in hardware",
};

/** How well it was proven who it is. */
export const strengthWords = (strength: AuthStrength): string => STRENGTHS[strength] ?? strength;

/** What more time takes, and why. */
export function renewalWords(strength: AuthStrength): string {
  const why = "so it knows that it is you, and not somebody at a screen that was left open. ";
  switch (strength) {
    case "password":
      return `The gateway asks for your password again: ${why}`;
    case "publicKey":
      return `The gateway sets something to sign, as it did when you signed in: ${why}`;
    default:
      return "";
  }
}

/** What an operation does over there; the tone only repeats it. */
export function effectWords(effect: Effect): { word: string; tone: string } {
  switch (effect) {
    case "read":
      return { word: "looks", tone: "chip" };
    case "write":
      return { word: "changes something", tone: "chip y" };
    case "destructive":
      return { word: "cannot be undone", tone: "chip r" };
  }
}

export function healthWords(health: HealthVm | null): { word: string; tone: string } {
  const took = health?.latencyMs ?? null;
  const within = took === null ? "" : ` in ${took < 1_000 ? `${took} ms` : span(took)}`;
  switch (health?.state) {
    case "up":
      return { word: `answers${within}`, tone: "pill ok" };
    case "degraded":
      return { word: `slow: answers${within}`, tone: "pill busy" };
    case "down":
      return { word: "does not answer", tone: "pill bad" };
    case "idle":
      return { word: "no connection", tone: "pill" };
    default:
      return { word: "not asked yet", tone: "pill" };
  }
}

const RUNS = new Set(["running", "started"]);

/** Whether something runs. That it cannot be launched is no alarm where it runs already. */
export function launchWords({ status, supported }: Pick<LauncherVm, "status" | "supported">): {
  word: string;
  tone: string;
} {
  if (RUNS.has(status)) return { word: status, tone: "chip g" };
  return supported
    ? { word: status, tone: "chip" }
    : { word: `cannot be launched: ${status}`, tone: "chip r" };
}

const KINDS: Readonly<Record<TranscriptKind, string>> = {
  login: "sign-in",
  end: "end",
  call: "call",
  launch: "launch",
  renewal: "more time",
  choice: "gateway",
};

export const kindWords = (kind: TranscriptKind): string => KINDS[kind] ?? kind;

const GOOD: readonly string[] = ["ok", "step"];
/** Nobody waited for the outcome: it may have been done, or not. */
const HUNG_UP = "hungUp";

/** What a row of the transcript came to. */
export function outcomeWords(outcome: string): string {
  if (GOOD.includes(outcome)) return outcome;
  return outcome === HUNG_UP ? "left before its answer" : `refused: ${outcome}`;
}

/** The chip that says it. */
export const outcomeColour = (outcome: string): "g" | "y" | "r" =>
  GOOD.includes(outcome) ? "g" : outcome === HUNG_UP ? "y" : "r";

const ENDS: Readonly<Record<string, string>> = {
  logout: "you signed out of it",
  anotherGateway: "another gateway was chosen",
  shutdown: "doorward stopped",
};

/** Why a session on a gateway ended: what the transcript's row says, or that in words. */
export const endWords = (summary: string): string => ENDS[summary] ?? summary;

/** What is kept of a session until then. */
export function leftWords(expiresAt: string | null, now: number): string {
  if (expiresAt === null) return "as long as it is used";
  const left = Date.parse(expiresAt) - now;
  return left > 0 ? span(left) : "its time is over";
}

/** Both are asked for one after the other, so they differ a little where one follows from the other. */
const SAME_MS = 5_000;

/** Until when something is lent, where that is less than the whole session. */
export function lentUntil({ leaseExpiresAt }: CapVm, { expiresAt }: SessionVm): string | null {
  if (leaseExpiresAt === null || expiresAt === null) return leaseExpiresAt;
  return Date.parse(expiresAt) - Date.parse(leaseExpiresAt) > SAME_MS ? leaseExpiresAt : null;
}
