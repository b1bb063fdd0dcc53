// Training of dense networks with softmax cross-entropy in binary32
// (docs/protocol.md, "Model spec" and "Order").

import { splitmix64 } from "./version0.mjs";

/** check returns why this client cannot train a model of that spec, or "". */
export function check(spec) {
  for (const layer of spec.layers) {
    if (layer.kind !== 1) return `layer kind: ${layer.kind}, want 1 (dense)`;
    if (layer.activation > 1) return `activation: ${layer.activation}, want 0 or 1`;
  }
  if (spec.loss !== 0) return `loss: ${spec.loss}, want 0 (softmax)`;
  return "";
}

/** examples reads the shard: {n, inputs, features: Float32Array, labels}. */
export function readShard(bytes) {
  let at = 0;
  const idx = () => {
    const type = bytes[at + 2], dimensions = bytes[at + 3];
    if (bytes[at] || bytes[at + 1]) throw new Error(`shard: no IDX file at byte ${at}`);
    at += 4;
    const shape = Array.from({ length: dimensions }, () => { at += 4; return bytes.readUInt32BE(at - 4); });
    const n = shape.reduce((a, b) => a * b, 1);
    const from = at, width = type === 0x0d ? 4 : 1;
    at += n * width;
    return { type, shape, n, element: (i) => width === 4 ? bytes.readFloatBE(from + 4 * i) : bytes[from + i] };
  };
  const x = idx(), y = idx(), affine = at < bytes.length ? idx() : undefined;
  if (at !== bytes.length) throw new Error(`shard: ${bytes.length} bytes, want ${at}`);
  if (y.type !== 8 || y.n !== x.shape[0]) throw new Error("shard: labels do not belong to the examples");
  const fround = Math.fround;
  const feature = x.type === 0x0d ? x.element
    : affine ? (i) => fround(x.element(i) * affine.element(0)) + affine.element(1)
      : (i) => x.element(i) / 255;
  return {
    n: y.n, inputs: x.n / y.n,
    features: Float32Array.from({ length: x.n }, (_, i) => feature(i)),
    labels: Uint8Array.from({ length: y.n }, (_, i) => y.element(i)),
  };
}

/** join makes one data set of several shards. */
export function join(shards) {
  const n = shards.reduce((a, s) => a + s.n, 0), inputs = shards[0].inputs;
  const features = new Float32Array(n * inputs), labels = new Uint8Array(n);
  let at = 0;
  for (const s of shards) {
    features.set(s.features, at * inputs);
    labels.set(s.labels, at);
    at += s.n;
  }
  return { n, inputs, features, labels };
}

/** Network evaluates and differentiates one example at a time. */
class Network {
  constructor(tensors, activations, weights) {
    this.tensors = tensors;
    this.weights = weights;
    this.activations = activations;
    this.outputs = [];
    this.errors = tensors.map(({ rows }) => new Float32Array(rows));
    for (const { units } of tensors) this.outputs.push(new Float32Array(units));
  }

  /** step adds the gradient of an example's loss to gradient and returns [loss, right]. */
  step(w, gradient, input, label) {
    const { tensors, activations, outputs } = this;
    let x = input, at = 0;
    const from = [];
    tensors.forEach(({ rows, units }, k) => {
      from.push(at);
      const y = outputs[k];
      y.set(w.subarray(at + rows * units, at + (rows + 1) * units));
      for (let i = 0; i < rows; i++) {
        if (x[i] === 0) continue;
        for (let j = 0, row = at + i * units; j < units; j++) y[j] += x[i] * w[row + j];
      }
      if (activations[k] === 1) for (let j = 0; j < units; j++) if (!(y[j] > 0)) y[j] = 0;
      at += (rows + 1) * units;
      x = y;
    });

    const top = x.reduce((a, b) => Math.max(a, b), -Infinity);
    const right = x[label] === top;
    let sum = 0;
    for (const z of x) sum += Math.exp(z - top);
    const weight = this.weights.length ? this.weights[label] : 1;
    const loss = weight * (Math.log(sum) + top - x[label]);
    let error = Float32Array.from(x, (z, j) => weight * (Math.exp(z - top) / sum - (j === label ? 1 : 0)));

    for (let k = tensors.length - 1; k >= 0; k--) {
      const { rows, units } = tensors[k], below = k ? outputs[k - 1] : input, next = this.errors[k];
      for (let i = 0; i < rows; i++) {
        let e = 0;
        for (let j = 0, row = from[k] + i * units; j < units; j++) {
          gradient[row + j] += below[i] * error[j];
          e += w[row + j] * error[j];
        }
        next[i] = k && activations[k - 1] === 1 && below[i] === 0 ? 0 : e;
      }
      for (let j = 0, row = from[k] + rows * units; j < units; j++) gradient[row + j] += error[j];
      error = next;
    }
    return [loss, right];
  }
}

/**
 * fit trains from w, in place, as hyper says: SGD on the mean loss, penalties included. It rests
 * between batches so that the socket is served, and returns undefined when cancelled() turns true.
 */
export async function fit(w, tensors, spec, data, hyper, seed, cancelled) {
  const network = new Network(tensors, spec.layers.map((l) => l.activation), spec.class_weights);
  const gradient = new Float32Array(w.length), batch = hyper.batch || data.n;
  const perEpoch = Math.ceil(data.n / batch);
  const steps = hyper.steps || hyper.epochs * perEpoch;
  const order = Uint32Array.from({ length: data.n }, (_, i) => i), next = splitmix64(seed);
  const metrics = { examples: 0n, steps: 0n, loss_sum: 0, correct: 0n, millis: 0 };
  const began = Date.now();
  for (let step = 0; step < steps; step++) {
    const first = step % perEpoch * batch, end = Math.min(first + batch, data.n);
    if (first === 0) {
      for (let i = data.n - 1; i > 0; i--) {
        const j = Number(next() % BigInt(i + 1));
        [order[i], order[j]] = [order[j], order[i]];
      }
    }
    gradient.fill(0);
    for (let i = first; i < end; i++) {
      const e = order[i];
      const [loss, right] = network.step(w, gradient, data.features.subarray(e * data.inputs, (e + 1) * data.inputs), data.labels[e]);
      metrics.loss_sum += loss;
      metrics.correct += right ? 1n : 0n;
    }
    metrics.examples += BigInt(end - first);
    metrics.steps++;
    let at = 0;
    for (const { rows, units } of tensors) {
      for (let i = 0; i < (rows + 1) * units; i++, at++) {
        let g = gradient[at] / (end - first);
        if (i < rows * units) g += spec.l2 * w[at] + spec.l1 * Math.sign(w[at]);
        w[at] -= hyper.lr * g;
      }
    }
    if (step % 8 === 7) {
      await new Promise(setImmediate);
      if (cancelled()) return undefined;
    }
  }
  metrics.millis = Date.now() - began;
  return metrics;
}
