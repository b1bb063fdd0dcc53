// The last script of the page: it starts the Go program, or shows why it cannot.
"use strict";

(async () => {
	const { able, missing, program, simd, trouble } = window.fedtab;
	if (!able) {
		trouble("This browser cannot take part in the training: it lacks " + missing.join(", ") +
			". A current Firefox, Chrome, Edge or Safari can.");
		return;
	}

	// Vugu evaluates its renderer script, which the Content-Security-Policy does
	// not allow; the same script is on the page already as a file.
	window.eval = () => undefined;

	const go = new Go();
	let instance;
	try {
		const answer = await program;
		if (!answer.ok) {
			throw new Error("the coordinator answered " + answer.status + " " + answer.statusText);
		}
		({ instance } = await instantiate(answer, go.importObject));
	} catch (error) {
		trouble("The page could not be loaded (" + error.message + ").", true);
		return;
	}
	fetchWorkerLater();
	try {
		await go.run(instance);
	} catch (error) {
		console.error(error);
	}
	// The program runs for as long as the page does. If it ends, it crashed.
	trouble("The page stopped because of an error in its program.", true);

	// fetchWorkerLater loads the worker's program into the browser's cache, so that
	// training starts at once after Join.
	function fetchWorkerLater() {
		if (navigator.connection && navigator.connection.saveData) {
			return;
		}
		const later = window.requestIdleCallback || ((f) => setTimeout(f, 1000));
		const url = simd ? "asset:worker.wasm" : "asset:worker-scalar.wasm";
		later(() => fetch(url, { priority: "low" }).then((answer) => answer.arrayBuffer()).catch(() => {}));
	}

	// instantiate compiles while downloading, unless a proxy has changed the
	// content type.
	function instantiate(answer, imports) {
		if (WebAssembly.instantiateStreaming && answer.headers.get("Content-Type") === "application/wasm") {
			return WebAssembly.instantiateStreaming(answer, imports);
		}
		return answer.arrayBuffer().then((bytes) => WebAssembly.instantiate(bytes, imports));
	}
})();
