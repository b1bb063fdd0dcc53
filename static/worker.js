// The Web Worker that trains. It loads the Go program, which then exchanges messages
// with the page (onmessage, postMessage). The worker's name selects the build. The
// page sends nothing before the program has posted {type: "ready"}.
"use strict";

importScripts("asset:wasm_exec.js", "asset:keep.js", "asset:own.js", "asset:pictures.js");

(async () => {
	// exit tells the page that the program has ended, and why.
	let exited = false;
	const exit = (detail) => {
		if (!exited) {
			exited = true;
			postMessage({ type: "exit", detail });
		}
	};

	// wasm_exec.js writes a Go panic to the console. Keep its first line, which says
	// more than the exit code.
	let panic = "";
	const log = console.log;
	console.log = (...words) => {
		const line = words.join(" ").match(/^(panic|fatal error): .*/m);
		if (line && !panic) {
			panic = line[0];
		}
		log.apply(console, words);
	};

	try {
		const answer = await fetch(self.name === "scalar" ? "asset:worker-scalar.wasm" : "asset:worker.wasm");
		if (!answer.ok) {
			throw new Error("its program could not be loaded: the coordinator answered " + answer.status);
		}
		const go = new Go();
		let code = 0;
		go.exit = (c) => { code = c; };
		const { instance } = await instantiate(answer, go.importObject);
		await go.run(instance);
		exit(panic || (code ? "it ended with code " + code : "it ended"));
	} catch (error) {
		exit(panic || error.message);
	}

	function instantiate(answer, imports) {
		if (WebAssembly.instantiateStreaming && answer.headers.get("Content-Type") === "application/wasm") {
			return WebAssembly.instantiateStreaming(answer, imports);
		}
		return answer.arrayBuffer().then((bytes) => WebAssembly.instantiate(bytes, imports));
	}
})();
