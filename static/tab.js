// Every worker of the tab. It runs the tab's one Go program, in the role that is the
// worker's name: "page" draws the page, "train" is a participant, "try" predicts. The
// page's worker compiles the program, and hands it to those that it makes.
"use strict";

importScripts("asset:wasm_exec.js", "asset:keep.js", "asset:own.js");
if (["own", "try"].includes(self.name)) {
	importScripts("asset:extra/pictures.js");
}

(async () => {
	// exit tells that the program has ended, and why.
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

	// The page's language, and whether the browser lacks SIMD, as host.js has found out.
	const [language, scalar] = self.location.hash.slice(1).split(",");
	const simd = !scalar;

	// load compiles a program, while it downloads unless a proxy has changed the content
	// type.
	async function load(fast, scalar) {
		const answer = await fetch(simd ? fast : scalar);
		if (!answer.ok) {
			throw new Error("its program could not be loaded: the coordinator answered " + answer.status);
		}
		if (WebAssembly.compileStreaming && answer.headers.get("Content-Type") === "application/wasm") {
			return WebAssembly.compileStreaming(answer);
		}
		return WebAssembly.compile(await answer.arrayBuffer());
	}

	// texts loads the page's words, which the program has in English.
	async function texts() {
		const file = { de: "asset:extra/de.txt" }[language];
		if (file) {
			const answer = await fetch(file);
			self.fedtabWords = answer.ok ? await answer.text() : "";
		}
	}

	// first returns the module that the page's worker sends before anything else.
	const first = () => new Promise((resolve) => {
		self.onmessage = (event) => {
			self.onmessage = null;
			resolve(event.data);
		};
	});

	// readers compiles the program that reads data and models, once it is wanted.
	let reading;
	function readers() {
		reading ??= load("asset:extra/readers.wasm", "asset:extra/readers-scalar.wasm");
		reading.catch(() => { reading = undefined; }); // another try may work
		return reading;
	}

	// waiting are the messages that come before the page's program takes them.
	const waiting = [];

	// preparePage gives the program what it needs of a window, which Vugu's renderer
	// calls, and the messages that have come so far.
	function preparePage(module) {
		const instructions = new Uint8Array(16384); // as large as the renderer's buffer
		const parts = [];
		Object.assign(self, {
			window: self,
			fedtabSimd: simd,
			eval: () => undefined, // Vugu evaluates its script, which is in the page
			vuguSetEventHandler: () => undefined,
			vuguSetCallbackHandler: () => undefined,
			vuguGetRenderArray: () => instructions,
			vuguRender: () => parts.push(instructions.slice()),
			fedtabRendered() { // hands a whole rendering to the page
				postMessage({ type: "render", parts }, parts.map((part) => part.buffer));
				parts.length = 0;
			},
			fedtabTake(receive) {
				self.onmessage = (event) => receive(event.data);
				waiting.splice(0).forEach((message) => receive(message));
			},
			fedtabWorker(role) {
				const worker = new Worker(self.location.href, { name: role });
				const program = role === "train" ? Promise.resolve(module) : readers();
				program.then((m) => worker.postMessage(m), (error) => worker.onmessage?.({ data: { type: "exit", detail: error.message } }));
				return worker;
			},
			// fetchModel returns the bytes of a model, or the status of the answer. The
			// browser keeps them under a key, if there is one, and has them again when the
			// coordinator cannot be reached.
			async fetchModel(address, key) {
				let status = 0;
				try {
					const answer = await fetch(address);
					if (answer.ok) {
						const bytes = new Uint8Array(await answer.arrayBuffer());
						if (key) {
							fedtabKeep.save(key, bytes).catch(() => undefined); // no storage in this browser
						}
						return { bytes, kept: false };
					}
					status = answer.status;
				} catch {
					// There is no network.
				}
				const bytes = key && status === 0 ? await fedtabKeep.load(key).catch(() => undefined) : undefined;
				return { bytes, kept: true, status };
			},
			// fetchJSON returns the JSON at an address. A refusal of the coordinator is
			// returned like any other, with its code.
			async fetchJSON(address) {
				const answer = await fetch(address, { headers: { Accept: "application/json" } });
				if (!answer.ok) {
					const refusal = await answer.json().catch(() => null);
					if (!refusal?.code) {
						throw new Error("the coordinator answered " + answer.status + " " + answer.statusText);
					}
					return refusal;
				}
				return answer.json();
			},
		});
	}

	try {
		const page = self.name === "page";
		if (page) {
			self.onmessage = (event) => waiting.push(event.data);
		}
		const [module] = await (page ? Promise.all([load("asset:fedtab.wasm", "asset:fedtab-scalar.wasm"), texts().catch(() => {})]) : Promise.all([first()]));
		if (page) {
			preparePage(module);
		}
		const go = new Go();
		let code = 0;
		go.exit = (c) => { code = c; };
		await go.run(await WebAssembly.instantiate(module, go.importObject));
		exit(panic || (code ? "it ended with code " + code : "it ended"));
	} catch (error) {
		exit(panic || error.message);
	}
})();
