// The peak of a processor as WebAssembly reaches it: loops that multiply and add in
// registers only. Their modules are written here, byte by byte.
"use strict";

// program returns a module with run(n: i32, a: f32, b: f32) -> f32. It has sums, as many
// as are independent of each other, and takes n times rounds steps of each: sum = sum * a + b,
// in four lanes, or with relaxed SIMD sum += a * b, which is one operation.
function program(relaxed, sums, rounds) {
	const leb = (n) => (n < 128 ? [n] : [n & 127 | 128, ...leb(n >> 7)]);
	const section = (id, ...body) => [id, ...leb(body.flat().length), ...body.flat()];
	const name = (text) => [text.length, ...new TextEncoder().encode(text)];
	const simd = (code) => [0xfd, ...leb(code)];
	const get = (i) => [0x20, i], set = (i) => [0x21, i];
	const [i32, f32, v128] = [0x7f, 0x7d, 0x7b];
	const [n, a, b, va, vb, first] = [0, 1, 2, 3, 4, 5];
	const mul = simd(0xe6), add = simd(0xe4), madd = simd(0x105), splat = simd(0x13);

	const step = (i) => (relaxed
		? [...get(va), ...get(vb), ...get(first + i), ...madd, ...set(first + i)]
		: [...get(first + i), ...get(va), ...mul, ...get(vb), ...add, ...set(first + i)]);
	const all = Array.from({ length: sums }, (_, i) => i);
	const code = [
		...leb(1), ...leb(2 + sums), v128, // locals
		...get(a), ...splat, ...set(va), ...get(b), ...splat, ...set(vb),
		0x03, 0x40, // loop
		...Array.from({ length: rounds }, () => all.flatMap(step)).flat(),
		...get(n), 0x41, 1, 0x6b, 0x22, n, 0x0d, 0, // again unless --n is 0
		0x0b,
		...get(first), ...all.slice(1).flatMap((i) => [...get(first + i), ...add]),
		...simd(0x1f), 0, // the first lane
		0x0b,
	];
	return new Uint8Array([
		0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
		...section(1, [1, 0x60, 3, i32, f32, f32, 1, f32]),
		...section(3, [1, 0]),
		...section(7, [1, ...name("run"), 0, 0]),
		...section(10, [1, ...leb(code.length), ...code]),
	]);
}

const sums = 12; // two units with a latency of 4 cycles need 8; more than 13 do not fit
const rounds = 8;
const flop = 8 * sums * rounds; // of a turn: two operations in four lanes

async function start() {
	const loops = {};
	for (const [name, relaxed] of [["mul_add", false], ["relaxed_madd", true]]) {
		const bytes = program(relaxed, sums, rounds);
		if (WebAssembly.validate(bytes)) {
			loops[name] = (await WebAssembly.instantiate(bytes)).instance.exports.run;
		}
	}
	return {
		about: { loops: Object.keys(loops), flop },
		// loop takes a number of turns of a loop. The sums of mul_add tend to b / (1 - a), those
		// of relaxed_madd are n rounds a b.
		loop({ loop, turns }) {
			const sum = loop === "mul_add" ? loops[loop](turns, .5, 1) : loops[loop](turns, 2 ** -12, 1);
			const want = sums * (loop === "mul_add" ? 2 : turns * rounds * 2 ** -12);
			if (!(Math.abs(sum - want) <= 1e-3 * want)) {
				throw new Error(`the sum of the loop ${loop} is ${sum}, want ${want}`);
			}
			return null;
		},
	};
}
