// Stores the state of a participant in IndexedDB, so that it survives a reload: its
// resume token, a finished contribution whose round is not yet committed, and what it has
// released in secure aggregation; and the newest model that was tried, for when there is no
// network. Never an example. The Go program calls fedtabKeep; each function returns a promise.
"use strict";

self.fedtabKeep = (() => {
	const table = "participants";
	const week = 7 * 24 * 60 * 60 * 1000; // tabs that did not come back by then will not

	const result = (request) => new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});

	let database;
	function open() {
		if (!database) {
			const request = indexedDB.open("fedtab", 1);
			request.onupgradeneeded = () => request.result.createObjectStore(table);
			database = result(request);
			database.catch(() => { database = undefined; }); // another try may work
		}
		return database;
	}

	// change modifies the table; its promise resolves once that is durable.
	async function change(what, options) {
		const transaction = (await open()).transaction(table, "readwrite", options);
		const done = new Promise((resolve, reject) => {
			transaction.oncomplete = () => resolve();
			transaction.onabort = () => reject(transaction.error);
		});
		what(transaction.objectStore(table));
		return done;
	}

	// prune deletes expired entries.
	function prune() {
		return change((entries) => {
			const cursor = entries.openCursor();
			cursor.onsuccess = () => {
				const at = cursor.result;
				if (at) {
					if (!(at.value.at > Date.now() - week)) {
						at.delete();
					}
					at.continue();
				}
			};
		});
	}

	return {
		async load(key) {
			await prune();
			const entries = (await open()).transaction(table).objectStore(table);
			const entry = await result(entries.get(key));
			return entry ? entry.bytes : undefined;
		},
		// replace saves what comes after old, and is true once that is on the disk. It is false,
		// and saves nothing, where something else than old is kept.
		async replace(key, old, bytes) {
			const same = (kept) => !kept || kept.length === old?.length && kept.every((byte, i) => byte === old[i]);
			let replaced = false;
			await change((entries) => {
				const kept = entries.get(key);
				kept.onsuccess = () => {
					if (same(kept.result?.bytes)) {
						entries.put({ at: Date.now(), bytes }, key);
						replaced = true;
					}
				};
			}, { durability: "strict" });
			return replaced;
		},
		save: (key, bytes) => change((entries) => entries.put({ at: Date.now(), bytes }, key)),
		// works is whether the browser stores anything for this page.
		works: () => change((entries) => {
			entries.put({ at: Date.now(), bytes: new Uint8Array() }, "trial");
			entries.delete("trial");
		}).then(() => true, () => false),
		remove: (key) => change((entries) => entries.delete(key)),
		clear: () => change((entries) => entries.clear()),
	};
})();
