// Gives a Go program the kernel module, which has the loops of training (package
// learn/kernel). The program imports its functions, and it works on the program's memory:
// each needs the other, so the program gets stand-ins first.
"use strict";

// fedtabInstantiate instantiates a program with its imports. Without a kernel, its
// functions return 0, and the program uses loops of its own.
self.fedtabInstantiate = async (program, imports, kernel) => {
	const standIns = {}, bind = {};
	for (const { module, name } of WebAssembly.Module.imports(program)) {
		if (module === "kernel") {
			let to = () => 0;
			standIns[name] = (a, b, c, d, e, f, g, h, i, j, k, l) => to(a, b, c, d, e, f, g, h, i, j, k, l);
			bind[name] = (real) => { to = real; };
		}
	}
	const instance = await WebAssembly.instantiate(program, { ...imports, kernel: standIns });
	const give = async (kernel) => {
		const { exports } = await WebAssembly.instantiate(kernel, { go: instance.exports });
		Object.entries(exports).forEach(([name, real]) => bind[name]?.(real));
	};
	if (kernel) {
		await give(kernel);
	}
	// fedtabExact gives the program the kernel that rounds alike in every browser.
	self.fedtabExact = async () => {
		const answer = await fetch("asset:kernel-simd128.wasm");
		if (!answer.ok) {
			throw new Error("the coordinator answered " + answer.status);
		}
		await give(await WebAssembly.compile(await answer.arrayBuffer()));
	};
	return instance;
};
