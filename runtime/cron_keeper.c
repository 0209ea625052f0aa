/* cron_keeper.c - the sections, their timer and their file. */
#include "cron_keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "cron.h"
#include "cron_file.h"
#include "log.h"
#include "wall.h"

/* All that comes from one configuration. */
struct crons {
	struct cron *items;
	size_t n;
};

struct cron_keeper {
	struct instance *instance;
	uv_poll_t poll;
	int timer; /* timerfd */
	struct crons crons;
	bool paused;
	bool applied;  /* once: the file has been read */
	bool unsaved;  /* the file is older than what we know */
	bool troubled; /* the log says that it cannot be written */
};

static void free_crons(struct crons *crons)
{
	for (size_t i = 0; i < crons->n; i++)
		cron_free(&crons->items[i]);
	free(crons->items);
	*crons = (struct crons){0};
}

/* ---- the file -------------------------------------------------------------------------------- */

static void save(struct cron_keeper *keeper)
{
	struct cron_mark *marks = calloc(keeper->crons.n + 1, sizeof(*marks));
	struct ym_err err = {.text = "no memory"};
	int result = -1;

	for (size_t i = 0; marks && i < keeper->crons.n; i++) {
		const struct cron *cron = &keeper->crons.items[i];

		marks[i] =
		    (struct cron_mark){.last = cron->last, .zone = cron->timezone, .schedule = cron->schedule_text};
		if (cron->known && table_stored(keeper->instance->table)) {
			marks[i].job = cron->job.id;
			marks[i].store = keeper->instance->table->store;
		}
		memcpy(marks[i].name, cron->name, sizeof(marks[i].name));
	}
	if (marks)
		result =
		    cron_file_write(keeper->instance->directory, &(struct cron_marks){marks, keeper->crons.n}, &err);
	free(marks);
	keeper->unsaved = result < 0;
	if (result < 0 && !keeper->troubled)
		log_line(LOG_ERROR,
		         "%s: a master that starts now would run cron jobs again that have been run; trying again "
		         "every %d s",
		         err.text, CRON_RETRY_MS / 1000);
	else if (result == 0 && keeper->troubled)
		log_line(LOG_INFO, "the times of the cron jobs are noted again");
	keeper->troubled = result < 0;
}

/* What an earlier master has noted. */
static void load(struct cron_keeper *keeper, struct crons *crons)
{
	struct cron_marks marks;
	struct ym_err err;

	if (cron_file_read(keeper->instance->directory, &marks, &err) < 0)
		log_line(LOG_WARN, "%s: not known which cron jobs were missed, the schedules start anew", err.text);
	for (size_t i = 0; i < marks.n; i++) {
		const struct cron_mark *mark = &marks.items[i];

		for (size_t c = 0; c < crons->n; c++) {
			struct cron *cron = &crons->items[c];

			if (strcmp(cron->name, mark->name) != 0 ||
			    !cron_same_schedule(cron, mark->schedule, mark->zone))
				continue;
			cron->last = mark->last;
			cron->job = (struct job_ref){.id = mark->job};
			cron->known = mark->job != 0 && mark->store == keeper->instance->table->store;
		}
	}
	cron_marks_free(&marks);
}

/* ---- the timer ------------------------------------------------------------------------------- */

/* 0 ms: none. False: the clock was set meanwhile. */
static bool arm(struct cron_keeper *keeper, int64_t at_ms)
{
	struct itimerspec spec = {
	    .it_value = {.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000}};

	/* With the flag, a clock that is set makes the timer readable at once. It cannot fail otherwise. */
	return timerfd_settime(keeper->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL) == 0 ||
	       errno != ECANCELED;
}

static int64_t look_once(struct cron_keeper *keeper)
{
	int64_t now_ms = ym_unix_ms(), next_ms = CRON_NEVER;

	for (size_t i = 0; i < keeper->crons.n; i++) {
		int64_t at_ms = cron_look(&keeper->crons.items[i], keeper->instance, now_ms, &keeper->unsaved);

		if (at_ms < next_ms)
			next_ms = at_ms;
	}
	if (keeper->unsaved)
		save(keeper);
	if (keeper->unsaved && now_ms + CRON_RETRY_MS < next_ms)
		next_ms = now_ms + CRON_RETRY_MS;
	return next_ms == CRON_NEVER ? 0 : next_ms;
}

/* What is on its way may arrive still. */
static void settle(struct cron_keeper *keeper)
{
	for (size_t i = 0; i < keeper->crons.n; i++)
		cron_settle(&keeper->crons.items[i], keeper->instance, &keeper->unsaved);
	if (keeper->unsaved)
		save(keeper);
}

static void look(struct cron_keeper *keeper)
{
	if (!keeper->applied)
		return;
	if (keeper->paused) {
		settle(keeper);
		return;
	}
	while (!arm(keeper, look_once(keeper)))
		;
}

static void on_timer(uv_poll_t *poll, int status, int events)
{
	struct cron_keeper *keeper = poll->data;
	uint64_t times;

	(void)events;
	/* Nothing to read, or ECANCELED: the clock was set. All the same, we look. */
	if (status < 0 || (read(keeper->timer, &times, sizeof(times)) < 0 && errno == EINTR))
		return;
	look(keeper);
}

/* ---- the sections ---------------------------------------------------------------------------- */

/* Many sections, few zones: that of an earlier section with the same name, else NULL. */
static const struct zone *zone_of_others(const struct crons *crons, const char *name)
{
	for (size_t i = 0; i < crons->n; i++) {
		const char *other = crons->items[i].timezone;

		if (name && other ? strcmp(name, other) == 0 : name == other)
			return crons->items[i].zone;
	}
	return NULL;
}

