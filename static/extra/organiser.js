// What the dashboard's page does beside what every page does (host.js): fields that are read
// while a person writes, files, what charts say under the pointer, and saved pictures.
"use strict";

(() => {
	const byId = (id) => document.getElementById(id);

	// Fields that the program reads while a person writes: once they rest.
	const rest = 300; // ms
	const writing = new Map(); // field -> timer
	const told = (field) => {
		clearTimeout(writing.get(field));
		writing.delete(field);
		fedtab.tell({ type: "change", kind: field.dataset.input, name: field.dataset.name ?? "", text: "", value: field.value });
	};
	document.addEventListener("input", ({ target }) => {
		if (target.dataset?.input) {
			clearTimeout(writing.get(target));
			writing.set(target, setTimeout(told, target.dataset.input === "yaml" ? rest : 0, target));
		}
	});
	// Whatever is pressed is about what the fields say now.
	document.addEventListener("click", () => [...writing.keys()].forEach(told), true);
	document.addEventListener("change", () => [...writing.keys()].forEach(told), true);
	document.addEventListener("submit", (event) => event.preventDefault()); // its button was pressed

	// drawn gives fields what the program says they have, once for each serial: a field that a
	// person has written in takes no attribute any more.
	let texts = {};
	fedtab.fields = (message) => {
		texts = message.texts;
		set();
	};
	const set = () => {
		for (const [id, { serial, text }] of Object.entries(texts)) {
			const field = byId(id);
			if (field && field.serial !== serial && !writing.has(field)) {
				field.serial = serial;
				if (field.value !== text) {
					field.value = text;
				}
				if (id === "ask-value") {
					question(field);
				}
			}
		}
	};
	// question shows a question that has just been asked, wherever the page was.
	const question = (field) => {
		const box = byId("ask");
		if (!box.hidden) {
			box.scrollIntoView({ block: "center" });
			(field.offsetParent ? field : byId("ask-no")).focus({ preventScroll: true });
			field.select();
		}
	};
	fedtab.drawn = () => {
		for (const box of document.querySelectorAll("input[data-picked]")) {
			box.checked = box.dataset.picked === "true"; // the box of a row may be another run's now
		}
		for (const field of document.querySelectorAll("input[data-value]")) {
			if (field !== document.activeElement && field.value !== field.dataset.value) {
				field.value = field.dataset.value;
			}
		}
		set();
	};

	// Files: the first one that is chosen or dropped.
	document.addEventListener("change", async ({ target }) => {
		const file = target.dataset?.file && target.files[0];
		if (file) {
			try {
				fedtab.tell({ type: "picked", name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
			} catch (error) {
				fedtab.tell({ type: "failed", text: file.name + " cannot be read: " + error.message });
			}
			target.value = ""; // the same one can be chosen again
		}
	});

	// Charts: the values of all curves at the nearest point under the pointer.
	const points = new WeakMap(); // path -> {d, list}
	function pointsOf(path) {
		const d = path.getAttribute("d");
		let kept = points.get(path);
		if (kept?.d !== d) {
			kept = { d, list: d.slice(1).split("L").map((pair) => pair.split(/[ h]/).map(Number)) };
			points.set(path, kept);
		}
		return kept.list;
	}
	const number = (v) => v.toLocaleString(document.documentElement.lang, { maximumSignificantDigits: 4 });
	document.addEventListener("pointermove", ({ target, clientX }) => {
		const svg = target.closest?.("svg.plot");
		const out = svg?.closest("figure")?.querySelector(".reading");
		if (!out) {
			return;
		}
		const { low, high, left, right, top, bottom } = Object.fromEntries(Object.entries(svg.dataset).map(([k, v]) => [k, Number(v)]));
		const box = svg.getBoundingClientRect();
		const x = (clientX - box.left) * svg.viewBox.baseVal.width / box.width;
		const [x0, x1] = [58, svg.viewBox.baseVal.width - 12]; // the margins of plot.go
		const parts = [];
		let at;
		for (const path of svg.querySelectorAll(".curve")) {
			const list = pointsOf(path);
			const nearest = list.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
			if (nearest.length < 2 || Number.isNaN(nearest[1])) {
				continue;
			}
			at ??= left + (right - left) * (nearest[0] - x0) / (x1 - x0);
			parts.push(path.dataset.name + " " + number(low + (high - low) * (bottom - nearest[1]) / (bottom - top)));
		}
		out.textContent = parts.length ? "at " + number(at) + ": " + parts.join(", ") : "";
	});

	// save has the browser save a drawing, or a table. A PNG has twice the pixels.
	fedtab.save = async ({ format, name, content }) => {
		const bytes = new TextEncoder().encode(content);
		if (format !== "png") {
			fedtab.saveFile(name, bytes);
			return;
		}
		const image = new Image();
		image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(content);
		try {
			await image.decode();
		} catch {
			fedtab.tell({ type: "failed", text: "This browser cannot make a PNG of the chart: save the SVG." });
			return;
		}
		const canvas = Object.assign(document.createElement("canvas"), { width: 2 * image.width, height: 2 * image.height });
		canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
		canvas.toBlob(async (blob) => fedtab.saveFile(name, new Uint8Array(await blob.arrayBuffer())));
	};

	fedtab.project = () => byId("project").requestFullscreen?.();

	// Charts that fill the page are drawn for its width.
	const width = () => fedtab.tell({ type: "width", width: document.documentElement.clientWidth });
	new ResizeObserver(width).observe(document.documentElement);
	width();
})();
