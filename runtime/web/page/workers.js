// workers.js - a row for each worker, with the bar of its job.

import {bar, make, name, text} from "./draw.js";
import {jobButton} from "./job.js";
import * as words from "./words.js";

// A rate is taken over at least this time, and smoothed with the one before.
const SPAN_MS = 400;
const SMOOTH = 0.6;

// So long a row keeps its size after a job: the next one may come soon, and what is below would jump up and down.
const SETTLE_S = 3;

const KIND = {busy: "good", idle: "idle", held: "warn", starting: "wait", stopping: "wait", killed: "bad", failed: "bad"};

// Units a second of the job that a worker has, learned from frame to frame.
class Speed {
	constructor() {
		this.of = "";
	}

	measure(worker, now) {
		const of = `${worker.job} ${worker.attempt} ${worker.pid}`, done = worker.progress ? worker.progress.done : 0;

		if (of !== this.of || done < this.done) {
			Object.assign(this, {of, done, at: now, rate: 0});
			return;
		}
		if (now - this.at < SPAN_MS || done === this.done)
			return;
		const rate = (done - this.done) / (now - this.at) * 1000;

		this.rate = this.rate > 0 ? SMOOTH * this.rate + (1 - SMOOTH) * rate : rate;
		Object.assign(this, {done, at: now});
	}
}

export function workerRow() {
	const speed = new Speed(), progress = bar("Progress"), job = jobButton();
	const pool = make("b"), place = make("span", "muted"), state = make("span", "state");
	const tag = make("span", "tag"), attempt = make("span", "muted"), note = make("span", "note");
	const percent = make("span", "percent"), amount = make("span", "amount"), rate = make("span", "rate");
	const eta = make("span", "eta"), since = make("span", "since");
	const root = make("li", "worker",
		make("div", "who", make("i", "dot"), pool, place),
		make("div", "what", job.root, tag, attempt, state),
		make("div", "how", progress.root, percent),
		make("div", "much", amount, rate, eta),
		make("div", "said", note),
		make("div", "when", since));
	let before = 0;

	function idle(worker) {
		for (const part of [tag, attempt, percent, amount, rate, eta, note])
			text(part, "");
		text(state, worker.waits_for_limit ? `waits for limit ${worker.waits_for_limit}` : worker.state);
		progress.set(0, "none", true);
	}

	function busy(worker, now) {
		const told = worker.progress, share = told && told.total ? told.done / told.total : null;

		speed.measure(worker, now);
		text(tag, worker.tag);
		text(attempt, words.attempt(worker));
		text(state, worker.state === "busy" ? "" : worker.state);
		text(percent, share === null ? "" : `${Math.floor(Math.min(1, share) * 100)}%`);
		text(amount, told && (told.done || told.total) ? words.amount(told.done, told.total, told.unit) : "");
		text(rate, words.speed(speed.rate, told ? told.unit : ""));
		text(eta, share !== null && speed.rate > 0 && told.done < told.total
			? `${words.eta((told.total - told.done) / speed.rate)} left` : "");
		text(note, told ? told.note : worker.command_group ? `command ${worker.command_group}` : "");
		progress.set(share, KIND[worker.state] || "wait", before !== worker.job);
	}

	return {root, update({worker, now, age}) {
		const kind = KIND[worker.state] || "wait", free = !worker.job && worker.since + age > SETTLE_S;

		name(root, `worker ${kind}${free ? " free" : ""}`);
		text(pool, worker.pool);
		text(place, `${worker.row} · ${worker.pid}`);
		place.title = `row ${worker.row}, pid ${worker.pid}`;
		job.set(worker.job || 0);
		progress.root.setAttribute("aria-label", worker.job ? `Job ${worker.job}` : "No job");
		if (worker.job)
			busy(worker, now);
		else
			idle(worker);
		before = worker.job;
		text(since, words.duration((worker.job ? worker.job_seconds : worker.since) + age));
		since.title = `${worker.state} for ${words.duration(worker.since + age)}; ${words.count(worker.done)} done, ` +
			`${words.count(worker.failed)} failed`;
	}};
}
