// The frozen frames and blocks, read by this client.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import test from "node:test";
import { applyGrid, codecs, decode, encodeDeadzone } from "./block.mjs";
import { encode, decode as decodeMessage, unframe } from "./proto.mjs";
import { derive, hashOf, splitmix64, version0 } from "./version0.mjs";

const blocks = new URL("../../compress/testdata/blocks/", import.meta.url);
const frames = new URL("../../protocol/testdata/vectors/", import.meta.url);

/** floats reads hexadecimal bits, *n after those that come n times. */
function floats(text) {
  const bits = new DataView(new ArrayBuffer(4));
  return Float32Array.from(text.trim().split(/\s+/).flatMap((word) => {
    const [hex, times = 1] = word.split("*");
    bits.setUint32(0, parseInt(hex, 16));
    return Array(Number(times)).fill(bits.getFloat32(0));
  }));
}

function readBlockFile(name) {
  const sections = {};
  let key = "";
  for (const line of readFileSync(new URL(name, blocks), "utf8").split("\n")) {
    if (line.startsWith("#")) continue;
    const heading = line.match(/^([a-z]+)( (.*))?$/);
    if (heading && /^(codec|block|values|base|held|seed|zero)$/.test(heading[1])) { key = heading[1]; sections[key] = heading[3] ?? ""; }
    else sections[key] = (sections[key] ?? "") + "\n" + line;
  }
  return sections;
}

const same = (got, want) => assert.equal(Buffer.from(got.buffer).toString("hex"), Buffer.from(want.buffer).toString("hex"));

for (const name of readdirSync(blocks)) {
  const file = readBlockFile(name);
  const codec = { float32: 0, "float32-planes": 1, deadzone: 3, grid: 5 }[file.codec?.trim()];
  if (codec === undefined) continue; // float16 and dither are not this client's
  test(`block ${name}`, () => {
    const block = Buffer.from(file.block.replace(/\s/g, ""), "hex"), want = floats(file.values);
    if (codec === codecs.grid) {
      const zero = floats(file.base);
      same(applyGrid(block, file.held ? floats(file.held) : zero, zero), want);
    } else {
      same(decode(codec, block, want.length), want);
    }
  });
}

// The conformance kit: good blocks are read as their hash says, broken ones refused.
const kit = new URL("../../compress/testdata/conformance/", import.meta.url);
for (const name of readdirSync(kit).filter((name) => name.endsWith(".txt"))) {
  const [header, hex, ...rest] = readFileSync(new URL(name, kit), "utf8").split("\n\n");
  const versions = Object.fromEntries(rest.map((text) => { const [key, ...lines] = text.split("\n"); return [key, floats(lines.join(" "))]; }));
  const field = (key) => header.match(new RegExp(`^${key}: (.*)$`, "m"))?.[1];
  const codec = { float32: 0, "float32-planes": 1, deadzone: 3, grid: 5 }[field("codec")];
  if (codec === undefined) continue;
  test(`kit ${name}`, () => {
    const block = Buffer.from(hex.replace(/\s/g, ""), "hex"), n = Number(field("values"));
    const { base = new Float32Array(n), held = versions.base ?? Float32Array.from({ length: n }, (_, i) => i % 3 * 4 / 256) } = versions;
    const read = () => codec === codecs.grid ? applyGrid(block, held, base) : decode(codec, block, n);
    if (field("expect") === "ok") assert.equal(hashOf(read()), field("sha256"));
    else assert.throws(read);
  });
}

// Good frames are read, and those that are no protobuf messages refused. A limit of
// fedtab's own this client does not check: it trusts its coordinator.
const frameKit = new URL("../../protocol/testdata/conformance/", import.meta.url);
const older = readFileSync(new URL("CLASSES", frameKit), "utf8");
for (const name of readdirSync(frameKit).filter((name) => name.endsWith(".txt"))) {
  const [header, ...paragraphs] = readFileSync(new URL(name, frameKit), "utf8").split("\n\n");
  const class_ = header.match(/^class: (.*)$/m)?.[1] ?? older.match(new RegExp(`^${name} (.*)$`, "m"))?.[1];
  const ok = /^expect: ok$/m.test(header);
  if (!ok && !["broken-field", "group", "wire-type"].includes(class_)) continue;
  test(`frame kit ${name}`, () => {
    const read = () => paragraphs.filter((text) => text.startsWith("frame\n")).map((text) => unframe(Buffer.concat(
      text.split(/\s+/).slice(1).filter(Boolean).flatMap((word) => {
        const [hex, times = 1] = word.split("*");
        return Array(Number(times)).fill(Buffer.from(hex, "hex"));
      }))));
    if (ok) for (const [kind] of read()) assert.ok(kind);
    else assert.throws(read);
  });
}

for (const name of readdirSync(frames)) {
  test(`frame ${name}`, () => {
    const hex = readFileSync(new URL(name, frames), "utf8").split("\n").filter((l) => /^[0-9a-f]+$/.test(l)).join("");
    assert.equal(encode("Frame", decodeMessage("Frame", Buffer.from(hex, "hex"))).toString("hex"), hex);
  });
}

test("version 0", () => {
  assert.equal(derive(1n, "init", 0), 0xc09f7de1ec9e67d7n);
  assert.equal(hashOf(version0(1n, [{ rows: 2, units: 3 }, { rows: 3, units: 2 }])), "d459bb2de9f0d958d9b411fc63502caa9b2c3f7a45591c7d6b90921ed1ff865f");
});

// What this client packs is checked against the description by reading it back;
// the coordinator reads it in TestNodeClient.
test("deadzone meets its rate", () => {
  const tensors = [{ rows: 40, units: 64 }, { rows: 64, units: 3 }], n = 41 * 64 + 65 * 3;
  const next = splitmix64(7n);
  const uniform = () => Number(next() >> 40n) / 2 ** 24;
  // Rows of very different sizes, some of them zero.
  const values = Float32Array.from({ length: n }, (_, i) => i % 640 < 64 ? 0 : (uniform() + uniform() - 1) * 2 ** -(i / 512 & 3));
  const energy = (v) => v.reduce((a, x) => a + x * x, 0);
  let last = Infinity;
  for (const bits of [.5, 1, 2, 4, 8]) {
    const block = encodeDeadzone(values, tensors, bits), read = decode(codecs.deadzone, block, n);
    assert.ok(block.length <= n * bits / 8, `${bits} bits: ${block.length} bytes`);
    assert.ok(block.length > .9 * n * bits / 8, `${bits} bits: only ${block.length} bytes`);
    const error = energy(values.map((v, i) => v - read[i])) / energy(values);
    assert.ok(error < last / 2 && error < 1, `${bits} bits: error ${error}, was ${last}`);
    last = error;
  }
  assert.deepEqual(decode(codecs.deadzone, encodeDeadzone(new Float32Array(n), tensors, 1), n), new Float32Array(n));
});
