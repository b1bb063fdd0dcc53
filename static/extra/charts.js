// The page's charts. The Go program calls fedtab.chart with an element's id and
// the values, one list for each curve. Vugu owns the element, uPlot its content.
"use strict";

(() => {
	const charts = new Map(); // id -> {element, plot, observer}
	const root = document.documentElement;
	const color = (name) => () => getComputedStyle(root).getPropertyValue(name).trim();
	const heightOf = ({ other }) => other ? 166 : 200; // two curves have a legend of two lines on a phone

	// The scale is that of the newest nine tenths of the rounds: the first ones are far off,
	// and would leave all later ones a flat line.
	const late = (u) => u.data.slice(1).flatMap((y) => y.slice(Math.floor(y.length / 10)).filter((v) => v != null));
	const fromZero = (u) => [0, Math.max(...late(u), 0) * 1.08 || 1];

	const inUnit = (v, unit) => v.toLocaleString(root.lang, { style: "unit", unit, maximumSignificantDigits: 3 });
	const bytes = (v) => (v < 1e6 ? inUnit(v / 1e3, "kilobyte") : inUnit(v / 1e6, "megabyte"));
	const written = (options) => (v) => v.toLocaleString(root.lang, options);
	const kinds = {
		"chart-accuracy": {
			stroke: color("--accent"),
			range: (u) => [Math.max(0, Math.floor(Math.min(...late(u), 1) * 10 - 0.01) / 10), 1],
			value: written({ style: "percent", maximumFractionDigits: 2 }),
		},
		"chart-error": {
			stroke: color("--accent"),
			range: fromZero,
			value: written({ maximumSignificantDigits: 4 }),
		},
		"chart-loss": {
			stroke: color("--accent-2"),
			range: fromZero,
			value: written({ maximumSignificantDigits: 3 }),
		},
		"chart-bytes": { stroke: color("--accent-2"), range: fromZero, value: bytes },
	};

	function options(kind, { label, other, round }, width, height) {
		const axis = {
			stroke: color("--muted"),
			grid: { stroke: color("--line"), width: 1 },
			ticks: { show: false },
			font: "12px system-ui, sans-serif",
		};
		return {
			width,
			height,
			padding: [12, 12, 0, 0],
			legend: { show: true, live: true, markers: { show: Boolean(other) } },
			// The legend shows the round under the pointer, and which of two curves is which.
			hooks: {
				init: [(u) => u.root.classList.toggle("pointing", Boolean(other))],
				setLegend: [(u) => u.root.classList.toggle("pointing", Boolean(other) || u.legend.idx != null)],
			},
			cursor: { y: false, drag: { x: false, y: false } },
			scales: {
				x: { time: false, range: (_, low, high) => (low === null ? [0, 10] : [Math.min(low, 1), Math.max(high, low + 4)]) },
				y: { range: kind.range },
			},
			axes: [
				{ ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000], size: 32 },
				{ ...axis, size: 52, values: (_, ticks) => ticks.map(kind.value) },
			],
			series: [
				{ label: round, value: (_, v) => (v == null ? "–" : String(v)) },
				...[[label, kind.stroke], [other, color("--muted")]].filter(([name]) => name).map(([name, stroke]) => ({
					label: name,
					stroke,
					width: 2,
					spanGaps: true,
					points: { size: 5, fill: stroke },
					value: (_, v) => (v == null ? "–" : kind.value(v)),
				})),
			],
		};
	}

	fedtab.chart = (id, x, ys) => {
		const element = document.getElementById(id);
		let chart = charts.get(id);
		if (chart && chart.element !== element) {
			chart.observer.disconnect();
			chart.plot.destroy();
			charts.delete(id);
			chart = undefined;
		}
		if (!element) {
			return;
		}
		if (chart) {
			chart.plot.setData([x, ...ys]);
			return;
		}
		const height = heightOf(element.dataset);
		const plot = new uPlot(options(kinds[element.dataset.kind ?? id], element.dataset, element.clientWidth || 300, height), [x, ...ys], element);
		const observer = new ResizeObserver(() => {
			const width = element.clientWidth;
			if (width > 0 && width !== plot.width) {
				plot.setSize({ width, height });
			}
		});
		observer.observe(element);
		charts.set(id, { element, plot, observer });
	};

	// The colours come from the style sheet, which follows the system's scheme.
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
		for (const [id, { plot, observer }] of [...charts]) {
			const [x, ...ys] = plot.data;
			observer.disconnect();
			plot.destroy(); // a legend keeps its colours
			charts.delete(id);
			fedtab.chart(id, x, ys);
		}
	});
})();
