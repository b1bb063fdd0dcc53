// Takes in the data that a person brings: files that are chosen or dropped, folders,
// pasted pictures, the camera and drawings. The Go program sets fedtab.bring, which hands
// messages to the worker, where everything is read.
"use strict";

(() => {
	const byId = (id) => document.getElementById(id);
	const maxFiles = 200_000;

	// surface returns the canvas in an element that the Go program leaves empty: it
	// would clear a canvas of its own whenever it draws the page.
	function surface(id, side) {
		const box = byId(id);
		if (!box.firstElementChild) {
			const canvas = document.createElement("canvas");
			canvas.width = canvas.height = side;
			box.append(canvas);
		}
		return box.firstElementChild;
	}

	// label is the class that new pictures get: its number, or -1 for that of their
	// folders or a CSV file.
	const label = () => Number(byId("own-class")?.value ?? -1);

	// announce says what went wrong with a source of data: a key of package words, and
	// its arguments.
	const announce = (key, ...args) => fedtab.brought(key, ...args);

	function bringFiles(files) {
		if (files.length > 0) {
			fedtab.bring({ type: "files", files, label: label() });
		}
	}

	document.addEventListener("change", (event) => {
		if (event.target.matches?.("#own-files, #own-folder")) {
			bringFiles([...event.target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
			event.target.value = ""; // the same file may be chosen again
		}
	});

	// Files and folders that are dropped

	// walk adds the files of an entry, and returns how many files and folders it could
	// not read.
	async function walk(entry, path, into) {
		let lost = 0;
		try {
			if (entry.isFile && into.length < maxFiles) {
				const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
				into.push({ file, path: path + file.name });
			}
			const reader = entry.isFile ? null : entry.createReader();
			while (reader && into.length < maxFiles) { // it gives 100 entries at a time
				const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
				if (some.length === 0) {
					break;
				}
				for (const e of some) {
					lost += await walk(e, path + entry.name + "/", into);
				}
			}
		} catch {
			lost++;
		}
		return lost;
	}

	const zone = (event) => event.target.closest?.("#own");
	document.addEventListener("dragover", (event) => {
		if (event.dataTransfer.types.includes("Files")) {
			if (zone(event)) {
				event.preventDefault();
				event.dataTransfer.dropEffect = "copy";
			}
			byId("own")?.classList.toggle("over", Boolean(zone(event)));
		}
	});
	document.addEventListener("dragleave", () => byId("own")?.classList.remove("over"));
	document.addEventListener("drop", async (event) => {
		byId("own")?.classList.remove("over");
		if (!zone(event) || !event.dataTransfer.types.includes("Files")) {
			return;
		}
		event.preventDefault();
		const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
		const plain = [...event.dataTransfer.files];
		const files = [];
		let lost = 0;
		for (const entry of entries) {
			lost += await walk(entry, "", files);
		}
		bringFiles(entries.length > 0 ? files : plain.map((file) => ({ file, path: file.name })));
		if (lost > 0) {
			announce("bring.lost", lost);
		}
	});

	document.addEventListener("paste", (event) => {
		const files = [...(event.clipboardData?.files ?? [])];
		if (files.length > 0 && !byId("own")?.hidden) {
			event.preventDefault();
			bringFiles(files.map((file) => ({ file, path: file.name })));
		}
	});

	// The camera

	let stream;
	const refusals = {
		NotAllowedError: "camera.forbidden",
		NotFoundError: "camera.none",
		NotReadableError: "camera.busy",
	};

	function stopCamera() {
		stream?.getTracks().forEach((track) => track.stop());
		stream = undefined;
	}

	// picture hands a picture to the worker.
	function picture(bitmap, name, of, drawn = false) {
		fedtab.bring({ type: "picture", bitmap, name, label: Number(of), drawn }, [bitmap]); // a button's value is a text
	}

	const camera = {
		// start returns what went wrong, as announce says it.
		async start() {
			stopCamera();
			try {
				if (!navigator.mediaDevices) {
					throw new DOMException("", "NotAllowedError"); // the page is not encrypted
				}
				stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
				byId("own-video").srcObject = stream;
				await byId("own-video").play();
				return null;
			} catch (error) {
				stopCamera();
				return [refusals[error.name] ?? "camera.other", error.name];
			}
		},
		stop: stopCamera,
		async take() {
			const video = byId("own-video");
			if (stream && video.videoWidth > 0) {
				picture(await createImageBitmap(video), "camera " + new Date().toISOString(), label());
			}
		},
	};

	// Drawing, light on dark

	const side = 280; // of the canvas, in pixels
	const pen = 0.075 * side;
	const onCanvas = (event) => event.target.closest?.("#own-canvas") && surface("own-canvas", side);
	let last;

	function position(canvas, event) {
		const box = canvas.getBoundingClientRect();
		return [side * (event.clientX - box.left) / box.width, side * (event.clientY - box.top) / box.height];
	}

	function stroke(canvas, from, to) {
		const c = canvas.getContext("2d", { willReadFrequently: true });
		c.strokeStyle = "#fff";
		c.lineCap = "round";
		c.lineWidth = pen;
		c.beginPath();
		c.moveTo(...from);
		c.lineTo(...to);
		c.stroke();
	}

	document.addEventListener("pointerdown", (event) => {
		const canvas = onCanvas(event);
		if (canvas) {
			event.preventDefault();
			last = position(canvas, event);
			stroke(canvas, last, last);
		}
	});
	document.addEventListener("pointermove", (event) => {
		const canvas = last && onCanvas(event);
		if (!canvas) {
			return;
		}
		for (const e of [...event.getCoalescedEvents?.() ?? [], event]) {
			const now = position(canvas, e);
			stroke(canvas, last, now);
			last = now;
		}
	});
	for (const end of ["pointerup", "pointercancel"]) {
		document.addEventListener(end, () => { last = undefined; });
	}

	const drawing = {
		clear() {
			surface("own-canvas", side).getContext("2d").clearRect(0, 0, side, side);
		},
		// add hands the drawing to the worker, which centres it.
		async add(of) {
			const canvas = surface("own-canvas", side);
			const { data } = canvas.getContext("2d").getImageData(0, 0, side, side);
			if (!data.some((v, i) => i % 4 === 3 && v > 0)) {
				announce("bring.draw");
				return;
			}
			const bitmap = await createImageBitmap(canvas);
			drawing.clear();
			picture(bitmap, "drawing " + new Date().toISOString(), of, true);
		},
	};

	// show draws the newest pictures as the worker has understood them: RGBA bytes, one
	// after the other, of width x height pixels each.
	function show(bytes, width, height) {
		const canvas = surface("own-sheet", 1), n = bytes.length / (4 * width * height);
		const scale = Math.max(1, Math.round(56 / width)); // small pictures are shown larger
		const across = Math.max(1, Math.min(n, Math.floor(600 / (scale * width))));
		canvas.width = across * width;
		canvas.height = Math.max(1, Math.ceil(n / across)) * height;
		canvas.style.width = scale * across * width + "px";
		const c = canvas.getContext("2d");
		for (let i = 0; i < n; i++) {
			const one = new ImageData(new Uint8ClampedArray(bytes.buffer, bytes.byteOffset + 4 * i * width * height, 4 * width * height), width, height);
			c.putImageData(one, (i % across) * width, Math.floor(i / across) * height);
		}
	}

	// sample brings a file of the coordinator to try a task with.
	async function sample(address, name) {
		try {
			const answer = await fetch(address);
			if (!answer.ok) {
				announce("bring.sample", answer.status);
				return;
			}
			bringFiles([{ file: new File([await answer.blob()], name), path: name }]);
		} catch (error) {
			announce("bring.sample", error.message);
		}
	}

	// showRows shows the first rows of a table as the worker has understood them
	// (tab.Row).
	function showRows(rows) {
		const element = (name, text, more) => Object.assign(document.createElement(name), { textContent: text }, more);
		const body = byId("own-rows"), { was } = body.dataset;
		body.replaceChildren(...rows.map(({ line, cells }) => {
			const row = document.createElement("tr");
			row.append(element("th", line.toLocaleString(document.documentElement.lang), { scope: "row" }));
			for (const { text, value, problem } of cells) {
				if (problem) {
					row.append(element("td", text, { className: "wrong", title: problem }));
				} else {
					row.append(element("td", value || "\u2013", text === value ? {} : { title: was.replace("{0}", () => text) }));
				}
			}
			return row;
		}));
	}

	// forget removes what the page shows of rows, pictures and drawings.
	function forget() {
		for (const id of ["own-rows", "own-sheet", "own-canvas"]) {
			byId(id)?.replaceChildren();
		}
	}

	Object.assign(fedtab, { camera, drawing, forget, sample, showPictures: show, showRows });
})();
