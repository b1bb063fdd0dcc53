// The benchmark's page: a worker for each engine, and questions to them.
"use strict";

const workers = new Map(); // name -> worker
const waiting = new Map(); // id -> { resolve, reject } of a question
let ids = 0;

// ask sends a worker, such as "jax-js wasm", a message, and gives its answer as JSON. The
// worker is made by the first one.
window.ask = (name, message) => new Promise((resolve, reject) => {
	if (!workers.has(name)) {
		const worker = new Worker("worker.js", { name });
		worker.onmessage = ({ data }) => {
			const question = waiting.get(data.id);
			waiting.delete(data.id);
			if (data.error !== undefined) {
				question.reject(new Error(name + ": " + data.error));
			} else {
				question.resolve(JSON.stringify(data.value ?? null));
			}
		};
		worker.onerror = (event) => {
			for (const question of waiting.values()) {
				question.reject(new Error(name + ": " + event.message));
			}
			waiting.clear();
		};
		workers.set(name, worker);
	}
	const id = ++ids;
	waiting.set(id, { resolve, reject });
	workers.get(name).postMessage({ ...message, id });
});
