// The cryptography of secure aggregation, by WebCrypto. The Go program calls fedtabCrypto,
// with a batch of one operation: it crosses between the two once each way.
"use strict";

self.fedtabCrypto = (() => {
	// Async functions: on a page that is not secure crypto.subtle is undefined, and they reject.
	const use = async (algorithm, bytes, ...usages) => crypto.subtle.importKey("raw", bytes, algorithm, false, usages);

	// secret imports a private key of a curve, whose object identifier ends in id: they have no
	// raw format (RFC 8410, 7).
	async function secret(algorithm, id, bytes, usage) {
		const der = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, id, 4, 0x22, 4, 0x20, ...bytes);
		return crypto.subtle.importKey("pkcs8", der, algorithm, false, [usage]);
	}

	const gcm = (nonce, additional) => ({ name: "AES-GCM", iv: nonce, additionalData: additional });

	// refusable is null where an element is refused, rather than the operation missing.
	const refusable = (promise) => promise.catch((e) => {
		if (e.name !== "OperationError" && e.name !== "DataError") {
			throw e;
		}
		return null;
	});

	const operations = {
		async agree(own, other) {
			const key = await secret("X25519", 0x6e, own, "deriveBits");
			const agreed = use("X25519", other).then((peer) => crypto.subtle.deriveBits({ name: "X25519", public: peer }, key, 256));
			const bits = await refusable(agreed);
			return bits && new Uint8Array(bits).some((x) => x) ? bits : null;
		},
		async derive(from, salt, info) {
			const key = await use("HKDF", from, "deriveBits");
			return crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, 256);
		},
		async seal(bytes, nonce, text, additional) {
			return crypto.subtle.encrypt(gcm(nonce, additional), await use("AES-GCM", bytes, "encrypt"), text);
		},
		async open(bytes, nonce, text, additional) {
			return refusable(crypto.subtle.decrypt(gcm(nonce, additional), await use("AES-GCM", bytes, "decrypt"), text));
		},
		async sign(seed, message) {
			return crypto.subtle.sign("Ed25519", await secret("Ed25519", 0x70, seed, "sign"), message);
		},
		// verify is empty for a good signature.
		async verify(other, message, signature) {
			const good = use("Ed25519", other, "verify").then((key) => crypto.subtle.verify("Ed25519", key, signature, message));
			return await refusable(good) ? new Uint8Array() : null;
		},
	};

	// split returns the strings of bytes of a batch: 4 bytes, their length, before each.
	function split(batch) {
		const view = new DataView(batch.buffer);
		const strings = [];
		for (let at = 0; at < batch.length;) {
			const end = at + 4 + view.getUint32(at, true);
			strings.push(batch.subarray(at + 4, end));
			at = end;
		}
		return strings;
	}

	// join is the inverse. A length of 2^32 - 1 stands for null.
	function join(strings) {
		const all = new Uint8Array(strings.reduce((n, s) => n + 4 + (s ? s.byteLength : 0), 0));
		const view = new DataView(all.buffer);
		let at = 0;
		for (const s of strings) {
			view.setUint32(at, s ? s.byteLength : -1, true);
			at += 4;
			if (s) {
				all.set(new Uint8Array(s), at);
				at += s.byteLength;
			}
		}
		return all;
	}

	async function run(operation, count, batch) {
		const strings = split(batch);
		const answers = [];
		for (let at = 0; at < strings.length; at += count) {
			answers.push(operations[operation](...strings.slice(at, at + count)));
		}
		return join(await Promise.all(answers));
	}

	let zeros = new Uint8Array(); // that key streams are added to

	async function stream(key, counter, length) {
		if (zeros.length < length) {
			zeros = new Uint8Array(length);
		}
		return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CTR", counter, length: 128 }, key, zeros.subarray(0, length)));
	}

	// settle gives done an answer, or the name of an error: never its text, which could tell
	// of what was computed.
	const settle = (promise, done) => promise.then((answer) => done(answer), (e) => done(null, e.name));

	return {
		// run computes a batch, of whose elements each has count strings of bytes.
		run: (operation, count, batch, done) => settle(run(operation, count, batch), done),
		// streamKey imports the key of a key stream.
		streamKey: (bytes, done) => settle(use("AES-CTR", bytes, "encrypt"), done),
		// stream computes length bytes of a key stream.
		stream: (key, counter, length, done) => settle(stream(key, counter, length), done),
	};
})();
