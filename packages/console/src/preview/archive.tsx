// An archive as the tree of what it holds. Nothing is unpacked: only its own table of contents is read, by ranges.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Contents, readArchive, Unlisted } from "../archive/read";
import { type Branch, treeOf } from "../archive/tree";
import { type Trouble, troubleOf } from "../denial";
import { bytes, count } from "../format";
import { Box, Folder } from "../ui/icons";
import { Broken } from "../ui/notice";
import { HexView } from "./hexview";
import { rangesOf } from "./ranges";
import type { ViewProps } from "./stage";

/** Rows of one folder that are drawn before somebody asks for the rest. */
const ROWS = 500;

export function ArchiveView(props: ViewProps): JSX.Element {
  const { entry, url } = props;
  const [found, setFound] = useState<{ contents: Contents; root: Branch } | null>(null);
  const [why, setWhy] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    readArchive(rangesOf(url, entry.size, stop.signal)).then(
      (contents) => stop.signal.aborted || setFound({ contents, root: treeOf(contents.entries) }),
      (cause: unknown) => {
        if (stop.signal.aborted) return;
        if (cause instanceof Unlisted) setWhy(cause.message);
        else setTrouble(troubleOf(cause, `${entry.name} cannot be read`));
      },
    );
    return () => stop.abort();
  }, [url]);

  if (trouble) return <Broken trouble={trouble} />;
  if (why !== null) return <Closed {...props} why={why} />;
  if (!found) return <div class="bone big" aria-hidden="true" />;
  const { contents, root } = found;
  return (
    <>
      <p class="caption" role="status">
        {count(root.count, "file")}, {bytes(root.size)} unpacked.{" "}
        {contents.cut ? `${contents.cut}; download it to see them all.` : ""} Nothing was unpacked to tell.
      </p>
      <section
        class="tree scrolls"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
        tabIndex={0}
        aria-label={`Contents of ${entry.name}`}
        data-testid="archive"
      >
        <Rows of={root} open={root.folders.length === 1 && root.files.length === 0} />
        {root.count === 0 && root.folders.length === 0 ? <p class="muted">This archive is empty.</p> : null}
      </section>
    </>
  );
}

function Rows({ of, open }: { of: Branch; open: boolean }): JSX.Element {
  const [rows, setRows] = useState(ROWS);
  const left = of.folders.length + of.files.length - rows;
  return (
    <ul>
      {of.folders.slice(0, rows).map((folder, i) => (
        // Two names may look alike, once what cannot be shown is taken out.
        <li key={`${i} ${folder.name}/`}>
          <Opened folder={folder} open={open} />
        </li>
      ))}
      {of.files.slice(0, Math.max(0, rows - of.folders.length)).map((file, i) => (
        <li key={`${i} ${file.name}`} class="leaf-row">
          <span class="name" title={file.name}>
            {file.name}
          </span>
          {file.locked ? <span class="chip">encrypted</span> : null}
          <small class="num">{bytes(file.size)}</small>
        </li>
      ))}
      {left > 0 ? (
        <li>
          <button type="button" class="btn" onClick={() => setRows(rows + ROWS)}>
            Show {Math.min(left, ROWS).toLocaleString("en-GB")} more of {left.toLocaleString("en-GB")}
          </button>
        </li>
      ) : null}
    </ul>
  );
}

/** Its rows exist once it was opened. */
function Opened({ folder, open }: { folder: Branch; open: boolean }): JSX.Element {
  const [seen, setSeen] = useState(open);
  return (
    <details open={open} onToggle={(event) => event.currentTarget.open && setSeen(true)}>
      <summary>
        <Folder />
        <span class="name" title={folder.name}>
          {folder.name}
        </span>
        <small class="num">
          {count(folder.count, "file")} · {bytes(folder.size)}
        </small>
      </summary>
      {seen ? <Rows of={folder} open={false} /> : null}
    </details>
  );
}

function Closed(props: ViewProps & { why: string }): JSX.Element {
  const [raw, setRaw] = useState(false);
  if (raw) return <HexView {...props} />;
  return (
    <div class="plain" data-testid="unseen">
      <span class="mark">
        <Box />
      </span>
      <p>{props.why}. Download it, or copy its URL into a program that opens it.</p>
      <button type="button" class="btn" onClick={() => setRaw(true)} data-testid="as-bytes">
        Show its bytes
      </button>
    </div>
  );
}
