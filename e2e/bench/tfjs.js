// TensorFlow.js in the benchmark, by its core API: an optimizer minimizes a function.
"use strict";

const packages = "npm/@tensorflow/";
importScripts(packages + "tfjs-core/dist/tf-core.min.js", packages + "tfjs-layers/dist/tf-layers.min.js"); // which has the gradients

async function start(backend) {
	importScripts(`${packages}tfjs-backend-${backend}/dist/tf-backend-${backend}.min.js`);
	if (backend === "wasm") {
		tf.wasm.setWasmPaths(new URL(packages + "tfjs-backend-wasm/wasm-out/", location.href).href);
	}
	tf.enableProdMode();
	let works = false;
	try {
		works = await tf.setBackend(backend);
	} catch (error) {
		return { about: { absent: String(error) } };
	}
	if (!works) {
		return { about: { absent: "TensorFlow.js has no " + backend + " here" } };
	}

	const jobs = new Map();
	return {
		about: {},
		prepare(job, input) {
			jobs.set(job.key, {
				...job,
				from: job.layers.flatMap(({ weight, bias }) => (weight ? [weight, bias] : [])).map((t) => ({ data: tensor(input.params, t), shape: t.shape })),
				list: batches(job, input),
				image: job.layers.some((layer) => layer.kind === "conv") ? [job.batch, ...job.shape, 1] : [job.batch, input.x.length / input.y.length],
			});
		},
		async pass(key) {
			const job = jobs.get(key);
			const params = job.from.map(({ data, shape }) => tf.tidy(() => tf.variable(tf.tensor(data, shape))));
			const optimizer = tf.train.sgd(job.lr);
			const loss = (x, y) => {
				let at = 0;
				for (const layer of job.layers) {
					if (layer.kind === "maxpool") {
						x = tf.maxPool(x, layer.size, layer.size, "valid");
						continue;
					}
					const w = params[at++], b = params[at++];
					if (layer.kind === "conv") {
						x = tf.add(tf.conv2d(x, w, 1, "same"), b);
					} else {
						x = tf.add(tf.matMul(x.rank > 2 ? tf.reshape(x, [job.batch, -1]) : x, w), b);
					}
					if (layer.relu) {
						x = tf.relu(x);
					}
				}
				return tf.losses.softmaxCrossEntropy(y, x);
			};
			const curve = [];
			let costs = [];
			for (const [k, batch] of job.list.entries()) {
				const x = tf.tensor(batch.x, job.image), y = tf.tensor(batch.y, [job.batch, job.classes]);
				costs.push(optimizer.minimize(() => loss(x, y), true, params));
				tf.dispose([x, y]);
				if ((k + 1) % job.every === 0) {
					const sum = tf.addN(costs);
					curve.push((await sum.data())[0] / job.every);
					tf.dispose([sum, costs]);
					costs = [];
				}
			}
			tf.dispose(params);
			optimizer.dispose();
			return curve;
		},
	};
}
