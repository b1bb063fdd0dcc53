// The organiser's page: it signs in, with the token of the link that coordinator serve
// prints, and lists the runs.
"use strict";

(() => {
	const byId = (id) => document.getElementById(id);
	const root = "api/v1/";

	// ask asks the API. A problem that it answers with is thrown.
	async function ask(path, options) {
		let answer;
		try {
			answer = await fetch(root + path, options);
		} catch {
			throw new Error("The coordinator cannot be reached. This page tries again by itself.");
		}
		const body = answer.status === 204 ? null : await answer.json();
		if (!answer.ok) {
			throw Object.assign(new Error(body?.detail ?? answer.statusText), { status: answer.status });
		}
		return body;
	}

	function tell(problem) {
		byId("problem").textContent = problem;
		byId("problem").hidden = !problem;
	}

	function show(signedIn) {
		byId("in").hidden = signedIn;
		byId("list").hidden = byId("out").hidden = !signedIn;
		if (!signedIn) {
			byId("who").textContent = "";
		}
	}

	async function signIn(token) {
		await ask("session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) });
	}

	const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
	const figure = (x, digits, unit = "") => (x === null ? "–" : x.toFixed(digits) + unit);

	function state(run) {
		if (run.finished) {
			return "Over: " + run.finished;
		}
		if (run.paused) {
			return "Paused: " + run.paused;
		}
		return run.served ? "Going" : "Going once its task is served";
	}

	function row(run) {
		const tr = document.createElement("tr");
		const cell = (text, name) => {
			const td = tr.insertCell();
			td.textContent = text;
			td.className = name ?? "";
			return td;
		};
		cell(run.run).append(Object.assign(document.createElement("small"), { textContent: run.title + (run.origin ? ", from " + run.origin.replace(/SHA-256 (\w{12})\w+/, "SHA-256 $1…") : "") }));
		cell(state(run));
		cell(time.format(new Date(run.created)), "time");
		cell(run.version, "number");
		cell(figure(run.test_accuracy === null ? null : 100 * run.test_accuracy, 2, " %"), "number");
		cell(figure(run.test_loss, 4), "number");
		cell(run.note.split("\n")[0]);
		return tr;
	}

	// list shows as many of the newest runs as are on the page, or one page more.
	let shown = 50;
	async function list() {
		const server = await ask("server");
		byId("who").textContent = "Signed in as " + server.role;
		byId("served").textContent = server.tasks.length ? "Served: " + server.tasks.join(", ") : "";
		const page = await ask("runs?limit=" + shown);
		byId("runs").replaceChildren(...page.items.map(row));
		byId("empty").hidden = page.items.length > 0;
		byId("more").hidden = !page.next;
		show(true);
		tell("");
	}

	// refresh is list that says what is wrong.
	async function refresh() {
		try {
			await list();
		} catch (error) {
			if (error.status === 401) {
				tell(byId("list").hidden ? "" : "The session has ended, or the token was replaced: sign in again.");
				show(false);
				return;
			}
			tell(error.message);
		}
	}

	async function begin(token) {
		try {
			await signIn(token);
			byId("token").value = "";
		} catch (error) {
			show(false);
			tell(error.message);
			byId("token").focus();
			return;
		}
		await refresh();
	}

	byId("in").addEventListener("submit", (event) => {
		event.preventDefault();
		begin(byId("token").value.trim());
	});
	byId("out").addEventListener("click", async () => {
		try {
			await ask("session", { method: "DELETE" });
			show(false);
			tell("");
			byId("token").focus();
		} catch (error) {
			tell(error.message);
		}
	});
	byId("more").addEventListener("click", () => {
		shown = Math.min(shown * 4, 10000);
		refresh();
	});

	// take signs in with the token of a link, which must not stay in the address.
	function take() {
		const token = new URLSearchParams(location.hash.slice(1)).get("token");
		if (!token) {
			return false;
		}
		history.replaceState(null, "", location.pathname);
		begin(token);
		return true;
	}
	addEventListener("hashchange", take);
	if (!take()) {
		refresh();
	}
	setInterval(() => {
		if (document.visibilityState === "visible" && byId("in").hidden) {
			refresh();
		}
	}, 5000);
})();
