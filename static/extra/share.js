// Draws what a person has contributed as a picture, and hands it to the device's way to
// share, or saves it.
"use strict";

(() => {
	const width = 1200, height = 630, margin = 80; // pixels: what messengers show whole

	// wrap breaks a text into lines that are not wider than the picture.
	function wrap(c, text) {
		const lines = [""];
		for (const word of text.split(" ")) {
			const longer = lines.at(-1) ? lines.at(-1) + " " + word : word;
			if (lines.at(-1) && c.measureText(longer).width > width - 2 * margin) {
				lines.push(word);
			} else {
				lines[lines.length - 1] = longer;
			}
		}
		return lines;
	}

	function draw(title, lines, foot) {
		const canvas = document.createElement("canvas");
		canvas.width = width;
		canvas.height = height;
		const c = canvas.getContext("2d");
		const { fontFamily } = getComputedStyle(document.body);
		c.fillStyle = "#1c2f7c";
		c.fillRect(0, 0, width, height);
		c.fillStyle = "#fff";
		c.textBaseline = "top";
		let y = margin;
		const write = (text, size, weight) => {
			c.font = `${weight} ${size}px ${fontFamily}`;
			for (const line of wrap(c, text)) {
				c.fillText(line, margin, y);
				y += 1.25 * size;
			}
		};
		write(title, 64, 700);
		y += 32;
		for (const line of lines) {
			write(line, 40, 400);
			y += 8;
		}
		y = height - margin - 30;
		c.fillStyle = "#c3cdf5";
		write(foot, 28, 400);
		return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
	}

	fedtab.share = async ({ title, lines, foot, name }) => {
		const picture = await draw(title, lines, foot);
		const file = new File([picture], name, { type: "image/png" });
		if (navigator.canShare?.({ files: [file] })) {
			try {
				await navigator.share({ files: [file], title });
				return;
			} catch (error) {
				if (error.name === "AbortError") {
					return; // the person has thought better of it
				}
			}
		}
		fedtab.saveFile(name, picture);
	};
})();
