import type { JSX } from "preact";
import { clock, day } from "../format";
import type { AuditEvent } from "../wire";

/** Decisions as rows: when, what, where, how it went, why. */
export function AuditRows({ events }: { events: readonly AuditEvent[] }): JSX.Element {
  return (
    <ol class="log">
      {events.map((event) => (
        <AuditRow key={event.seq} event={event} />
      ))}
    </ol>
  );
}

function AuditRow({ event }: { event: AuditEvent }): JSX.Element {
  const refused = event.outcome === "refused";
  return (
    <li data-testid="audit-row" data-seq={event.seq} data-kind={event.kind} data-outcome={event.outcome}>
      <time
        dateTime={event.time}
        title={`${day(event.time, new Date())} ${clock(event.time)} · entry ${event.seq}`}
      >
        {clock(event.time)}
      </time>
      <span class={refused ? "chip r" : "chip g"}>{refused ? "refused" : "allowed"}</span>
      <b>
        {event.denial ?? event.kind}
        {event.count > 1 ? <span class="times"> × {event.count}</span> : null}
      </b>
      <span class="muted where">
        {[event.denial ? event.kind : null, event.surface, event.subject].filter(Boolean).join(" · ")}
      </span>
      <span class="detail">{event.detail}</span>
      <code class="hash" title={`Hash ${event.hash}`}>
        {event.hash.slice(0, 8)}
      </code>
    </li>
  );
}
