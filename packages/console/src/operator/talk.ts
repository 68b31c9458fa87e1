// Being in a channel of a chat: joining, talking, and asking what is new. Nothing is asked while nobody looks: each
// poll is a call, and calls keep the session of this browser alive.

import { effect, signal } from "@preact/signals";
import { untouchedFor } from "../activity";
import { Denied } from "../denial";
import { complain, say } from "../house";
import { invoke } from "./calls";
import { heard, type Line, pauseAfter } from "./chat";
import { operator } from "./store";

export interface Talk {
  ref: string;
  channel: string;
  nickname: string;
  members: string[];
}

export const talk = signal<Talk | null>(null);
export const lines = signal<Line[]>([]);

/** As many as a gateway may be asked for at once. */
const MOST = 500;

/** Whoever touched nothing for this long is taken to be away. */
const AWAY_MS = 2 * 60_000;

let quiet = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let watched = false;
let asking = false;
/** Whether nothing is asked until somebody is back. */
let away = false;

export async function join(ref: string, channel: string, nickname: string): Promise<boolean> {
  try {
    await invoke(ref, "join", { channel, nickname });
    lines.value = [];
  } catch (cause) {
    // A reload forgets what the session on the gateway still knows.
    if (!(await isIn(ref, channel, cause))) {
      complain(cause, `${channel} was not joined`);
      return false;
    }
  }
  talk.value = { ref, channel, nickname, members: [] };
  say(`Joined ${channel}.`);
  await loadMembers();
  look();
  return true;
}

export async function send(text: string): Promise<boolean> {
  const now = talk.value;
  if (!now) return false;
  try {
    await invoke(now.ref, "send", { channel: now.channel, text });
    look();
    return true;
  } catch (cause) {
    complain(cause, "The message was not sent");
    return false;
  }
}

export async function part(): Promise<void> {
  const now = talk.value;
  if (!now) return;
  try {
    await invoke(now.ref, "leave", { channel: now.channel });
    say(`Left ${now.channel}.`);
  } catch (cause) {
    complain(cause, `${now.channel} was not left`);
  }
  forget();
}

const TOUCHES = ["pointerdown", "keydown", "wheel", "touchmove"];

/** While the chat is on the screen, it is asked what is new; returns how to stop. */
export function watch(): () => void {
  watched = true;
  const seen = (): void => {
    if (document.visibilityState === "visible") look();
    else clearTimeout(timer);
  };
  const touched = (): void => {
    if (away) look();
  };
  document.addEventListener("visibilitychange", seen);
  for (const kind of TOUCHES) addEventListener(kind, touched, { passive: true });
  look();
  return () => {
    watched = false;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
    for (const kind of TOUCHES) removeEventListener(kind, touched);
  };
}

/** Asks now, and more seldom the longer nothing comes. */
export function look(): void {
  quiet = 0;
  void ask();
}

async function ask(): Promise<void> {
  clearTimeout(timer);
  const now = talk.value;
  if (!now || !watched || document.visibilityState !== "visible" || asking) return;
  away = untouchedFor() > AWAY_MS;
  if (away) return;
  asking = true;
  try {
    const result = await invoke(now.ref, "poll", { most: MOST });
    const came = result.rows.length > 0;
    quiet = came ? 0 : quiet + 1;
    if (came) {
      lines.value = heard(lines.value, result, new Date().toISOString());
      if (lines.value.slice(-result.rows.length).some((line) => line.kind !== "message")) void loadMembers();
    }
  } catch (cause) {
    quiet += 1;
    // Whoever is not in the session any more has heard so.
    if (cause instanceof Denied && cause.denial === "methodDenied")
      complain(cause, "The chat cannot be heard");
  } finally {
    asking = false;
  }
  if (talk.value === null) return;
  timer = setTimeout(() => void ask(), pauseAfter(quiet));
}

async function loadMembers(): Promise<void> {
  const now = talk.value;
  if (!now) return;
  try {
    const { rows } = await invoke(now.ref, "who", { channel: now.channel });
    if (talk.value?.ref === now.ref && talk.value.channel === now.channel) {
      talk.value = { ...talk.value, members: rows.map(([name]) => name ?? "") };
    }
  } catch {
    // Who is there is an extra; what is said comes by polling.
  }
}

async function isIn(ref: string, channel: string, cause: unknown): Promise<boolean> {
  if (!(cause instanceof Denied) || cause.denial !== "badRequest") return false;
  return invoke(ref, "who", { channel }).then(
    () => true,
    () => false,
  );
}

function forget(): void {
  clearTimeout(timer);
  talk.value = null;
  lines.value = [];
}

effect(() => {
  const caps = operator.value?.caps ?? [];
  const now = talk.peek();
  if (now && !caps.some((cap) => cap.ref === now.ref)) forget();
});
