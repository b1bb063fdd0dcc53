// The codecs that the client uses: float32, float32-planes and grid to read,
// float32 and deadzone to write (docs/compression.md, "The blocks").

import { BitWriter, ByteReader, Table, bitLength, uvarint } from "./bits.mjs";
import { bytesOf } from "./version0.mjs";

export const codecs = { float32: 0, planes: 1, float16: 2, deadzone: 3, dither: 4, grid: 5 };

const fround = Math.fround;

/** segmentsOf returns [{start, end}] of parts [{size, segment}]. */
function segmentsOf(parts) {
  const segments = [];
  let at = 0;
  for (const { size, segment } of parts) {
    for (const end = at + size; at < end;) {
      const start = at;
      at = Math.min(at + segment, end);
      segments.push({ start, end: at });
    }
  }
  return segments;
}

/**
 * readBlock reads what all coded blocks share and returns {n, step, extra, levels, classOf, shifts}:
 * levels of every value, classOf the class of every value. own(reader) reads what a codec has
 * after the step, into extra.
 */
function readBlock(block, want, { own = () => {}, shifted = false } = {}) {
  const r = new ByteReader(block);
  const version = r.byte();
  if (version !== 1) throw new Error(`block: version ${version}, want 1`);
  const n = r.uvarint();
  if (n !== want) throw new Error(`block: ${n} values, want ${want}`);
  const parts = Array.from({ length: r.uvarint() }, () => ({ size: r.uvarint(), segment: r.uvarint() }));
  if (parts.length > 256 || parts.some((p) => p.size < 1 || p.segment < 16) || parts.reduce((a, p) => a + p.size, 0) !== n) {
    throw new Error("block: wrong parts");
  }
  const step = r.float();
  if (!(step >= 2 ** -90 && step <= 2 ** 80)) throw new Error(`block: step ${step}, want 2^-90 to 2^80`);
  const extra = own(r);
  const live = r.bits(4);
  if (live > 8) throw new Error(`block: ${live} classes, want at most 8`);
  const levels = new Int32Array(n), classOf = new Uint8Array(n), shifts = [[]];
  let list, tables = [null];
  if (live > 0) {
    list = Table.read(r);
    for (let k = 1; k <= live; k++) tables.push(Table.read(r));
    if (shifted) for (let k = 1; k <= live; k++) shifts.push([0, 1, 2].map(() => r.bits(8) << 24 >> 24));
  }
  r.align();
  if (live > 0) {
    const streamAt = () => {
      const length = r.take(4).readUInt32LE();
      return r.take(length);
    };
    const segments = segmentsOf(parts);
    let k = 0;
    const classes = list.decode(streamAt(), segments.length).map((d) => k += d);
    segments.forEach(({ start, end }, i) => classOf.fill(classes[i], start, end));
    for (let k = 1; k <= live; k++) {
      const at = [];
      classOf.forEach((c, i) => { if (c === k) at.push(i); });
      tables[k].decode(streamAt(), at.length).forEach((level, i) => { levels[at[i]] = level; });
    }
  }
  if (r.at !== block.length) throw new Error(`block: ${block.length - r.at} bytes after its end`);
  return { n, step, extra, levels, classOf, shifts };
}

/** decode returns the n values of a block of a codec that loses nothing, or of deadzone. */
export function decode(codec, block, n) {
  if (codec === codecs.float32) {
    if (block.length !== 4 * n) throw new Error(`block: ${block.length} bytes, want ${4 * n}`);
    const values = Float32Array.from({ length: n }, (_, i) => block.readFloatLE(4 * i));
    if (!values.every(Number.isFinite)) throw new Error("block: a value is not finite");
    return values;
  }
  if (codec === codecs.deadzone) {
    const { step, levels, classOf, shifts } = readBlock(block, n, { shifted: true });
    return Float32Array.from(levels, (level, i) => dequantise(level, step, shifts[classOf[i]]));
  }
  if (codec === codecs.planes) return decodePlanes(block, n);
  throw new Error(`codec: ${codec}, want 0, 1 or 3`);
}

function dequantise(level, step, shifts) {
  if (level === 0) return 0;
  const m = Math.abs(level);
  return Math.sign(level) * (m - shifts[Math.min(m, 3) - 1] / 256) * step;
}

function decodePlanes(block, n) {
  const own = (r) => {
    const top = r.byte();
    if (top > 254) throw new Error(`block: largest exponent ${top}, want at most 254`);
    return { top, mantissas: new ByteReader(r.take(r.uvarint())) };
  };
  const { extra: { top, mantissas }, levels } = readBlock(block, n, { own });
  const bits = new DataView(new ArrayBuffer(4));
  const values = Float32Array.from(levels, (level) => {
    if (level === 0) return 0;
    const exponent = top + 1 - Math.abs(level);
    if (exponent < 0) throw new Error(`block: exponent ${exponent}, want at least 0`);
    bits.setUint32(0, ((level < 0 ? 1 << 31 : 0) | exponent << 23 | mantissas.bits(23)) >>> 0);
    return bits.getFloat32(0);
  });
  mantissas.align();
  if (!mantissas.done) throw new Error("block: mantissas are left");
  return values;
}

