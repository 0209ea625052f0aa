/* lines.c - cut a stream into jobs. */
#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../ipc/sys.h"

/* Jobs submitted with one call, bytes read with one call. */
#define BATCH      256
#define READ_BYTES 262144

/* While the writer is slow and jobs are open: how often to look for results. */
#define TICK_MS 100

struct lines {
	struct outcome *outcome;
	const struct lines_order *order;
	int fd;
	bool at_end;
	char *buffer; /* read, but not submitted: from `start` to `end`; no newline before `searched` */
	size_t start, searched, end, room;
	struct job_request requests[BATCH];
	struct job_ref refs[BATCH];
	struct job_ref *open; /* --wait: submitted and not printed yet, from `first` on */
	size_t first, nopen, open_room;
	uint64_t taken; /* jobs submitted */
	uint64_t late;  /* not over in time */
	int code;       /* the worst one so far */
};

static void worst(struct lines *lines, int code)
{
	lines->code = code > lines->code ? code : lines->code;
}

/* ---- results --------------------------------------------------------------------------------- */

static int remember(struct lines *lines, const struct job_ref *refs, size_t n, struct ym_err *err)
{
	if (lines->first > 0 && lines->nopen + n > lines->open_room) {
		lines->nopen -= lines->first;
		memmove(lines->open, lines->open + lines->first, lines->nopen * sizeof(*lines->open));
		lines->first = 0;
	}
	if (lines->nopen + n > lines->open_room) {
		size_t room = 2 * lines->open_room + n;
		struct job_ref *larger = realloc(lines->open, room * sizeof(*larger));

		if (!larger)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory for %zu jobs that are waited for", room);
		lines->open = larger;
		lines->open_room = room;
	}
	memcpy(lines->open + lines->nopen, refs, n * sizeof(*refs));
	lines->nopen += n;
	return 0;
}

/* The first job that is not printed yet: print it. False when it is not over by `deadline`. */
static bool print_first(struct lines *lines, uint64_t deadline)
{
	struct outcome *outcome = lines->outcome;
	struct job_ref ref = lines->open[lines->first];
	uint64_t whole = outcome->deadline;
	struct awaited found;
	struct ym_err err;
	int result;

	outcome->deadline = deadline < whole ? deadline : whole;
	result = outcome_wait(outcome, ref, &found, &err);
	outcome->deadline = whole;
	if (result == 1)
		return false;
	lines->first++;
	worst(lines, result < 0 ? command_fail(&err) : outcome_print(outcome, ref, &found));
	if (result == 0 && !lines->order->request.keep)
		outcome_let_go(outcome, ref);
	return true;
}

static void print_rest(struct lines *lines)
{
	while (lines->first < lines->nopen)
		if (!print_first(lines, YM_NEVER)) {
			lines->late++;
			lines->first++;
		}
	if (lines->late == 0)
		return;
	fprintf(stderr, "yardmaster: %llu of %llu jobs are not over yet\n", (unsigned long long)lines->late,
	        (unsigned long long)lines->taken);
	worst(lines, ym_err_exit_code(YM_ERR_TIMEOUT));
}

/* ---- submitting ------------------------------------------------------------------------------ */

static int taken(struct lines *lines, const struct job_ref *refs, size_t n, struct ym_err *err)
{
	lines->taken += n;
	if (lines->order->wait)
		return remember(lines, refs, n, err);
	for (size_t i = 0; i < n && !lines->order->quiet; i++)
		printf("%llu\n", (unsigned long long)refs[i].id);
	return 0;
}

/* The first `n` requests. */
static int submit(struct lines *lines, size_t n, struct ym_err *err)
{
	for (size_t done = 0, some; done < n; done += some) {
		/* Jobs of our own that are open make room sooner than anybody else. */
		bool open = lines->first < lines->nopen;
		uint64_t deadline = ym_deadline(open ? 0 : lines->order->patience_ms);

		for (size_t i = done; i < n; i++)
			lines->requests[i].deadline = deadline;
		some = submit_jobs(lines->outcome->instance, lines->requests + done, n - done, lines->refs, NULL, err);
		if (some > 0) {
			if (client_confirm(lines->outcome->instance, err) < 0)
				return ym_err_prefix(err, "line %llu and what follows",
				                     (unsigned long long)lines->taken + 1);
			if (taken(lines, lines->refs, some, err) < 0)
				return -1;
			continue;
		}
		if (err->class != YM_ERR_FULL || !open || !print_first(lines, YM_NEVER))
			return ym_err_prefix(err, "line %llu", (unsigned long long)lines->taken + 1);
	}
	return 0;
}

