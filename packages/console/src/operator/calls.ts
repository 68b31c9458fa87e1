// What the owner of a session does with it: operations, services, launches, recent decisions. Each answer stays with
// what was asked until the session is another one.

import { effect, signal } from "@preact/signals";
import { type Trouble, troubleOf } from "../denial";
import { door, say } from "../house";
import type { Values } from "./fields";
import { kindOf } from "./kinds";
import { follow, loadCaps, operator } from "./store";
import type { AuditRowVm, CallResultVm, CapVm, LauncherVm, LaunchVm, OperationVm, ServiceVm } from "./wire";

export interface Answered<T> {
  busy: boolean;
  at: number;
  result: T | null;
  trouble: Trouble | null;
}

export type Answers<T> = ReadonlyMap<string, Answered<T>>;

export const results = signal<Answers<CallResultVm>>(new Map());
/** By profile. */
export const launches = signal<Answers<LaunchVm>>(new Map());
export const services = signal<Answered<ServiceVm[]> | null>(null);
export const launchers = signal<Answered<LauncherVm[]> | null>(null);
export const decisions = signal<Answered<AuditRowVm[]> | null>(null);

/** What the person is asked once more before it is done. */
export interface Question {
  title: string;
  text: string;
  warning: string;
  yes: string;
  act: () => void;
}

export const question = signal<Question | null>(null);

export const placeOf = (cap: CapVm, operation: OperationVm): string => `${cap.ref} ${operation.name}`;

/** Runs an operation; what cannot be undone is asked about first. */
export function run(cap: CapVm, operation: OperationVm, fields: Values): void {
  if (operation.effect !== "destructive") {
    void call(cap, operation, fields, false);
    return;
  }
  const given = Object.entries(fields).map(
    ([name, value]) => `${labelOf(operation, name)}: ${shown(operation, name, value)}`,
  );
  question.value = {
    title: `${operation.label}?`,
    text: [`${cap.contractLabel} (${cap.name})`, ...given].join(" · "),
    warning: "This cannot be undone.",
    yes: operation.label,
    act: () => void call(cap, operation, fields, true),
  };
}

async function call(cap: CapVm, operation: OperationVm, fields: Values, confirmed: boolean): Promise<void> {
  const place = placeOf(cap, operation);
  if (results.value.get(place)?.busy) return;
  put(results, place, { busy: true, at: Date.now(), result: null, trouble: null });
  const answered = await invoke(cap.ref, operation.name, fields, confirmed).then(
    (result) => ({ result, trouble: null }),
    (cause) => ({ result: null, trouble: troubleOf(cause, `${operation.label} was not done`) }),
  );
  // It may be another session by now.
  if (!results.value.has(place)) return;
  put(results, place, { busy: false, at: Date.now(), ...answered });
  if (!answered.result) return;
  const failed = failureOf(answered.result);
  say(`${operation.label}: ${failed ?? "done"}.`, failed !== null);
  // Something that was launched may have been stopped by it.
  if (operation.effect !== "read" && launchers.value?.result?.length) void loadLaunchers();
}

/** A command may say no by how it ends. */
function failureOf({ fields }: CallResultVm): string | null {
  const { ends } = kindOf(operator.value?.gateway?.kind ?? "");
  const ended = fields.find(({ name }) => ends.includes(name))?.value ?? "0";
  return ended === "0" ? null : `it ended with ${ended}`;
}

/** One call, whoever shows its answer. */
export async function invoke(
  ref: string,
  operation: string,
  fields: Values,
  confirmed = false,
): Promise<CallResultVm> {
  try {
    return await door.post<CallResultVm>("/api/operator/call", { ref, operation, fields, confirmed });
  } catch (cause) {
    follow(cause);
    throw cause;
  }
}

export async function probe(launcher: LauncherVm): Promise<void> {
  await launching(launcher.profile, `${launcher.label} was not probed`, () =>
    door.post<LaunchVm>("/api/operator/launch/probe", { profile: launcher.profile }),
  );
}

export async function launch(launcher: LauncherVm, grants: string[]): Promise<void> {
  const { profile, label } = launcher;
  const launched = await launching(profile, `${label} was not launched`, () =>
    door.post<LaunchVm>("/api/operator/launch/start", { profile, grants }),
  );
  if (!launched) return;
  say(`${label}: ${launched.status}.`);
  // What was launched may be something to use.
  void loadCaps();
  void loadLaunchers();
}

async function launching(
  place: string,
  failed: string,
  ask: () => Promise<LaunchVm>,
): Promise<LaunchVm | null> {
  if (launches.value.get(place)?.busy) return null;
  const before = launches.value.get(place)?.result ?? null;
  put(launches, place, { busy: true, at: Date.now(), result: before, trouble: null });
  try {
    const result = await ask();
    put(launches, place, { busy: false, at: Date.now(), result, trouble: null });
    return result;
  } catch (cause) {
    follow(cause);
    put(launches, place, { busy: false, at: Date.now(), result: null, trouble: troubleOf(cause, failed) });
    return null;
  }
}

export const loadServices = (): Promise<void> =>
  list(services, "/api/operator/services", "services", "The services could not be listed");

export async function loadLaunchers(): Promise<void> {
  const before = statuses();
  await list(launchers, "/api/operator/launchers", "launchers", "What can be launched could not be listed");
  const now = statuses();
  // What was told of one counts no more once the list says that something else became of it.
  const stands = ([profile, { busy, result }]: [string, Answered<LaunchVm>]): boolean =>
    busy || !result || now.get(profile) === before.get(profile) || now.get(profile) === result.status;
  launches.value = new Map([...launches.value].filter(stands));
}

const statuses = (): ReadonlyMap<string, string> =>
  new Map(launchers.value?.result?.map(({ profile, status }) => [profile, status]));

export const loadDecisions = (): Promise<void> =>
  list(decisions, "/api/operator/audit/recent", "events", "The recent decisions could not be read");

async function list<T>(
  into: { value: Answered<T[]> | null },
  path: string,
  name: string,
  failed: string,
): Promise<void> {
  try {
    const answer = await door.read<Record<string, T[]>>(path);
    into.value = { busy: false, at: Date.now(), result: answer[name] ?? [], trouble: null };
  } catch (cause) {
    follow(cause);
    into.value = { busy: false, at: Date.now(), result: null, trouble: troubleOf(cause, failed) };
  }
}

function put<T>(into: { value: Answers<T> }, place: string, answered: Answered<T>): void {
  into.value = new Map(into.value).set(place, answered);
}

const labelOf = (operation: OperationVm, name: string): string =>
  operation.fields.find((field) => field.name === name)?.label || name;

function shown(operation: OperationVm, name: string, value: Values[string]): string {
  const secret = operation.fields.find((field) => field.name === name)?.kind === "secret";
  return secret ? "(hidden)" : String(value);
}

// Aliases are random in each session: what was answered to others is of a session that is over.
let refs = new Set<string>();
effect(() => {
  const state = operator.value;
  const now = new Set(state?.session ? state.caps.map((cap) => cap.ref) : []);
  const same = [...now].some((ref) => refs.has(ref));
  refs = now;
  if (same) return;
  results.value = new Map();
  launches.value = new Map();
  services.value = null;
  launchers.value = null;
  decisions.value = null;
  question.value = null;
});
