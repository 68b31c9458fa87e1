import type { JSX } from "preact";
import { clock } from "../format";
import { recent } from "../house";

const FEW = 5;

/** The last decisions, beside the files they are about. */
export function JustNow(): JSX.Element {
  const events = recent.value.slice(0, FEW);
  return (
    <section class="card" aria-labelledby="now-title">
      <header>
        <h2 id="now-title">Just now</h2>
        <a class="n" href="#/audit">
          audit
        </a>
      </header>
      {events.map((event) => (
        <div class="row" key={event.seq}>
          <div class="a">
            <span class={event.outcome === "refused" ? "chip r" : "chip g"}>{event.outcome}</span>
            <b>{event.denial ?? event.kind}</b>
            <span class="muted">{clock(event.time)}</span>
          </div>
          {event.detail ? <div class="muted">{event.detail}</div> : null}
        </div>
      ))}
      {events.length === 0 ? <p class="row muted">Decisions show here as they are made.</p> : null}
    </section>
  );
}
