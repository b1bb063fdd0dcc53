// Messages of protocol/fedtab.proto: read from that file, so that the test
// covers the schema and not a copy of it. A message is a plain object with the
// field names of the schema; uint64 fields are BigInt, enumerations numbers.

import { readFileSync } from "node:fs";

const wireTypes = { uint32: 0, uint64: 0, bool: 0, float: 5, double: 1, string: 2, bytes: 2 };

/** parse returns {messages, enums} of a proto3 file with top-level messages and enumerations only. */
export function parse(text) {
  const tokens = text.replace(/\/\/.*$/gm, "").match(/"[^"]*"|[\w.]+|[{}=;]/g);
  const messages = {}, enums = {};
  let at = 0;
  const next = () => tokens[at++];
  const skipTo = (token) => { while (next() !== token); };
  const fields = (into) => {
    for (;;) {
      let type = next();
      if (type === "}") return;
      if (type === "oneof") { next(); next(); fields(into); continue; }
      const repeated = type === "repeated";
      if (repeated) type = next();
      const name = next();
      next();
      into.push({ name, type, repeated, number: Number(next()) });
      skipTo(";");
    }
  };
  while (at < tokens.length) {
    const word = next();
    if (word === "message") {
      const list = messages[next()] = [];
      next();
      fields(list);
    } else if (word === "enum") {
      const values = enums[next()] = {};
      next();
      for (let name = next(); name !== "}"; name = next()) {
        next();
        values[name] = Number(next());
        next();
      }
    } else {
      skipTo(";");
    }
  }
  return { messages, enums };
}

const schema = parse(readFileSync(new URL("../../protocol/fedtab.proto", import.meta.url), "utf8"));
export const { enums } = schema;

const wireType = (type) => type in wireTypes ? wireTypes[type] : type in enums ? 0 : 2;
const isMessage = (type) => type in schema.messages;

function varint(value) {
  const bytes = [];
  let v = BigInt(value);
  for (; v > 127n; v >>= 7n) bytes.push(Number(v & 127n) | 128);
  bytes.push(Number(v));
  return Buffer.from(bytes);
}

function scalar(type, value) {
  switch (wireType(type)) {
    case 0: return varint(value);
    case 5: { const b = Buffer.alloc(4); b.writeFloatLE(value); return b; }
    case 1: { const b = Buffer.alloc(8); b.writeDoubleLE(value); return b; }
  }
  const bytes = isMessage(type) ? encode(type, value) : Buffer.from(value);
  return Buffer.concat([varint(bytes.length), bytes]);
}

function isZero(type, value) {
  if (value === undefined) return true;
  if (isMessage(type)) return false;
  return typeof value === "object" || typeof value === "string" ? value.length === 0 : !value && !Object.is(value, -0);
}

/** encode returns the canonical bytes of a message: fields ascending, zeros left out, numbers packed. */
export function encode(name, message) {
  const out = [];
  for (const { name: key, type, repeated, number } of schema.messages[name]) {
    const value = message[key];
    if (repeated ? !value?.length : isZero(type, value)) continue;
    if (repeated && wireType(type) !== 2) {
      const packed = Buffer.concat(value.map((v) => scalar(type, v)));
      out.push(varint(number << 3 | 2), varint(packed.length), packed);
      continue;
    }
    for (const v of repeated ? value : [value]) out.push(varint(number << 3 | wireType(type)), scalar(type, v));
  }
  return Buffer.concat(out);
}

class Reader {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  varint() {
    let v = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (this.at >= this.bytes.length || shift > 63n) throw new Error("malformed: truncated or overlong varint");
      const b = this.bytes[this.at++];
      if (shift === 63n && b > 1) throw new Error("malformed: varint of more than 64 bits");
      v |= BigInt(b & 127) << shift;
      if (b < 128) return v;
    }
  }
  take(n) {
    if (n > this.bytes.length - this.at) throw new Error("malformed: truncated field");
    return this.bytes.subarray(this.at, this.at += n);
  }
  value(type) {
    switch (wireType(type)) {
      case 0: {
        const v = this.varint();
        return type === "uint64" ? v : type === "bool" ? v !== 0n : Number(v);
      }
      case 5: return this.take(4).readFloatLE();
      case 1: return this.take(8).readDoubleLE();
    }
    const bytes = this.take(Number(this.varint()));
    return type === "string" ? bytes.toString() : type === "bytes" ? bytes : decode(type, bytes);
  }
  skip(wire) {
    if (wire === 0) this.varint();
    else if (wire === 1) this.take(8);
    else if (wire === 5) this.take(4);
    else if (wire === 2) this.take(Number(this.varint()));
    else throw new Error(`malformed: wire type ${wire}`);
  }
}

function zero(type) {
  if (isMessage(type)) return undefined;
  return { uint64: 0n, bool: false, string: "", bytes: Buffer.alloc(0) }[type] ?? 0;
}

/** decode reads a message; absent fields have their zero, absent messages are undefined. */
export function decode(name, bytes) {
  const message = {};
  const known = new Map();
  for (const field of schema.messages[name]) {
    known.set(field.number, field);
    message[field.name] = field.repeated ? [] : zero(field.type);
  }
  const r = new Reader(bytes);
  while (r.at < bytes.length) {
    const tag = r.varint();
    if (tag < 8n || tag >= 1n << 32n) throw new Error(`malformed: field number ${tag >> 3n}`);
    const field = known.get(Number(tag >> 3n)), wire = Number(tag & 7n);
    if (!field) { r.skip(wire); continue; }
    if (field.repeated && wire === 2 && wireType(field.type) !== 2) {
      const packed = new Reader(r.take(Number(r.varint())));
      while (packed.at < packed.bytes.length) message[field.name].push(packed.value(field.type));
      continue;
    }
    if (wire !== wireType(field.type)) throw new Error(`malformed: ${name}.${field.name} has wire type ${wire}`);
    const value = r.value(field.type);
    if (field.repeated) message[field.name].push(value);
    else message[field.name] = value;
  }
  return message;
}

/** frame encodes the one message of a Frame, kind being its field there: frame("hello", {...}). */
export const frame = (kind, message) => encode("Frame", { [kind]: message });

/** unframe returns [kind, message] of a frame; kind is undefined if its number is unknown. */
export function unframe(bytes) {
  const [found] = Object.entries(decode("Frame", bytes)).filter(([, message]) => message !== undefined);
  return found ?? [];
}
