// A worker of the benchmark. Its name says which engine runs in it, and on what: "tfjs cpu".
// An engine has functions that answer messages: prepare(job, input), pass(key), which trains
// a job once and gives its learning curve, or others of its own.
"use strict";

const [engine, backend] = self.name.split(" ");
importScripts(engine + ".js"); // defines start
let started;

// load fetches a file as an array of a type.
async function load(name, type) {
	const answer = await fetch("data/" + name);
	if (!answer.ok) {
		throw new Error(name + ": the server answers " + answer.status);
	}
	return new type(await answer.arrayBuffer());
}

// prepare fetches what a job needs: the parameters, and examples. Pixels are bytes.
async function prepare(on, job) {
	await on.prepare(job, {
		params: await load(job.model + ".params", Float32Array),
		x: await load(job.input + ".x", job.pixels ? Uint8Array : Float32Array),
		y: await load(job.input + ".y", Uint8Array),
		order: await load(job.key + ".order", Int32Array),
	});
}

// measure repeats work for at least some milliseconds, and gives how often it was done, how
// long that took, and what it gave each time.
async function measure(work, ms) {
	const results = [];
	const from = performance.now();
	let now;
	do {
		results.push(await work());
		now = performance.now();
	} while (now - from < ms);
	return { times: results.length, seconds: (now - from) / 1000, results };
}

async function answer(message) {
	started ??= start(backend);
	const on = await started;
	switch (message.type) {
	case "start":
		return on.about;
	case "prepare":
		return prepare(on, message.job);
	case "train":
		return measure(() => on.pass(message.key), message.ms);
	default: // the engine's own
		return measure(() => on[message.type](message), message.ms);
	}
}

self.onmessage = async ({ data }) => {
	try {
		postMessage({ id: data.id, value: await answer(data) });
	} catch (error) {
		postMessage({ id: data.id, error: String(error?.stack ?? error) });
	}
};

// batches returns the mini-batches of a job for engines that take them ready made: x as
// float32, and y one-hot.
function batches(job, { x, y, order }) {
	const features = x.length / y.length;
	const list = [];
	for (let step = 0; step < job.steps; step++) {
		const batch = { x: new Float32Array(job.batch * features), y: new Float32Array(job.batch * job.classes) };
		for (let k = 0; k < job.batch; k++) {
			const example = order[step * job.batch + k];
			for (let i = 0; i < features; i++) {
				const v = x[example * features + i];
				batch.x[k * features + i] = job.pixels ? v / 255 : v;
			}
			batch.y[k * job.classes + y[example]] = 1;
		}
		list.push(batch);
	}
	return list;
}

// tensor returns a part of the parameters.
function tensor(params, { offset, shape }) {
	return params.slice(offset, offset + shape.reduce((product, d) => product * d, 1));
}
