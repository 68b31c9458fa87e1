// The built pages keep to the policy that they are served with: their scripts and styles are files.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const DIST = new URL("../dist/", import.meta.url);

const COMMENT = /<!--[\s\S]*?-->/g;
const TAG = /<([a-z][^\s/>]*)((?:"[^"]*"|'[^']*'|[^>"'])*)>/gi;
const ATTRIBUTE = /([^\s"'=/]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"']+))?/g;
const SCRIPT = /<script\b[^>]*>([\s\S]*?)<\/script/gi;

/** What `script-src 'self'; style-src 'self'` would not let through. */
function inline(html: string): string[] {
  const page = html.replace(COMMENT, "");
  const found: string[] = [];
  for (const [, tag = "", rest = ""] of page.matchAll(TAG)) {
    if (tag.toLowerCase() === "style") found.push("<style>");
    for (const [, name = "", value = ""] of rest.matchAll(ATTRIBUTE)) {
      if (/^(style|srcdoc|on.*)$/i.test(name)) found.push(`${name}=`);
      if (/^["']?\s*(javascript|data|blob):/i.test(value)) found.push(value);
    }
  }
  for (const [whole, code = ""] of page.matchAll(SCRIPT)) {
    if (code.trim() !== "" || !/\ssrc\s*=/i.test(whole)) found.push("<script>");
  }
  return found;
}

describe("the built pages", () => {
  const pages = readdirSync(DIST, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.html?$/.test(name),
  );

  it("op_x3_have_no_inline_script_style_or_handler", () => {
    expect(pages).toContain("index.html");
    for (const name of pages) expect(inline(readFileSync(new URL(name, DIST), "utf8")), name).toEqual([]);
  });

  it("op_x3_would_be_found_out", () => {
    const good =
      '<!-- onclick="x" --><script type="module" src="/a.js"></script><p title="style=1 onclick=2">no script</p>';
    expect(inline(good)).toEqual([]);
    for (const bad of [
      "<script>boot()</script>",
      "<SCRIPT type=module>boot()</SCRIPT>",
      '<script src="/a.js">boot()</script>',
      "<script></script>",
      "<style>p{}</style>",
      '<p style="color: red">',
      "<p style=color:red>",
      '<body class="a > b" onload="boot()">',
      "<img src=/a.png\nONERROR=boot()>",
      "<a href=' javascript:boot()'>",
      '<iframe srcdoc="x">',
      '<script src="data:text/javascript,boot()"></script>',
    ]) {
      expect(inline(bad), bad).toHaveLength(1);
    }
  });
});
