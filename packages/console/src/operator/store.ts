// Whose the gateway is, signing in and out, and the transcript: what the room says, and what changes it.

import { signal } from "@preact/signals";
import { Denied, type Trouble, troubleOf } from "../denial";
import { complain, door, onEvent, say } from "../house";
import { added } from "./rows";
import type { CapVm, HealthVm, LoginVm, StateVm, TranscriptRowVm } from "./wire";
import { endWords } from "./words";

export const operator = signal<StateVm | null>(null);
export const trouble = signal<Trouble | null>(null);
/** A sign-in is under way in this tab. */
export const signingIn = signal(false);
export const refused = signal<Trouble | null>(null);
/** Why the session that this tab had is gone. */
export const ended = signal<string | null>(null);
export const health = signal<HealthVm | null>(null);
export const rows = signal<TranscriptRowVm[]>([]);

const ROOM = "/api/operator";

/** Denials after which the session on the gateway may be another one, or none. */
const MOVED = new Set([
  "staleSession",
  "unauthenticated",
  "upstreamDisconnected",
  "hostKeyMismatch",
  "sessionAlreadyInUse",
]);

/** No other profile would help: it depends on how one signed in. */
const NO_RENEWAL = "It gives none to who signed in like this. Sign in again once the session is over.";

let asked = 0;
/** The person ends the session: nobody has to be told, whichever answer says first that it is gone. */
let leaving = false;

export async function loadOperator(): Promise<void> {
  asked += 1;
  const mine = asked;
  try {
    const state = await door.read<StateVm>(`${ROOM}/state`);
    if (mine === asked) adopt(state);
  } catch (cause) {
    if (mine === asked) trouble.value = troubleOf(cause, "The gateway's state could not be read");
  }
}

/** What was asked before this is older than it. */
function adopt(state: StateVm): void {
  asked += 1;
  const before = operator.value;
  operator.value = state;
  trouble.value = null;
  if (state.session) ended.value = null;
  else health.value = null;
  if (before?.session && !state.session && !leaving) {
    const why = rows.value.findLast((row) => row.kind === "end");
    ended.value = why ? endWords(why.summary) : "it is not known why";
    say("The session on the gateway is over.", true);
  }
  if (!state.session) leaving = false;
  if (before?.owner.state === "inUse" && state.owner.state === "free") say("The gateway is free.");
}

/** Looks again where a denial says that things are not as they are shown. */
export function follow(cause: unknown): void {
  if (!(cause instanceof Denied)) return;
  if (MOVED.has(cause.denial)) void loadOperator();
  if (cause.denial === "unknownCap" || cause.denial === "interfaceMismatch") void loadCaps();
}

/** `how` is the last part of the route: `password`, `guest`, `step` ... */
export async function signIn(how: string, body: object): Promise<boolean> {
  if (signingIn.value) return false;
  signingIn.value = true;
  refused.value = null;
  ended.value = null;
  try {
    const { state } = await door.turn<LoginVm>(`${ROOM}/login/${how}`, body);
    adopt(state);
    say(
      state.session
        ? `Signed in as ${state.session.principalLabel}.`
        : "The gateway asks for one more thing.",
    );
    return true;
  } catch (cause) {
    refused.value = troubleOf(cause, "You were not signed in");
    void loadOperator();
    return false;
  } finally {
    signingIn.value = false;
  }
}

export async function giveUp(): Promise<void> {
  try {
    await door.post(`${ROOM}/login/cancel`);
    say("Gave up signing in.");
  } catch (cause) {
    complain(cause, "Signing in was not given up");
  }
  await loadOperator();
}

export async function leave(): Promise<void> {
  leaving = true;
  try {
    await door.post(`${ROOM}/logout`);
    say("Signed out of the gateway.");
  } catch (cause) {
    leaving = false;
    complain(cause, "You were not signed out of the gateway");
  }
  await loadOperator();
}

/** What stands in the way, if something does. */
export async function renew(seconds: number, proof: string): Promise<Trouble | null> {
  return moreTime("", proof ? { seconds, proof } : { seconds });
}

/** Answers what the gateway asks before it gives more time. */
export async function answerRenewal(answer: object): Promise<Trouble | null> {
  return moreTime("/step", answer);
}

async function moreTime(step: string, body: object): Promise<Trouble | null> {
  try {
    const state = await door.post<StateVm>(`${ROOM}/session/renew${step}`, body);
    adopt(state);
    say(state.session?.renewal ? "The gateway asks for one more thing." : "The session was given more time.");
    return null;
  } catch (cause) {
    // A step is answered once, whatever the answer came to.
    void loadOperator();
    const trouble = troubleOf(cause, "The session was not given more time");
    const never = cause instanceof Denied && cause.denial === "methodDenied";
    return never ? { ...trouble, advice: NO_RENEWAL } : trouble;
  }
}

export async function giveUpRenewal(): Promise<void> {
  try {
    await door.post(`${ROOM}/session/renew/cancel`);
    say("Gave up asking for more time.");
  } catch (cause) {
    complain(cause, "Asking for more time was not given up");
  }
  await loadOperator();
}

/** The old connection goes first. */
export async function choose(gateway: string): Promise<void> {
  leaving = true;
  refused.value = null;
  ended.value = null;
  try {
    adopt(await door.post<StateVm>(`${ROOM}/config`, { gateway }));
    say(`The console turns to ${gateway} now.`);
  } catch (cause) {
    leaving = false;
    follow(cause);
    complain(cause, `The console does not turn to ${gateway}`);
  }
}

export async function loadCaps(): Promise<void> {
  try {
    const { caps } = await door.read<{ caps: CapVm[] }>(`${ROOM}/caps`);
    if (operator.value) operator.value = { ...operator.value, caps };
  } catch (cause) {
    follow(cause);
    complain(cause, "What the session may use could not be listed");
  }
}

export async function loadHealth(): Promise<void> {
  try {
    health.value = await door.read<HealthVm>(`${ROOM}/health`);
  } catch (cause) {
    health.value = null;
    follow(cause);
  }
}

export async function loadRows(): Promise<void> {
  try {
    const read = await door.read<{ rows: TranscriptRowVm[] }>(`${ROOM}/transcript/redacted`);
    rows.value = added(rows.value, read.rows);
  } catch (cause) {
    complain(cause, "The transcript could not be read");
  }
}

onEvent((event, data) => {
  switch (event) {
    case "operator.changed":
      void loadOperator();
      break;
    case "operator.row":
      rows.value = added(rows.value, [data as unknown as TranscriptRowVm]);
      break;
    case "back":
      void loadOperator();
      void loadRows();
      break;
  }
});
