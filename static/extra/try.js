// Shows what the model says of a drawing, a picture or a row. The worker that predicts
// (docs/models.md, "In the tab") is asked by way of the page's program. The elements are
// empty in what the program draws, which leaves them alone.
"use strict";

(() => {
	const byId = (id) => document.getElementById(id);
	const element = (name, text = "", more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);
	const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent", maximumFractionDigits: 0 });
	const number = new Intl.NumberFormat(document.documentElement.lang);
	const fill = (text, ...args) => text.replace(/\{(\d)\}/g, (_, i) => args[i]);

	const slots = {}; // what is known of the models, by slot
	let asked = 0; // number of the newest question
	let again = () => {}; // asks the last question again, of another model

	function ask(message, transfer) {
		asked++;
		fedtab.tell({ type: "ask", message: { ...message, id: asked } }, transfer);
	}

	// Drawing

	const side = 280; // of the canvas, in pixels
	const pen = 0.075 * side;
	const pace = 80; // ms between questions while somebody draws
	let last, timer;

	function canvas() {
		const box = byId("try-canvas");
		if (!box.firstElementChild) {
			const c = element("canvas");
			c.width = c.height = side;
			box.append(c);
		}
		return box.firstElementChild;
	}

	const context = () => canvas().getContext("2d", { willReadFrequently: true });

	function askDrawing() {
		again = askDrawing;
		const { data } = context().getImageData(0, 0, side, side);
		ask({ type: "picture", pixels: data, width: side, height: side, drawn: true });
	}

	function position(event) {
		const box = canvas().getBoundingClientRect();
		return [side * (event.clientX - box.left) / box.width, side * (event.clientY - box.top) / box.height];
	}

	function stroke(from, to) {
		const c = context();
		c.strokeStyle = "#fff";
		c.lineCap = "round";
		c.lineWidth = pen;
		c.beginPath();
		c.moveTo(...from);
		c.lineTo(...to);
		c.stroke();
		timer ??= setTimeout(() => {
			timer = undefined;
			askDrawing();
		}, pace);
	}

	function erase() {
		clearTimeout(timer);
		timer = undefined;
		context().clearRect(0, 0, side, side);
		again = () => {};
		asked++; // an answer under way is of what is gone
		blank();
	}

	document.addEventListener("pointerdown", (event) => {
		if (event.target.closest?.("#try-canvas")) {
			event.preventDefault();
			canvas().setPointerCapture?.(event.pointerId);
			last = position(event);
			stroke(last, last);
		}
	});
	document.addEventListener("pointermove", (event) => {
		if (!last) {
			return;
		}
		for (const e of [...event.getCoalescedEvents?.() ?? [], event]) {
			const now = position(e);
			stroke(last, now);
			last = now;
		}
	});
	for (const end of ["pointerup", "pointercancel"]) {
		document.addEventListener(end, () => { last = undefined; });
	}
	document.addEventListener("click", (event) => {
		if (event.target.closest?.("#try-erase")) {
			erase();
		}
	});

	// Pictures, and samples of them

	function askPicture(file) {
		again = () => askPicture(file);
		ask({ type: "picture", file, drawn: false });
	}

	document.addEventListener("change", (event) => {
		const [file] = event.target.files ?? [];
		if (!file) {
			return;
		}
		if (event.target.id === "try-file") {
			askPicture(file);
		} else if (event.target.id === "try-csv") {
			askTable(file);
		} else {
			return;
		}
		event.target.value = ""; // the same file may be chosen again
	});
	document.addEventListener("dragover", (event) => {
		if (event.target.closest?.("#try") && event.dataTransfer.types.includes("Files")) {
			event.preventDefault();
			event.dataTransfer.dropEffect = "copy";
		}
	});
	document.addEventListener("drop", (event) => {
		const [file] = event.dataTransfer.files;
		if (file && event.target.closest?.("#try")) {
			event.preventDefault();
			if (slots.a?.what === "picture") {
				askPicture(file);
			} else {
				askTable(file);
			}
		}
	});

	const across = 12; // pictures in a row of the coordinator's sheet

	// showSamples makes buttons of the first pictures of the sheet.
	function showSamples() {
		const box = byId("try-samples");
		if (box.parentElement.hidden || box.firstElementChild) {
			return;
		}
		const sheet = new Image();
		sheet.onload = () => {
			const tile = Math.floor(sheet.width / across);
			box.replaceChildren(...Array.from({ length: across }, (_, i) => {
				const c = element("canvas");
				c.width = c.height = tile;
				c.getContext("2d").drawImage(sheet, i * tile, 0, tile, tile, 0, 0, tile, tile);
				const button = element("button", "", { type: "button", ariaLabel: fill(box.dataset.words, i + 1) });
				button.append(c);
				button.addEventListener("click", () => askSample(c));
				return button;
			}));
		};
		sheet.src = box.dataset.picture;
	}

	function askSample(c) {
		again = () => askSample(c);
		const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
		ask({ type: "picture", pixels: data, width: c.width, height: c.height, drawn: false });
	}

	// Tables

	// showForm makes a field of each column.
	function showForm(columns) {
		const form = byId("try-form");
		form.replaceChildren(...columns.map((column) => {
			let field;
			if (column.kind === "category") {
				field = element("select");
				field.append(...column.values.map((value) => element("option", value, { value })));
			} else {
				const known = column.mean !== 0 || column.deviation !== 1;
				field = element("input", "", { type: "text", inputMode: "decimal", autocomplete: "off", value: known ? text(Number(column.mean.toPrecision(3))) : "" });
			}
			const label = element("label");
			field.required = !column.optional;
			label.append(element("span", column.name), field);
			return label;
		}));
		askRow();
	}

	const comma = () => byId("try-form").dataset.decimal === "comma";
	const text = (value) => comma() ? String(value).replace(".", ",") : String(value);

	function askRow() {
		again = askRow;
		const form = byId("try-form");
		if (!form.checkValidity()) { // something is not filled in yet
			asked++;
			blank();
			return;
		}
		ask({ type: "row", values: [...form.querySelectorAll("input, select")].map((field) => field.value), decimal: form.dataset.decimal });
	}

	document.addEventListener("input", (event) => {
		if (event.target.closest?.("#try-form")) {
			clearTimeout(timer);
			timer = setTimeout(askRow, pace);
		}
	});
	document.addEventListener("submit", (event) => event.target.id === "try-form" && event.preventDefault());

	function askTable(file) {
		ask({ type: "csv", file });
	}

	// showPredictions shows the first rows of a table, and has the rest saved.
	function showPredictions(m) {
		const box = byId("try-rows"), words = box.dataset;
		const table = element("table");
		const head = element("tr");
		const sure = m.rows.some((row) => row.share > 0);
		for (const title of [words.line, words.predicted, ...sure ? [words.share] : []]) {
			head.append(element("th", title, { scope: "col" }));
		}
		const thead = element("thead"), body = element("tbody");
		thead.append(head);
		body.append(...m.rows.map((row) => {
			const line = element("tr");
			line.append(element("th", number.format(row.line), { scope: "row" }), element("td", row.problem || row.text));
			if (sure) {
				line.append(element("td", row.problem ? "" : percent.format(row.share)));
			}
			return line;
		}));
		table.append(thead, body);
		const scroll = element("div", "", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: words.predicted });
		scroll.append(table);
		const link = element("a", words.save, { className: "button", href: URL.createObjectURL(m.blob), download: m.name.replace(/\.[^.]*$/, "") + "-predictions.csv" });
		let done = fill(words.done, number.format(m.predicted), number.format(m.rejected));
		if (m.known > 0 && m.accuracy !== null) {
			done += " " + fill(words.right, percent.format(m.accuracy));
		}
		URL.revokeObjectURL(box.querySelector("a")?.href);
		box.replaceChildren(element("p", done, { role: "status" }), scroll, link);
	}

	// Answers

	// blank shows that there is no answer.
	function blank() {
		byId("try-says").textContent = byId("try-says").dataset.none;
		byId("try-seen").replaceChildren();
		for (const slot of ["a", "b"]) {
			bars(slot, slots[slot]?.classes.map(() => 0) ?? []);
		}
	}

	const maxBars = 10;

	// bars shows probabilities; of many classes, the largest.
	function bars(slot, shares) {
		const box = byId("try-bars-" + slot), names = slots[slot]?.classes ?? [];
		let shown = shares.map((share, i) => i);
		if (shown.length > maxBars) {
			shown = shown.sort((a, b) => shares[b] - shares[a]).slice(0, maxBars);
		}
		while (box.children.length > shown.length) {
			box.lastElementChild.remove();
		}
		const best = Math.max(...shares);
		shown.forEach((i, k) => {
			let row = box.children[k];
			if (!row) {
				row = element("div");
				row.append(element("span"), element("progress", "", { max: 1 }), element("span"));
				box.append(row);
			}
			const [name, bar, share] = row.children;
			name.textContent = names[i];
			bar.value = shares[i];
			bar.setAttribute("aria-label", names[i]);
			share.textContent = percent.format(shares[i]);
			row.classList.toggle("best", best > 0 && shares[i] === best);
		});
	}

	// answered shows what a model says.
	function answered(m) {
		if (m.id !== asked) {
			return; // of an older question
		}
		const says = byId("try-says"), { dataset: words } = says;
		if (m.seen) {
			const { width, height } = slots[m.slot];
			const c = element("canvas");
			c.width = width;
			c.height = height;
			c.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(m.seen), width, height), 0, 0);
			byId("try-seen").replaceChildren(c);
		}
		const shares = slots[m.slot]?.probabilities ? m.probabilities : [];
		bars(m.slot, shares);
		if (m.slot !== "a") {
			return;
		}
		byId("try").dataset.answer = m.text;
		if (m.problems?.length > 0) {
			says.replaceChildren(element("small", m.problems.map((p) => fill(words.problem, p.where, p.what)).join("; ")));
		} else if (shares.length > 0) {
			says.textContent = fill(words.sure, m.text, percent.format(shares[m.class]));
		} else {
			says.textContent = fill(words.is, m.classes?.length > 0 ? m.text : number.format(Number(m.value.toPrecision(4))));
		}
	}

	// showConfusion draws how many examples of a class are taken for which.
	function showConfusion({ classes, matrix }) {
		const table = element("table", "", { className: "confusion" });
		table.append(element("caption", byId("try-confusion").dataset.words));
		const head = element("tr");
		head.append(element("td"), ...classes.map((name) => element("th", name, { scope: "col" })));
		table.append(head, ...matrix.map((row, of) => {
			const sum = row.reduce((a, b) => a + b, 0) || 1;
			const line = element("tr");
			line.append(element("th", classes[of], { scope: "row" }), ...row.map((n, as) => {
				const cell = element("td", n > 0 ? number.format(n) : "", { className: as === of ? "right" : "wrong" });
				cell.style.setProperty("--share", Math.sqrt(n / sum).toFixed(2)); // rare mistakes are seen too
				return cell;
			}));
			return line;
		}));
		byId("try-confusion").replaceChildren(table);
	}

	fedtab.tried = (m) => {
		switch (m.type) {
		case "loaded": {
			const first = !slots[m.slot] || slots[m.slot].task !== m.task;
			slots[m.slot] = m;
			if (m.what === "table") {
				if (first && m.slot === "a") {
					showForm(m.columns);
				} else {
					again();
				}
				break;
			}
			if (!byId("try-canvas").hidden) {
				canvas();
			}
			showSamples();
			if (first && m.slot === "a") {
				blank();
			} else {
				again();
			}
			break;
		}
		case "answer":
			answered(m);
			break;
		case "predictions":
			showPredictions(m);
			break;
		case "confusion":
			showConfusion(m);
			break;
		case "error":
			if (m.id === asked && m.code === "empty-drawing") {
				blank();
			} else if (m.id === asked) {
				byId("try-says").textContent = m.detail;
			}
			break;
		}
	};
})();
