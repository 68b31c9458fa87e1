// Chooses how one file is shown. What a browser might run is shown as text; what nothing here can show says so.

import type { JSX } from "preact";
import { renewEntry } from "../media/acts";
import { Box, Page } from "../ui/icons";
import type { Entry } from "../wire";
import { ActiveView } from "./active";
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
  if (!entry.url) return <NoUrl source={source} entry={entry} />;
  const props = { source, entry, url: entry.url };
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
    default:
      return <Unseen entry={entry} />;
  }
}

function NoUrl({ source, entry }: StageProps): JSX.Element {
  return (
    <div class="plain" data-testid="no-url">
      <p>This file has no live URL: it was revoked or ran out, so nothing can be fetched with it.</p>
      <button type="button" class="btn main" onClick={() => void renewEntry(source, entry)}>
        Mint a new URL
      </button>
    </div>
  );
}

function Unseen({ entry }: { entry: Entry }): JSX.Element {
  const archive = entry.view === "archive";
  return (
    <div class="plain" data-testid="unseen">
      <span class="mark">{archive ? <Box /> : <Page />}</span>
      <p>
        {archive ? "Archives are downloaded whole." : "This kind of file has no preview."} Download it, or
        copy its URL into a program that opens it.
      </p>
    </div>
  );
}
