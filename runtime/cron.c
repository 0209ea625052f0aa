/* cron.c - what is due, what was missed, and its job. */
#include "cron.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../ipc/sys.h"
#include "log.h"
#include "submit.h"
#include "wall.h"

#define KEY_PREFIX "cron:"

static char *copy(const char *text, bool *failed)
{
	char *out = text ? strdup(text) : NULL;

	*failed |= text && !out;
	return out;
}

int cron_init(struct cron *cron, const struct cfg_cron *config, const struct zone *zone, int64_t now,
              struct ym_err *err)
{
	char why[CFG_WHY_MAX];
	bool failed = false;

	*cron = (struct cron){
	    .overlap = config->overlap,
	    .catch_up = config->catch_up,
	    .catch_up_max_ms = config->catch_up_max_ms,
	    .jitter_ms = config->jitter_ms,
	    .level = (int)config->priority,
	    .zone = zone,
	    .last = now,
	};
	memcpy(cron->name, config->name, sizeof(cron->name));
	if (schedule_parse(config->schedule, &cron->schedule, why) < 0)
		return ym_fail(err, YM_ERR_CONFIG, "[cron:%s]: schedule = %s: %s", config->name, config->schedule, why);
	cron->pool = copy(config->pool, &failed);
	cron->schedule_text = copy(config->schedule, &failed);
	cron->timezone = copy(config->timezone, &failed);
	cron->payload = copy(config->payload, &failed);
	cron->tag = copy(config->tag ? config->tag : config->name, &failed);
	if (!failed)
		return 0;
	cron_free(cron);
	return ym_fail(err, YM_ERR_LIMIT, "no memory for [cron:%s]", config->name);
}

void cron_free(struct cron *cron)
{
	free(cron->pool);
	free(cron->schedule_text);
	free(cron->timezone);
	free(cron->payload);
	free(cron->tag);
	zone_close(cron->own_zone);
	*cron = (struct cron){0};
}

bool cron_same_schedule(const struct cron *cron, const char *schedule, const char *zone)
{
	if (strcmp(cron->schedule_text, schedule) != 0 || !cron->timezone != !zone)
		return false;
	return !zone || strcmp(cron->timezone, zone) == 0;
}

void cron_continue(struct cron *cron, struct cron *before)
{
	cron->last = before->last;
	cron->owed = before->owed;
	cron->at_ms = before->at_ms;
	cron->skipped = before->skipped;
	cron->job = before->job;
	cron->known = before->known;
	cron->pending = before->pending;
	cron->asked = before->asked;
	cron->rival = before->rival;
	cron->cancels = before->cancels;
	before->asked = before->cancels = false;
}

/* ---- jobs in the table ----------------------------------------------------------------------- */

/* What the unique keys of this section's jobs begin with, or are. */
static void key_of(const struct cron *cron, int64_t time, char key[JOB_UNIQUE_MAX])
{
	if (time)
		snprintf(key, JOB_UNIQUE_MAX, KEY_PREFIX "%s:%lld", cron->name, (long long)time);
	else
		snprintf(key, JOB_UNIQUE_MAX, KEY_PREFIX "%s", cron->name);
}

/* Is this one a job of the section? *time: which time it is for, 0 if that is not known any more. */
static bool is_ours(const struct cron *cron, const char *key, int64_t at_ms, int64_t *time)
{
	char plain[JOB_UNIQUE_MAX];
	size_t length;

	key_of(cron, 0, plain);
	length = strlen(plain);
	if (strncmp(key, plain, length) != 0 || (key[length] && key[length] != ':'))
		return false;
	*time = key[length] ? strtoll(key + length + 1, NULL, 10) : at_ms / 1000;
	return true;
}

