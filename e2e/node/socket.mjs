// A WebSocket client (RFC 6455) on node:http, because Node 18 and 20 have none.
// It masks what it sends, joins fragments, answers pings, and asks for no
// subprotocol and no extension.

import { createHash, randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import http from "node:http";

const continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10;
const closeTimeout = 2000; // ms that the server has to end the connection after the closing handshake

/** Socket emits "open", "message" (a Buffer, of binary messages) and "close" (code). */
export class Socket extends EventEmitter {
  #connection;
  #received = Buffer.alloc(0);
  #fragments = [];
  #closed = false;
  #code = 1006;

  constructor(url) {
    super();
    const { hostname, port, pathname } = new URL(url);
    const key = randomBytes(16).toString("base64");
    const request = http.get({
      hostname, port, path: pathname, headers: {
        Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key,
      },
    });
    request.on("error", () => this.#end());
    request.on("response", (response) => {
      response.resume();
      this.#end();
    });
    request.on("upgrade", (response, connection, head) => {
      const want = createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
      this.#connection = connection;
      if (response.headers["sec-websocket-accept"] !== want) {
        connection.destroy();
        this.#end();
        return;
      }
      connection.setNoDelay(true);
      connection.on("data", (bytes) => this.#take(bytes));
      connection.on("error", () => this.#end());
      connection.on("close", () => this.#end());
      this.emit("open");
      if (head.length) this.#take(head);
    });
  }

  /** send writes one binary message as one frame. */
  send(bytes) { this.#write(binary, bytes); }

  /** close starts the closing handshake. */
  close(code) {
    const body = Buffer.alloc(2);
    body.writeUInt16BE(code);
    this.#code = code;
    this.#write(close, body);
  }

  /** cut drops the connection without a closing handshake, as a lost line does. */
  cut() {
    this.#connection?.destroy();
    this.#end();
  }

  #end() {
    if (this.#closed) return;
    this.#closed = true;
    this.emit("close", this.#code);
  }

  #write(opcode, payload) {
    if (this.#closed) return;
    const n = payload.length, length = n < 126 ? 0 : n < 65536 ? 2 : 8;
    const header = Buffer.alloc(2 + length + 4);
    header[0] = 0x80 | opcode;
    header[1] = 0x80 | (length === 0 ? n : length === 2 ? 126 : 127);
    if (length === 2) header.writeUInt16BE(n, 2);
    if (length === 8) header.writeBigUInt64BE(BigInt(n), 2);
    const mask = randomBytes(4);
    mask.copy(header, 2 + length);
    const masked = Buffer.from(payload);
    for (let i = 0; i < n; i++) masked[i] ^= mask[i & 3];
    this.#connection.write(Buffer.concat([header, masked]));
  }

  #take(bytes) {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (!this.#closed) {
      const b = this.#received;
      if (b.length < 2) return;
      let at = 2, n = b[1] & 127;
      if (n === 126) { if (b.length < 4) return; n = b.readUInt16BE(2); at = 4; }
      else if (n === 127) { if (b.length < 10) return; n = Number(b.readBigUInt64BE(2)); at = 10; }
      if (b[1] & 128 || b[0] & 0x70) return this.#fail(1002);
      if (b.length < at + n) return;
      this.#received = b.subarray(at + n);
      this.#frame(b[0] & 15, (b[0] & 128) !== 0, b.subarray(at, at + n));
    }
  }

  #frame(opcode, final, payload) {
    switch (opcode) {
      case ping:
        return this.#write(pong, payload);
      case pong:
        return;
      case close:
        this.#code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
        this.#write(close, payload.subarray(0, 2));
        this.#connection.end();
        setTimeout(() => this.#connection.destroy(), closeTimeout).unref();
        return this.#end();
      case text:
        return this.#fail(1003);
      case binary:
      case continuation:
        if ((opcode === continuation) !== this.#fragments.length > 0) return this.#fail(1002);
        this.#fragments.push(payload);
        if (!final) return;
        const message = Buffer.concat(this.#fragments);
        this.#fragments = [];
        this.emit("message", message);
        return;
    }
    this.#fail(1002);
  }

  #fail(code) {
    this.close(code);
    this.cut();
  }
}
