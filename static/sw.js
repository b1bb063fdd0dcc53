// The service worker: makes the page open without a network. It keeps the files of one
// build, whose names have a hash of their content, and the pages that were seen last.
// Whatever the coordinator says now (its API, streams, sockets, data and models) goes
// past it. Its own content names the build's files, so that another build is another
// service worker.
"use strict";

const scope = registration.scope;
const kernel = { "?relaxed": "asset:kernel.wasm", "?simd128": "asset:kernel-simd128.wasm" }[location.search];
const files = [...JSON.parse('asset:first-load'), ...(kernel ? [kernel] : [])];

// The caches of an origin are common to all paths of it.
const prefix = "fedtab " + scope + " ";
const build = prefix + files.join(" ");
const pages = prefix + "pages";

const patience = 4000; // ms that a page that was seen before waits for the coordinator

// path is where an address is below the scope.
const path = (url) => url.startsWith(scope) ? url.slice(scope.length).split("#")[0] : undefined;

// Addresses that name their content.
const hashed = (url) => /^(extra\/)?[A-Za-z_.-]+\.[0-9a-f]{8}\.[a-z]+$/.test(path(url)) || /^(site\.css|logo\.(svg|png))\?v=[0-9a-f]+$/.test(path(url));

// key is the address under which a page is kept: without the query and the fragment,
// which may have an invite. Undefined is a page that is of no use without a network.
function key(url) {
	const { origin, pathname } = new URL(url);
	return /^(t\/[^/]+|lab(\/[^/]+)?)?$/.test(path(origin + pathname)) ? origin + pathname : undefined;
}

addEventListener("install", (event) => {
	event.waitUntil(Promise.all([
		caches.open(pages),
		caches.open(build).then((cache) => cache.addAll(files.map((name) => scope + name))), // all or none
	]));
});

// It takes over once no page of an older build is open, or at once where there was none.
addEventListener("activate", (event) => {
	event.waitUntil((async () => {
		const old = (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== build && name !== pages);
		await Promise.all(old.map((name) => caches.delete(name)));
		await clients.claim();
	})());
});

addEventListener("fetch", (event) => {
	const { request } = event;
	if (request.method !== "GET") {
		return;
	}
	if (request.mode === "navigate") {
		if (key(request.url) !== undefined) {
			event.respondWith(page(event));
		}
	} else if (hashed(request.url)) {
		event.respondWith(file(event));
	}
});

// file answers with what is kept, else with what comes, which is kept then.
async function file(event) {
	const { request } = event;
	const address = scope + path(request.url);
	const kept = await caches.match(address, { ignoreVary: true });
	if (kept) {
		return kept;
	}
	const answer = await fetch(request);
	event.waitUntil(keep(build, address, answer));
	return answer;
}

// page answers with what the coordinator sends, which is kept. If that does not come in
// time, it is the page as it was seen last, or home, or a page that was seen.
async function page(event) {
	const address = key(event.request.url);
	const coming = fetch(event.request).then((answer) => {
		event.waitUntil(keep(pages, address, answer));
		return answer;
	});
	event.waitUntil(coming.catch(() => {}));
	const cache = await caches.open(pages);
	const kept = await cache.match(address, { ignoreVary: true });
	try {
		return await (kept ? Promise.race([coming, late()]) : coming);
	} catch (error) {
		if (kept) {
			return kept;
		}
		const others = (await cache.keys()).map((request) => request.url);
		const other = others.includes(scope) ? scope : others.at(-1);
		if (other === undefined) {
			throw error;
		}
		return Response.redirect(other);
	}
}

const late = () => new Promise((_, reject) => setTimeout(() => reject(new Error("late")), patience));

// keep keeps a good answer. Where the browser has no room, nothing is kept, nor once the
// person has forgotten everything: the caches are gone then, and a page that is still open
// must not bring them back.
async function keep(name, address, answer) {
	if (answer.status === 200 && answer.type === "basic" && !answer.redirected) {
		const copy = answer.clone();
		if (!await caches.has(name)) {
			return;
		}
		const cache = await caches.open(name);
		await cache.put(address, copy).catch(() => {});
	}
}

// A page that was loaded past the service worker says where it is and what it has loaded,
// which the browser still has.
addEventListener("message", (event) => {
	const { address, used } = event.data;
	const take = async (name, url, at) => {
		if (at !== undefined && !await caches.match(at, { ignoreVary: true })) {
			await fetch(url).then((answer) => keep(name, at, answer), () => {});
		}
	};
	event.waitUntil(Promise.all([
		take(pages, key(address), key(address)),
		...used.filter(hashed).map((url) => take(build, url, url)),
	]));
});
