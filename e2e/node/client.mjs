// A second client of fedtab, written from docs/protocol.md, docs/compression.md
// and protocol/fedtab.proto. It takes part in one run of dense networks trained
// by FedAvg and exits with 0 when the run has finished.
//
//   node client.mjs --url ws://127.0.0.1:8080/ws --task NAME [--cut working:2,sent:4] [--inexact]
//
// --cut drops the socket without a closing handshake at the given order of this
// process: `working` after its Progress, `sent` after its Contribution. --inexact
// makes a wrong version 0, as a platform with other arithmetic would. Events are
// written to standard output, one JSON object a line.

import http from "node:http";
import { parseArgs } from "node:util";
import { applyGrid, codecs, decode, encodeDeadzone, encodeFloat32 } from "./block.mjs";
import { enums, frame, unframe } from "./proto.mjs";
import { Socket } from "./socket.mjs";
import { check, fit, join, readShard } from "./train.mjs";
import { hashOf, layout, version0 } from "./version0.mjs";

const chunkSize = 65536, inlineBody = 61440, reconnectMin = 500, reconnectMax = 30000;

const report = (event, details = {}) => console.log(JSON.stringify({ event, ...details }));
const finished = 4507; // close code
const hex = (bytes) => bytes.toString("hex");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** comesBack says whether a client reconnects after that close code. */
const comesBack = (code) => code >= 4000 && code <= 4499
  || code < 4000 && ![1000, 1002, 1003, 1007, 1008, 1009, 1010].includes(code);

function get(url) {
  return new Promise((resolve, reject) => {
    http.get(url, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => response.statusCode === 200
        ? resolve(Buffer.concat(parts))
        : reject(new Error(`${url}: status ${response.statusCode}, want 200`)));
    }).on("error", reject);
  });
}

class Client {
  token = Buffer.alloc(0);
  run = "";
  held; // {version, hash, parameters}
  job; // the order in work; it goes on while the socket is lost
  kept = new Map(); // packed contributions by order: {round, accepted, frames}
  ordered = 0; // orders of this process that were begun
  welcomes = 0;

  constructor(url, task, cuts, inexact) {
    this.url = url;
    this.task = task;
    this.cuts = cuts;
    this.inexact = inexact;
  }

  /** join takes part until the run has finished or the coordinator says to stay away. */
  async join() {
    for (let pause = reconnectMin; ;) {
      const welcomes = this.welcomes, code = await this.session();
      report("closed", { code });
      if (code === finished) return this.last();
      if (!comesBack(code)) throw new Error(`closed with code ${code}`);
      if (this.welcomes > welcomes) pause = reconnectMin;
      await sleep(pause * (.5 + Math.random() / 2));
      pause = Math.min(2 * pause, reconnectMax);
    }
  }

  /** session opens one socket and returns its close code. */
  session() {
    return new Promise((resolve, reject) => {
      const socket = this.socket = new Socket(this.url);
      this.welcomed = false;
      this.waiting = this.transfer = undefined; // the coordinator sends both anew
      let last = Promise.resolve();
      socket.on("open", () => socket.send(frame("hello", {
        protocol: "fedtab.v1", task: this.task, resume_token: this.token, client: "node",
        // Without version 0 a difference on the grid leads nowhere.
        codecs: [...this.zeroWrong ? [] : [codecs.grid], codecs.deadzone, codecs.planes, codecs.float32],
        held: this.held?.version, held_hash: this.held ? Buffer.from(this.held.hash, "hex") : undefined,
        tab_state: enums.TabState.TAB_STATE_VISIBLE,
      })));
      // One message after the other; work goes on beside them.
      socket.on("message", (bytes) => {
        last = last.then(() => socket === this.socket && this.receive(...unframe(bytes))).catch((err) => {
          reject(err);
          socket.cut();
        });
      });
      socket.on("close", (code) => last.then(() => resolve(code)));
    });
  }

  /** write sends frames, or drops them while there is no session: the order that they answer is repeated. */
  write(frames) { if (this.welcomed) frames.forEach((f) => this.socket.send(f)); }

  send(kind, message) { this.write([frame(kind, message)]); }

  leave(code, detail) {
    this.send("bye", { code, detail });
    this.socket.close(code);
  }

  async receive(kind, message) {
    const take = {
      welcome: this.welcome, shards: this.shards, order: this.order, model: this.model, chunk: this.chunk,
      ack: this.ack, status: this.status,
    }[kind];
    if (take) await take.call(this, message);
    else if (kind === "bye") report("bye", message);
    else if (kind === "fetch") this.send("decline", { order: message.order, reason: enums.Reason.REASON_UNSUPPORTED });
    else if (kind === undefined) this.send("decline", { reason: enums.Reason.REASON_UNSUPPORTED });
    else this.leave(4502, `unexpected ${kind}`);
  }

