// Media elements never say why they failed. One byte asked for by fetch does: the refusal is JSON with a reason.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Denied, denialOf, type Trouble, troubleOf } from "../denial";
import { renewEntry } from "../media/acts";
import { Broken } from "../ui/notice";
import type { ViewProps } from "./stage";

/** What the content listener refuses a URL with now; null when it does not. */
export async function refusalOf(url: string): Promise<Denied | null> {
  try {
    const answer = await fetch(url, {
      headers: { range: "bytes=0-0" },
      credentials: "omit",
      cache: "no-store",
      signal: AbortSignal.timeout(5_000),
    });
    if (!answer.ok) return await denialOf(answer);
    await answer.body?.cancel();
    return null;
  } catch {
    return new Denied(0, "unreachable", "The content listener does not answer");
  }
}

export async function whyNot(url: string, what: string, otherwise: string): Promise<Trouble> {
  const denial = await refusalOf(url);
  if (denial) return troubleOf(denial, what);
  return { what, why: otherwise, advice: "Download it and open it with another program.", command: null };
}

/** Shown in place of a view that failed; asks for the reason, and offers a new URL where that may help. */
export function Failed({
  source,
  entry,
  url,
  otherwise,
}: ViewProps & { otherwise: string }): JSX.Element | null {
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  useEffect(() => {
    void whyNot(url, `${entry.name} cannot be shown`, otherwise).then(setTrouble);
  }, [url]);
  if (!trouble) return null;
  return (
    <Broken trouble={trouble}>
      <button type="button" class="btn" onClick={() => void renewEntry(source, entry)}>
        New URL
      </button>
    </Broken>
  );
}
