// Keeps, in this browser's IndexedDB, what a participant must not lose when its
// tab is reloaded: a few bytes that say who it is, and a contribution that is
// finished and not yet part of a committed round. Never an example. The Go
// program calls fedtabKeep; each function returns a promise.
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

	// change does something to the table, and is done when that is on disk.
	async function change(what) {
		const transaction = (await open()).transaction(table, "readwrite");
		const done = new Promise((resolve, reject) => {
			transaction.oncomplete = () => resolve();
			transaction.onabort = () => reject(transaction.error);
		});
		what(transaction.objectStore(table));
		return done;
	}

	// prune drops what nobody will ask for any more.
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
		save: (key, bytes) => change((entries) => entries.put({ at: Date.now(), bytes }, key)),
		remove: (key) => change((entries) => entries.delete(key)),
	};
})();
