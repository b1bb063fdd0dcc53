// The page /bench: measures how fast this device trains, in a worker of the role bench
// (wasm/bench_js.go), and fills in the table that the coordinator has drawn. Its texts are
// data attributes of the page's section.
"use strict";

(() => {
	const byId = (id) => document.getElementById(id);
	const { dataset: words } = byId("bench");
	const [button, stopButton, state, bar, kernel] = ["measure", "stop", "state", "progress", "kernel"].map((name) => byId("bench-" + name));
	const rows = [...byId("bench-rows").rows].filter((row) => row.dataset.measured !== undefined);
	const number = new Intl.NumberFormat(document.documentElement.lang, { maximumSignificantDigits: 4 });
	const fill = (text, ...args) => text.replace(/\{(\d)\}/g, (_, i) => args[i]);
	const root = new URL("../", document.currentScript.src);
	const hidden = () => document.visibilityState !== "visible";

	let worker; // undefined: nothing is measured
	let at = ""; // what is measured, in words

	// say shows how it stands.
	function say(text, look = "") {
		state.hidden = false;
		state.className = "state " + look;
		state.textContent = text;
	}

	const progress = () => say(hidden() ? words.paused : at, hidden() ? "" : "busy");

	// end ends what is measured, and says why.
	function end(text, look) {
		worker?.terminate();
		worker = undefined;
		bar.hidden = true;
		const focused = document.activeElement === stopButton;
		stopButton.hidden = true;
		button.hidden = false;
		button.textContent = words.again;
		if (focused) {
			button.focus();
		}
		say(text, look);
	}

	// compile fetches a program and compiles it, once.
	const compiled = {};
	function compile(name) {
		compiled[name] ??= (async () => {
			const answer = await fetch(new URL(name, root));
			if (!answer.ok) {
				throw new Error("HTTP " + answer.status);
			}
			return WebAssembly.compile(await answer.arrayBuffer());
		})();
		compiled[name].catch(() => { delete compiled[name]; }); // another try may work
		return compiled[name];
	}

	const cell = (row, name, text) => { row.querySelector("." + name).textContent = text; };

	const heard = {
		ready({ kernel: name }) {
			kernel.hidden = false;
			kernel.dataset.value = name;
			kernel.textContent = fill(words.kernel, { "wasm-relaxed": words.relaxed, "wasm-simd128": words.simd }[name] ?? words.scalar);
			worker.postMessage({ type: "hidden", hidden: hidden() });
			worker.postMessage({
				type: "measure", images: words.images && new URL(words.images, location.href).href, shards: Number(words.shards),
				ms: Number(words.ms), times: Number(words.times), steps: Number(words.steps),
				jobs: rows.map(({ dataset }) => ({ model: dataset.model, input: dataset.input, batch: Number(dataset.batch), recorded: Number(dataset.recorded) })),
			});
		},
		begun({ job }) {
			at = fill(words.progress, job + 1, rows.length, rows[job].dataset.job);
			bar.value = job;
			progress();
		},
		measured({ job, rate, times, is }) {
			cell(rows[job], "rate", number.format(rate));
			cell(rows[job], "against", fill(words[is], number.format(times)));
			rows[job].dataset.rate = rate;
		},
		done: () => end(words.done, "done"),
		failed: ({ code, detail }) => end(code === "images" ? words.unfetched : fill(words.failed, detail), "trouble"),
		exit: ({ detail }) => end(fill(words.failed, detail), "trouble"),
	};

	async function measure() {
		const mine = worker = new Worker(document.documentElement.dataset.tab, { name: "bench" });
		mine.onmessage = ({ data }) => mine === worker && heard[data.type]?.(data); // not once it is stopped
		mine.onerror = (event) => {
			event.preventDefault();
			end(fill(words.unloaded, event.message || "tab.js"), "trouble");
		};
		for (const row of rows) {
			cell(row, "rate", "–");
			cell(row, "against", "–");
			delete row.dataset.rate;
		}
		stopButton.hidden = false;
		stopButton.focus();
		button.hidden = true;
		bar.hidden = false;
		bar.value = 0;
		at = words.loading;
		progress();
		const loops = { relaxed: "asset:kernel.wasm", simd128: "asset:kernel-simd128.wasm" }[fedtab.vectors()];
		try {
			// Without a kernel the program has loops of its own, and says so.
			const modules = await Promise.all([compile("asset:extra/readers.wasm"), loops && compile(loops).catch(() => undefined)]);
			mine.postMessage({ program: modules[0], kernel: modules[1] });
		} catch (error) {
			if (mine === worker) {
				end(fill(words.unloaded, error.message), "trouble");
			}
		}
	}

	button.addEventListener("click", measure);
	stopButton.addEventListener("click", () => end(words.stopped));
	document.addEventListener("visibilitychange", () => {
		if (worker) {
			worker.postMessage({ type: "hidden", hidden: hidden() });
			progress();
		}
	});
	button.parentElement.hidden = false;
})();
