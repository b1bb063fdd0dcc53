// Keeps a participant's own data in the browser, for the worker: in the origin private
// file system, or in IndexedDB where there is none. The Go program calls fedtabOwn; each
// function returns a promise. Nothing here is ever sent.
"use strict";

self.fedtabOwn = (() => {
	const encoder = new TextEncoder(), decoder = new TextDecoder();
	const headBytes = 8; // length of the description, and 1 once the file is complete

	const result = (request) => new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});
	const finished = (transaction) => new Promise((resolve, reject) => {
		transaction.oncomplete = () => resolve();
		transaction.onabort = () => reject(transaction.error);
	});

	// files keeps each set in a file of its own: head, description as JSON, content.
	async function files() {
		const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("own", { create: true });
		const describe = async (handle) => {
			const file = await handle.getFile();
			const head = new DataView(await file.slice(0, headBytes).arrayBuffer());
			if (head.byteLength < headBytes || head.getUint32(4) !== 1) {
				return null; // not complete: the tab was closed meanwhile
			}
			const start = headBytes + head.getUint32(0);
			const about = JSON.parse(decoder.decode(await file.slice(headBytes, start).arrayBuffer()));
			return { about, file, start };
		};
		return {
			async list() {
				const all = [];
				for await (const [id, handle] of folder.entries()) {
					const found = await describe(handle).catch(() => null);
					if (found) {
						all.push({ ...found.about, id });
					} else {
						await folder.removeEntry(id).catch(() => {}); // another tab may be writing it
					}
				}
				return all;
			},
			async create(id, about) {
				const access = await (await folder.getFileHandle(id, { create: true })).createSyncAccessHandle();
				let at = 0;
				const write = (bytes) => {
					if (access.write(bytes, { at }) !== bytes.length) {
						throw new DOMException("no room", "QuotaExceededError");
					}
					at += bytes.length;
				};
				const head = new DataView(new ArrayBuffer(headBytes));
				const description = encoder.encode(JSON.stringify(about));
				head.setUint32(0, description.length);
				access.truncate(0);
				write(new Uint8Array(head.buffer));
				write(description);
				return {
					write: async (bytes) => write(bytes),
					async close() {
						access.flush();
						head.setUint32(4, 1);
						access.write(new Uint8Array(head.buffer), { at: 0 });
						access.flush();
						access.close();
					},
					async abort() {
						access.close();
						await folder.removeEntry(id);
					},
				};
			},
			async open(id) {
				const found = await describe(await folder.getFileHandle(id));
				if (!found) {
					throw new DOMException("not complete", "NotFoundError");
				}
				return found.file.slice(found.start);
			},
			remove: (id) => folder.removeEntry(id),
			async clear() {
				const left = [];
				for await (const id of folder.keys()) {
					await folder.removeEntry(id).catch((error) => left.push(error)); // another tab is writing it
				}
				if (left.length > 0) {
					throw left[0];
				}
			},
		};
	}

	// tables keeps each set as a description and blocks of content.
	async function tables() {
		const request = indexedDB.open("fedtab-own", 1);
		request.onupgradeneeded = () => {
			request.result.createObjectStore("about");
			request.result.createObjectStore("blocks");
		};
		const database = await result(request);
		const change = (what) => {
			const transaction = database.transaction(["about", "blocks"], "readwrite");
			what(transaction.objectStore("about"), transaction.objectStore("blocks"));
			return finished(transaction);
		};
		const all = (id) => IDBKeyRange.bound([id, 0], [id, Infinity]);
		return {
			async list() {
				const about = database.transaction("about").objectStore("about");
				const [keys, values] = await Promise.all([result(about.getAllKeys()), result(about.getAll())]);
				return values.map((value, i) => ({ ...value, id: keys[i] }));
			},
			async create(id, about) {
				let n = 0;
				return {
					write: (bytes) => change((_, blocks) => blocks.put(new Blob([bytes]), [id, n++])),
					close: () => change((abouts) => abouts.put(about, id)),
					abort: () => change((_, blocks) => blocks.delete(all(id))),
				};
			},
			async open(id) {
				const transaction = database.transaction(["about", "blocks"]);
				const [about, blocks] = await Promise.all([
					result(transaction.objectStore("about").get(id)),
					result(transaction.objectStore("blocks").getAll(all(id))),
				]);
				if (!about) {
					throw new DOMException("no such data", "NotFoundError");
				}
				return new Blob(blocks);
			},
			remove: (id) => change((about, blocks) => {
				about.delete(id);
				blocks.delete(all(id));
			}),
			clear: () => change((about, blocks) => {
				about.clear();
				blocks.clear();
			}),
		};
	}

	let chosen;
	const store = () => {
		if (!chosen) {
			const able = typeof FileSystemFileHandle === "function" && "createSyncAccessHandle" in FileSystemFileHandle.prototype;
			chosen = able ? files().catch(tables) : tables();
			chosen.catch(() => { chosen = undefined; }); // another try may work
		}
		return chosen;
	};

	return {
		list: async () => (await store()).list(),
		create: async (id, about) => (await store()).create(id, about),
		open: async (id) => (await store()).open(id),
		remove: async (id) => (await store()).remove(id),
		clear: async () => {
			const kept = await store().catch(() => null); // where nothing can be kept, nothing is
			await kept?.clear();
		},
	};
})();
