import { describe, expect, it } from "vitest";
import { heard, isChat, type Line, lineWords, pauseAfter } from "../src/operator/chat";
import { hintWords, rangeWords, readFields } from "../src/operator/fields";
import { added, folded } from "../src/operator/rows";
import type { CallResultVm, CapVm, FieldVm, TranscriptRowVm } from "../src/operator/wire";
import {
  effectWords,
  endWords,
  healthWords,
  launchWords,
  leftWords,
  lentUntil,
  outcomeColour,
  outcomeWords,
  renewalWords,
  strengthWords,
} from "../src/operator/words";

const field = (name: string, kind: FieldVm["kind"], change: Partial<FieldVm> = {}): FieldVm => ({
  name,
  label: name,
  kind,
  required: true,
  least: null,
  most: null,
  choices: [],
  ...change,
});

const one = (of: FieldVm, filled: string | boolean | undefined) =>
  readFields([of], new Map(filled === undefined ? [] : [[of.name, filled]]));

describe("typed fields", () => {
  it("become values of their kind", () => {
    const fields = [
      field("line", "line", { most: 8 }),
      field("text", "text", { most: 80 }),
      field("pin", "secret", { most: 8 }),
      field("count", "number", { least: 1, most: 9 }),
      field("all", "flag"),
      field("mode", "choice", { choices: ["a", "b"] }),
    ];
    const filled = new Map<string, string | boolean>([
      ["line", " x "],
      ["text", "a\n\tb"],
      ["pin", "0042"],
      ["count", " 9 "],
      ["all", true],
      ["mode", "b"],
    ]);
    expect(readFields(fields, filled)).toEqual({
      values: { line: " x ", text: "a\n\tb", pin: "0042", count: 9, all: true, mode: "b" },
    });
  });

  it("are left out where nobody filled them in, and asked for where they are needed", () => {
    for (const kind of ["line", "text", "secret", "number", "choice"] as const) {
      expect(one(field("f", kind, { required: false }), "")).toEqual({ values: {} });
    }
    for (const kind of ["line", "secret", "number", "choice"] as const) {
      expect(one(field("f", kind), undefined)).toEqual({ wrongs: new Map([["f", "This is needed."]]) });
    }
    // An empty text can be meant, and no tick is an answer.
    expect(one(field("f", "text"), "")).toEqual({ values: { f: "" } });
    expect(one(field("f", "flag"), undefined)).toEqual({ values: { f: false } });
  });

  it("are told what does not fit, before anything is sent", () => {
    const wrong = (of: FieldVm, filled: string): string | undefined => {
      const read = one(of, filled);
      return "wrongs" in read ? read.wrongs.get(of.name) : undefined;
    };
    const count = field("n", "number", { least: 1, most: 500 });
    for (const text of ["0", "501", "-1"]) {
      expect(wrong(count, text)).toBe("A number from 1 to 500 is needed.");
    }
    for (const text of ["1.5", "1e2", "0x10", "one", "9007199254740993"]) {
      expect(wrong(count, text)).toBe("A whole number is needed.");
    }
    // Bytes, not letters.
    expect(wrong(field("t", "line", { most: 3 }), "öö")).toBe("This is longer than 3 B.");
    expect(wrong(field("t", "line", { most: 4 }), "öö")).toBeUndefined();
    for (const text of ["a\nb", "a\tb", "\u001b[31m", "\u0085"]) {
      expect(wrong(field("t", "line"), text)).toBe("Control characters are not taken.");
    }
    expect(wrong(field("t", "text"), "a\u001bb")).toBe("Control characters are not taken.");
    expect(wrong(field("c", "choice", { choices: ["a"] }), "b")).toBe("Choose one of those listed.");
  });

  it("say what they take; an end beyond what a number holds is none", () => {
    expect(rangeWords(0, 2 ** 63)).toBe("A number of at least 0");
    expect(rangeWords(null, 5)).toBe("A number of at most 5");
    expect(rangeWords(null, null)).toBe("A number");
    expect(hintWords(field("n", "number", { least: 1, most: 9, required: false }))).toBe(
      "A number from 1 to 9, may be left empty",
    );
    expect(hintWords(field("n", "line"))).toBe("");
  });
});

const row = (seq: number, summary: string, outcome = "ok"): TranscriptRowVm => ({
  seq,
  at: `2026-11-24T12:00:0${seq}Z`,
  kind: "call",
  summary,
  outcome,
});

