// HTML, SVG, XML and scripts: shown as text. Asked for, they are framed in a sandbox without scripts, from the
// content origin, by a URL minted for nothing else.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Trouble, troubleOf } from "../denial";
import { door } from "../house";
import { mint } from "../media/acts";
import { Broken } from "../ui/notice";
import type { ViewProps } from "./stage";
import { TextView } from "./text";
import { whyNot } from "./why";

export function ActiveView(props: ViewProps): JSX.Element {
  const { source, entry } = props;
  const [framed, setFramed] = useState<{ id: string; url: string } | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const open = async (): Promise<void> => {
    setTrouble(null);
    try {
      const { id, url } = await mint(source, entry.key, "isolated");
      const answer = await fetch(url, { method: "HEAD", credentials: "omit", cache: "no-store" });
      if (answer.ok) setFramed({ id, url });
      else setTrouble(await whyNot(url, `${entry.name} cannot be framed`, "The content listener refused it"));
    } catch (cause) {
      setTrouble(troubleOf(cause, `${entry.name} cannot be framed`));
    }
  };
  // The frame's URL serves this frame only: it is revoked with it.
  useEffect(() => {
    if (!framed) return;
    return () => void door.remove(`/api/grants/${encodeURIComponent(framed.id)}`).catch(() => {});
  }, [framed]);
  return (
    <>
      <div class="strip above">
        <p class="caption">
          {framed
            ? "Isolated: no scripts, no forms, no network, an origin of its own. Scripts never run."
            : "Shown as text, because a browser could run what is in it. Scripts never run."}
        </p>
        <button
          type="button"
          class="btn"
          onClick={() => (framed ? setFramed(null) : void open())}
          data-testid="isolate"
        >
          {framed ? "Show as text" : "Open isolated"}
        </button>
      </div>
      {trouble ? <Broken trouble={trouble} /> : null}
      {framed ? (
        <iframe
          class="isolated"
          sandbox=""
          src={framed.url}
          title={`${entry.name}, isolated`}
          referrerpolicy="no-referrer"
          data-testid="isolated"
        />
      ) : (
        <TextView {...props} />
      )}
    </>
  );
}
