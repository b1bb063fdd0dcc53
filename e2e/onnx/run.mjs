// Runs ONNX files with onnxruntime. Standard input is a JSON list of cases: a file, the
// name and the shape of its input, and a file of that input's float32. Standard output
// is the list of the outputs of each, by name.

import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import * as ort from 'onnxruntime-node';

const results = [];
for (const c of JSON.parse(await text(process.stdin))) {
  const session = await ort.InferenceSession.create(c.file, { intraOpNumThreads: 1 });
  const bytes = readFileSync(c.values);
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const outputs = await session.run({ [c.input]: new ort.Tensor('float32', values, c.shape) });
  const result = {};
  for (const [name, t] of Object.entries(outputs)) {
    result[name] = { type: t.type, shape: t.dims, values: Array.from(t.data, Number) };
  }
  results.push(result);
}
console.log(JSON.stringify(results));