/* The next line: false when there is no whole one in the buffer. The last one may lack its newline. */
static bool cut(struct lines *lines, struct payload_source *line)
{
	char *from = lines->buffer + lines->start, *newline;

	newline = memchr(lines->buffer + lines->searched, '\n', lines->end - lines->searched);
	lines->searched = lines->end;
	if (!newline && (!lines->at_end || lines->start == lines->end))
		return false;
	if (!newline)
		newline = lines->buffer + lines->end;
	*line = (struct payload_source){.data = from, .size = (size_t)(newline - from), .fd = -1};
	lines->start += line->size + 1;
	if (lines->start > lines->end)
		lines->start = lines->end;
	lines->searched = lines->start;
	return true;
}

/* All whole lines in the buffer. */
static int submit_buffer(struct lines *lines, struct ym_err *err)
{
	size_t n;

	do {
		for (n = 0; n < BATCH && cut(lines, &lines->requests[n].payload);)
			n++;
		if (submit(lines, n, err) < 0)
			return -1;
	} while (n == BATCH);
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Room for more behind what is left; a line that cannot become a payload any more is not read to its end. */
static int make_room(struct lines *lines, struct ym_err *err)
{
	uint64_t max = lines->outcome->instance->table->payload_max;
	size_t left = lines->end - lines->start;

	if (left > max)
		return ym_fail(err, YM_ERR_USAGE, "line %llu has more than %llu bytes (payload_max)",
		               (unsigned long long)lines->taken + 1, (unsigned long long)max);
	if (left > 0 && lines->start > 0)
		memmove(lines->buffer, lines->buffer + lines->start, left);
	lines->searched -= lines->start;
	lines->start = 0;
	lines->end = left;
	if (lines->room - left < READ_BYTES) {
		size_t room = 2 * lines->room + READ_BYTES;
		char *larger = realloc(lines->buffer, room);

		if (!larger)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory for line %llu",
			               (unsigned long long)lines->taken + 1);
		lines->buffer = larger;
		lines->room = room;
	}
	return 0;
}

/* Nothing may be held back while we wait for input: neither ids nor results. */
static void await_input(struct lines *lines)
{
	struct pollfd input = {.fd = lines->fd, .events = POLLIN};
	int ready;

	fflush(stdout);
	do {
		while (lines->first < lines->nopen && print_first(lines, 0))
			;
		ready = poll(&input, 1, lines->first < lines->nopen ? TICK_MS : -1);
	} while (ready == 0 || (ready < 0 && errno == EINTR));
}

static int read_more(struct lines *lines, struct ym_err *err)
{
	ssize_t got;

	if (make_room(lines, err) < 0)
		return -1;
	do {
		await_input(lines);
		got = read(lines->fd, lines->buffer + lines->end, lines->room - lines->end);
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	if (got < 0)
		return ym_fail_sys(err, errno, "read() of the lines");
	lines->at_end = got == 0;
	lines->end += (size_t)got;
	return 0;
}

int lines_submit(struct outcome *outcome, const struct lines_order *order, int fd)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct ym_err err;
	int code;

	if (!lines) {
		ym_fail(&err, YM_ERR_LIMIT, "out of memory for %zu bytes", sizeof(*lines));
		return command_fail(&err);
	}
	lines->outcome = outcome;
	lines->order = order;
	lines->fd = fd;
	for (size_t i = 0; i < BATCH; i++) {
		lines->requests[i] = order->request;
		/* A job that is waited for is kept until it is printed. */
		lines->requests[i].keep |= order->wait;
	}
	while (!lines->at_end)
		if (read_more(lines, &err) < 0 || submit_buffer(lines, &err) < 0) {
			fprintf(stderr, "yardmaster: %s; %llu jobs were taken in before\n", err.text,
			        (unsigned long long)lines->taken);
			worst(lines, ym_err_exit_code(err.class));
			break;
		}
	print_rest(lines);
	if (order->quiet)
		printf("%llu\n", (unsigned long long)lines->taken);
	code = lines->code;
	free(lines->open);
	free(lines->buffer);
	free(lines);
	return code;
}
