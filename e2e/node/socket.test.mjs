// The WebSocket client against a server that does what RFC 6455 allows.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import http from "node:http";
import test from "node:test";
import { Socket } from "./socket.mjs";

/** frame is one of a server: unmasked. */
function frame(opcode, payload, final = true) {
  const n = payload.length;
  const header = n < 126 ? Buffer.of(n) : n < 65536 ? Buffer.of(126, n >> 8, n & 255) : Buffer.of(127, 0, 0, 0, 0, 0, n >> 16, n >> 8 & 255, n & 255);
  return Buffer.concat([Buffer.of((final ? 128 : 0) | opcode), header, payload]);
}

/** frames reads whole masked frames of a client: [{opcode, masked, payload}]. */
function frames(bytes) {
  const found = [];
  for (let at = 0; at < bytes.length;) {
    let n = bytes[at + 1] & 127, from = at + 2;
    if (n === 126) { n = bytes.readUInt16BE(from); from += 2; }
    if (n === 127) { n = Number(bytes.readBigUInt64BE(from)); from += 8; }
    const mask = bytes.subarray(from, from + 4), payload = Buffer.from(bytes.subarray(from + 4, from + 4 + n));
    payload.forEach((b, i) => { payload[i] = b ^ mask[i & 3]; });
    found.push({ opcode: bytes[at] & 15, masked: bytes[at + 1] > 127, payload });
    at = from + 4 + n;
  }
  return found;
}

/** serve hands the one client's connection to act, and then what the client sent to ended. */
function serve(act, ended = () => {}) {
  return new Promise((resolve) => {
    const server = http.createServer();
    server.on("upgrade", (request, connection) => {
      const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
      const parts = [];
      connection.on("data", (part) => parts.push(part));
      connection.on("end", () => connection.end());
      connection.on("close", () => {
        server.close();
        ended(frames(Buffer.concat(parts)));
      });
      connection.on("error", () => {});
      connection.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
      act(connection);
    });
    server.listen(0, "127.0.0.1", () => resolve(`ws://127.0.0.1:${server.address().port}/ws`));
  });
}

test("fragments, pings between them, and every length of frame", async () => {
  const large = Buffer.alloc(70000, 7);
  let ended;
  const sent = new Promise((resolve) => { ended = resolve; });
  const url = await serve((connection) => {
    connection.write(Buffer.concat([
      frame(2, Buffer.from("one "), false), frame(9, Buffer.from("beat")), frame(0, Buffer.from("message")),
      frame(2, large.subarray(0, 300)), frame(2, large),
    ]));
    connection.write(frame(8, Buffer.of(0x0f, 0xa0)));
  }, ended);
  const messages = [];
  const code = await new Promise((resolve) => {
    const socket = new Socket(url);
    socket.on("open", () => [3, 300, 70000].forEach((n) => socket.send(large.subarray(0, n))));
    socket.on("message", (m) => messages.push(m));
    socket.on("close", resolve);
  });
  assert.equal(code, 4000);
  assert.equal(messages[0].toString(), "one message");
  assert.deepEqual(messages.slice(1).map((m) => m.length), [300, 70000]);
  assert.ok(messages[2].equals(large));
  const got = await sent;
  assert.ok(got.every((f) => f.masked));
  assert.deepEqual(got.filter((f) => f.opcode === 2).map((f) => f.payload.length), [3, 300, 70000]);
  assert.equal(got.find((f) => f.opcode === 10).payload.toString(), "beat");
  assert.deepEqual([...got.find((f) => f.opcode === 8).payload], [0x0f, 0xa0]);
});

test("a lost connection and a refused handshake close with 1006", async () => {
  const url = await serve((connection) => connection.destroy());
  assert.equal(await new Promise((resolve) => new Socket(url).on("close", resolve)), 1006);
  const refusing = http.createServer((_, response) => response.writeHead(503).end());
  await new Promise((resolve) => refusing.listen(0, "127.0.0.1", resolve));
  assert.equal(await new Promise((resolve) => new Socket(`ws://127.0.0.1:${refusing.address().port}/ws`).on("close", resolve)), 1006);
  refusing.close();
});

test("a masked frame of a server closes with 1002", async () => {
  const url = await serve((connection) => connection.write(Buffer.of(0x82, 0x81, 0, 0, 0, 0, 1)));
  assert.equal(await new Promise((resolve) => new Socket(url).on("close", resolve)), 1002);
});
