// A page of the lab (docs/lab.md): hands the program what a person does with fields and
// points, and puts what the program draws where it belongs. The program is wasm/lab_js.go.
"use strict";

(() => {
	const byId = (id) => document.getElementById(id);
	const tell = fedtab.tell;
	const fields = (name) => byId("set-" + name);

	// Drawing

	const shell = document.createElement("template");

	// fill gives a group of a figure other elements. Those that stay keep the focus.
	function fill(group, drawn) {
		shell.innerHTML = `<svg xmlns="http://www.w3.org/2000/svg"><g class="${group.getAttribute("class")}">${drawn}</g></svg>`;
		fedtab.become(group, shell.content.firstChild.firstChild);
	}

	fedtab.view = ({ figures, texts, fields: all, off, playing, broken, working }) => {
		for (const [name, back, front] of figures) {
			const figure = byId("figure-" + name);
			if (back !== null) {
				fill(figure.querySelector(".back"), back);
			}
			if (front !== null) {
				fill(figure.querySelector(".front"), front);
			}
		}
		for (const [name, text] of texts) {
			byId("tell-" + name).textContent = text;
		}
		for (const [name, value, most, text] of all) {
			const field = fields(name);
			if (most && field.options) {
				for (const option of field.options) {
					option.disabled = option.hidden = Number(option.value) > Number(most);
				}
			} else if (most) {
				field.max = most;
			}
			if (field.value !== value && (field.type !== "number" || field !== document.activeElement)) {
				field.value = value;
			}
			if (field.type === "range") {
				field.setAttribute("aria-valuetext", text);
				byId("say-" + name).textContent = text;
			}
		}
		for (const button of document.querySelectorAll(".part button[data-action]")) {
			button.disabled = off.includes(button.dataset.action);
		}
		const play = byId("lab-play");
		if (play) {
			play.textContent = playing ? play.dataset.pause : play.dataset.play;
		}
		byId("lab-loading").hidden = true;
		byId("lab-broken").hidden = !broken;
		byId("page").dataset.state = working ? "working" : playing ? "playing" : "ready"; // for tests
		requestAnimationFrame(() => tell({ type: "drawn" }));
	};

	// Another language shows the same state.
	fedtab.query = ({ query }) => {
		for (const link of document.querySelectorAll(".languages a")) {
			link.search = query + "&lang=" + link.lang;
		}
	};
	if (location.search.length > 1) {
		fedtab.query({ query: location.search.slice(1) });
	}

	// Fields

	document.addEventListener("input", ({ target }) => {
		const name = target.dataset?.set;
		if (name) {
			tell({ type: "set", name, value: target.value });
		}
	});

	// Points

	// where returns the place in a figure's units that a pointer is at.
	function where(figure, event) {
		const [left, top, right, bottom, lowX, lowY, highX, highY] = figure.dataset.frame.split(" ").map(Number);
		const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(figure.getScreenCTM().inverse());
		return {
			x: lowX + (highX - lowX) * (at.x - left) / (right - left),
			y: lowY + (highY - lowY) * (bottom - at.y) / (bottom - top),
		};
	}

	let held; // the point that is dragged: its figure, group and index, and the pointer's id
	let going; // the newest place of it, until the next frame

	document.addEventListener("pointerdown", (event) => {
		const point = event.target.closest?.(".handle");
		if (!point || event.button !== 0) {
			return;
		}
		event.preventDefault(); // no text is selected
		point.focus({ preventScroll: true });
		held = { figure: point.ownerSVGElement, group: point.dataset.group, index: Number(point.dataset.index), pointer: event.pointerId };
		held.figure.setPointerCapture(event.pointerId);
	});
	document.addEventListener("pointermove", (event) => {
		if (!held || event.pointerId !== held.pointer) {
			return;
		}
		if (!going) {
			requestAnimationFrame(() => {
				tell(going);
				going = undefined;
			});
		}
		going = { type: "move", group: held.group, index: held.index, ...where(held.figure, event) };
	});
	for (const end of ["pointerup", "pointercancel"]) {
		document.addEventListener(end, (event) => {
			if (event.pointerId === held?.pointer) {
				held = undefined;
			}
		});
	}

	const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

	document.addEventListener("keydown", (event) => {
		const point = event.target.closest?.(".handle");
		const way = ways[event.key];
		if (!point || !way || event.ctrlKey || event.altKey || event.metaKey) {
			return;
		}
		event.preventDefault(); // the page does not scroll
		const [, , , , lowX, lowY, highX, highY] = point.ownerSVGElement.dataset.frame.split(" ").map(Number);
		const part = event.shiftKey ? 0.002 : 0.02;
		tell({ type: "nudge", group: point.dataset.group, index: Number(point.dataset.index), x: way[0] * part * (highX - lowX), y: way[1] * part * (highY - lowY) });
	});

	// Motion

	const motion = matchMedia("(prefers-reduced-motion: reduce)");
	const still = () => tell({ type: "still", still: motion.matches });
	motion.addEventListener("change", still);
	still();
})();
