// Decodes pictures for the worker, and finds them in zip files. The Go program calls
// fedtabPictures; each function returns a promise.
"use strict";

self.fedtabPictures = (() => {
	const maxEntry = 64 << 20; // bytes of a picture in a zip file, unpacked
	const maxFile = 1 << 30; // bytes of a file of images, unpacked
	const maxEntries = 200_000;
	const maxDirectory = 64 << 20; // bytes of the list of a zip file
	const maxDecodes = 4; // at a time: each has a picture in memory, as large as it is

	const view = async (file, from, to) => new DataView(await file.slice(from, to).arrayBuffer());
	const text = (bytes, from, n) => String.fromCharCode(...new Uint8Array(bytes.buffer, from, Math.min(n, bytes.byteLength - from)));

	// measure returns the size of a picture as its first bytes tell it; null if they do
	// not. It is as stored: EXIF may turn it.
	function measure(head) {
		if (head.byteLength >= 24 && text(head, 1, 3) === "PNG") {
			return [head.getUint32(16), head.getUint32(20)];
		}
		if (head.byteLength >= 10 && text(head, 0, 3) === "GIF") {
			return [head.getUint16(6, true), head.getUint16(8, true)];
		}
		if (head.byteLength >= 4 && head.getUint16(0) === 0xffd8) {
			for (let at = 2; at + 9 < head.byteLength && head.getUint8(at) === 0xff;) {
				const marker = head.getUint8(at + 1);
				if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
					return [head.getUint16(at + 7), head.getUint16(at + 5)];
				}
				at += 2 + head.getUint16(at + 2);
			}
		}
		return null;
	}

	// unreadable says why this browser does not decode a picture.
	function unreadable(head) {
		const kind = head.byteLength >= 12 && text(head, 4, 4) === "ftyp" ? text(head, 8, 4) : "";
		if (/^(hei|hev|mif1|msf1)/.test(kind)) {
			return "it is a HEIC picture, which this browser does not decode: save it as JPEG";
		}
		if (kind === "avif") {
			return "it is an AVIF picture, which this browser does not decode: save it as JPEG";
		}
		const tiff = head.byteLength >= 4 && [0x49492a00, 0x4d4d002a].includes(head.getUint32(0));
		if (tiff) {
			return "it is a TIFF picture, which this browser does not decode: save it as PNG";
		}
		return "this browser does not decode it: it is broken, or no picture";
	}

	let canvas, context;

	// pixels draws a bitmap and returns its size and RGBA bytes.
	function pixels(bitmap, dark) {
		if (!context) {
			canvas = new OffscreenCanvas(1, 1);
			context = canvas.getContext("2d", { willReadFrequently: true });
		}
		const { width, height } = bitmap;
		if (canvas.width !== width || canvas.height !== height) {
			canvas.width = width;
			canvas.height = height;
		}
		context.fillStyle = dark ? "#000" : "#fff"; // under what is transparent
		context.fillRect(0, 0, width, height);
		context.drawImage(bitmap, 0, 0);
		bitmap.close();
		const { data } = context.getImageData(0, 0, width, height);
		return { width, height, bytes: new Uint8Array(data.buffer) };
	}

	// decode returns the pixels of a picture whose shorter side is at least three times as
	// long as asked for, where it is longer, and not much longer: a photo of 100 megapixels
	// never gets so far. The Go program takes the means of these pixels, so that the
	// browser's fastest way to resize is good enough. What cannot be decoded has a reason
	// in place of them.
	async function decode(source, side, dark) {
		if (typeof OffscreenCanvas !== "function") {
			return { reason: "this browser draws no pictures in the background: use a newer one" };
		}
		if (source instanceof ImageBitmap) {
			return pixels(source, dark);
		}
		const head = await view(source, 0, 64 << 10);
		const size = measure(head);
		const options = { imageOrientation: "from-image" };
		const want = 3 * side;
		if (!size) {
			options.resizeWidth = 2 * want;
		} else if (Math.min(...size) > 2 * want) {
			const [w, h] = size;
			// The bitmap's width is resized after EXIF has turned it, or not: either
			// way no side gets shorter than want, but for a strip.
			options.resizeWidth = Math.min(Math.round(want * Math.max(w, h) / Math.min(w, h)), 16 * want);
		}
		if (options.resizeWidth) {
			options.resizeQuality = "low";
		}
		try {
			return pixels(await createImageBitmap(source, options), dark);
		} catch (error) {
			if (error.name === "NotReadableError" || error.name === "NotFoundError") {
				throw error;
			}
			return { reason: unreadable(head) };
		}
	}

	// entries lists a zip file: of each entry its path, and how to get it.
	async function entries(file) {
		const broken = (why) => new Error(why);
		const from = Math.max(0, file.size - 65557);
		const end = await view(file, from, file.size);
		let at = end.byteLength - 22;
		while (at >= 0 && end.getUint32(at, true) !== 0x06054b50) {
			at--;
		}
		if (at < 0) {
			throw broken("it is no zip file, or not whole");
		}
		const count = end.getUint16(at + 10, true), size = end.getUint32(at + 12, true), start = end.getUint32(at + 16, true);
		if (count === 0xffff || start === 0xffffffff) {
			throw broken("it is a zip file of more than 4 GB or 65,535 files: unpack it and choose the folder");
		}
		if (size > maxDirectory || count > maxEntries || start + size > file.size) {
			throw broken("its list of files is broken");
		}
		const list = await view(file, start, start + size);
		const all = [];
		for (let p = 0, i = 0; i < count && p + 46 <= list.byteLength && list.getUint32(p, true) === 0x02014b50; i++) {
			const nameBytes = list.getUint16(p + 28, true), skip = list.getUint16(p + 30, true) + list.getUint16(p + 32, true);
			const path = new TextDecoder().decode(new Uint8Array(list.buffer, p + 46, Math.min(nameBytes, list.byteLength - p - 46)));
			if (!path.endsWith("/") && !/(^|\/)(__MACOSX\/|\.)/.test(path)) {
				all.push({
					path, zip: file,
					flags: list.getUint16(p + 8, true),
					method: list.getUint16(p + 10, true),
					packed: list.getUint32(p + 20, true),
					at: list.getUint32(p + 42, true),
				});
			}
			p += 46 + nameBytes + skip;
		}
		return all;
	}

	// inflate unpacks a blob. What unpacks to more than limit bytes is stopped there.
	async function inflate(blob, format, limit) {
		if (typeof DecompressionStream !== "function") {
			throw new Error("this browser does not unpack files: unpack it and choose what is in it");
		}
		const reader = blob.stream().pipeThrough(new DecompressionStream(format)).getReader();
		const parts = [];
		for (let total = 0; ;) {
			const { done, value } = await reader.read();
			if (done) {
				return new Blob(parts);
			}
			total += value.length;
			if (total > limit) {
				await reader.cancel();
				throw new Error("it unpacks to more than " + (limit >> 20) + " MB");
			}
			parts.push(value);
		}
	}

	// unpack returns the content of an entry of a zip file.
	async function unpack(entry) {
		if (entry.flags & 1) {
			throw new Error("it is encrypted");
		}
		const local = await view(entry.zip, entry.at, entry.at + 30);
		if (local.byteLength < 30 || local.getUint32(0, true) !== 0x04034b50) {
			throw new Error("the zip file is broken there");
		}
		const start = entry.at + 30 + local.getUint16(26, true) + local.getUint16(28, true);
		const packed = entry.zip.slice(start, start + entry.packed);
		switch (entry.method) {
		case 0:
			return packed;
		case 8:
			return inflate(packed, "deflate-raw", maxEntry);
		}
		throw new Error("it is packed in a way that browsers do not unpack");
	}

	let decodes = 0;
	const waiting = [];

	// read returns the pixels of a picture, or the reason why there are none. It never
	// rejects. It may be called for many pictures at once.
	async function read(source, side, dark) {
		if (decodes < maxDecodes) {
			decodes++;
		} else {
			await new Promise((resolve) => waiting.push(resolve));
		}
		try {
			const file = source.bitmap ?? source.file ?? await unpack(source);
			return await decode(file, side, dark);
		} catch (error) {
			if (error.name === "NotReadableError" || error.name === "NotFoundError") {
				return { reason: "it was changed or removed while it was read" };
			}
			return { reason: error.message };
		} finally {
			const next = waiting.shift();
			if (next) {
				next();
			} else {
				decodes--;
			}
		}
	}

	return { read, entries, unpack: (source) => source.file ?? unpack(source), gunzip: (file) => inflate(file, "gzip", maxFile) };
})();
