// Media: a source, a folder in it, what is live. This file only puts the parts together.

import type { JSX } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { entrance, loadSources, sources, sourcesTrouble } from "../house";
import { Preview } from "../preview/sheet";
import { go, mediaRoute, parseRoute, route } from "../router";
import { Broken, Empty } from "../ui/notice";
import type { Source } from "../wire";
import { OpenByName } from "./byname";
import { EntryGrid } from "./grid";
import { JustNow } from "./justnow";
import { onMediaKey } from "./keys";
import { type Folder, folder, more, reload, scrolled, visit } from "./listing";
import { LiveUrls } from "./liveurls";
import { hovering, Sources, useDrop } from "./sources";
import { Toolbar } from "./toolbar";

export function MediaPanel(): JSX.Element {
  const here = route.value.panel === "media" ? route.value : mediaRoute(null);
  const source = here.panel === "media" ? here.source : null;
  const prefix = here.panel === "media" ? here.prefix : "";
  useDrop();
  useEffect(() => {
    addEventListener("keydown", onMediaKey);
    return () => removeEventListener("keydown", onMediaKey);
  }, []);
  useEffect(() => {
    const first = sources.value?.find((one) => one.state === "ready") ?? sources.value?.[0];
    // The address may have changed a moment ago, with its event still to come.
    const named = parseRoute(location.hash);
    if (named.panel !== "media" || named.source !== null) return;
    if (source === null && first) go(mediaRoute(first.id), "replace");
  }, [source, sources.value]);
  useLayoutEffect(
    () => () => {
      scrolled.wish = scrolled.top;
    },
    [],
  );
  useLayoutEffect(() => {
    if (source === null || entrance.value.at !== "inside") return;
    const now = folder.peek();
    // Coming back from another panel, the same folder is still here.
    if (now?.source !== source || now.prefix !== prefix) scrolled.wish = visit(source, prefix);
    if (scrolled.wish === 0) document.getElementById("main")?.scrollTo({ top: 0 });
  }, [source, prefix]);

  const known = sources.value?.find((one) => one.id === source);
  return (
    <div class="media">
      <section aria-label="Files">
        <Sources />
        <Body known={known} now={source !== null && folder.value?.source === source ? folder.value : null} />
      </section>
      <aside class="stack" aria-label="Live">
        <LiveUrls />
        <JustNow />
      </aside>
      {here.panel === "media" && here.source && here.open ? (
        <Preview source={here.source} entryKey={here.open} />
      ) : null}
      {hovering.value ? (
        <div class="drop" aria-hidden="true">
          Drop a bucket URL or a path to add it as a source
        </div>
      ) : null}
    </div>
  );
}

function Body({ known, now }: { known: Source | undefined; now: Folder | null }): JSX.Element {
  if (sourcesTrouble.value && !sources.value) {
    return <Broken trouble={sourcesTrouble.value} retry={() => void loadSources()} />;
  }
  if (sources.value?.length === 0) {
    return (
      <Empty command="doorward serve ~/Pictures">
        Pictures, video and documents of a folder or bucket appear here once one is served.
      </Empty>
    );
  }
  if (known?.state === "failed") {
    const why = (known.message ?? "The daemon gave no reason").replace(/\.+$/, "");
    const trouble = {
      what: `${known.name} cannot be read`,
      why,
      advice: "Check the source:",
      command: "doorward doctor",
    };
    return <Broken trouble={trouble} retry={() => void loadSources().then(reload)} />;
  }
  if (!now) return <Skeleton />;
  if (now.unlistable) return <OpenByName source={now.source} prefix={now.prefix} />;
  return (
    <>
      <Toolbar folder={now} />
      {now.fresh ? <Skeleton /> : <EntryGrid folder={now} />}
      <Foot now={now} />
    </>
  );
}

function Foot({ now }: { now: Folder }): JSX.Element | null {
  if (now.trouble) return <Broken trouble={now.trouble} retry={reload} />;
  if (now.fresh) return null;
  const { count, next } = now.pages;
  if (count === 0 && !now.busy && next === null) {
    return now.q.text ? (
      <Empty>
        Nothing here {now.q.starts ? "has a name that starts with" : "has"} “{now.q.text}”
        {now.q.starts ? "" : " in its name"}. Esc clears the search.
      </Empty>
    ) : (
      <Empty>This folder is empty; files put into it appear after a reload.</Empty>
    );
  }
  return (
    <p class="tally muted" role="status">
      {count.toLocaleString("en-GB")} {count === 1 ? "entry" : "entries"}
      {next === null ? "" : " so far"}
      {next !== null ? (
        <button type="button" class="btn" onClick={() => more(true)} disabled={now.busy} data-testid="more">
          {now.busy ? "Reading on …" : now.paused ? "Search on" : "Show more"}
        </button>
      ) : null}
    </p>
  );
}

function Skeleton(): JSX.Element {
  return (
    <div class="grid skeletons" aria-hidden="true">
      {Array.from({ length: 8 }, (_, i) => (
        <div class="tile" key={i}>
          <span class="thumb" />
          <span class="bone" />
        </div>
      ))}
    </div>
  );
}