  welcome(w) {
    this.welcomes++;
    this.welcomed = true;
    if (w.run !== this.run) {
      this.run = w.run;
      this.held = this.job = undefined;
      this.kept.clear();
      this.data = undefined;
    }
    this.token = w.resume_token;
    const fault = check(w.model);
    if (fault) return this.leave(4508, fault);
    this.spec = w.model;
    this.tensors = layout(w.model);
    this.zero = version0(w.seed, this.tensors);
    if (this.inexact) this.zero[0] *= 1 + 2 ** -23;
    this.zeroHash = hashOf(this.zero);
    if (BigInt(this.zero.length) !== w.parameters) return this.leave(4508, `parameters: ${w.parameters}, want ${this.zero.length}`);
    report("welcome", {
      participant: w.participant, run: w.run, version: Number(w.version), parameters: this.zero.length,
      zero: this.zeroHash, zero_right: this.zeroHash === hex(w.initial_hash), // version 0
    });
    this.zeroWrong = this.zeroHash !== hex(w.initial_hash);
    if (this.zeroWrong) this.send("want", { version: 0n, full: true });
  }

  async shards(s) {
    const base = new URL(this.url);
    const folder = base.pathname.slice(0, base.pathname.lastIndexOf("/")); // beside the socket
    let bodies;
    try {
      bodies = await Promise.all(s.shards.map((number) => get(`http://${base.host}${folder}${s.source}/${number}`)));
    } catch (err) {
      report("shards lost", { error: err.message });
      return this.socket.cut(); // the coordinator assigns them anew
    }
    this.data = join(bodies.map(readShard));
    report("shards", { shards: s.shards.length, total: s.total, examples: this.data.n });
    return this.waiting && this.begin();
  }

  status(s) {
    for (const [order, { round }] of this.kept) if (round !== 0n && round <= s.closed) this.kept.delete(order);
    report("status", { phase: s.phase, round: Number(s.round), version: Number(s.version), participants: s.participants });
    if (s.phase === enums.Phase.PHASE_FINISHED) report("finished", { reason: s.reason, version: Number(s.version), accuracy: s.test_accuracy });
  }

  /** last fetches the final version, which no order brings, and reports its hash. */
  async last() {
    const base = new URL(this.url);
    const file = await get(`http://${base.host}/api/tasks/${this.task}/models/newest.safetensors`);
    const start = 8 + Number(file.readBigUInt64LE()), header = JSON.parse(file.subarray(8, start));
    const { version } = header.__metadata__;
    delete header.__metadata__;
    const tensors = Object.values(header).map((t) => t.data_offsets).sort((a, b) => a[0] - b[0]);
    const parameters = tensors.flatMap(([from, to]) => [...decode(codecs.float32, file.subarray(start + from, start + to), (to - from) / 4)]);
    report("final", { version: Number(version), hash: hashOf(Float32Array.from(parameters)) });
  }

  model(m) {
    if (m.vectors.some((v) => v.size > 0n)) {
      const size = m.vectors.reduce((n, v) => n + v.size, 0n), limit = 2 * (4 * this.zero.length + 4096);
      if (size > BigInt(limit)) return this.leave(4503, `body: ${size} bytes, want at most ${limit}`);
      this.transfer = { message: m, body: Buffer.alloc(Number(size)), at: 0 };
      return undefined;
    }
    return this.hold(m);
  }

  chunk(c) {
    const t = this.transfer;
    if (!t || c.transfer !== t.message.transfer || c.offset !== BigInt(t.at) || t.at + c.data.length > t.body.length) {
      return this.leave(4502, "chunk: not the next of a transfer");
    }
    c.data.copy(t.body, t.at);
    t.at += c.data.length;
    if (t.at < t.body.length) return undefined;
    this.transfer = undefined;
    let at = 0;
    for (const v of t.message.vectors) v.block = t.body.subarray(at, at += Number(v.size));
    return this.hold(t.message);
  }

  /** hold takes a version that has arrived. */
  async hold(m) {
    const [v] = m.vectors;
    let parameters;
    if (v.role === enums.Role.ROLE_MODEL) {
      parameters = decode(v.codec, v.block, this.zero.length);
    } else if (v.role === enums.Role.ROLE_DELTA && v.codec === codecs.grid) {
      if (this.zeroWrong) return undefined; // sent before the coordinator knew
      const from = m.base === 0n ? this.zero : this.held?.version === m.base ? this.held.parameters : undefined;
      if (!from) return this.send("want", { version: m.version, full: true });
      parameters = applyGrid(v.block, from, this.zero);
    } else {
      return undefined; // a local model: no order of this client's rests on one
    }
    const hash = hashOf(parameters);
    if (hash !== hex(m.hash)) return this.leave(4502, `hash of version ${m.version}: ${hash}, want ${hex(m.hash)}`);
    this.held = { version: m.version, hash, parameters };
    report("model", { version: Number(m.version), base: Number(m.base), codec: v.codec, bytes: v.block.length, hash });
    return this.waiting && this.begin(true);
  }

