// A source that cannot be listed, such as a web server: its files are opened by name. What a file is, its own answer
// tells.

import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { Denied } from "../denial";
import { go, mediaRoute } from "../router";
import type { Entry, View } from "../wire";
import { mint } from "./acts";

export const isUnlistable = (cause: unknown): boolean =>
  cause instanceof Denied && cause.denial === "notListable";

export function OpenByName({ source, prefix }: { source: string; prefix: string }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const open = (): void => {
    const name = field.current?.value.trim().replace(/^\/+/, "") ?? "";
    if (name) go(mediaRoute(source, prefix, `${prefix}${name}`));
  };
  return (
    <div class="notice" data-testid="by-name">
      <p>This source does not list its files. Open one by its name:</p>
      <div class="add">
        <label for="open-name">Name</label>
        <input
          id="open-name"
          ref={field}
          placeholder="films/trailer.mp4"
          spellcheck={false}
          autocomplete="off"
          onKeyDown={(event) => event.key === "Enter" && open()}
        />
        <button type="button" class="btn main" onClick={open}>
          Open
        </button>
      </div>
    </div>
  );
}

/** One file of such a source, as a listing would show it. */
export async function named(source: string, key: string): Promise<Entry> {
  const { url, id } = await mint(source, key, "inline");
  const answer = await fetch(url, { method: "HEAD", credentials: "omit", cache: "no-store" });
  if (!answer.ok) throw new Error(`The source answered ${answer.status} for this name`);
  const type = answer.headers.get("content-type")?.split(";")[0]?.trim() ?? null;
  const length = Number(answer.headers.get("content-length") ?? Number.NaN);
  const modified = Date.parse(answer.headers.get("last-modified") ?? "");
  return {
    name: key.slice(key.lastIndexOf("/") + 1),
    key,
    kind: "file",
    size: Number.isSafeInteger(length) ? length : null,
    modifiedAt: Number.isNaN(modified) ? null : new Date(modified).toISOString(),
    contentType: type,
    view: viewOf(type ?? "", key),
    url,
    grantId: id,
  };
}

/** As the daemon tells views apart; active files come as plain text and are shown as that. */
export function viewOf(type: string, name: string): View {
  if (/^(image|video|audio)\//.test(type) && type !== "image/svg+xml") return type.split("/")[0] as View;
  if (type === "application/pdf") return "pdf";
  if (/zip|tar|gzip/.test(type) || /\.(zip|tar|tgz|tar\.gz)$/i.test(name)) return "archive";
  if (type.startsWith("text/") || type === "application/json") return "text";
  return "other";
}
