// Chooses how one file is shown. What a browser might run is shown as text; what nothing here can show says so.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { renewEntry, withConnection } from "../media/acts";
import { lost, replaced } from "../media/listing";
import type { Entry } from "../wire";
import { ActiveView } from "./active";
import { ArchiveView } from "./archive";
import { HexView } from "./hexview";
import { ImageView } from "./image";
import { PdfView } from "./pdf";
import { AudioView, VideoView } from "./player";
import { TextView } from "./text";

export interface StageProps {
  source: string;
  entry: Entry;
}

export interface ViewProps extends StageProps {
  url: string;
}

export function Stage({ source, entry }: StageProps): JSX.Element {
  const [url, setUrl] = useState<string | null>(entry.grantId === null ? entry.url : null);
  useEffect(() => {
    if (!entry.url || !entry.grantId) return;
    const stop = new AbortController();
    void withConnection(entry.url, entry.grantId, stop.signal).then(setUrl);
    return () => stop.abort();
  }, []);
  if (!entry.url) return <NoUrl source={source} entry={entry} />;
  if (!url) return <div class="bone big" aria-hidden="true" />;
  const isReplaced = entry.grantId !== null && replaced.value.has(entry.grantId);
  return (
    <>
      {isReplaced ? (
        <div class="strip above" role="alert" data-testid="replaced">
          <p class="caption">This file was replaced at its source since it was opened.</p>
          <button type="button" class="btn" onClick={() => void renewEntry(source, entry)}>
            Open it again
          </button>
        </div>
      ) : null}
      <View source={source} entry={entry} url={url} />
    </>
  );
}

function View(props: ViewProps): JSX.Element {
  const { entry } = props;
  switch (entry.view) {
    case "image":
      return <ImageView {...props} />;
    case "video":
      return <VideoView {...props} />;
    case "audio":
      return <AudioView {...props} />;
    case "pdf":
      return <PdfView {...props} />;
    case "text":
    case "markdown":
      return <TextView {...props} />;
    case "active":
      return <ActiveView {...props} />;
    case "archive":
      return <ArchiveView {...props} />;
    default:
      return <HexView {...props} />;
  }
}

function NoUrl({ source, entry }: StageProps): JSX.Element {
  const reason = lost.value.get(entry.lostId ?? "");
  const why =
    reason === "expired"
      ? "The time of this file's URL ran out"
      : reason === "revoked"
        ? "The URL of this file was revoked"
        : "This file has no live URL: it was revoked or ran out";
  return (
    <div class="plain" data-testid="no-url" data-reason={reason ?? ""}>
      <p role="status">{why}, so nothing can be fetched with it.</p>
      <button type="button" class="btn main" onClick={() => void renewEntry(source, entry)}>
        Mint a new URL
      </button>
    </div>
  );
}