/* The next slot from *slot on with a job that some section may have submitted; others may be at it. */
static bool next_job(struct table_sh *table, uint32_t *slot, uint64_t *word, struct job_sh *seen)
{
	for (; *slot < table->slots; (*slot)++) {
		const struct job_sh *job = table_job_const(table, *slot);

		*word = atomic_load(&table->words[*slot]);
		/* One that is free now may never have been accepted; one that is being stored may be refused. */
		if (word_state(*word) == JOB_FREE || word_state(*word) == JOB_FILLING ||
		    word_state(*word) == JOB_STORING || strncmp(job->unique, KEY_PREFIX, strlen(KEY_PREFIX)) != 0)
			continue;
		seen->id = job->id;
		seen->at_ms = job->at_ms;
		memcpy(seen->unique, job->unique, sizeof(seen->unique));
		seen->unique[JOB_UNIQUE_MAX - 1] = '\0';
		if (word_gen(atomic_load(&table->words[*slot])) == word_gen(*word))
			return true;
	}
	return false;
}

bool cron_find(struct cron *crons, size_t n, struct instance *instance)
{
	int64_t now = ym_unix_ms() / 1000, time;
	bool changed = false;
	struct job_sh seen;
	uint64_t word;

	for (uint32_t slot = 0; n > 0 && next_job(instance->table, &slot, &word, &seen); slot++) {
		for (size_t i = 0; i < n; i++) {
			struct cron *cron = &crons[i];

			if (!is_ours(cron, seen.unique, seen.at_ms, &time) || time <= cron->last || time > now)
				continue;
			cron->last = time;
			cron->owed = 0;
			changed = true;
		}
	}
	return changed;
}

/* All earlier jobs of the section that are not over. */
static void cancel_others(const struct cron *cron, struct instance *instance, struct job_ref kept)
{
	struct job_sh seen;
	uint64_t word;
	int64_t time;

	for (uint32_t slot = 0; next_job(instance->table, &slot, &word, &seen); slot++) {
		struct job_ref ref = {seen.id, slot, word_gen(word)};

		if (!job_state_over(word_state(word)) && seen.id != kept.id &&
		    is_ours(cron, seen.unique, seen.at_ms, &time))
			dispatch_cancel(instance, ref, NULL);
	}
}

/* It may be in the table or in the store. False: not yet. */
static bool cancel_rival(struct cron *cron, struct instance *instance)
{
	struct ym_err err;
	int result = cron->cancels ? reach_cancel(instance, &cron->rival, &err) : 0;

	if (result < 0)
		log_line(LOG_WARN, "cron %s: the last job, %llu, cannot be cancelled: %s", cron->name,
		         (unsigned long long)cron->rival.id, err.text);
	cron->cancels = result == 2;
	return !cron->cancels;
}

/* After the new one is there, so that there is always one. */
static void cancel_last(struct cron *cron, struct instance *instance, struct job_ref new)
{
	if (!cron->known) {
		cancel_others(cron, instance, new);
	} else if (!table_stored(instance->table)) {
		dispatch_cancel(instance, cron->job, NULL);
	} else if (cron->job.id != new.id) {
		reach_leave(instance, &cron->rival);
		cron->rival = (struct reach_cancel){.id = cron->job.id};
		cron->cancels = true;
		cancel_rival(cron, instance);
	}
	cron->job = new;
	cron->known = true;
}

/* ---- submit ---------------------------------------------------------------------------------- */

/* Say once why a job has to wait. */
static void trouble(struct cron *cron, const char *why)
{
	char text[WALL_MAX];

	if (!cron->troubled)
		log_line(LOG_WARN, "cron %s: the job of %s cannot be submitted now: %s; trying again every %d s",
		         cron->name, wall_text(cron->owed * 1000, text), why, CRON_RETRY_MS / 1000);
	cron->troubled = true;
}

static void went(struct cron *cron, struct job_ref ref)
{
	char text[WALL_MAX];

	log_line(cron->troubled ? LOG_INFO : LOG_DEBUG, "cron %s: job %llu for %s submitted", cron->name,
	         (unsigned long long)ref.id, wall_text(cron->owed * 1000, text));
	if (cron->skipped > 1)
		log_line(LOG_INFO, "cron %s: goes on after %llu skipped times", cron->name,
		         (unsigned long long)cron->skipped);
	cron->skipped = 0;
}

