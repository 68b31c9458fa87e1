// A store that speaks as much S3 as the daemon asks of one, and does what a test tells it: holds bodies back, breaks
// them off, or refuses as if its credentials had run out.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, stat } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";

/** @param {string} folder  whose files are the bucket's objects */
export async function startStore(folder) {
  const files = new Map();
  for (const name of await readdir(folder)) {
    const { mtime } = await stat(join(folder, name));
    const bytes = await readFile(join(folder, name));
    files.set(name, { bytes, mtime, etag: `"${createHash("md5").update(bytes).digest("hex")}"` });
  }
  const store = {
    /** Every request for an object. */
    asked: [],
    /** No body goes past this byte of its object until `release`. */
    heldAt: Infinity,
    /** Bodies break off at this byte of their object, so many times. */
    cutAt: Infinity,
    cuts: 0,
    /** The S3 code to refuse every request with: `ExpiredToken`. */
    refusal: null,
  };
  let waiting = [];

  const server = http.createServer((request, response) => {
    const url = new URL(request.url, "http://store");
    const key = decodeURIComponent(url.pathname.replace(/^\/bucket\/?/, ""));
    if (key) store.asked.push({ method: request.method, key, range: request.headers.range ?? null });
    if (store.refusal) return refuse(response, 400, store.refusal);
    if (!key) return list(response, url.searchParams);
    const file = files.get(key);
    if (!file) return refuse(response, 404, "NoSuchKey");
    if (request.headers["if-match"] && request.headers["if-match"] !== file.etag) return refuse(response, 412, "PreconditionFailed");
    answer(request, response, key, file).catch(() => response.destroy());
  });

  function list(response, asked) {
    const most = Number(asked.get("max-keys") ?? 1000);
    const from = asked.get("continuation-token") ?? "";
    const keys = [...files.keys()].sort().filter((key) => key.startsWith(asked.get("prefix") ?? "") && key > from);
    const page = keys.slice(0, most);
    const contents = page.map((key) => {
      const { bytes, mtime, etag } = files.get(key);
      return `<Contents><Key>${key}</Key><LastModified>${mtime.toISOString()}</LastModified><ETag>${etag.replaceAll('"', "&quot;")}</ETag><Size>${bytes.length}</Size></Contents>`;
    });
    const next = keys.length > most ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    response.writeHead(200, { "content-type": "application/xml" });
    response.end(`<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><KeyCount>${page.length}</KeyCount><IsTruncated>${next !== ""}</IsTruncated>${next}${contents.join("")}</ListBucketResult>`);
  }

  async function answer(request, response, key, { bytes, mtime, etag }) {
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const from = Number(first ?? 0);
    if (first !== undefined && from >= bytes.length) return refuse(response, 416, "InvalidRange");
    const end = last ? Math.min(Number(last) + 1, bytes.length) : bytes.length;
    const headers = { etag, "last-modified": mtime.toUTCString(), "accept-ranges": "bytes", "content-length": end - from };
    if (first !== undefined) headers["content-range"] = `bytes ${from}-${end - 1}/${bytes.length}`;
    response.writeHead(first === undefined ? 200 : 206, headers);
    if (request.method === "HEAD") return response.end();
    const gone = new Promise((go) => response.once("close", go));
    for (let at = from; at < end && !response.destroyed; ) {
      const edge = Math.min(end, at + 32 * 1024);
      if (edge > store.cutAt && store.cuts > 0) {
        store.cuts -= 1;
        return response.destroy();
      }
      if (edge > store.heldAt) {
        await new Promise((go) => {
          waiting.push(go);
          gone.then(go);
        });
        if (store.refusal) return response.destroy();
        continue;
      }
      if (!response.write(bytes.subarray(at, edge))) await Promise.race([once(response, "drain"), gone]);
      at = edge;
    }
    response.end();
  }

  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return Object.assign(store, {
    source: "s3://bucket",
    /** What the daemon needs to find it. */
    env: { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${server.address().port}`, AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" },
    release: () => {
      store.heldAt = Infinity;
      for (const go of waiting) go();
      waiting = [];
    },
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  });
}

function refuse(response, status, code) {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>As the test wants it.</Message></Error>`);
}
