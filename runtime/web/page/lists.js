// lists.js - limits, programs, jobs that failed, and workers that died.

import {bar, make, name, show, text} from "./draw.js";
import {jobButton} from "./job.js";
import * as words from "./words.js";

// As one would write it in the INI.
function startRate(interval) {
	for (const [seconds, unit] of [[1, "s"], [60, "m"], [3600, "h"], [86400, "d"]]) {
		const number = seconds / interval;

		if (number > 0.95)
			return `${Number(number.toPrecision(6))}/${unit}`;
	}
	return `${(86400 / interval).toPrecision(2)}/d`;
}

export function limitRow() {
	const title = make("b"), scope = make("span", "muted"), used = bar("Units in use"), amount = make("span", "amount");
	const held = make("span", "held");
	const root = make("li", "limit", make("div", "who", title, scope), used.root, make("div", "much", amount, held));

	return {root, update(limit) {
		const most = limit.granted !== undefined ? limit.granted : limit.max, taken = most - limit.free;
		const pace = limit.start_interval > 0 ? `${startRate(limit.start_interval)}` : "";

		text(title, limit.name);
		text(scope, limit.scope === "cluster" ? `granted ${limit.granted} of ${limit.max}` : "");
		show(used.root, most > 0);
		used.root.setAttribute("aria-label", `Units of ${limit.name} in use`);
		used.set(most > 0 ? taken / most : 0, limit.free > 0 ? "good" : "warn", true);
		text(amount, most > 0 ? `${taken} of ${most}${pace ? `, ${pace}` : ""}` : pace);
		text(held, limit.held ? words.counted(limit.held, "job waits", "jobs wait") : "");
	}};
}

const PROGRAM = {RUNNING: "good", FATAL: "bad", BACKOFF: "bad", STARTING: "wait", STOPPING: "wait"};

export function programRow() {
	const title = make("b"), state = make("span", "state"), facts = make("span", "muted"), since = make("span", "since");
	const reason = make("p", "cause");
	const root = make("li", "program", make("i", "dot"), make("div", "who", title, state), facts, since, reason);

	return {root, update({program, age}) {
		name(root, `program ${PROGRAM[program.state] || "idle"}`);
		text(title, program.program === program.process ? program.program : `${program.program}:${program.process}`);
		text(state, program.state.toLowerCase());
		text(facts, `${program.pid ? `pid ${program.pid} · ` : ""}${words.counted(program.starts, "start", "starts")}`);
		text(since, words.duration(program.since + age));
		text(reason, program.reason);
		show(reason, program.reason !== "");
	}};
}

export function failureRow() {
	const job = jobButton(), pool = make("b"), tag = make("span", "tag"), state = make("span", "state");
	const cause = make("p", "cause"), attempts = make("span", "muted"), when = make("time", "since");
	const root = make("li", "failure bad",
		make("i", "dot"), make("div", "who", job.root, pool, tag, state, attempts), when, cause);

	return {root, update({failure, now}) {
		const ended = failure.finished || failure.started || failure.submitted;

		job.set(failure.id);
		text(pool, failure.pool);
		text(tag, failure.tag);
		text(state, failure.state);
		text(attempts, words.attempt(failure));
		text(cause, failure.error || "no reason was given");
		text(when, words.ago(Math.max(0, now - ended)));
		when.title = new Date(ended * 1000).toLocaleString();
	}};
}

export function crashRow() {
	const job = jobButton(), pool = make("b"), pid = make("span", "muted"), tag = make("span", "tag");
	const attempt = make("span", "muted"), cause = make("p", "cause"), when = make("time", "since");
	const progress = bar("Progress at its end"), amount = make("span", "amount"), note = make("span", "note");
	const last = make("div", "last", progress.root, amount, note);
	const root = make("li", "crash bad",
		make("i", "dot"), make("div", "who", pool, pid, job.root, tag, attempt), when, cause, last);

	return {root, update({crash, age}) {
		const told = crash.progress;

		text(pool, crash.pool);
		text(pid, `pid ${crash.pid}`);
		job.set(crash.job || 0);
		text(tag, crash.tag || "");
		text(attempt, crash.job ? words.attempt(crash) : "no job");
		text(cause, crash.cause);
		text(when, words.ago(crash.since + age));
		show(last, Boolean(told));
		if (!told)
			return;
		show(progress.root, told.total > 0);
		progress.set(told.total ? told.done / told.total : 0, "bad", true);
		text(amount, told.done || told.total ? words.amount(told.done, told.total, told.unit) : "");
		text(note, told.note);
	}};
}
