// A plain loopback server that has nothing to do with doorward: the stranger next door. It remembers who came.

import http from "node:http";
import { readFile } from "node:fs/promises";
import { until } from "./process.js";

export async function startForeign() {
  const pages = new Map();
  const visits = [];
  const server = http.createServer(async (request, response) => {
    const path = request.url.split("?")[0];
    visits.push({ method: request.method, url: request.url, headers: request.headers });
    const page = pages.get(path);
    if (!page) {
      response.writeHead(path === "/favicon.ico" ? 204 : 200, { "access-control-allow-origin": "*", "content-type": "text/plain" });
      return response.end();
    }
    try {
      const body = page.file ? await readFile(page.file) : page.body;
      response.writeHead(page.status ?? 200, { "content-type": page.type, ...page.headers });
      response.end(body);
    } catch (cause) {
      response.writeHead(500).end(String(cause));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const { port } = server.address();
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    visits,
    /** What the scripts of a hostile file asked for. */
    canaries: () => visits.filter((v) => v.url.startsWith("/canary")).map((v) => v.url),
    page: (path, body, { type = "text/html; charset=utf-8", headers = {}, status } = {}) => pages.set(path, { body, type, headers, status }),
    file: (path, file, type) => pages.set(path, { file, type, headers: {} }),
    visited: (path, timeout = 5_000) => until(() => visits.some((v) => v.url.startsWith(path)), timeout, `a visit of ${path}`),
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
