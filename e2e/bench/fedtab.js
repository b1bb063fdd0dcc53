// fedtab in the benchmark: the Go program of the folder program.
"use strict";

importScripts("wasm_exec.js", "kernel.js");

// instantiate runs the Go program and returns its functions.
async function instantiate() {
	const go = new Go();
	const [program, kernel] = await Promise.all(["program.wasm", "kernel.wasm"].map((name) => WebAssembly.compileStreaming(fetch(name))));
	const instance = await fedtabInstantiate(program, go.importObject, kernel);
	return new Promise((resolve, reject) => {
		self.fedtabRuns = resolve;
		go.run(instance).then(() => reject(new Error("the Go program has ended")), reject);
	});
}

async function start() {
	const program = await instantiate();
	const call = (name, ...args) => {
		const { value, error } = program[name](...args);
		if (error !== undefined) {
			throw new Error(error);
		}
		return value;
	};
	return {
		about: { kernel: call("kernel") },
		prepare: (job, { x, y, params }) => call("prepare", job.key, job.fedtab, x, y, params),
		pass: (key) => call("pass", key),
		multiply: ({ side, count }) => call("multiply", side, count),
	};
}
