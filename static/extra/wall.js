// Draws some of the pictures that the coordinator has handed to this tab.
"use strict";

// showWall draws pictures beside each other: RGBA bytes, one picture after the other, of
// width x height pixels each. The style sheet says how wide the canvas is shown.
fedtab.showWall = ({ bytes, width, height }) => {
	const maxAcross = 15; // pictures in a row
	const n = bytes.length / (4 * width * height);
	const across = Math.min(n, maxAcross);
	const canvas = document.createElement("canvas");
	canvas.width = across * width;
	canvas.height = Math.ceil(n / across) * height;
	canvas.style.maxWidth = Math.max(1, Math.round(44 / width)) * canvas.width + "px"; // small pictures are shown larger
	const c = canvas.getContext("2d");
	for (let i = 0; i < n; i++) {
		const one = new ImageData(new Uint8ClampedArray(bytes.buffer, bytes.byteOffset + 4 * i * width * height, 4 * width * height), width, height);
		c.putImageData(one, (i % across) * width, Math.floor(i / across) * height);
	}
	document.getElementById("given-wall").replaceChildren(canvas);
};