describe("the transcript", () => {
  it("has each row once and in order, whichever way it came", () => {
    const live = added([], [row(3, "c")]);
    const all = added(live, [row(1, "a"), row(2, "b"), row(3, "c")]);
    expect(all.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    const many = Array.from({ length: 1_200 }, (_, at) => row(at + 1, "x"));
    expect(added([], many)).toHaveLength(1_000);
    expect(added([], many)[0]?.seq).toBe(201);
  });

  it("shows the newest first, and rows that repeat as one", () => {
    const lines = folded([
      row(1, "a"),
      row(2, "poll"),
      row(3, "poll"),
      row(4, "poll", "busy"),
      row(5, "poll"),
    ]);
    expect(lines.map(({ row: { summary, outcome }, count }) => `${summary} ${outcome} ${count}`)).toEqual([
      "poll ok 1",
      "poll busy 1",
      "poll ok 2",
      "a ok 1",
    ]);
    expect(lines[2]?.until).toBe("2026-11-24T12:00:03Z");
  });
});

const chat = (change: (names: Record<string, string[]>) => void = () => {}): CapVm => {
  const parts: Record<string, string[]> = {
    join: ["channel", "nickname"],
    leave: ["channel"],
    send: ["channel", "text"],
    who: ["channel"],
    poll: ["most"],
  };
  change(parts);
  const operations = Object.entries(parts).map(([name, fields]) => ({
    name,
    label: name,
    effect: "read" as const,
    fields: fields.map((name) => field(name, "line")),
  }));
  return { ref: "c_1", name: "chat", contractLabel: "Chat", operations, leaseExpiresAt: null };
};

describe("a chat", () => {
  it("is told by what it offers, not by what it is called", () => {
    expect(isChat({ ...chat(), name: "rooms", contractLabel: "Unknown" })).toBe(true);
    expect(isChat(chat((parts) => delete parts.who))).toBe(false);
    expect(isChat(chat((parts) => parts.send?.push("more")))).toBe(false);
  });

  it("reads what was said by the heads of its columns", () => {
    const result: CallResultVm = {
      requestId: "r",
      shape: "table",
      text: null,
      fields: [],
      columns: ["kind", "text", "channel", "sender"],
      rows: [
        ["joined", "", "lobby", "ben"],
        ["message", "hello", "lobby", "ben"],
        ["left", "", "lobby", "ben"],
        ["topic", "tea"],
      ],
      truncated: false,
    };
    const lines = heard([], result, "2026-11-24T12:00:00Z");
    expect(lines.map(lineWords)).toEqual(["ben came in", "hello", "ben left", "topic: tea"]);
    const more = heard(lines, result, "2026-11-24T12:00:01Z");
    expect(new Set(more.map(({ n }: Line) => n)).size).toBe(8);
    let many: Line[] = [];
    for (let at = 0; at < 200; at += 1) many = heard(many, result, "");
    expect(many).toHaveLength(500);
  });

  it("is asked more seldom the longer it is quiet", () => {
    expect([0, 1, 2, 3, 4, 5, 99].map(pauseAfter)).toEqual([
      2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
    ]);
  });
});

describe("a gateway in words", () => {
  it("says how it is without relying on a colour", () => {
    expect(healthWords({ state: "up", latencyMs: 3 }).word).toBe("answers in 3 ms");
    expect(healthWords({ state: "degraded", latencyMs: 2_100 }).word).toBe("slow: answers in 2 s");
    expect(healthWords({ state: "down", latencyMs: null }).word).toBe("does not answer");
    expect(healthWords({ state: "idle", latencyMs: null }).word).toBe("no connection");
    expect(healthWords(null).word).toBe("not asked yet");
    const words = (["read", "write", "destructive"] as const).map((effect) => effectWords(effect).word);
    expect(new Set(words).size).toBe(3);
  });

  it("raises no alarm that something cannot be launched because it runs", () => {
    const words = (status: string, supported: boolean) => launchWords({ status, supported });
    expect(words("running", false)).toEqual({ word: "running", tone: "chip g" });
    expect(words("started", true).word).toBe("started");
    expect(words("stopped", true)).toEqual({ word: "stopped", tone: "chip" });
    expect(words("missing", false)).toEqual({ word: "cannot be launched: missing", tone: "chip r" });
  });

  it("says how long something is lent where the session lasts longer", () => {
    const until = (lease: string | null, session: string | null) =>
      lentUntil(
        { ...chat(), leaseExpiresAt: lease },
        { profile: "p", principalLabel: "ada", authStrength: "password", expiresAt: session, renewal: null },
      );
    const [soon, same, later] = ["2026-11-24T12:00:00Z", "2026-11-24T12:14:59.9Z", "2026-11-24T12:15:00Z"];
    expect([until(soon, later), until(soon, null)]).toEqual([soon, soon]);
    expect([until(same, later), until(null, later)]).toEqual([null, null]);
  });

  it("says who was proven how, what is left, and how it ended", () => {
    const at = Date.parse("2026-11-24T12:00:00Z");
    expect(leftWords("2026-11-24T12:15:00Z", at)).toBe("15 min");
    expect(leftWords("2026-11-24T11:59:59Z", at)).toBe("its time is over");
    expect(leftWords(null, at)).toBe("as long as it is used");
    expect(strengthWords("publicKey")).toBe("by a key");
    for (const [outcome, words, colour] of [
      ["ok", "ok", "g"],
      ["step", "step", "g"],
      ["upstreamTimeout", "refused: upstreamTimeout", "r"],
      ["hungUp", "left before its answer", "y"],
    ] as const) {
      expect([outcomeWords(outcome), outcomeColour(outcome)]).toEqual([words, colour]);
    }
    expect(renewalWords("password")).toMatch(/^The gateway asks for your password again: so it knows/);
    expect(renewalWords("publicKey")).toMatch(/^The gateway sets something to sign, .*: so it knows/);
    expect(renewalWords("none")).toBe("");
    expect(endWords("logout")).toBe("you signed out of it");
    expect(endWords("the gateway ended it")).toBe("the gateway ended it");
  });
});
