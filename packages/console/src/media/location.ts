// What a person may drop or type as a source: a bucket URL or a path. Parsed here only as far as it takes to say
// something useful at once; the daemon decides.

export type Dropped = { location: string } | { problem: string };

const S3_HOST = /^(?:(?<bucket>[a-z0-9.-]+)\.)?s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com$/;

export function parseLocation(text: string): Dropped {
  const first = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .find((line) => line !== "" && !line.startsWith("#"));
  if (!first)
    return { problem: "Nothing to add. Drop a bucket URL such as s3://bucket/prefix, or type a path." };
  if (/^(s3|gs|az):\/\/[^/]+/.test(first)) return { location: first };
  if (/^(\/|~\/|~$|[A-Za-z]:[\\/])/.test(first)) return { location: first };
  if (first.startsWith("file://")) return fromFileUrl(first);
  if (/^https?:\/\//.test(first)) return fromWeb(first);
  return { problem: `“${short(first)}” is neither a path nor a bucket URL such as s3://bucket/prefix.` };
}

function fromFileUrl(text: string): Dropped {
  try {
    const url = new URL(text);
    if (url.host && url.host !== "localhost")
      return { problem: "Only folders of this computer can be added." };
    return { location: decodeURIComponent(url.pathname) };
  } catch {
    return { problem: "This file address cannot be read." };
  }
}

/** An AWS address becomes the bucket it names; any other web address stays as it is. */
function fromWeb(text: string): Dropped {
  try {
    const url = new URL(text);
    const host = S3_HOST.exec(url.hostname);
    if (!host) return { location: text };
    const path = decodeURIComponent(url.pathname).replace(/^\/+/, "");
    const named = host.groups?.bucket ? `${host.groups.bucket}/${path}` : path;
    return named
      ? { location: `s3://${named.replace(/\/$/, "")}` }
      : { problem: "This address names no bucket." };
  } catch {
    return { problem: "This web address cannot be read." };
  }
}

const short = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}…` : text);