/* The job is there: for skip the last one, which is not over; else this very one, as the last master died over it. */
static void existed(struct cron *cron, struct job_ref ref)
{
	char text[WALL_MAX];

	if (cron->overlap != CFG_OVERLAP_SKIP)
		return;
	if (cron->skipped++ == 0)
		log_line(LOG_INFO, "cron %s: no job for %s: job %llu is not over yet (overlap = skip)", cron->name,
		         wall_text(cron->owed * 1000, text), (unsigned long long)ref.id);
}

/* What became of the job that was asked for. True: `owed` has been seen to. */
static bool hear(struct cron *cron, struct instance *instance)
{
	bool stored = table_stored(instance->table);
	struct job_ref ref;
	struct ym_err err;
	int result = submit_end(instance, &cron->pending, false, &ref, &err);

	if (result == 2)
		return false;
	cron->asked = false;
	if (result == 0)
		went(cron, ref);
	else if (result == 1)
		existed(cron, ref);
	else if (err.class == YM_ERR_USAGE)
		log_line(LOG_ERROR, "cron %s: its job is refused: %s", cron->name, err.text);
	else
		trouble(cron, err.text);
	if (cron->overlap == CFG_OVERLAP_CANCEL && (result == 0 || (result == 1 && stored)))
		cancel_last(cron, instance, ref);
	if (result >= 0 || err.class == YM_ERR_USAGE)
		return true;
	/* Who is told of the refusal must not ask again at once. */
	cron->at_ms = ym_unix_ms() + CRON_RETRY_MS;
	return false;
}

/* True: `owed` has been seen to. */
static bool submit(struct cron *cron, struct instance *instance)
{
	int pool = table_pool(instance->table, cron->pool);
	char key[JOB_UNIQUE_MAX], why[64];
	struct ym_err err;
	int32_t holder;
	struct job_request request = {
	    JOB_REQUEST_INIT, .pool = (unsigned)pool, .payload = {.data = cron->payload, .size = strlen(cron->payload)},
	    .tag = cron->tag, .unique = key,          .at_ms = cron->owed * 1000,
	};

	request.level = cron->level;
	key_of(cron, cron->overlap == CFG_OVERLAP_SKIP ? 0 : cron->owed, key);
	if (pool < 0) {
		snprintf(why, sizeof(why), "there is no pool %s", cron->pool);
		trouble(cron, why);
		return false;
	}
	if (!index_usable(instance, &holder)) {
		snprintf(why, sizeof(why), "process %ld holds the lock of the job lists", (long)holder);
		trouble(cron, why);
		return false;
	}
	if (submit_begin(instance, &request, &cron->pending, &err) < 0) {
		if (err.class == YM_ERR_USAGE)
			log_line(LOG_ERROR, "cron %s: its job is refused: %s", cron->name, err.text);
		else
			trouble(cron, err.text);
		return err.class == YM_ERR_USAGE;
	}
	submit_go(instance);
	cron->asked = true;
	return hear(cron, instance);
}

/* `owed` has been seen to. */
static void seen_to(struct cron *cron, bool *changed)
{
	cron->last = cron->owed;
	cron->owed = 0;
	cron->troubled = false;
	*changed = true;
}

bool cron_settle(struct cron *cron, struct instance *instance, bool *changed)
{
	if (cron->asked && hear(cron, instance))
		seen_to(cron, changed);
	return cancel_rival(cron, instance) && !cron->asked;
}

void cron_leave(struct cron *cron, struct instance *instance)
{
	if (cron->asked)
		submit_leave(instance, &cron->pending);
	reach_leave(instance, &cron->rival);
	cron->asked = cron->cancels = false;
}

/* ---- what is due ----------------------------------------------------------------------------- */

/* A clock that was set back: see above. */
static bool start_anew(struct cron *cron, int64_t now)
{
	char text[WALL_MAX];

	if (cron->last <= now + (cron->schedule.every ? 0 : CRON_BACK_S))
		return false;
	log_line(LOG_WARN, "cron %s: the clock was set back: the last time was %s; the schedule starts anew",
	         cron->name, wall_text(cron->last * 1000, text));
	cron->last = now;
	cron->owed = 0;
	return true;
}

