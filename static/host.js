// The page's main thread. All that the page knows and draws is the Go program's, which
// runs in a worker (tab.js), so that nothing here ever waits for it. This script applies
// what the program draws (vugu.js), and hands it what happens to the page.
"use strict";

window.fedtab = (() => {
	const root = document.documentElement;
	const self = document.currentScript.src; // scripts beside it are loaded on demand
	const byId = (id) => document.getElementById(id);
	const words = root.dataset; // data-words-...: those that are needed without the program

	const needs = {
		"WebAssembly": typeof WebAssembly === "object" && typeof WebAssembly.instantiate === "function",
		"web workers": typeof Worker === "function",
		"WebSockets": typeof WebSocket === "function",
		"server-sent events": typeof EventSource === "function",
		"fetch": typeof fetch === "function",
	};
	const missing = Object.keys(needs).filter((name) => !needs[name]);

	// trouble shows an error above the page and hides the buttons, which nothing answers
	// any more.
	function trouble(text, reload) {
		const box = byId("trouble");
		box.textContent = text;
		box.hidden = false;
		root.classList.add("broken");
		if (reload) {
			const button = document.createElement("button");
			button.type = "button";
			button.textContent = words.wordsReload;
			button.addEventListener("click", () => location.reload());
			box.append(" ", button);
		}
	}

	if (missing.length > 0) {
		addEventListener("DOMContentLoaded", () => trouble(words.wordsMissing.replace("{0}", missing.join(", "))));
		return { tell() {} };
	}

	// Pages that only tell need no program, but where the address has an invite in it.
	const plain = !["task", "organiser", "stand"].includes(words.kind) && location.hash === "" && !location.search.includes("invite=");
	let worker;
	const early = []; // what a person has done before the program began
	const tell = (message, transfer = []) => {
		if (worker) {
			worker.postMessage(message, transfer);
		} else {
			early.push([message, transfer]);
		}
	};

	// storage returns what a store of the browser keeps for fedtab, empty where the
	// browser allows none.
	function storage(store) {
		try {
			const of = window[store];
			return Object.fromEntries(Object.keys(of).filter((key) => key.startsWith("fedtab.")).map((key) => [key, of.getItem(key)]));
		} catch {
			return {};
		}
	}

	function keep(store, key, value) {
		try {
			if (value === "") {
				window[store].removeItem(key);
			} else {
				window[store].setItem(key, value);
			}
		} catch {
			// The browser keeps nothing: a reload begins anew.
		}
	}

	// vectors returns which vector instructions the browser has. It tries small modules: a
	// function that counts the bits of a vector, and one that multiplies and adds vectors in
	// one instruction.
	function vectors() {
		const head = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0];
		const zero = [65, 0, 253, 15];
		const runs = (code) => WebAssembly.validate(new Uint8Array([...head, ...code]));
		return runs([10, 19, 1, 17, 0, ...zero, ...zero, ...zero, 253, 133, 2, 11]) ? "relaxed"
			: runs([10, 10, 1, 8, 0, ...zero, 253, 98, 11]) ? "simd128" : "";
	}

	// begin has the program loaded. It is told of the page before anything else.
	function begin() {
		if (worker || plain) {
			return;
		}
		worker = new Worker(words.tab, { name: words.kind === "organiser" ? "organise" : (words.kind === "stand" ? "lab," : "page,") + root.lang + "," + vectors() });
		worker.onmessage = ({ data }) => {
			inbox.push(data);
			if (inbox.length === 1) {
				hear();
			}
		};
		worker.onerror = (event) => {
			event.preventDefault?.();
			trouble(words.wordsUnloaded.replace("{0}", event.message || "tab.js"), true);
		};
		tell({
			type: "hello",
			build: words.build,
			address: location.href,
			hash: location.hash,
			kind: words.kind,
			language: root.lang,
			view: byId("view")?.textContent ?? "",
			visible: document.visibilityState === "visible",
			online: navigator.onLine,
			secure: isSecureContext,
			metered: Boolean(navigator.connection?.saveData || navigator.connection?.type === "cellular"),
			cores: navigator.hardwareConcurrency || 1,
			session: storage("sessionStorage"),
			local: storage("localStorage"),
		});
		early.splice(0).forEach((of) => tell(...of));
		// What the page takes, as it comes: files, and bytes on the wire.
		for (const type of ["navigation", "resource"]) {
			new PerformanceObserver((list) => {
				const entries = list.getEntries();
				tell({ type: "loaded", files: entries.length, bytes: entries.reduce((sum, e) => sum + (e.transferSize || 0), 0) });
			}).observe({ type, buffered: true });
		}
	}

	// The page is on the screen before its program, whose loading takes processors and
	// network. A hidden page has no frames.
	addEventListener("DOMContentLoaded", () => {
		requestAnimationFrame(() => nextTask().then(begin));
		setTimeout(begin, document.visibilityState === "visible" ? 500 : 0);
		if (!navigator.onLine) {
			notice(words.wordsOffline, false);
		}
	});
	addEventListener("hashchange", () => {
		if (plain) {
			location.reload(); // an invite
		}
		tell({ type: "hash", hash: location.hash, address: location.href });
	});
	document.addEventListener("visibilitychange", () => tell({ type: "visibility", state: document.visibilityState }));
	document.addEventListener("freeze", () => tell({ type: "visibility", state: "frozen" }));
	document.addEventListener("resume", () => tell({ type: "visibility", state: document.visibilityState }));
	addEventListener("pageshow", () => tell({ type: "visibility", state: document.visibilityState }));
	for (const online of [true, false]) {
		addEventListener(online ? "online" : "offline", () => tell({ type: "network", online }));
	}

	// Where the browser tells of a battery, the person may have the tab pause on it.
	navigator.getBattery?.().then((battery) => {
		const told = () => tell({ type: "battery", on: !battery.charging });
		battery.addEventListener("chargingchange", told);
		told();
	}, () => {});

	// What the program draws

	let drawn = false;

	// draw applies a rendering, in several tasks where it takes long, so that the page scrolls
	// and paints in between; a press waits for its end. The keyboard's focus stays: where the
	// focused element is gone or hidden, the nearest thing to press has it.
	async function draw(parts) {
		const focused = document.activeElement;
		const group = focused?.closest?.(".buttons, section");
		const array = window.vuguGetRenderArray();
		let begun = performance.now();
		for (const part of parts) {
			if (performance.now() - begun > taskTime) {
				await nextTask();
				begun = performance.now();
			}
			array.set(part);
			window.vuguRender();
		}
		drawn = true;
		if (focused && focused !== document.body && (!focused.isConnected || focused.disabled || focused.offsetParent === null)) {
			const visible = (element) => element.offsetParent !== null && !element.disabled;
			const next = [...(group?.querySelectorAll("button, [href], input, select") ?? [])].find(visible) ?? byId("state");
			next?.focus({ preventScroll: true });
		}
		for (const field of document.querySelectorAll("select[data-value]")) {
			if (field.value !== field.dataset.value) {
				field.value = field.dataset.value; // where a person has chosen, an option's attribute says nothing
			}
		}
		fedtab.drawn?.();
	}

	const taskTime = 10; // ms
	const nextTask = () => new Promise((resolve) => {
		const { port1, port2 } = new MessageChannel();
		port1.onmessage = resolve;
		port2.postMessage("");
	});

	// fill makes an element's content what Vugu has written, with quotes escaped, unless it
	// is that.
	function fill(element, html) {
		if (element.innerHTML !== html.replaceAll("&#39;", "'").replaceAll("&#34;", '"')) {
			element.innerHTML = html;
		}
	}

	let lock, locking = false;

	// wake keeps the screen on, where the browser has such a thing. A lock is lost when
	// the page is hidden.
	async function wake(on) {
		if (!navigator.wakeLock || locking) {
			return;
		}
		if (!on) {
			lock?.release();
			lock = undefined;
		} else if (!lock || lock.released) {
			locking = true;
			lock = await navigator.wakeLock.request("screen").catch(() => undefined); // low battery, for instance
			locking = false;
		}
	}

	// notice shows a sentence above the page; an empty one hides it.
	function notice(text, reload) {
		const box = byId("notice");
		box.hidden = !text;
		box.firstElementChild.textContent = text;
		box.lastElementChild.hidden = !reload;
	}

	// The service worker makes the page open without a network. What it needs is fetched
	// once the page is at rest.
	const keeper = isSecureContext && words.worker ? navigator.serviceWorker : undefined; // organisers have none
	let registering;
	const unkept = []; // addresses that the service worker was not yet told of

	// keepFiles has it keep what the page's worker has loaded, and first what the page has.
	// After a registration that failed, the next call tries again, with all files.
	async function keepFiles(used) {
		unkept.push(...used);
		registering ??= keeper.register(words.worker + "?" + vectors()).then(() => {
			unkept.push(...performance.getEntriesByType("resource").map((entry) => entry.name));
			return keeper.ready;
		});
		try {
			(await registering).active.postMessage({ address: location.href, used: unkept.splice(0) });
		} catch {
			registering = undefined; // the page works without
		}
	}

	// forget removes what the service worker keeps.
	async function forget() {
		const registration = await keeper?.getRegistration();
		if (registration) {
			const names = await caches.keys();
			await Promise.all(names.filter((name) => name.startsWith("fedtab " + registration.scope + " ")).map((name) => caches.delete(name)));
			await registration.unregister();
		}
	}

	// saveFile has the browser save what a program has made.
	function saveFile(name, bytes) {
		const link = document.createElement("a");
		link.href = URL.createObjectURL(new Blob([bytes]));
		link.download = name;
		link.click();
		setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
	}

	// script loads a script or a style that is not needed at first, once, and returns
	// whether it is there. The page's own styles come after others.
	const scripts = { style: "asset:extra/uPlot.min.css", try: "asset:extra/try.js", wall: "asset:extra/wall.js", bench: "asset:extra/bench.js", share: "asset:extra/share.js", plot: "asset:extra/uPlot.iife.min.js", charts: "asset:extra/charts.js" };
	const loading = {};
	function script(name) {
		loading[name] ??= new Promise((resolve) => {
			const address = new URL(scripts[name], self);
			const element = name === "style"
				? Object.assign(document.createElement("link"), { rel: "stylesheet", href: address })
				: Object.assign(document.createElement("script"), { src: address });
			element.onload = () => resolve(true);
			element.onerror = () => {
				delete loading[name]; // another try may work
				tell({ type: "unloaded", name });
				resolve(false);
			};
			document.head.prepend(element);
		});
		return loading[name];
	}

	// The scripts that draw curves are loaded once there is one, less than a screen away.
	const curves = new Map(); // id -> the newest message, until the scripts are there
	let near, plotting = false;

	function chart({ id, x, ys }) {
		if (fedtab.chart) {
			fedtab.chart(id, x, ys);
			return;
		}
		if (x.length === 0) {
			return;
		}
		curves.set(id, { x, ys });
		if (near === undefined) {
			near = false;
			new IntersectionObserver((entries) => {
				near = entries.at(-1).isIntersecting;
				plot();
			}, { rootMargin: "100% 0%" }).observe(byId("progressing"));
		}
		plot(); // again where the scripts could not be loaded
	}

	async function plot() {
		if (!near || plotting || curves.size === 0) {
			return;
		}
		plotting = true;
		script("style"); // without it, curves have no legend beside them
		if (await script("plot") && await script("charts")) {
			curves.forEach(({ x, ys }, id) => fedtab.chart(id, x, ys));
			curves.clear();
		}
		plotting = false;
	}

	// The workers that take part, read data and try models. Their messages go to the page's
	// worker and come from there.
	const hired = new Map(); // id -> Worker

	function hire({ id, role }) {
		const made = new Worker(words.tab, { name: role });
		hired.set(id, made);
		made.onmessage = ({ data }) => {
			const buffers = Object.values(data).filter(ArrayBuffer.isView).map((view) => view.buffer);
			tell({ type: "hired", id, message: data }, buffers);
		};
		made.onerror = (event) => {
			event.preventDefault();
			tell({ type: "hired", id, message: { type: "exit", detail: event.message || "its script could not be loaded" } });
		};
	}

	const heard = {
		hire,
		post: ({ id, message, transfer }) => hired.get(id)?.postMessage(message, transfer),
		dismiss: ({ id }) => {
			hired.get(id)?.terminate();
			hired.delete(id);
		},
		render: ({ parts }) => draw(parts),
		numbers: ({ numbers }) => {
			for (const [id, attribute, value] of numbers) {
				const element = byId(id);
				if (attribute) {
					element?.setAttribute(attribute, value);
				} else if (element) {
					element.textContent = value;
				}
			}
		},
		title: ({ text }) => { document.title = text; },
		say: ({ text }) => { byId("announcement").textContent = text; },
		address: ({ address }) => history.replaceState(null, "", address),
		session: ({ key, value }) => keep("sessionStorage", key, value),
		local: ({ key, value }) => keep("localStorage", key, value),
		chart,
		wake: ({ on }) => wake(on),
		script: ({ name }) => script(name),
		share: async (message) => {
			if (await script("share")) {
				fedtab.share(message);
			}
		},
		tried: async ({ message }) => {
			if (await script("try")) {
				fedtab.tried(message);
			}
		},
		wall: async (message) => {
			if (await script("wall")) {
				fedtab.showWall(message);
			}
		},
		copy: ({ text, value }) => {
			navigator.clipboard?.writeText(text).then(() => tell({ type: "action", action: "copied", value }), () => {}); // a person can select it
		},
		reload: () => location.reload(),
		go: ({ address }) => location.assign(address),
		rows: ({ rows }) => fedtab.showRows(rows),
		sheet: ({ bytes, width, height }) => fedtab.showPictures(bytes, width, height),
		file: ({ name, bytes }) => saveFile(name, bytes),
		sample: ({ address, name }) => fedtab.sample(address, name),
		camera: async ({ on }) => {
			const problem = on ? await fedtab.camera.start() : fedtab.camera?.stop(); // only own data has one
			if (problem) {
				const [key, ...args] = problem;
				tell({ type: "camera-failed", key, args });
			}
		},
		take: () => fedtab.camera.take(),
		draw: ({ label }) => fedtab.drawing.add(label),
		erase: () => fedtab.drawing.clear(),
		forget: () => {
			fedtab.forget?.();
			forget().catch(() => {}); // there is nothing that is kept
		},
		notice: ({ text, reload }) => notice(text, reload),
		used: ({ files }) => {
			const begin = () => keepFiles(files);
			if (keeper) {
				window.requestIdleCallback ? requestIdleCallback(begin) : setTimeout(begin, 1000);
			}
		},
		exit: ({ detail }) => {
			console.error(detail);
			trouble(drawn ? words.wordsCrashed : words.wordsUnloaded.replace("{0}", detail), true);
		},
	};
	let drawing; // ends with the rendering that is being applied; undefined: none is
	const inbox = []; // what the program has sent and was not carried out, the first one being under way

	// hear carries out what the program has sent, one after the other.
	async function hear() {
		for (; inbox.length > 0; inbox.shift()) {
			const [message] = inbox;
			try {
				const done = (heard[message.type] ?? fedtab[message.type])?.(message);
				if (message.type === "render") {
					drawing = done;
					await done;
				}
			} catch (error) {
				reportError(error);
			}
			drawing = undefined;
		}
	}

	// Pages that only tell: the coordinator draws them, again and again

	// become gives an element and what is in it the form of another, and leaves what is
	// the same, the keyboard's focus above all.
	function become(old, next) {
		if (old.nodeName !== next.nodeName) {
			old.replaceWith(next);
			return;
		}
		if (old.nodeType === Node.TEXT_NODE) {
			if (old.data !== next.data) {
				old.data = next.data;
			}
			return;
		}
		for (const { name } of [...old.attributes]) {
			if (!next.hasAttribute(name)) {
				old.removeAttribute(name);
			}
		}
		for (const { name, value } of next.attributes) {
			if (old.getAttribute(name) !== value) {
				old.setAttribute(name, value);
			}
		}
		const [was, is] = [[...old.childNodes], [...next.childNodes]];
		was.forEach((child, i) => is[i] ? become(child, is[i]) : child.remove());
		old.append(...is.slice(was.length));
	}

	// markHere marks the card of the task that this tab takes part in.
	function markHere() {
		const card = document.querySelector(`.card[data-task="${CSS.escape(storage("sessionStorage")["fedtab.task"] ?? "")}"]`);
		if (card) {
			card.classList.add("mine");
			card.querySelector(".here").hidden = false;
			const go = card.querySelector("[data-go]");
			go.firstChild.textContent = go.dataset.go;
		}
	}

	const tellEvery = { home: 5000, screen: 2000 }[words.kind]; // ms

	async function tellAgain() {
		if (document.visibilityState === "visible") {
			try {
				const answer = await fetch(location.href, { cache: "no-cache" });
				const next = new DOMParser().parseFromString(await answer.text(), "text/html");
				become(byId("page"), next.getElementById("page"));
				if (next.documentElement.dataset.build !== words.build) {
					location.reload(); // the coordinator has other scripts now
				}
				markHere();
			} catch {
				byId("lost").hidden = false; // the next view hides it
			}
		}
		setTimeout(tellAgain, tellEvery);
	}

	if (tellEvery) {
		addEventListener("DOMContentLoaded", () => {
			markHere();
			setTimeout(tellAgain, tellEvery);
		});
	}

	if (words.kind === "bench") {
		addEventListener("DOMContentLoaded", async () => {
			if (!await script("bench")) {
				trouble(words.wordsUnloaded.replace("{0}", "bench.js"), true);
			}
		});
	}

	// What a person does

	// A file that is dropped beside its place must not replace the page.
	for (const kind of ["dragover", "drop"]) {
		addEventListener(kind, (event) => {
			if (!event.defaultPrevented && event.dataTransfer.types.includes("Files")) {
				event.preventDefault();
				event.dataTransfer.dropEffect = "none";
			}
		});
	}

	const settled = 400; // ms in which a second press is not meant
	let pressed = -settled;

	// A key that is held down presses once: the focus may have gone to another button.
	document.addEventListener("keydown", (event) => {
		if (event.repeat && event.key === "Enter" && event.target.closest?.("[data-action]")) {
			event.preventDefault();
		}
	});

	// In the middle of a rendering a button may have the name of one and do what another does:
	// a press waits for its end. A button that has become another one by then does what it did.
	document.addEventListener("click", (event) => {
		const button = event.target.closest?.("button, [data-action]");
		if (!button) {
			return;
		}
		const was = { id: button.id, ...button.dataset };
		if (drawing) {
			drawing.then(() => press(event, button, button.id === was.id ? button.dataset : was), () => {});
		} else {
			press(event, button, button.dataset);
		}
	});

	function press(event, button, { action, value = "" }) {
		if (!action || button.disabled || button.ariaDisabled === "true") {
			return;
		}
		// A double click means one press; the second must not press what has come under
		// the pointer meanwhile, nor answer what the first has asked. Pictures are taken
		// as quickly as a person can.
		const now = event.timeStamp;
		if (!["own-take", "lab-step"].includes(action) && (event.detail > 1 || event.detail > 0 && now - pressed < settled)) {
			return;
		}
		pressed = now;
		if (action === "join" && !drawn) {
			button.ariaDisabled = "true"; // the wish is kept until the program is there; the focus stays
			button.textContent = words.wordsJoining;
		}
		tell({
			type: "action", action, value,
			own: Boolean(button.closest("#own")),
			fields: { several: byId("several")?.value ?? "", invite: byId("invite")?.value ?? "" },
		});
	}
	document.addEventListener("change", (event) => {
		const field = event.target;
		const { change: kind, name = "", text = "" } = field.dataset ?? {};
		if (kind) {
			tell({ type: "change", kind, name, text, value: field.type === "checkbox" ? String(field.checked) : field.value });
		}
	});

	return {
		tell,
		fill,
		become,
		vectors,
		saveFile,
		bring: (message, transfer = []) => tell({ type: "bring", message }, transfer),
		brought: (key, ...args) => tell({ type: "brought", key, args }),
	};
})();
