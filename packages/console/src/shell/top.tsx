// The top line: where you are, and how the daemon is doing.

import type { JSX } from "preact";
import { bytes, count, span } from "../format";
import { link, live, sources } from "../house";
import { Crumbs } from "../media/crumbs";
import { route } from "../router";

export function Top(): JSX.Element {
  return (
    <section class="top" aria-label="Where you are">
      <Where />
      <span class="grow" />
      <SourcePill />
      <LinkPill />
    </section>
  );
}

const TITLES = {
  companion: "Every page that you introduced to this computer",
  relay: "Every way out that a page was given",
  operator: "Every session on another machine, held here for you",
  doors: "Every way in, and what it asks",
  audit: "Every decision, as it was made",
};

function Where(): JSX.Element {
  const here = route.value;
  if (here.panel === "media") return <Crumbs />;
  return <h1 class="crumbs">{TITLES[here.panel]}</h1>;
}

function SourcePill(): JSX.Element | null {
  const here = route.value;
  if (here.panel !== "media") return null;
  const source = sources.value?.find((one) => one.id === here.source);
  if (!source) return null;
  const ok = source.state === "ready";
  return (
    <span class={ok ? "pill" : "pill bad"} title={source.message ?? source.location}>
      {ok ? source.location : `${source.name} failed`}
    </span>
  );
}

function LinkPill(): JSX.Element {
  const now = link.value;
  const playing = [...live.value.values()];
  const streams = playing.reduce((sum, grant) => sum + grant.streams, 0);
  const served = playing.reduce((sum, grant) => sum + grant.bytes, 0);
  switch (now.state) {
    case "live":
      return (
        <span class="pill ok" data-testid="link" data-link="live">
          <span class="dot" />
          {streams > 0 ? `${count(streams, "stream")} · ${bytes(served)}` : "connected"}
        </span>
      );
    case "connecting":
      return (
        <span class="pill busy" data-testid="link" data-link="connecting">
          <span class="dot" />
          connecting
        </span>
      );
    default:
      return (
        <span class="pill bad" role="alert" data-testid="link" data-link={now.state}>
          <span class="dot" />
          {now.state === "waiting" ? `daemon away · trying in ${span(now.ms)}` : "session over"}
        </span>
      );
  }
}