static int make_cron(struct crons *crons, const struct cfg_cron *section, int64_t now, struct ym_err *err)
{
	const struct zone *zone = zone_of_others(crons, section->timezone);
	struct cron *cron = &crons->items[crons->n];
	struct zone *own = NULL;
	char why[CFG_WHY_MAX];

	if (!zone)
		zone = own = zone_open(section->timezone, now, why);
	if (!zone)
		return ym_fail(err, YM_ERR_CONFIG, "[cron:%s]: timezone: %s", section->name, why);
	if (cron_init(cron, section, zone, now, err) < 0) {
		zone_close(own);
		return -1;
	}
	cron->own_zone = own;
	crons->n++;
	return 0;
}

static int make_crons(struct crons *crons, const struct config *config, int64_t now, struct ym_err *err)
{
	*crons = (struct crons){.items = calloc(config->ncrons + 1, sizeof(*crons->items))};
	if (!crons->items)
		return ym_fail(err, YM_ERR_LIMIT, "no memory for %zu cron sections", config->ncrons);
	for (size_t i = 0; i < config->ncrons; i++) {
		if (make_cron(crons, &config->crons[i], now, err) < 0) {
			free_crons(crons);
			return -1;
		}
	}
	return 0;
}

static void continue_crons(struct crons *crons, struct crons *before)
{
	for (size_t i = 0; i < crons->n; i++) {
		struct cron *cron = &crons->items[i];

		for (size_t b = 0; b < before->n; b++) {
			struct cron *old = &before->items[b];

			if (strcmp(cron->name, old->name) == 0 &&
			    cron_same_schedule(old, cron->schedule_text, cron->timezone))
				cron_continue(cron, old);
		}
	}
}

/* Of those that have begun at this time or later. */
static void tell_next(const struct crons *crons, int64_t since)
{
	for (size_t i = 0; i < crons->n; i++) {
		const struct cron *cron = &crons->items[i];
		char text[WALL_MAX];
		int64_t next;

		if (cron->last >= since && schedule_next(&cron->schedule, cron->zone, cron->last, &next))
			log_line(LOG_INFO, "cron %s: `%s`, next at %s", cron->name, cron->schedule_text,
			         wall_text(next * 1000, text));
	}
}

int cron_keeper_apply(struct cron_keeper *keeper, const struct config *config, struct ym_err *err)
{
	int64_t now = ym_unix_ms() / 1000;
	struct crons crons;

	if (make_crons(&crons, config, now, err) < 0)
		return -1;
	if (keeper->applied)
		continue_crons(&crons, &keeper->crons);
	else
		load(keeper, &crons);
	for (size_t i = 0; i < keeper->crons.n; i++)
		cron_leave(&keeper->crons.items[i], keeper->instance);
	free_crons(&keeper->crons);
	keeper->crons = crons;
	/* Those without any section, as most are, get no file. */
	keeper->unsaved = crons.n > 0 || keeper->applied;
	keeper->applied = true;
	if (!keeper->paused)
		cron_keeper_resume(keeper);
	tell_next(&keeper->crons, now);
	return 0;
}

/* ---- open and close -------------------------------------------------------------------------- */

int cron_keeper_open(struct cron_keeper **keeper, uv_loop_t *loop, struct instance *instance, struct ym_err *err)
{
	struct cron_keeper *new = calloc(1, sizeof(*new));
	int result;

	if (!new)
		return ym_fail(err, YM_ERR_LIMIT, "no memory for the cron sections");
	new->instance = instance;
	new->poll.data = new;
	new->timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (new->timer < 0) {
		ym_fail_sys(err, errno, "timerfd_create(CLOCK_REALTIME) for the cron sections");
		free(new);
		return -1;
	}
	result = uv_poll_init(loop, &new->poll, new->timer);
	if (result == 0)
		result = uv_poll_start(&new->poll, UV_READABLE, on_timer);
	if (result < 0) {
		ym_fail_sys(err, -result, "uv_poll_init(fd %d) for the cron sections", new->timer);
		close(new->timer);
		free(new);
		return -1;
	}
	*keeper = new;
	return 0;
}

void cron_keeper_look(struct cron_keeper *keeper)
{
	look(keeper);
}

void cron_keeper_settle(struct cron_keeper *keeper)
{
	settle(keeper);
	for (size_t i = 0; i < keeper->crons.n; i++)
		cron_leave(&keeper->crons.items[i], keeper->instance);
}

void cron_keeper_pause(struct cron_keeper *keeper)
{
	keeper->paused = true;
	arm(keeper, 0);
}

void cron_keeper_resume(struct cron_keeper *keeper)
{
	keeper->paused = false;
	/* Of a store, the number is the same in another table. */
	for (size_t i = 0; i < keeper->crons.n; i++)
		keeper->crons.items[i].known &= table_stored(keeper->instance->table);
	keeper->unsaved |= cron_find(keeper->crons.items, keeper->crons.n, keeper->instance);
	look(keeper);
}

static void on_closed(uv_handle_t *handle)
{
	struct cron_keeper *keeper = handle->data;

	close(keeper->timer);
	free_crons(&keeper->crons);
	free(keeper);
}

void cron_keeper_close(struct cron_keeper *keeper)
{
	if (keeper)
		uv_close((uv_handle_t *)&keeper->poll, on_closed);
}
