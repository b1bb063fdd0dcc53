// jax-js in the benchmark, as its authors advise: the whole step is one jitted function, to
// which the parameters are given away, so that their memory is used again, the loss is
// summed on the device, and operations do not pile up. On wasm they would take memory for
// every step, in which no cache holds the parameters: in batches of 10 that costs half of
// the speed.
"use strict";

async function start(device) {
	const jax = await import("./npm/@jax-js/jax/dist/index.js");
	const { numpy: np, nn, lax } = jax;
	if (device === "webgpu") {
		const adapter = await navigator.gpu?.requestAdapter();
		if (!adapter || adapter.info?.isFallbackAdapter) {
			return { about: { absent: "no GPU that WebGPU can use" } };
		}
	}
	if (!(await jax.init(device)).includes(device)) {
		return { about: { absent: "jax-js has no " + device + " here" } };
	}
	jax.defaultDevice(device);

	// Images are [batch, channels, height, width], so that convolutions, [out, in, height,
	// width], and the first dense layer after them have their weights in another order.
	function parameters(job, params) {
		const list = [];
		let [height, width, channels] = [...job.shape, 1];
		let image = true;
		for (const layer of job.layers) {
			if (layer.kind === "maxpool") {
				height = Math.floor(height / layer.size);
				width = Math.floor(width / layer.size);
				continue;
			}
			let w = tensor(params, layer.weight), { shape } = layer.weight;
			const b = tensor(params, layer.bias);
			if (layer.kind === "conv") {
				const [rows, columns, ins, outs] = shape;
				const to = new Float32Array(w.length);
				for (let i = 0; i < w.length; i++) {
					const out = i % outs, from = Math.floor(i / outs) % ins, place = Math.floor(i / outs / ins);
					to[(out * ins + from) * rows * columns + place] = w[i];
				}
				w = to;
				shape = [outs, ins, rows, columns];
				channels = outs;
			} else if (image && channels > 1) {
				const outs = shape[1], places = height * width;
				const to = new Float32Array(w.length);
				for (let i = 0; i < w.length; i++) {
					const out = i % outs, channel = Math.floor(i / outs) % channels, place = Math.floor(i / outs / channels);
					to[(channel * places + place) * outs + out] = w[i];
				}
				w = to;
			}
			image &&= layer.kind === "conv";
			list.push({ data: w, shape }, { data: b, shape: layer.kind === "conv" ? [b.length, 1, 1] : [b.length] });
		}
		return list;
	}

	function stepOf(job) {
		const loss = (params, x, y) => {
			let at = 0;
			for (const layer of job.layers) {
				if (layer.kind === "maxpool") {
					x = lax.reduceWindow(x, np.max, [layer.size, layer.size], [layer.size, layer.size]);
					continue;
				}
				const w = params[at++], b = params[at++];
				if (layer.kind === "conv") {
					x = lax.conv(x, w, [1, 1], "SAME").add(b);
				} else {
					x = np.dot(x.ndim > 2 ? x.reshape([job.batch, -1]) : x, w).add(b);
				}
				if (layer.relu) {
					x = nn.relu(x);
				}
			}
			return nn.logSoftmax(x).mul(y).sum().mul(-1 / job.batch);
		};
		return jax.jit((params, total, x, y) => {
			const [value, gradient] = jax.valueAndGrad(loss)(jax.tree.ref(params), x, y);
			return [params.map((p, i) => p.sub(gradient[i].mul(job.lr))), total.add(value)];
		});
	}

	const jobs = new Map();
	return {
		about: {},
		prepare(job, input) {
			const convolutions = job.layers.some((layer) => layer.kind === "conv");
			jobs.set(job.key, {
				...job,
				from: parameters(job, input.params),
				list: batches(job, input),
				step: stepOf(job),
				image: convolutions ? [job.batch, 1, ...job.shape] : [job.batch, input.x.length / input.y.length],
			});
		},
		async pass(key) {
			const job = jobs.get(key);
			let params = job.from.map(({ data, shape }) => np.array(data).reshape(shape));
			let total = np.array(0);
			const curve = [];
			for (const [k, { x, y }] of job.list.entries()) {
				[params, total] = job.step(params, total, np.array(x).reshape(job.image), np.array(y).reshape([job.batch, job.classes]));
				if (device === "wasm") {
					await jax.blockUntilReady(params);
				}
				if ((k + 1) % job.every === 0) {
					curve.push((await total.data())[0] / job.every);
					total = np.array(0);
				}
			}
			total.dispose();
			await jax.blockUntilReady(params);
			jax.tree.dispose(params);
			return curve;
		},
	};
}
