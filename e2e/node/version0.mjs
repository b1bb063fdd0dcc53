// Numbers that follow from the run's seed: Derive, SplitMix64 and version 0
// (docs/protocol.md, "Version 0").

import { createHash } from "node:crypto";

const mask64 = (1n << 64n) - 1n;

function uint64(value) {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(value);
  return b;
}

/** derive returns the state of the random stream of that purpose, a BigInt. */
export function derive(seed, purpose, ...keys) {
  const h = createHash("sha256").update(uint64(BigInt(seed)));
  for (const key of keys) h.update(uint64(BigInt(key)));
  return h.update(purpose).digest().readBigUInt64LE(0);
}

/** splitmix64 returns a function that gives the next output. */
export function splitmix64(state) {
  return () => {
    state = state + 0x9e3779b97f4a7c15n & mask64;
    let z = state;
    z = (z ^ z >> 30n) * 0xbf58476d1ce4e5b9n & mask64;
    z = (z ^ z >> 27n) * 0x94d049bb133111ebn & mask64;
    return z ^ z >> 31n;
  };
}

/** layout returns [{rows, units}] of a chain of dense layers, an Error for any other. */
export function layout(spec) {
  let rows = spec.input.reduce((a, b) => a * b, 1);
  return spec.layers.map((layer) => {
    if (layer.kind !== 1) throw new Error(`layer kind: ${layer.kind}, want 1 (dense)`);
    const tensor = { rows, units: layer.units };
    rows = layer.units;
    return tensor;
  });
}

/** version0 makes the parameters of version 0. */
export function version0(seed, tensors) {
  const length = tensors.reduce((n, { rows, units }) => n + (rows + 1) * units, 0);
  const parameters = new Float32Array(length);
  let at = 0;
  tensors.forEach(({ rows, units }, k) => {
    const next = splitmix64(derive(seed, "init", 2 * k));
    const bound = Math.fround(Math.sqrt(6 / rows));
    for (let i = 0; i < rows * units; i++) {
      parameters[at++] = Math.fround(Number(next() >> 40n) * 2 ** -23 - 1) * bound;
    }
    at += units;
  });
  return parameters;
}

/** bytesOf returns the little-endian bytes of parameters. */
export function bytesOf(parameters) {
  const b = Buffer.alloc(4 * parameters.length);
  parameters.forEach((p, i) => b.writeFloatLE(p, 4 * i));
  return b;
}

/** hashOf returns the SHA-256 of parameters in hexadecimal. */
export const hashOf = (parameters) => createHash("sha256").update(bytesOf(parameters)).digest("hex");
