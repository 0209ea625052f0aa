// live.js - the frames, for as long as somebody looks at the page; and whether they still come.

const STALE_MS = 6000; // the server says something every two seconds at least
const RETRY_MS = [500, 1000, 2000, 4000];

export class Live {
	// frame(object), state("live" | "stale" | "lost")
	constructor(frame, state) {
		Object.assign(this, {frame, state, source: null, heard: 0, tries: 0, timer: 0, assets: null});
		document.addEventListener("visibilitychange", () => document.hidden ? this.close() : this.open());
		setInterval(() => this.check(), 1000);
		this.open();
	}

	close() {
		clearTimeout(this.timer);
		this.timer = 0;
		if (this.source)
			this.source.close();
		this.source = null;
	}

	open() {
		if (this.source || document.hidden)
			return;
		clearTimeout(this.timer);
		this.timer = 0;
		this.heard = performance.now();
		this.source = new EventSource("events");
		this.source.addEventListener("message", (event) => this.take(event));
		this.source.addEventListener("beat", () => this.hear());
		this.source.addEventListener("error", () => this.lose());
	}

	hear() {
		this.heard = performance.now();
		this.tries = 0;
		this.state("live");
	}

	take(event) {
		const frame = JSON.parse(event.data);

		// Another program serves us now: with another page.
		if (this.assets !== null && this.assets !== frame.assets) {
			location.reload();
			return;
		}
		this.assets = frame.assets;
		this.hear();
		this.frame(frame);
	}

	// A browser gives up on a refused connection for good: we do not.
	lose() {
		this.close();
		this.state("lost");
		this.timer = setTimeout(() => this.retry(), RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)]);
	}

	// Is it the token? Then the door will say so.
	async retry() {
		this.timer = 0;
		try {
			const answer = await fetch("healthz", {method: "HEAD", cache: "no-store"});

			if (answer.status === 401) {
				location.reload();
				return;
			}
			this.open();
		} catch {
			this.lose();
		}
	}

	check() {
		if (!this.source || performance.now() - this.heard < STALE_MS)
			return;
		this.state("stale");
		if (performance.now() - this.heard > 2 * STALE_MS)
			this.lose();
	}
}
