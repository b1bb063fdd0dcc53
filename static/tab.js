// Every worker of the tab. It runs the tab's one Go program, in the role that the worker's
// name begins with: "page" draws the page, "train" is a participant, "try" predicts, "bench"
// measures; "organise" draws the organisers' dashboard and "lab" a page of the lab, which
// have programs of their own. The page's worker compiles the program, and hands it to those
// that it has the page make; extra/bench.js does so for its own.
"use strict";

// The page's name has its language too, and which kernel module the browser can run, as
// host.js has found out. The address would lose them: a service worker answers without the
// fragment.
const [role, language, vectors] = self.name.split(",");
self.fedtabRole = role;
const programs = { page: "asset:fedtab.wasm", organise: "asset:extra/organiser.wasm", lab: "asset:extra/lab.wasm" };
const page = role in programs;

// The programs download while the scripts do.
const coming = page ? fetch(programs[role]) : undefined;
const loops = { relaxed: "asset:kernel.wasm", simd128: "asset:kernel-simd128.wasm" }[vectors];
const loopsComing = page && loops ? fetch(loops) : undefined;
coming?.catch(() => {}); // said below
loopsComing?.catch(() => {});

importScripts("asset:wasm_exec.js", "asset:kernel.js", "asset:keep.js", "asset:own.js", "asset:crypto.js");
if (["own", "try"].includes(role)) {
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

	// compile compiles a program, while it downloads unless a proxy has changed the
	// content type.
	async function compile(coming) {
		const answer = await coming;
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
		const files = { de: ["asset:extra/de.txt", ...(role === "lab" ? ["asset:extra/de.lab.txt"] : [])] }[language];
		if (files) {
			const answers = await Promise.all(files.map((file) => fetch(file)));
			const all = await Promise.all(answers.map((answer) => answer.ok ? answer.text() : ""));
			self.fedtabWords = all.join("\n");
		}
	}

	// first returns the modules that the page's worker sends. What else it says before the
	// program is ready is lost, as it knows.
	const first = () => new Promise((resolve) => {
		self.onmessage = ({ data }) => {
			if (data.program) {
				self.onmessage = null;
				resolve(data);
			}
		};
	});

	// readers compiles the program that reads data and models, once it is wanted.
	let reading;
	function readers() {
		reading ??= compile(fetch("asset:extra/readers.wasm"));
		reading.catch(() => { reading = undefined; }); // another try may work
		return reading;
	}

	// hire has the page make a worker (host.js), and returns what stands for it here. A worker
	// that makes one itself can stop for good in Firefox: it waits to be woken, and the new
	// one's thread may take the call. What fails says so like a program that ends.
	const hired = new Map(); // id -> what stands for a worker
	let ids = 0;
	function hire(role) {
		const id = ++ids;
		const worker = {
			postMessage: (message, transfer = []) => postMessage({ type: "post", id, message, transfer }, transfer),
			terminate() {
				hired.delete(id);
				postMessage({ type: "dismiss", id });
			},
		};
		hired.set(id, worker);
		postMessage({ type: "hire", id, role });
		return worker;
	}

	// take takes what the page says. waiting is what it has said before the program runs.
	const waiting = [];
	let take = (message) => waiting.push(message);

	// ahead is the worker that trains, where it is known to be wanted before the page's
	// program runs: the tab took part before a reload, or Join is pressed already.
	let ahead;

	function prepareTraining(modules) {
		const wanted = (message) => message.type === "hello" && message.session["fedtab.task"] || message.type === "action" && message.action === "join";
		if (!waiting.some(wanted) || waiting.some((message) => message.type === "action" && message.own)) {
			return;
		}
		const worker = hire("train");
		worker.postMessage(modules);
		const early = []; // what it says before the program listens
		worker.onmessage = (event) => early.push(event);
		ahead = {
			take() {
				ahead = undefined;
				setTimeout(() => early.forEach((event) => worker.onmessage?.(event)));
				return worker;
			},
		};
	}

	// observe tells what this worker loads, as it comes: a browser lists a file some time
	// after it is there.
	function observe() {
		new PerformanceObserver((list) => {
			const entries = list.getEntries();
			take({ type: "loaded", files: entries.length, bytes: entries.reduce((sum, e) => sum + (e.transferSize || 0), 0) });
			postMessage({ type: "used", files: entries.map((entry) => entry.name) });
		}).observe({ type: "resource", buffered: true });
	}

	// preparePage gives the program what it needs of a window, which Vugu's renderer
	// calls, and the messages that have come so far.
	function preparePage({ program, kernel }) {
		const instructions = new Uint8Array(16384); // as large as the renderer's buffer
		const parts = [];
		Object.assign(self, {
			window: self,
			fedtabSimd: Boolean(loops),
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
				take = receive;
				waiting.splice(0).forEach((message) => receive(message));
				observe();
			},
			fedtabWorker(role) {
				if (role === "train" && ahead) {
					return ahead.take();
				}
				const worker = hire(role);
				const wanted = role === "train" ? Promise.resolve(program) : readers();
				wanted.then((program) => worker.postMessage({ program, kernel }), (error) => worker.onmessage?.({ data: { type: "exit", detail: error.message } }));
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
				if (answer.status === 404) {
					return { code: "none" };
				}
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
		if (page) {
			self.onmessage = ({ data }) => {
				if (data.type === "hired") {
					hired.get(data.id)?.onmessage?.({ data: data.message });
				} else {
					take(data);
				}
			};
		}
		let modules;
		if (page) {
			// Without the kernel, the program has loops of its own, and says so.
			const lost = (error) => { log("the kernel module could not be loaded:", error.message); };
			const [program, kernel] = await Promise.all([compile(coming), loopsComing && compile(loopsComing).catch(lost), texts().catch(() => {})]);
			modules = { program, kernel };
			preparePage(modules);
			if (role === "page") {
				prepareTraining(modules);
			}
		}
		const { program, kernel } = modules ?? await first();
		const go = new Go();
		// Memory never shrinks. The steps of training make no garbage, so that collecting early
		// costs little there: a few times a round.
		go.env = { GOGC: role === "train" ? "10" : "100" };
		let code = 0;
		go.exit = (c) => { code = c; };
		await go.run(await fedtabInstantiate(program, go.importObject, kernel));
		exit(panic || (code ? "it ended with code " + code : "it ended"));
	} catch (error) {
		exit(panic || error.message);
	}
})();
