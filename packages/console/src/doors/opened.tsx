// One door, opened: its policy in words and in terms, its routes, and what the audit log says about it.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { AuditRows } from "../audit/rows";
import { type Trouble, troubleOf } from "../denial";
import { bytes } from "../format";
import { door, recent } from "../house";
import { formatRoute } from "../router";
import { Broken } from "../ui/notice";
import type { AuditEvent, AuditPage, Surface } from "../wire";
import { term } from "./words";

const FEW = 8;

export function Opened({ surface }: { surface: Surface }): JSX.Element {
  return (
    <div class="inside" data-testid="door-open">
      <div>
        <h3>In words</h3>
        <ul class="words">
          {surface.words.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
        <h3>Routes</h3>
        <ul class="routes">
          {surface.routes.map((one) => (
            <li key={`${one.method} ${one.path}`}>
              <code>
                <b>{one.method}</b> {one.path}
              </code>
            </li>
          ))}
        </ul>
      </div>
      <div>
        <h3>Policy</h3>
        <Terms surface={surface} />
      </div>
      <Matching surface={surface.name} />
    </div>
  );
}

function Terms({ surface }: { surface: Surface }): JSX.Element {
  const { policy } = surface;
  const terms: [string, string][] = [
    ["Peer", term(policy.peer)],
    ["Origin", term(policy.origin)],
    ["Fetch Metadata", term(policy.fetchMetadata)],
    ["CORS", term(policy.cors)],
    ["CSRF token", policy.csrf ? "on every state change" : "not needed"],
    ["Content type", term(policy.content)],
    ["Body", policy.bodyLimit > 0 ? `at most ${bytes(policy.bodyLimit)}` : "none"],
    ["Rate", term(policy.rate)],
    ["In flight", term(policy.inFlight)],
    ["Seal", term(policy.seal)],
  ];
  return (
    <dl class="terms">
      {terms.map(([name, meaning]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{meaning}</dd>
        </div>
      ))}
    </dl>
  );
}

function Matching({ surface }: { surface: string }): JSX.Element {
  const [events, setEvents] = useState<AuditEvent[] | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const newest = recent.value.find((event) => event.surface === surface)?.seq ?? 0;
  useEffect(() => {
    let current = true;
    const asked = new URLSearchParams({ surface, limit: String(FEW) });
    door
      .read<AuditPage>(`/api/audit?${asked}`)
      .then((page) => current && setEvents([...page.events].reverse()))
      .catch(
        (cause: unknown) => current && setTrouble(troubleOf(cause, "The audit entries could not be read")),
      );
    return () => {
      current = false;
    };
  }, [surface]);
  const fresh = recent.value.filter(
    (event) => event.surface === surface && event.seq > (events?.[0]?.seq ?? newest),
  );
  return (
    <div class="matching">
      <h3>
        Audit{" "}
        <a class="calm link" href={formatRoute({ panel: "audit", kind: "", surface })}>
          all entries of {surface}
        </a>
      </h3>
      {trouble ? <Broken trouble={trouble} /> : null}
      {events && events.length + fresh.length === 0 ? (
        <p class="muted">Nothing was decided here yet.</p>
      ) : null}
      {events ? <AuditRows events={[...fresh, ...events].slice(0, FEW)} /> : null}
    </div>
  );
}
