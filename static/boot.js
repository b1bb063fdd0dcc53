// The first script of the page: it finds out whether this browser can take part,
// begins the download of the program, and holds what start.js and the Go program
// need (window.fedtab).
"use strict";

window.fedtab = (() => {
	// The smallest module with a SIMD instruction in it: a function that splats
	// a zero into a vector and takes a lane out again.
	const simdModule = new Uint8Array([
		0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3,
		2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
	]);

	const needs = {
		"WebAssembly": typeof WebAssembly === "object" && typeof WebAssembly.instantiate === "function",
		"web workers": typeof Worker === "function",
		"WebSockets": typeof WebSocket === "function",
		"server-sent events": typeof EventSource === "function",
		"fetch": typeof fetch === "function",
	};
	const missing = Object.keys(needs).filter((name) => !needs[name]);

	// trouble shows an error above the page and hides the buttons, which have no
	// handler any more.
	function trouble(words, reload) {
		const box = document.getElementById("trouble");
		box.textContent = words;
		box.hidden = false;
		document.documentElement.classList.add("broken");
		if (reload) {
			const button = document.createElement("button");
			button.type = "button";
			button.textContent = "Reload the page";
			button.addEventListener("click", () => location.reload());
			box.append(" ", button);
		}
	}

	// fetchJSON returns the JSON at an address. A refusal of the coordinator is returned
	// like any other, with its code.
	async function fetchJSON(address) {
		const answer = await fetch(address, { headers: { Accept: "application/json" } });
		if (!answer.ok) {
			const refusal = await answer.json().catch(() => null);
			if (!refusal?.code) {
				throw new Error("the coordinator answered " + answer.status + " " + answer.statusText);
			}
			return refusal;
		}
		return answer.json();
	}

	const able = missing.length === 0;
	return {
		able,
		missing,
		simd: able && WebAssembly.validate(simdModule),
		worker: "asset:worker.js",
		program: able ? fetch("asset:ui.wasm") : null,
		trouble,
		fetchJSON,
	};
})();
