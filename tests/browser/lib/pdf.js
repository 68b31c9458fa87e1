// A long PDF, the same bytes every time: 200 pages, each with its number as text, padded so that opening one page
// by ranges and reading the whole file cannot be confused.

/** @returns {Buffer} */
export function longPdf({ pages = 200, padding = 60_000, title = "The long way round" } = {}) {
  const parts = [];
  const offsets = [];
  let size = 0;
  const put = (bytes) => {
    const part = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, "latin1");
    parts.push(part);
    size += part.length;
  };
  const object = (id, body) => {
    offsets[id] = size;
    put(`${id} 0 obj\n${body}\nendobj\n`);
  };

  const branches = Math.ceil(pages / 10);
  const ids = { catalog: 1, root: 2, font: 3, info: 4, branch: 5, page: 5 + branches, content: 5 + branches + pages };
  put("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n");
  // Contents first and the tree last, so that a reader that seeks finds the tree beside the cross-reference table.
  const noise = random(7);
  for (let n = 0; n < pages; n += 1) {
    const text = `BT /F1 40 Tf 72 700 Td (Page ${n + 1} of ${pages}) Tj /F1 14 Tf 0 -40 Td (${title}) Tj ET\n`;
    const bar = `0.${10 + (n % 80)} 0.45 0.30 rg 72 80 ${20 + (n * 440) / pages} 24 re f\n`;
    const stream = text + bar + comment(noise, padding);
    object(ids.content + n, `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`);
  }
  for (let n = 0; n < pages; n += 1) {
    const parent = ids.branch + Math.floor(n / 10);
    object(ids.page + n, `<< /Type /Page /Parent ${parent} 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 ${ids.font} 0 R >> >> /Contents ${ids.content + n} 0 R >>`);
  }
  for (let b = 0; b < branches; b += 1) {
    const kids = range(b * 10, Math.min(pages, b * 10 + 10)).map((n) => `${ids.page + n} 0 R`);
    object(ids.branch + b, `<< /Type /Pages /Parent ${ids.root} 0 R /Kids [${kids.join(" ")}] /Count ${kids.length} >>`);
  }
  object(ids.root, `<< /Type /Pages /Kids [${range(0, branches).map((b) => `${ids.branch + b} 0 R`).join(" ")}] /Count ${pages} >>`);
  object(ids.font, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
  object(ids.info, `<< /Title (${title}) /Producer (doorward tests) >>`);
  object(ids.catalog, `<< /Type /Catalog /Pages ${ids.root} 0 R >>`);

  const start = size;
  const count = ids.content + pages;
  put(`xref\n0 ${count}\n0000000000 65535 f \n`);
  for (let id = 1; id < count; id += 1) put(`${String(offsets[id]).padStart(10, "0")} 00000 n \n`);
  put(`trailer\n<< /Size ${count} /Root ${ids.catalog} 0 R /Info ${ids.info} 0 R >>\nstartxref\n${start}\n%%EOF\n`);
  return Buffer.concat(parts);
}

const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}

function comment(noise, size) {
  const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-";
  let text = "";
  while (text.length < size) {
    text += "% ";
    for (let i = 0; i < 96; i += 1) text += letters[noise() & 63];
    text += "\n";
  }
  return text;
}
