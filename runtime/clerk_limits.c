/*
 * clerk_limits.c - limits that all nodes share: what this one needs of them, and what it may have.
 *
 * The semaphore of such a limit has as many units as the node may use (limit.h). It is asked for what its workers could use
 * at this moment, and made smaller at once when they can use less: what is not needed here others may have. To the store,
 * all units of the semaphore are in use, also free ones, which may be taken at any moment; and those that it is going to
 * have, as the loop, whose semaphore it is, was told of them and may not have got to it yet.
 */
#include <string.h>

#include "../ipc/sys.h"
#include "clerk_self.h"
#include "limit.h"

/* How often to ask when nothing changes, when something does, and how often to look whether it does. */
#define ASK_NS   UINT64_C(500000000)
#define HASTE_NS UINT64_C(40000000)
#define LOOK_NS  UINT64_C(20000000)

/* What a pool could do. */
struct starts {
	uint64_t running[TABLE_POOLS], waiting[TABLE_POOLS];
	uint64_t workers[TABLE_POOLS];
};

/* ---- what is needed ---------------------------------------------------------------------------- */

static void count_workers(const struct board_sh *board, struct starts *starts)
{
	for (uint32_t i = 0; i < board->instance.rows; i++) {
		struct board_work work;

		if (atomic_load(&board->workers[i].used) && board_read_work(&board->workers[i], &work) &&
		    (work.state == BOARD_WORKER_IDLE || work.state == BOARD_WORKER_HELD ||
		     work.state == BOARD_WORKER_BUSY))
			starts->workers[work.pool % TABLE_POOLS]++;
	}
}

static void count_jobs(const struct table_sh *table, struct starts *starts)
{
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		enum job_state state = word_state(atomic_load(&table->words[slot]));

		if (state == JOB_CLAIMED || state == JOB_FINISHING)
			starts->running[job_pool(table_job_const(table, slot))]++;
		else if (state == JOB_READY)
			starts->waiting[job_pool(table_job_const(table, slot))]++;
	}
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		starts->waiting[i] += atomic_load(&table->pools[i].stored_waiting);
}

/* Jobs of the pool that run, or could if they had all units. */
static uint64_t could_run(const struct table_sh *table, const struct starts *starts, unsigned pool)
{
	uint64_t jobs = starts->running[pool];

	if (!(atomic_load(&table->pools[pool].mode) & (POOL_PAUSED | POOL_REMOVED)))
		jobs += starts->waiting[pool];
	return jobs < starts->workers[pool] ? jobs : starts->workers[pool];
}

/* Units of the limit that could be used, and the most that one job takes. `coming`: units that it may soon have. */
static void measure(const struct table_sh *table, const struct starts *starts, unsigned limit, int64_t coming,
                    struct store_limit *row)
{
	int free = limit_free(&table->limits[limit]), size = atomic_load(&table->limits[limit].max);
	int64_t used = free < 0 || free > size ? 0 : size - free;

	row->wanted = 0;
	row->step = 1;
	for (unsigned pool = 0; pool < TABLE_POOLS; pool++) {
		const struct table_pool_sh *of = &table->pools[pool];

		for (unsigned i = 0; atomic_load(&of->used) && i < atomic_load(&of->nlimits); i++) {
			int64_t units = atomic_load(&of->limits[i].units);
			uint64_t jobs = could_run(table, starts, pool);

			if (atomic_load(&of->limits[i].limit) != limit || jobs == 0)
				continue;
			row->wanted += (int64_t)jobs * units;
			row->step = units > row->step ? units : row->step;
		}
	}
	/* Scripts have some, too. */
	if (row->wanted < used)
		row->wanted = used;
	row->in_use = size > coming ? size : coming;
}

/* What we may have and can use. */
static int64_t aim_of(const struct store_limit *row)
{
	int64_t aim = row->granted < row->wanted ? row->granted : row->wanted;

	return aim < 0 ? 0 : aim;
}

/* To be asked before a semaphore is looked at: what the loop has done by then shows there. */
static void see_coming(struct clerk *clerk, int64_t coming[TABLE_LIMITS])
{
	pthread_mutex_lock(&clerk->mutex);
	memcpy(coming, clerk->aims, sizeof(clerk->aims));
	for (size_t i = 0; i < clerk->told.n; i++) {
		int64_t aim = aim_of(&clerk->told.rows[i]), *most = &coming[clerk->told.index[i]];

		*most = aim > *most ? aim : *most;
	}
	pthread_mutex_unlock(&clerk->mutex);
}

