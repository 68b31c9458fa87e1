// Serves this page and the client library on 127.0.0.1: `node serve.js [PORT]`. Any static server does;
// a page of the internet has to be https.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

const TYPES = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript" };
const here = fileURLToPath(new URL(".", import.meta.url));
const library = process.env.DOORWARD_CLIENT ?? fileURLToPath(new URL("../../packages/client/dist/", import.meta.url));

const server = createServer(({ url }, response) => {
  const [, folder, name] = /^\/(doorward\/)?([\w-]*(?:\.\w+)?)(?:\?.*)?$/.exec(url) ?? [];
  const path = name === undefined ? "" : `${folder ? library : here}/${name || "index.html"}`;
  const type = TYPES[extname(path)];
  if (!type || !existsSync(path)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": type });
  createReadStream(path).pipe(response);
});
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
