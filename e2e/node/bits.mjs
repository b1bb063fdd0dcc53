// Bits, numbers and the entropy coder of blocks (docs/compression.md, "The blocks").

/** BitWriter fills bytes from their lowest bit on. */
export class BitWriter {
  #bytes = [];
  #used = 8;
  put(value, bits) {
    for (let i = 0; i < bits; i++) {
      if (this.#used === 8) { this.#bytes.push(0); this.#used = 0; }
      if (Math.floor(value / 2 ** i) % 2) this.#bytes[this.#bytes.length - 1] |= 1 << this.#used;
      this.#used++;
    }
  }
  golomb(f, k) {
    const x = f + 2 ** k, low = bitLength(x) - 1;
    this.put(2 ** (low - k), low - k + 1);
    this.put(x - 2 ** low, low);
  }
  bytes() { return Buffer.from(this.#bytes); }
}

/** ByteReader reads a block; bits come from the lowest one of a byte on. */
export class ByteReader {
  #bit = 0;
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  get done() { return this.at === this.bytes.length; }
  take(n) {
    if (n > this.bytes.length - this.at) throw new Error(`block: ends at byte ${this.bytes.length}, want ${n} more`);
    return this.bytes.subarray(this.at, this.at += n);
  }
  byte() { return this.take(1)[0]; }
  float() { return this.take(4).readFloatLE(); }
  uvarint() {
    let v = 0;
    for (let scale = 1; ; scale *= 128) {
      const b = this.byte();
      v += (b & 127) * scale;
      if (b < 128) return v;
      if (scale > 2 ** 40) throw new Error("block: overlong uvarint");
    }
  }
  bits(n) {
    let v = 0;
    for (let i = 0; i < n; i++) {
      if (this.#bit === 0) this.take(1);
      v += (this.bytes[this.at - 1] >> this.#bit & 1) * 2 ** i;
      this.#bit = this.#bit + 1 & 7;
    }
    return v;
  }
  /** align skips zeros up to a whole byte. */
  align() {
    while (this.#bit) if (this.bits(1)) throw new Error("block: padding is not zero");
  }
  golomb(k) {
    let u = 0;
    while (!this.bits(1)) if (++u > 20) throw new Error("block: overlong Golomb code");
    return this.bits(k + u) + 2 ** (k + u) - 2 ** k;
  }
}

export const bitLength = (x) => x < 1 ? 0 : Math.floor(Math.log2(x)) + 1;

export function uvarint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 | 128);
  bytes.push(value);
  return Buffer.from(bytes);
}

/** magnitude returns what codes a level: [magnitude, low bits, their number]. */
function magnitude(level) {
  const m = Math.abs(level);
  if (m < 64) return [m, 0, 0];
  const i = bitLength(m) - 7, low = i + 4, j = (m >> low) - 4;
  return [64 + 4 * i + j, m & (1 << low) - 1, low];
}

const symbolOf = (m, level) => level === 0 ? 0 : level < 0 ? 2 * m - 1 : 2 * m;

/** Table holds the cells of the states: of each its symbol and its number x. */
export class Table {
  /** frequencies is of the magnitudes; each but 0 counts for both signs. */
  constructor(log, frequencies) {
    this.log = log;
    this.frequencies = frequencies;
    const size = 1 << log, step = (size >> 1) + (size >> 3) + 3;
    if (frequencies[0] + 2 * frequencies.slice(1).reduce((a, b) => a + b, 0) !== size) throw new Error("block: frequencies do not add up");
    this.symbol = new Uint8Array(size);
    this.number = new Uint16Array(size);
    let cell = 0;
    for (let s = 0; s < 2 * frequencies.length - 1; s++) {
      for (let i = 0; i < frequencies[s + 1 >> 1]; i++) {
        this.symbol[cell] = s;
        cell = cell + step & size - 1;
      }
    }
    const next = Array.from({ length: 2 * frequencies.length - 1 }, (_, s) => frequencies[s + 1 >> 1]);
    this.cells = next.map(() => []); // of a symbol, by x - frequency
    for (let c = 0; c < size; c++) {
      this.number[c] = next[this.symbol[c]]++;
      this.cells[this.symbol[c]].push(c);
    }
  }

  /** of makes a table for levels, with a frequency for every magnitude among them. */
  static of(levels) {
    const counts = [0];
    for (const level of levels) {
      const [m] = magnitude(level);
      while (counts.length <= m) counts.push(0);
      counts[m]++;
    }
    // Large enough that the rarest magnitude has a cell for each sign.
    let log = Math.min(12, Math.max(5, bitLength(levels.length) - 2));
    while (1 << log < 4 * counts.length) log++;
    const size = 1 << log;
    // A zero gets what the others leave, so it must not be the one that vanishes.
    const frequencies = counts.map((c, m) => m === 0 || c === 0 ? 0 : Math.max(1, Math.round(c / levels.length * size / 2)));
    const rest = () => size - 2 * frequencies.reduce((a, b) => a + b, 0);
    while (rest() < (counts[0] ? 1 : 0)) frequencies[frequencies.indexOf(Math.max(...frequencies))]--;
    if (counts[0] || counts.length === 1) frequencies[0] = rest();
    else {
      const top = frequencies.indexOf(Math.max(...frequencies));
      frequencies[top] += rest() / 2;
    }
    return new Table(log, frequencies);
  }

  write(w) {
    w.put(this.log - 5, 3);
    w.put(this.frequencies.length - 1, 7);
    let k = this.log - 2;
    for (const f of this.frequencies) {
      w.golomb(f, k);
      k = Math.max(bitLength(f) - 2, 0);
    }
  }

  static read(r) {
    const log = r.bits(3) + 5, top = r.bits(7), frequencies = [];
    if (log > 12) throw new Error(`block: table of 2^${log} cells, want at most 2^12`);
    let k = log - 2;
    for (let m = 0; m <= top; m++) {
      const f = r.golomb(k);
      frequencies.push(f);
      k = Math.max(bitLength(f) - 2, 0);
    }
    return new Table(log, frequencies);
  }

  /** encode returns the stream of levels, without its length. */
  encode(levels) {
    const { log } = this, size = 1 << log, states = [0, 0, 0, 0], w = new BitWriter();
    // Backwards, since a stream is read from its end.
    for (let i = levels.length - 1; i >= 0; i--) {
      const [m, low, bits] = magnitude(levels[i]), symbol = symbolOf(m, levels[i]);
      w.put(low, bits);
      const y = states[i & 3] + size, f = this.frequencies[m];
      let n = 0;
      while (y >> n >= 2 * f) n++;
      w.put(y & (1 << n) - 1, n);
      states[i & 3] = this.cells[symbol][(y >> n) - f];
    }
    for (let i = 3; i >= 0; i--) w.put(states[i], log);
    w.put(1, 1);
    return w.bytes();
  }

  /** decode reads n levels of a stream. */
  decode(stream, n) {
    const { log } = this, size = 1 << log;
    let at = 8 * stream.length - 1;
    const bit = () => {
      if (at < 0) throw new Error("block: stream is too short");
      const b = stream[at >> 3] >> (at & 7) & 1;
      at--;
      return b;
    };
    const bits = (count) => {
      let v = 0;
      for (let i = 0; i < count; i++) v = v * 2 + bit();
      return v;
    };
    while (!bit());
    const states = [0, 0, 0, 0].map(() => bits(log));
    const levels = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const state = states[i & 3], symbol = this.symbol[state], x = this.number[state];
      const count = log + 1 - bitLength(x);
      states[i & 3] = x * 2 ** count - size + bits(count);
      let m = symbol + 1 >> 1;
      if (m >= 64) {
        const low = (m - 64 >> 2) + 4;
        m = (4 + (m - 64 & 3) << low) + bits(low);
      }
      levels[i] = symbol & 1 ? -m : m;
    }
    if (at >= 0 || states.some((s) => s !== 0)) throw new Error("block: stream does not end at its start");
    return levels;
  }
}
