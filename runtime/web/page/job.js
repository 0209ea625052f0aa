// job.js - everything about one job, in a window over the page.

import {make, text} from "./draw.js";
import * as words from "./words.js";

const dialog = document.getElementById("job");
const body = document.getElementById("job-body");

const when = (unix) => new Date(unix * 1000).toLocaleString();

// Name, value or "" for nothing to say.
function facts(job) {
	return [
		["pool", job.pool],
		["tag", job.tag],
		["unique", job.unique],
		["priority", String(job.priority)],
		["attempts", `${job.attempt} of ${job.attempts}${job.crashes ? `, ${job.crashes} killed the worker` : ""}`],
		["payload", words.amount(job.payload_bytes, 0, "bytes")],
		["result", job.result_bytes ? words.amount(job.result_bytes, 0, "bytes") : ""],
		["submitted", when(job.submitted)],
		["started", job.started ? when(job.started) : ""],
		["finished", job.finished ? when(job.finished) : ""],
		["ran", "run_seconds" in job ? words.span(job.run_seconds) : ""],
		["progress", job.done || job.total ? words.amount(job.done, job.total, job.unit) : ""],
		["note", job.note || job.last_note],
		["waits for", job.paused ? "its pool is paused" : job.waits_for_limit],
		["node", job.node],
		["error", job.error],
	];
}

function attempt(told) {
	const end = told.signal ? `, signal ${told.signal}` : told.exit_code !== undefined ? `, exit code ${told.exit_code}` : "";
	const progress = told.done || told.total ? ` · ${words.amount(told.done, told.total, told.unit)}` : "";

	return make("li", "",
		make("b", "", `${told.number}. ${told.end}${end}`),
		` after ${words.span(Math.max(0, told.ended - told.started))}, ${when(told.ended)}${progress}`,
		make("p", "cause", told.error));
}

function fill(job) {
	const list = make("dl", "facts");

	for (const [label, value] of facts(job))
		if (value)
			list.append(make("div", "", make("dt", "", label), make("dd", "", value)));
	body.replaceChildren(make("p", `state ${job.state}`, job.state), list);
	if (job.story.length)
		body.append(make("h3", "", "Attempts"), make("ol", "story", ...job.story.map(attempt)));
	if (job.stderr)
		body.append(make("h3", "", "Standard error output"), make("pre", "", job.stderr));
}

export async function showJob(id) {
	text(document.getElementById("job-title"), `Job ${id}`);
	body.replaceChildren(make("p", "muted", "…"));
	if (!dialog.open)
		dialog.showModal();
	try {
		const answer = await fetch(`api/jobs/${id}`, {cache: "no-store"});
		const job = await answer.json();

		if (answer.ok)
			fill(job);
		else
			body.replaceChildren(make("p", "muted", job.error));
	} catch {
		body.replaceChildren(make("p", "muted", "The server does not answer."));
	}
}

// A click beside the window closes it.
dialog.addEventListener("click", (event) => {
	if (event.target === dialog)
		dialog.close();
});

// What shows a job wherever its number stands.
export function jobButton() {
	const root = make("button", "id");
	let shown = 0;

	root.type = "button";
	root.addEventListener("click", () => showJob(shown));
	return {root, set(id) {
		shown = id;
		text(root, id ? `#${id}` : "");
		root.hidden = !id;
		root.setAttribute("aria-label", `Job ${id}`);
	}};
}