static size_t measure_all(struct clerk *clerk, struct store_limit *rows, unsigned *index)
{
	const struct table_sh *table = clerk->instance->table;
	struct starts starts = {.running = {0}};
	int64_t coming[TABLE_LIMITS];
	size_t n = 0;

	see_coming(clerk, coming);
	for (unsigned i = 0; i < TABLE_LIMITS; i++) {
		const struct table_limit_sh *limit = &table->limits[i];
		int whole = atomic_load(&limit->used) ? atomic_load(&limit->whole) : 0;

		if (whole == 0)
			continue;
		if (n == 0) {
			count_jobs(table, &starts);
			count_workers(clerk->instance->board, &starts);
		}
		rows[n] = (struct store_limit){.max = whole};
		memcpy(rows[n].name, limit->name, sizeof(rows[n].name) - 1);
		measure(table, &starts, i, coming[i], &rows[n]);
		index[n++] = i;
	}
	return n;
}

/* ---- asking ------------------------------------------------------------------------------------ */

static void tell_loop(struct clerk *clerk)
{
	pthread_mutex_lock(&clerk->mutex);
	clerk->told = clerk->limits;
	pthread_mutex_unlock(&clerk->mutex);
	uv_async_send(&clerk->async);
}

void clerk_tell_grants(struct clerk *clerk)
{
	struct clerk_limits told;

	pthread_mutex_lock(&clerk->mutex);
	told = clerk->told;
	clerk->told.n = 0;
	for (size_t i = 0; i < told.n; i++)
		clerk->aims[told.index[i]] = aim_of(&told.rows[i]);
	pthread_mutex_unlock(&clerk->mutex);
	for (size_t i = 0; i < told.n; i++)
		clerk->options.granted(clerk->options.arg, told.index[i], (int)aim_of(&told.rows[i]), told.until);
}

/* Is there something new that the others should know, or may we have more now? */
static bool is_news(const struct clerk_limits *before, const struct store_limit *rows, const unsigned *index, size_t n,
                    bool woken)
{
	if (n != before->n)
		return true;
	for (size_t i = 0; i < n; i++)
		if (index[i] != before->index[i] || rows[i].in_use != before->rows[i].in_use ||
		    rows[i].wanted != before->need[index[i]] || (woken && rows[i].wanted > before->rows[i].granted))
			return true;
	return false;
}

/* More than we may have is in use. */
static bool is_shrinking(const struct clerk_limits *limits)
{
	for (size_t i = 0; i < limits->n; i++)
		if (limits->rows[i].in_use > aim_of(&limits->rows[i]))
			return true;
	return false;
}

/* It changes all the time by one or two while many short jobs run: the larger one of two looks counts. */
static void smooth(struct clerk_limits *limits, struct store_limit *rows, const unsigned *index, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t now = rows[i].wanted, before = limits->need[index[i]];

		rows[i].wanted = now > before ? now : before;
		limits->need[index[i]] = now;
	}
}

static void ask(struct clerk *clerk, struct store_limit *rows, const unsigned *index, size_t n, uint64_t now)
{
	struct clerk_limits *limits = &clerk->limits;
	struct ym_err err;

	smooth(limits, rows, index, n);
	limits->asked = now;
	limits->next = now + ASK_NS;
	/* That we have asked is a sign of life: the others may take us for dead a lease later. */
	if (clerk->driver->limits(clerk->store, rows, n, &err) == 0)
		limits->until = now + (uint64_t)clerk->store_options.lease_ms * 750000u;
	else if (n == 0)
		return; /* that there are none any more is told again */
	memcpy(limits->rows, rows, n * sizeof(*rows));
	memcpy(limits->index, index, n * sizeof(*index));
	limits->n = n;
}

void clerk_share(struct clerk *clerk)
{
	struct clerk_limits *limits = &clerk->limits;
	struct store_limit rows[TABLE_LIMITS];
	unsigned index[TABLE_LIMITS];
	uint64_t now = ym_now_ns();
	bool news;
	size_t n;

	if (!clerk->driver->limits || now < limits->looked + LOOK_NS)
		return;
	limits->looked = now;
	n = measure_all(clerk, rows, index);
	if (n == 0 && limits->n == 0)
		return;
	news = is_news(limits, rows, index, n, atomic_load(&clerk->woken));
	if (now >= limits->asked + ASK_NS || (news && now >= limits->asked + HASTE_NS)) {
		atomic_store(&clerk->woken, false);
		ask(clerk, rows, index, n, now);
	} else if (news) {
		limits->next = limits->asked + HASTE_NS;
		return;
	} else if (is_shrinking(limits)) {
		/* Units go when jobs give them back. */
		limits->next = now + LOOK_NS;
	} else {
		return;
	}
	tell_loop(clerk);
}