/* The times from `first` to `newest` are due: the one that gets a job next, 0 if none does. */
static int64_t choose(const struct cron *cron, int64_t first, int64_t newest, int64_t now, bool in_time)
{
	int64_t oldest = now - cron->catch_up_max_ms / 1000, time = first;

	switch (cron->catch_up) {
	case CFG_CATCH_UP_ALL:
		if (first >= oldest)
			return first;
		if (cron->schedule.every)
			time = first + (oldest - first + cron->schedule.every - 1) / cron->schedule.every *
			                   cron->schedule.every;
		else if (!schedule_next(&cron->schedule, cron->zone, oldest - 1, &time))
			time = newest + 1;
		if (time <= newest)
			return time;
		break;
	case CFG_CATCH_UP_ONE:
		if (newest >= oldest)
			return newest;
		break;
	case CFG_CATCH_UP_NONE:
		break;
	}
	return in_time ? newest : 0;
}

static void tell_missed(const struct cron *cron, int64_t first, int64_t newest, int64_t chosen)
{
	char from[WALL_MAX], to[WALL_MAX];

	if (chosen == first)
		return;
	wall_text(first * 1000, from);
	wall_text(newest * 1000, to);
	if (chosen)
		log_line(LOG_WARN, "cron %s: missed since %s: goes on with the job of %s", cron->name, from,
		         wall_text(chosen * 1000, to));
	else
		log_line(LOG_WARN, "cron %s: missed from %s to %s: no job for that (catch_up, catch_up_max)",
		         cron->name, from, to);
}

/* At random, but before the next time: jobs keep their order. */
static int64_t with_jitter(const struct cron *cron, int64_t time)
{
	int64_t next, room = cron->jitter_ms;
	uint64_t dice;

	if (schedule_next(&cron->schedule, cron->zone, time, &next) && (next - time - 1) * 1000 < room)
		room = (next - time - 1) * 1000;
	/* Other machines with the same file throw other dice. */
	if (room <= 0 || getrandom(&dice, sizeof(dice), GRND_NONBLOCK) != sizeof(dice))
		return time * 1000;
	return time * 1000 + (int64_t)(dice % (uint64_t)(room + 1));
}

/* Something new to submit? If not, *next_ms says when there is. */
static bool decide(struct cron *cron, int64_t now_ms, int64_t *next_ms, bool *changed)
{
	int64_t now = now_ms / 1000, first, newest, chosen;
	bool in_time;

	if (!schedule_next(&cron->schedule, cron->zone, cron->last, &first)) {
		*next_ms = CRON_NEVER;
		return false;
	}
	if (first > now) {
		*next_ms = first * 1000;
		return false;
	}
	newest = first;
	schedule_latest(&cron->schedule, cron->zone, cron->last, now, &newest);
	in_time = now_ms - newest * 1000 <= cron->jitter_ms + CRON_LATE_MS;
	chosen = choose(cron, first, newest, now, in_time);
	tell_missed(cron, first, newest, chosen);
	if (chosen == 0) {
		cron->last = newest;
		*changed = true;
		return decide(cron, now_ms, next_ms, changed);
	}
	cron->owed = chosen;
	cron->at_ms = chosen == newest && in_time ? with_jitter(cron, chosen) : chosen * 1000;
	return true;
}

static int64_t look(struct cron *cron, struct instance *instance, int64_t now_ms, bool *changed)
{
	int64_t next_ms;

	*changed |= start_anew(cron, now_ms / 1000);
	for (int i = 0; i < CRON_BURST; i++) {
		if (!cron->owed && !decide(cron, now_ms, &next_ms, changed))
			return next_ms;
		if (cron->at_ms > now_ms)
			return cron->at_ms;
		if (!submit(cron, instance))
			return now_ms + CRON_RETRY_MS;
		seen_to(cron, changed);
	}
	return now_ms;
}

int64_t cron_look(struct cron *cron, struct instance *instance, int64_t now_ms, bool *changed)
{
	int64_t retry_ms = now_ms + CRON_RETRY_MS, next_ms;

	cron_settle(cron, instance, changed);
	if (cron->asked)
		return retry_ms;
	next_ms = look(cron, instance, now_ms, changed);
	return cron->cancels && next_ms > retry_ms ? retry_ms : next_ms;
}
