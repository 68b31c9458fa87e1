// Doors: every listener and surface, who may come in, from where, and what was refused today and why.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { count } from "../format";
import { go, route } from "../router";
import { Broken, Empty } from "../ui/notice";
import type { Listener, Surface } from "../wire";
import { Opened } from "./opened";
import { listeners, loadDoors, trouble } from "./store";
import { asks, refusedCount, term } from "./words";

export function DoorsPanel(): JSX.Element {
  useEffect(() => void loadDoors(), []);
  if (trouble.value && !listeners.value)
    return <Broken trouble={trouble.value} retry={() => void loadDoors()} />;
  if (!listeners.value) return <div class="bone big" aria-hidden="true" />;
  if (listeners.value.length === 0) {
    return (
      <Empty command="doorward routes">
        Every listener and its surfaces appear here while the daemon listens.
      </Empty>
    );
  }
  return (
    <div class="doors">
      {listeners.value.map((listener) => (
        <ListenerCard key={listener.name} listener={listener} />
      ))}
    </div>
  );
}

const bare = (origin: string): string => origin.replace(/^https?:\/\//, "");

function ListenerCard({ listener }: { listener: Listener }): JSX.Element {
  const title = `listener-${listener.name}`;
  const refused = listener.surfaces.reduce((sum, surface) => sum + refusedCount(surface.refused), 0);
  return (
    <section class="card" aria-labelledby={title} data-testid="listener" data-listener={listener.name}>
      <header>
        <code>{[listener.origin, ...(listener.lanes ?? [])].map(bare).join(" ")}</code>
        <h2 id={title}>{listener.name}</h2>
        <span class="n">
          HTTP/1.1 · {count(listener.surfaces.length, "surface")} · {refused.toLocaleString("en-GB")} refused
          today
        </span>
      </header>
      <table>
        <thead>
          <tr>
            <th scope="col">Surface</th>
            <th scope="col">Who may come in</th>
            <th scope="col">From where</th>
            <th scope="col">CORS</th>
            <th scope="col">Refused today</th>
          </tr>
        </thead>
        <tbody>
          {listener.surfaces.map((surface) => (
            <SurfaceRows key={surface.name} surface={surface} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function SurfaceRows({ surface }: { surface: Surface }): JSX.Element {
  const open = route.value.panel === "doors" && route.value.surface === surface.name;
  const { text, tone } = asks(surface);
  const id = `door-${surface.name}`;
  const toggle = (): void => go({ panel: "doors", surface: open ? null : surface.name }, "replace");
  return (
    <>
      <tr class={open ? "door open" : "door"} data-testid="door" data-surface={surface.name} onClick={toggle}>
        <th scope="row">
          <button
            type="button"
            aria-expanded={open}
            aria-controls={open ? id : undefined}
            onClick={(event) => {
              event.stopPropagation();
              toggle();
            }}
          >
            {surface.name}
          </button>{" "}
          <code class="muted">{surface.prefix}</code>
        </th>
        <td data-label="Who may come in">
          <span class={`chip ${tone}`}>{text}</span>
        </td>
        <td data-label="From where">{term(surface.policy.origin)}</td>
        <td data-label="CORS">{term(surface.policy.cors)}</td>
        <td data-label="Refused today" class="refusals">
          <Refusals surface={surface} />
        </td>
      </tr>
      {open ? (
        <tr class="opened" id={id}>
          <td colSpan={5}>
            <Opened surface={surface} />
          </td>
        </tr>
      ) : null}
    </>
  );
}

function Refusals({ surface }: { surface: Surface }): JSX.Element {
  const total = refusedCount(surface.refused);
  if (total === 0) return <span class="muted">0</span>;
  const names = [...surface.refused].sort((a, b) => b.count - a.count);
  return (
    <>
      <b>{total.toLocaleString("en-GB")}</b>{" "}
      <span class="muted">
        · {names.map((one) => `${one.denial}${names.length > 1 ? ` ${one.count}` : ""}`).join(", ")}
      </span>
    </>
  );
}