/** applyGrid returns the version to which a grid block leads from held; zero is version 0. */
export function applyGrid(block, held, zero) {
  const own = (r) => r.byte();
  const { step, extra: halved, levels } = readBlock(block, zero.length, { own });
  if (halved > 20) throw new Error(`block: step halved ${halved} times, want at most 20`);
  return Float32Array.from(levels, (difference, i) => {
    const k = Math.round((held[i] - zero[i]) / (step * 2 ** halved));
    const level = k * 2 ** halved + difference;
    if (Math.abs(level) >= 2 ** 21) throw new Error(`block: level ${level}, want below 2^21`);
    return zero[i] + step * level;
  });
}

/** encodeFloat32 returns the raw block. */
export const encodeFloat32 = bytesOf;

/**
 * encodeDeadzone packs values at `bits` per parameter or less. A part is a tensor, a segment a
 * whole number of its rows. Steps are searched by bisection; at each, segments whose levels are
 * all zero are class 0 and the others are divided into classes by their mean magnitude.
 */
export function encodeDeadzone(values, tensors, bits) {
  const parts = [];
  for (const { rows, units } of tensors) {
    parts.push({ size: rows * units, segment: units * Math.ceil(16 / units) });
    parts.push({ size: units, segment: Math.max(16, units) });
  }
  const budget = Math.floor(values.length * bits / 8);
  const largest = values.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
  if (largest === 0) return deadzoneAt(values, parts, 1);
  // At the coarsest step everything is zero. It is the answer if nothing finer fits.
  let low = Math.log2(largest) - 20, high = Math.log2(largest) + 1;
  let best = deadzoneAt(values, parts, fround(2 ** high));
  for (let i = 0; i < 16; i++) {
    const middle = (low + high) / 2, block = deadzoneAt(values, parts, fround(2 ** middle));
    if (block.length <= budget) { best = block; high = middle; } else low = middle;
  }
  return best;
}

const roundUp = .4; // a value is rounded up to a level from this share of a step on

function deadzoneAt(values, parts, step) {
  const levels = Int32Array.from(values, (v) => Math.sign(v) * Math.floor(Math.abs(v) / step + roundUp));
  const segments = segmentsOf(parts).map((s) => ({ ...s, mean: levels.subarray(s.start, s.end).reduce((a, l) => a + Math.abs(l), 0) / (s.end - s.start) }));
  const moving = segments.filter((s) => s.mean > 0);
  // One class for a factor of four in the mean magnitude; more than a few do not pay for their tables.
  const floor = Math.min(...moving.map((s) => s.mean));
  const kinds = [...new Set(moving.map((s) => s.kind = Math.min(3, Math.floor(Math.log2(s.mean / floor) / 2))))].sort();
  const classes = segments.map((s) => s.mean > 0 ? kinds.indexOf(s.kind) + 1 : 0);

  const head = [Buffer.of(1), uvarint(values.length), uvarint(parts.length)];
  for (const { size, segment } of parts) head.push(uvarint(size), uvarint(segment));
  const stepBytes = Buffer.alloc(4);
  stepBytes.writeFloatLE(step);
  head.push(stepBytes);
  const w = new BitWriter();
  w.put(kinds.length, 4);
  const streams = [];
  if (kinds.length > 0) {
    const changes = classes.map((c, i) => c - (i ? classes[i - 1] : 0));
    const list = Table.of(changes);
    list.write(w);
    streams.push(list.encode(changes));
    const shifts = [];
    for (let k = 1; k <= kinds.length; k++) {
      const own = segments.filter((_, i) => classes[i] === k);
      const ofClass = own.flatMap((s) => [...levels.subarray(s.start, s.end)]);
      const ofValues = own.flatMap((s) => [...values.subarray(s.start, s.end)]);
      const table = Table.of(ofClass);
      table.write(w);
      streams.push(table.encode(ofClass));
      shifts.push([1, 2, 3].map((m) => shiftOf(ofClass, ofValues, step, m)));
    }
    for (const three of shifts) for (const s of three) w.put(s & 255, 8);
  }
  const out = [...head, w.bytes()];
  for (const stream of streams) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(stream.length);
    out.push(length, stream);
  }
  return Buffer.concat(out);
}

/** shiftOf moves a level to the mean of what was rounded to it, in 1/256 step. */
function shiftOf(levels, values, step, m) {
  let sum = 0, count = 0;
  levels.forEach((level, i) => {
    const own = Math.min(Math.abs(level), 3);
    if (own === m) { sum += Math.abs(level) - Math.abs(values[i]) / step; count++; }
  });
  return count ? Math.max(-128, Math.min(127, Math.round(256 * sum / count))) : 0;
}
