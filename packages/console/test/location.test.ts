import { describe, expect, it } from "vitest";
import { parseLocation } from "../src/media/location";

describe("dropped sources", () => {
  it.each([
    ["s3://bucket/prefix", "s3://bucket/prefix"],
    ["  /home/me/Pictures \n", "/home/me/Pictures"],
    ["~/Pictures", "~/Pictures"],
    ["C:\\Users\\me", "C:\\Users\\me"],
    ["# a comment of text/uri-list\r\nfile:///home/me/My%20Pictures/", "/home/me/My Pictures/"],
    ["https://bucket.s3.eu-central-1.amazonaws.com/a/b/", "s3://bucket/a/b"],
    ["https://s3.eu-central-1.amazonaws.com/bucket/a", "s3://bucket/a"],
    ["https://bucket.s3.amazonaws.com/", "s3://bucket"],
    ["https://example.org/media/", "https://example.org/media/"],
    ["gs://bucket/a", "gs://bucket/a"],
  ])("%s is a location", (text, location) => expect(parseLocation(text)).toEqual({ location }));

  it.each([
    "",
    "hello",
    "file://elsewhere/share",
    "https://s3.amazonaws.com/",
    "https://%zz",
    "s3://",
    "javascript:alert(1)",
  ])("%s is answered with a sentence", (text) => {
    expect(parseLocation(text)).toMatchObject({ problem: expect.stringMatching(/\.$/) });
  });
});