  async order(o) {
    const kept = this.kept.get(o.order);
    if (kept) {
      report("offered again", { order: Number(o.order), round: Number(o.round) });
      return this.write(kept.frames);
    }
    if (this.job?.order === o.order) return undefined;
    this.job = undefined; // superseded
    for (const [number, { round, accepted }] of this.kept) if (round !== 0n || !accepted) this.kept.delete(number);
    const h = o.hyper, decline = (reason, detail) => this.send("decline", { order: o.order, reason, detail });
    if (o.kind !== enums.OrderKind.ORDER_KIND_FIT || h.optimiser || h.control || h.stream || h.prox || h.clip || h.schedule || h.warmup || h.weight_decay || o.start.length || o.payloads.length) {
      return decline(enums.Reason.REASON_UNSUPPORTED, "want a fit by SGD, from a version, of float32");
    }
    if (![codecs.float32, codecs.deadzone].includes(h.codec)) return decline(enums.Reason.REASON_CODEC, `codec ${h.codec}`);
    if (h.feedback) return decline(enums.Reason.REASON_UNSUPPORTED, "error feedback");
    this.waiting = o;
    return this.begin();
  }

  /** begin starts the order that waits, if its base and its data are here. answered: a model has just come. */
  async begin(answered = false) {
    const o = this.waiting, want = hex(o.base_hash);
    const base = this.held?.hash === want ? this.held.parameters : this.zeroHash === want ? this.zero : undefined;
    if (!base && answered) { // that version is not to be had any more
      this.waiting = undefined;
      return this.send("decline", { order: o.order, reason: enums.Reason.REASON_WRONG_BASE });
    }
    if (!base && o.asked) return undefined;
    if (!base) {
      o.asked = true;
      return this.send("want", { version: o.base, full: true });
    }
    if (!this.data) return undefined;
    this.waiting = undefined;
    this.work(o, base, this.data).catch((err) => {
      report("failed", { error: err.stack });
      process.exitCode = 1;
      this.socket.cut();
    });
    return undefined;
  }

  cut(at) {
    if (this.cuts.get(at) !== this.ordered) return false;
    this.cuts.delete(at);
    report("cut", { at });
    this.socket.cut();
    return true;
  }

  async work(o, base, data) {
    const job = this.job = o, h = o.hyper;
    this.ordered++;
    const examples = h.steps ? h.steps * (h.batch || data.n) : h.epochs * data.n;
    this.send("progress", { order: o.order, examples: BigInt(examples) });
    this.cut("working");
    const w = Float32Array.from(base);
    const metrics = await fit(w, this.tensors, this.spec, data, h, o.seed, () => this.job !== job);
    if (this.job !== job) return;
    this.job = undefined;
    if (w.some((x) => !Number.isFinite(x))) {
      this.send("decline", { order: o.order, reason: enums.Reason.REASON_DIVERGED });
      return;
    }
    const delta = Float32Array.from(w, (x, i) => x - base[i]);
    const block = h.codec === codecs.deadzone ? encodeDeadzone(delta, this.tensors, h.bits) : encodeFloat32(delta);
    const vector = { role: enums.Role.ROLE_DELTA, base_hash: o.base_hash, codec: h.codec };
    const contribution = { transfer: o.order, order: o.order, round: o.round, weight: BigInt(data.n), metrics, vectors: [vector] };
    const frames = [];
    if (block.length <= inlineBody) {
      vector.block = block;
      frames.push(frame("contribution", contribution));
    } else {
      vector.size = BigInt(block.length);
      frames.push(frame("contribution", contribution));
      for (let at = 0; at < block.length; at += chunkSize) {
        frames.push(frame("chunk", { transfer: o.order, offset: BigInt(at), data: block.subarray(at, at + chunkSize) }));
      }
    }
    this.kept.set(o.order, { round: o.round, accepted: false, frames });
    report("contribution", { order: Number(o.order), round: Number(o.round), codec: h.codec, bytes: block.length, loss: metrics.loss_sum / Number(metrics.examples) });
    this.write(frames);
    this.cut("sent");
  }

  ack(a) {
    report("ack", { order: Number(a.order), reason: a.reason, detail: a.detail });
    const { REASON_ACCEPTED, REASON_DUPLICATE, REASON_BUSY, REASON_ABANDONED } = enums.Reason;
    const kept = this.kept.get(a.order);
    if (a.reason === REASON_ABANDONED && this.job?.order === a.order) this.job = undefined;
    if (!kept) return;
    if (a.reason === REASON_ACCEPTED || a.reason === REASON_DUPLICATE) {
      kept.accepted = true;
      kept.round = kept.round || a.round;
    } else if (a.reason !== REASON_BUSY) {
      this.kept.delete(a.order);
    }
  }
}

const { values } = parseArgs({
  options: {
    url: { type: "string" }, task: { type: "string" }, cut: { type: "string", default: "" }, inexact: { type: "boolean", default: false },
  },
});
const cuts = new Map(values.cut.split(",").filter(Boolean).map((cut) => [cut.split(":")[0], Number(cut.split(":")[1])]));
new Client(values.url, values.task, cuts, values.inexact).join().catch((err) => {
  report("failed", { error: err.stack });
  process.exit(1);
});
