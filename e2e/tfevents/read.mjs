// Prints the events of one of TensorBoard's files as JSON, one in a line: {wall, step, version}
// or {wall, step, values}. The checksums are compared by @roboflow/tfrecords, and the
// messages decoded by google-protobuf; the numbers of fields are those of TensorBoard's
// event.proto and summary.proto.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { crc32c, maskCrc } = require('@roboflow/tfrecords/src/tensorFlowHelpers.js');
const { BinaryReader } = require('google-protobuf');

// records yields the contents of a file's TFRecords.
function* records(file) {
	for (let at = 0; at < file.length;) {
		const length = Number(file.readBigUInt64LE(at));
		const content = file.subarray(at + 12, at + 12 + length);
		for (const [what, bytes, sum] of [['length', file.subarray(at, at + 8), at + 8], ['content', content, at + 12 + length]]) {
			if (maskCrc(crc32c(bytes)) >>> 0 !== file.readUInt32LE(sum)) throw new Error(`checksum of the ${what} at ${at}`);
		}
		yield content;
		at += 16 + length;
	}
}

// fields calls what a message's fields are read with, by their numbers.
function fields(reader, read) {
	while (reader.nextField() && !reader.isEndGroup()) {
		const field = read[reader.getFieldNumber()];
		if (!field) throw new Error(`field ${reader.getFieldNumber()}`);
		field();
	}
}

function value(reader) {
	const v = {};
	fields(reader, { 1: () => { v.tag = reader.readString(); }, 2: () => { v.value = reader.readFloat(); } });
	return v;
}

function event(content) {
	const reader = new BinaryReader(new Uint8Array(content));
	const e = { step: 0 };
	fields(reader, {
		1: () => { e.wall = reader.readDouble(); },
		2: () => { e.step = reader.readInt64(); },
		3: () => { e.version = reader.readString(); },
		5: () => {
			e.values = {};
			reader.readMessage(e, () => fields(reader, {
				1: () => reader.readMessage(e, () => { const v = value(reader); e.values[v.tag] = v.value; }),
			}));
		},
	});
	return e;
}

for (const content of records(readFileSync(process.argv[2]))) console.log(JSON.stringify(event(content)));
