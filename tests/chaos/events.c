/* events.c - read, find, tell. */
#include "events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "site.h"

#define TOLD_PIDS 32
#define TOLD_LOG  40
#define TOLD_MAX  60

static const char *const words[LEDGER_KINDS] = {
#define X(name, word) word,
    LEDGER_MAP(X)
#undef X
};

const char *events_word(unsigned kind)
{
	return kind < LEDGER_KINDS ? words[kind] : "?";
}

void events_free(struct events *events)
{
	free(events->all);
	free(events->next);
	free(events->first);
	free(events->strikes);
	*events = (struct events){0};
}

static const struct ledger_event *sorted;

static int by_victim(const void *a, const void *b)
{
	size_t i = *(const size_t *)a, j = *(const size_t *)b;

	if (sorted[i].worker != sorted[j].worker)
		return sorted[i].worker < sorted[j].worker ? -1 : 1;
	return i < j ? -1 : i > j;
}

/* Chains are built from the end, so that the first event of a job is found last. */
static void connect(struct events *events)
{
	memset(events->first, 0xff, events->jobs * sizeof(*events->first));
	for (size_t i = events->count; i-- > 0;) {
		const struct ledger_event *event = &events->all[i];

		events->next[i] = EVENTS_NONE;
		if (event->job > 0 && event->job < events->jobs) {
			events->next[i] = events->first[event->job];
			events->first[event->job] = i;
		}
		if (event->kind == LEDGER_STRIKE || event->kind == LEDGER_FREEZE)
			events->strikes[events->nstrikes++] = i;
	}
	sorted = events->all;
	qsort(events->strikes, events->nstrikes, sizeof(*events->strikes), by_victim);
}

void events_read(struct events *events, unsigned jobs)
{
	int fd = open(site.ledger, O_RDONLY | O_CLOEXEC);
	struct stat st;

	events_free(events);
	if (fd < 0 || fstat(fd, &st) < 0)
		site_die(site.ledger);
	events->jobs = jobs;
	events->count = (size_t)st.st_size / sizeof(*events->all);
	events->all = malloc(events->count * sizeof(*events->all) + 1);
	events->next = malloc(events->count * sizeof(*events->next) + 1);
	events->strikes = malloc(events->count * sizeof(*events->strikes) + 1);
	events->first = malloc(jobs * sizeof(*events->first) + 1);
	if (!events->all || !events->next || !events->strikes || !events->first)
		site_die("memory for the ledger");
	if (read(fd, events->all, events->count * sizeof(*events->all)) !=
	    (ssize_t)(events->count * sizeof(*events->all)))
		site_die("read of the ledger");
	close(fd);
	connect(events);
}

/* The first one of this victim, or where it would be. */
static size_t first_strike(const struct events *events, int pid)
{
	size_t low = 0, high = events->nstrikes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (events->all[events->strikes[middle]].worker < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t events_killed(const struct events *events, int pid, uint64_t from, uint64_t to)
{
	for (size_t i = first_strike(events, pid); i < events->nstrikes; i++) {
		const struct ledger_event *event = &events->all[events->strikes[i]];

		if (event->worker != pid)
			break;
		if (event->kind == LEDGER_STRIKE && event->ns >= from && event->ns <= to)
			return event->ns;
	}
	return 0;
}

bool events_any(const struct events *events, enum ledger_kind kind, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < events->count; i++)
		if (events->all[i].kind == kind && events->all[i].ns >= from && events->all[i].ns <= to)
			return true;
	return false;
}

bool events_master_hit(const struct events *events, uint64_t from, uint64_t to)
{
	uint64_t begun = 0;

	for (size_t i = 0; i < events->count; i++) {
		const struct ledger_event *event = &events->all[i];

		if (event->kind != LEDGER_MASTER)
			continue;
		if (event->value != 0)
			begun = begun ? begun : event->ns;
		else if (begun <= to && event->ns >= from)
			return true;
		else
			begun = 0;
	}
	return begun && begun <= to;
}

/* ---- tell ------------------------------------------------------------------------------------ */

struct telling {
	int pids[TOLD_PIDS];
	unsigned npids;
	uint64_t from, to, id;
};

static bool is_told(const struct telling *telling, int pid)
{
	for (unsigned i = 0; i < telling->npids; i++)
		if (telling->pids[i] == pid)
			return true;
	return false;
}

static void learn(const struct events *events, unsigned job, struct telling *telling)
{
	telling->from = UINT64_MAX;
	for (size_t i = events->first[job]; i != EVENTS_NONE; i = events->next[i]) {
		const struct ledger_event *event = &events->all[i];

		if (event->ns < telling->from)
			telling->from = event->ns;
		telling->to = event->ns;
		if (event->kind == LEDGER_ACCEPTED)
			telling->id = event->value;
		if (event->worker > 1 && !is_told(telling, event->worker) && telling->npids < TOLD_PIDS)
			telling->pids[telling->npids++] = event->worker;
	}
}

static bool concerns(const struct ledger_event *event, unsigned job, const struct telling *telling)
{
	if (event->job == job)
		return true;
	if (event->ns < telling->from || event->ns > telling->to + 1000000000u)
		return false;
	if (event->kind == LEDGER_MASTER)
		return true;
	return (event->kind == LEDGER_STRIKE || event->kind == LEDGER_FREEZE) && is_told(telling, event->worker);
}

static void tell_log(const struct telling *telling)
{
	FILE *log = fopen(site.log, "re");
	char line[600], id[32];
	unsigned told = 0;

	snprintf(id, sizeof(id), "job %" PRIu64, telling->id);
	while (log && told < TOLD_LOG && fgets(line, sizeof(line), log)) {
		const char *pid = strstr(line, "(pid ");
		const char *where = strstr(line, id);
		bool ours = (pid && is_told(telling, atoi(pid + 5))) ||
		            (telling->id && where && (where[strlen(id)] < '0' || where[strlen(id)] > '9'));

		if (ours) {
			printf("      log: %s", line);
			told++;
		}
	}
	if (log)
		fclose(log);
}

void events_tell(const struct events *events, unsigned job)
{
	struct telling telling = {0};
	unsigned told = 0;

	if (job == 0 || job >= events->jobs || events->first[job] == EVENTS_NONE)
		return;
	learn(events, job, &telling);
	for (size_t i = 0; i < events->count && told < TOLD_MAX; i++) {
		const struct ledger_event *event = &events->all[i];

		if (!concerns(event, job, &telling))
			continue;
		told++;
		printf("   %10.3f ms  ", (double)(event->ns - telling.from) / 1e6);
		if (event->job)
			printf("job %u (id %" PRIu64 ")", event->job, telling.id);
		else
			printf("process %d", (int)event->worker);
		printf(" %s", events_word(event->kind));
		if (event->attempt)
			printf(", attempt %u, pool %c, worker %d", event->attempt, (char)event->value,
			       (int)event->worker);
		else if (event->kind == LEDGER_SUBMIT)
			printf(" to pool %c, kind %c, key %u", LEDGER_POOL(event->value), LEDGER_ORDER(event->value),
			       LEDGER_KEY(event->value));
		else if (event->kind == LEDGER_MASTER)
			printf(" (signal %" PRIu64 "; 0: and gone)", event->value);
		printf(" (told by %d)\n", (int)event->pid);
	}
	tell_log(&telling);
}
