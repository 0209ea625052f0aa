/* shown.c - from table and board to the mirror. */
#include "shown.h"

#include <stdlib.h>
#include <string.h>

#include "../ipc/sys.h"
#include "text.h"
#include "view.h"
#include "wall.h"

/* Slots between two looks at the clock. */
#define STRIDE 1024u

/* What a value takes at first: most do for good. */
#define LENGTH 448u

static void dropped(void *arg, struct mirror_item *item)
{
	struct shown *shown = arg;
	struct shown_job *job = (struct shown_job *)item;

	if (job->slot != SHOWN_NOWHERE)
		shown->slots[job->slot].job = NULL;
	mirror_free(item);
}

int shown_open(struct shown *shown, const struct instance *instance, uint64_t keep_ns, struct ym_err *err)
{
	*shown = (struct shown){.instance = instance, .keep_ns = keep_ns};
	shown->slots = calloc(instance->table->slots, sizeof(*shown->slots));
	if (shown->slots && mirror_open(&shown->mirror, dropped, shown, err) == 0)
		return 0;
	free(shown->slots);
	*shown = (struct shown){0};
	return ym_fail(err, YM_ERR_LIMIT, "out of memory");
}

static void drop(struct shown *shown, struct shown_job *job)
{
	mirror_drop(&shown->mirror, &job->item);
	dropped(shown, &job->item);
	shown->changed = true;
}

void shown_close(struct shown *shown)
{
	struct mirror_item *item;

	if (!shown->slots)
		return;
	for (int rank = 0; rank < MIRROR_RANKS; rank++)
		while ((item = mirror_oldest(&shown->mirror, (enum mirror_rank)rank)))
			drop(shown, (struct shown_job *)item);
	mirror_close(&shown->mirror);
	free(shown->slots);
	*shown = (struct shown){0};
}

/* ---- one job --------------------------------------------------------------------------------- */

/* Its value goes into the mirror. Without memory the next change tries again. */
static void write_value(struct shown *shown, struct shown_job *job)
{
	char storage[2 * LENGTH];
	struct ym_buffer buffer;

	ym_buffer_init(&buffer, storage, sizeof(storage));
	if (php_job_write(&job->job, &buffer, NULL) == 0)
		mirror_put(&shown->mirror, &job->item, buffer.bytes, buffer.length);
	ym_buffer_free(&buffer);
	shown->changed = true;
}

static enum mirror_rank rank_of(enum job_state state)
{
	const struct view_job view = {.state = state};

	return job_state_over(state) ? MIRROR_OVER : view_running(&view) ? MIRROR_RUNNING : MIRROR_WAITING;
}

static struct shown_job *add(struct shown *shown, uint64_t id, const char *tag, enum mirror_rank rank, size_t length)
{
	const int64_t keys[MIRROR_KEYS] = {php_job_key(id), php_job_tag_key(tag)};
	struct shown_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->slot = SHOWN_NOWHERE;
	job->item.id = id;
	job->item.rank = rank;
	if (mirror_add(&shown->mirror, &job->item, keys, length))
		return job;
	free(job);
	return NULL;
}

static void set_progress(struct php_job *job, uint64_t done, uint64_t total, const char *unit)
{
	job->done = done;
	job->total = total;
	text_copy(job->unit, sizeof(job->unit), unit);
	job->percent = total == 0 ? -1 : done >= total ? 100 : (double)(int)((double)done * 1000 / (double)total) / 10;
}

/* It goes on without a rate until the next step. */
static void forget_rate(struct php_job *job)
{
	job->rate = job->eta = -1;
}

static int64_t unix_ms(uint64_t moment)
{
	return moment ? wall_of(moment) : 0;
}

/* Of the same moment always the same number: clocks are never read at the same time. */
static void set_time(int64_t *ms, uint64_t moment)
{
	int64_t now = unix_ms(moment);

	if (!*ms || !now || now - *ms > 2 || *ms - now > 2)
		*ms = now;
}

/* What the table says. */
static void take_view(struct shown *shown, struct shown_job *job, const struct view_job *view, uint64_t now)
{
	struct php_job *php = &job->job;
	bool over = job_state_over(view->state), running = view_running(view);

	php->id = view->id;
	text_copy(php->pool, sizeof(php->pool), view->pool);
	text_copy(php->tag, sizeof(php->tag), view->tag);
	text_copy(php->state, sizeof(php->state), job_state_word(view->state));
	text_copy(php->error, sizeof(php->error), view->error);
	/* While it runs its progress stands on the board, and before its first report nothing is known of this attempt. */
	if (!running)
		set_progress(php, view->done, view->total, view->unit);
	else if (php->attempt != view->attempt) {
		set_progress(php, 0, 0, "");
		php->note[0] = '\0';
	}
	php->attempt = view->attempt;
	if (!running || !php->updated)
		forget_rate(php);
	if (view->state == JOB_DONE)
		php->percent = 100;
	set_time(&php->submitted, view->submitted);
	set_time(&php->started, view->started);
	set_time(&php->finished, over ? view->finished : 0);
	set_time(&php->updated, over ? view->finished : now);
	job->over = over ? view->finished : 0;
	mirror_rank(&shown->mirror, &job->item, rank_of(view->state));
	write_value(shown, job);
}

