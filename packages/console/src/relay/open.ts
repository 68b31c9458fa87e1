// The open upstreams, as one map that the listing and the event stream change. Pure: the clock is an argument.

import * as flow from "../flow";
import { count, span } from "../format";
import type { Relay } from "../wire";

export type OpenRelay = Relay & flow.Flow;
export type Open = ReadonlyMap<string, OpenRelay>;

export const merged = (open: Open, reports: readonly Relay[], now: number): Open =>
  flow.reported(open, reports, now, (relay) => relay.bytesUp + relay.bytesDown);

/** Those in use first, then the newest. */
export const ordered = (open: Open, now: number): OpenRelay[] =>
  flow.ordered(
    open,
    now,
    (relay) => relay.connections > 0,
    (relay) => Date.parse(relay.createdAt),
  );

const ENDS: Readonly<Record<string, string>> = {
  finished: "both sides were done",
  clientBroke: "the page broke off",
  upstreamBroke: "the upstream broke off",
  notDrained: "one side did not stop",
  revoked: "it was revoked",
  expired: "its time was over",
  sessionEnded: "its session ended",
  closed: "doorward stopped",
  stopping: "doorward stopped",
  silent: "nothing was sent for too long",
  networkChanged: "the network changed",
  messageTooBig: "a message was too big",
  messageUnreadable: "a message could not be read",
  framesMalformed: "its frames were malformed",
};

/** Why the last connection ended, in words. */
export const endWords = (word: string): string => ENDS[word] ?? word;

/** How long pings took, or what there is instead. Browsers send none, so the page's side is the usual one. */
export function rttWords(relay: Relay): string {
  const ms = (time: number): string => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
  const sides = [
    relay.rttPageMs === null ? "" : `${ms(relay.rttPageMs)} to the page`,
    relay.rttUpstreamMs === null ? "" : `${ms(relay.rttUpstreamMs)} to the upstream`,
  ].filter(Boolean);
  return sides.length > 0 ? sides.join(", ") : "no ping seen";
}

export const endsIn = (relay: Relay, now: number): string => span(Date.parse(relay.expiresAt) - now);

export const connectionWords = (relay: Relay): string =>
  relay.turnConnections > 0
    ? `${count(relay.connections, "connection")}, ${relay.turnConnections} to TURN`
    : count(relay.connections, "connection");
