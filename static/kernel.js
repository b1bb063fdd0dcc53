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
	if (kernel) {
		const { exports } = await WebAssembly.instantiate(kernel, { go: instance.exports });
		Object.entries(exports).forEach(([name, real]) => bind[name]?.(real));
	}
	return instance;
};