/* It is in the table no more: how it ended, nobody can say. With a store, one that waits may only have moved there. */
static void left_table(struct shown *shown, struct shown_job *job, uint64_t now)
{
	if (job->slot != SHOWN_NOWHERE)
		shown->slots[job->slot].job = NULL;
	job->slot = SHOWN_NOWHERE;
	if (job->over)
		return;
	job->over = now;
	if (job->item.rank == MIRROR_RUNNING || !table_stored(shown->instance->table))
		text_copy(job->job.state, sizeof(job->job.state), PHP_JOB_GONE);
	job->job.updated = unix_ms(now);
	forget_rate(&job->job);
	mirror_rank(&shown->mirror, &job->item, MIRROR_OVER);
	write_value(shown, job);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* The job of a slot, known or new. NULL: it is not shown; *room: there was none for it. */
static struct shown_job *find_or_add(struct shown *shown, uint32_t slot, const struct view_job *view, uint64_t now,
                                     bool *room)
{
	struct mirror_item *item = mirror_find(&shown->mirror, php_job_key(view->id));
	struct shown_job *job = (struct shown_job *)item;

	*room = true;
	if (!job && job_state_over(view->state) && view->finished + shown->keep_ns <= now)
		return NULL;
	if (!job) {
		job = add(shown, view->id, view->tag, rank_of(view->state), LENGTH);
		*room = job != NULL;
	}
	if (!job)
		return NULL;
	if (job->slot != SHOWN_NOWHERE && job->slot != slot)
		shown->slots[job->slot].job = NULL;
	job->slot = slot;
	shown->slots[slot].job = job;
	return job;
}

/* The word of a slot has changed. False: look again at the next time. */
static bool look_at_slot(struct shown *shown, uint32_t slot, uint64_t word, uint64_t now)
{
	struct shown_job *before = shown->slots[slot].job, *job;
	struct view_job view;
	bool room;

	if (word_state(word) == JOB_FREE || word_state(word) == JOB_FILLING || word_state(word) == JOB_STORING) {
		if (before)
			left_table(shown, before, now);
		return true;
	}
	/* Before jobs are read one after the other for nothing. */
	if (!before && shown->whole && !mirror_has_room(&shown->mirror, rank_of(word_state(word)), LENGTH)) {
		shown->passed_over += !job_state_over(word_state(word));
		return job_state_over(word_state(word));
	}
	if (!view_read(shown->instance->table, slot, &view))
		return false;
	if (before && before->item.id != view.id)
		left_table(shown, before, now);
	job = find_or_add(shown, slot, &view, now, &room);
	if (job)
		take_view(shown, job, &view, now);
	shown->passed_over += !room && !job_state_over(view.state);
	return room || job_state_over(view.state);
}

static void look_at_table(struct shown *shown, uint64_t now, uint64_t deadline)
{
	const struct table_sh *table = shown->instance->table;

	for (uint32_t n = 0; n < table->slots; n++) {
		uint32_t slot = shown->cursor;
		uint64_t word = atomic_load_explicit(&table->words[slot], memory_order_acquire);

		if (word != shown->slots[slot].word && look_at_slot(shown, slot, word, now))
			shown->slots[slot].word = word;
		shown->cursor = slot + 1 < table->slots ? slot + 1 : 0;
		if (shown->cursor == 0) {
			shown->whole = true;
			shown->changed |= shown->left_out != shown->passed_over;
			shown->left_out = shown->passed_over;
			shown->passed_over = 0;
		}
		if (n % STRIDE == STRIDE - 1 && ym_now_ns() >= deadline)
			return;
	}
}

/* ---- the board ------------------------------------------------------------------------------- */

static void take_pace(struct shown_job *job, const struct board_progress *progress, uint64_t now)
{
	double rate;
	uint64_t eta, tenths;

	pace_note(&job->pace, progress->attempt, progress->done, now);
	rate = pace_rate(&job->pace, now);
	eta = pace_eta(&job->pace, progress->done, progress->total, now);
	job->job.rate = rate > 0 ? rate : -1;
	tenths = eta / 100000000u;
	job->job.eta = eta == YM_NEVER ? -1 : (double)tenths / 10;
}

/* Of one that is over, the table has all but the note. */
static void take_progress(struct shown *shown, struct shown_job *job, struct board_progress *progress, uint64_t now)
{
	job->progress = progress->updated;
	/* Strings in shared memory may lack their end. */
	progress->note[sizeof(progress->note) - 1] = '\0';
	progress->unit[sizeof(progress->unit) - 1] = '\0';
	text_copy(job->job.note, sizeof(job->job.note), progress->note);
	if (job->item.rank == MIRROR_RUNNING) {
		take_pace(job, progress, now);
		set_progress(&job->job, progress->done, progress->total, progress->unit);
		job->job.updated = unix_ms(progress->updated);
	}
	write_value(shown, job);
}

/* The job that a worker has just now: it comes before all others. */
static void look_at_work(struct shown *shown, const struct board_worker_sh *row, uint64_t now)
{
	const struct table_sh *table = shown->instance->table;
	struct board_work work;
	uint64_t word;

	if (!board_read_work(row, &work) || work.job == 0 || work.job_slot >= table->slots)
		return;
	word = atomic_load(&table->words[work.job_slot]);
	if (word != shown->slots[work.job_slot].word && look_at_slot(shown, work.job_slot, word, now))
		shown->slots[work.job_slot].word = word;
}

static void look_at_progress(struct shown *shown, const struct board_worker_sh *row, uint64_t now)
{
	struct board_progress progress;
	struct shown_job *job;

	if (!board_read_progress(row, &progress) || progress.job == 0)
		return;
	job = (struct shown_job *)mirror_find(&shown->mirror, php_job_key(progress.job));
	if (job && progress.attempt == job->job.attempt && progress.updated > job->progress)
		take_progress(shown, job, &progress, now);
}

static void look_at_board(struct shown *shown, uint64_t now)
{
	const struct board_sh *board = shown->instance->board;

	for (uint32_t i = 0; i < board->instance.rows; i++) {
		if (!atomic_load(&board->workers[i].used))
			continue;
		look_at_work(shown, &board->workers[i], now);
		look_at_progress(shown, &board->workers[i], now);
	}
}

/* ---- what was there before ------------------------------------------------------------------- */

/* One variable; false: it is not ours. */
static bool read_variable(const struct ym_var *var, struct php_job *job)
{
	return var->length <= (size_t)8 * LENGTH && php_job_read(var->bytes, var->length, job) &&
	       (var->key == php_job_key(job->id) || var->key == php_job_tag_key(job->tag));
}

static void adopt(struct shown *shown, const struct ym_var *var, const struct php_job *php, uint64_t now)
{
	enum mirror_rank rank = php_job_over(php) ? MIRROR_OVER : php->started ? MIRROR_RUNNING : MIRROR_WAITING;
	uint64_t ago = (uint64_t)(ym_unix_ms() - php->updated) * 1000000u;
	struct shown_job *job = add(shown, php->id, php->tag, rank, var->length);

	if (!job) {
		mirror_remove(&shown->mirror, var->key);
		return;
	}
	job->job = *php;
	if (rank == MIRROR_OVER)
		job->over = php->updated > ym_unix_ms() || ago > now ? now : now - ago;
	write_value(shown, job);
}

void shown_adopt(struct shown *shown, const struct ym_vars *vars)
{
	uint64_t now = ym_now_ns();
	struct php_job job;
	struct ym_var var = {0};

	/* First all of ours is room. */
	while (ym_vars_next(vars, &var, NULL) == 0)
		if (read_variable(&var, &job))
			shown->mirror.room += (int64_t)var.chunk;
	var = (struct ym_var){0};
	while (ym_vars_next(vars, &var, NULL) == 0)
		if (read_variable(&var, &job) && var.key == php_job_key(job.id))
			adopt(shown, &var, &job, now);
	var = (struct ym_var){0};
	while (ym_vars_next(vars, &var, NULL) == 0)
		if (read_variable(&var, &job) && !mirror_find(&shown->mirror, var.key))
			mirror_remove(&shown->mirror, var.key);
}

/* ---- all of it ------------------------------------------------------------------------------- */

uint64_t shown_next(const struct shown *shown)
{
	const struct shown_job *oldest = (const struct shown_job *)mirror_oldest(&shown->mirror, MIRROR_OVER);

	return oldest ? oldest->over + shown->keep_ns : YM_NEVER;
}

static void drop_old(struct shown *shown, uint64_t now)
{
	while (shown_next(shown) <= now)
		drop(shown, (struct shown_job *)mirror_oldest(&shown->mirror, MIRROR_OVER));
}

/* Jobs of an earlier master that were nowhere in the table. */
static void miss(struct shown *shown, enum mirror_rank rank, uint64_t now)
{
	struct mirror_item *item = mirror_oldest(&shown->mirror, rank), *next;

	for (; item; item = next) {
		next = TAILQ_NEXT(item, same_rank);
		if (((struct shown_job *)item)->slot == SHOWN_NOWHERE)
			left_table(shown, (struct shown_job *)item, now);
	}
}

bool shown_look(struct shown *shown, uint64_t deadline)
{
	uint64_t now = ym_now_ns();
	bool whole = shown->whole;

	shown->changed = false;
	look_at_board(shown, now);
	look_at_table(shown, now, deadline);
	if (!whole && shown->whole)
		for (int rank = MIRROR_WAITING; rank < MIRROR_RANKS; rank++)
			miss(shown, (enum mirror_rank)rank, now);
	drop_old(shown, now);
	return shown->changed;
}
