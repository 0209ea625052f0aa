/* board.c - reading the status board. */
#include "board.h"

#include "text.h"

/* A writer that publishes without pause needs about 5 ns a record, a reader about 10: some tries always fit. */
#define READ_TRIES 10000

static const char *const master_words[] = {
#define X(name, word) word,
    BOARD_MASTER_MAP(X)
#undef X
};

static const char *const worker_words[] = {
#define X(name, word) word,
    BOARD_WORKER_MAP(X)
#undef X
};

static const char *const store_words[] = {
#define X(name, word) word,
    BOARD_STORE_MAP(X)
#undef X
};

static const char *const pool_words[] = {
#define X(name, word) word,
    BOARD_POOL_MAP(X)
#undef X
};

static const char *const recycled_words[] = {
#define X(name, word) word,
    BOARD_RECYCLED_MAP(X)
#undef X
};

static const char *const counter_words[] = {
#define X(name, word) word,
    BOARD_COUNTER_MAP(X)
#undef X
};

const char *board_counter_word(enum board_counter counter)
{
	return counter < BOARD_COUNTERS ? counter_words[counter] : "?";
}

const char *board_pool_word(unsigned state)
{
	return state < sizeof(pool_words) / sizeof(pool_words[0]) ? pool_words[state] : "?";
}

const char *board_store_word(unsigned state)
{
	return state < sizeof(store_words) / sizeof(store_words[0]) ? store_words[state] : "?";
}

const char *board_trouble(const struct board_sh *board, char text[BOARD_REASON_MAX])
{
	const struct board_store_sh *store = &board->store;

	text[0] = '\0';
	if (atomic_load(&store->state) == BOARD_STORE_TROUBLE)
		board_reason_read(store->trouble, &store->trouble_version, text);
	return text;
}

const char *board_recycled_word(unsigned why)
{
	return why < sizeof(recycled_words) / sizeof(recycled_words[0]) ? recycled_words[why] : "?";
}

void board_reason_write(char *to, _Atomic uint64_t *version, const char *text)
{
	if (strncmp(to, text, BOARD_REASON_MAX) == 0)
		return;
	atomic_fetch_add(version, 1);
	atomic_thread_fence(memory_order_seq_cst);
	text_copy(to, BOARD_REASON_MAX, text);
	atomic_fetch_add(version, 1);
}

void board_reason_read(const char *from, const _Atomic uint64_t *version, char *text)
{
	char copy[BOARD_REASON_MAX];

	for (int try = 0; try < READ_TRIES; try++) {
		uint64_t before = atomic_load(version);

		memcpy(copy, from, BOARD_REASON_MAX);
		copy[BOARD_REASON_MAX - 1] = '\0';
		atomic_thread_fence(memory_order_seq_cst);
		if (!(before & 1) && atomic_load(version) == before) {
			text_cell(text, BOARD_REASON_MAX, copy, BOARD_REASON_MAX, false);
			return;
		}
	}
	text[0] = '\0';
}

const char *board_master_word(unsigned state)
{
	return state < sizeof(master_words) / sizeof(master_words[0]) ? master_words[state] : "?";
}

const char *board_worker_word(unsigned state)
{
	return state < sizeof(worker_words) / sizeof(worker_words[0]) ? worker_words[state] : "?";
}

size_t board_size(uint32_t rows)
{
	return sizeof(struct board_sh) + rows * (sizeof(struct board_worker_sh) + sizeof(struct board_times_sh));
}

int board_check(const struct board_sh *board, size_t size, struct ym_err *err)
{
	if (board->instance.rows > YM_GROUP_CAPACITY_MAX || board_size(board->instance.rows) > size)
		return ym_fail(err, YM_ERR_CORRUPT, "the status board says %u worker rows but has only %zu bytes",
		               board->instance.rows, size);
	return 0;
}

bool board_read(const struct board_record_sh *record, const _Atomic uint64_t *version, void *content)
{
	uint64_t words[BOARD_WORDS];

	for (int try = 0; try < READ_TRIES; try++) {
		uint64_t before = atomic_load_explicit(version, memory_order_acquire), after;

		for (int i = 0; i < BOARD_WORDS; i++)
			words[i] = atomic_load_explicit(&record->words[before & 1][i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(version, memory_order_relaxed);
		if (before == after) {
			memcpy(content, words, sizeof(words));
			return true;
		}
	}
	return false;
}

bool board_retire(struct board_worker_sh *row)
{
	struct board_work work;

	/* The worker publishes that it is idle before it looks at its orders: one of us sees the other (see
	 * must_end()). */
	atomic_store(&row->order, BOARD_ORDER_RETIRE);
	atomic_thread_fence(memory_order_seq_cst);
	return !board_read_work(row, &work) || work.state != BOARD_WORKER_BUSY;
}

void board_fold(struct board_sh *board, uint32_t row, unsigned pool)
{
	struct board_worker_sh *worker = &board->workers[row];
	struct board_times_sh *past = &board->past_times[pool % TABLE_POOLS];
	uint64_t folds = atomic_load(&board->instance.folds) | 1;

	atomic_store(&board->instance.folds, folds);
	atomic_thread_fence(memory_order_release);
	/* Killed in between: counted twice, and not lost. */
	for (int i = 0; i < BOARD_COUNTERS; i++) {
		atomic_fetch_add(&board->pools[pool % TABLE_POOLS].past[i], atomic_load(&worker->counters[i]));
		atomic_store(&worker->counters[i], 0);
	}
	histogram_move(&past->wait, &board_times(board, row)->wait);
	histogram_move(&past->run, &board_times(board, row)->run);
	atomic_store_explicit(&board->instance.folds, folds + 1, memory_order_release);
}

bool board_folded(const struct board_sh *board, uint64_t folds)
{
	atomic_thread_fence(memory_order_acquire);
	return folds & 1 || atomic_load_explicit(&board->instance.folds, memory_order_relaxed) != folds;
}

void board_forget(struct board_sh *board, unsigned pool)
{
	struct board_pool_sh *row = &board->pools[pool];

	for (int i = 0; i < BOARD_COUNTERS; i++)
		atomic_store(&row->past[i], 0);
	atomic_store(&row->crashes, 0);
	atomic_store(&row->recycled, 0);
	memset(&board->past_times[pool], 0, sizeof(board->past_times[pool]));
	memset(&board->courses[pool], 0, sizeof(board->courses[pool]));
	memset(&board->recents[pool], 0, sizeof(board->recents[pool]));
}

void board_count(const struct board_sh *board, uint64_t counters[TABLE_POOLS][BOARD_COUNTERS])
{
	for (unsigned pool = 0; pool < TABLE_POOLS; pool++)
		for (int i = 0; i < BOARD_COUNTERS; i++)
			counters[pool][i] = atomic_load(&board->pools[pool].past[i]);
	for (uint32_t row = 0; row < board->instance.rows; row++) {
		const struct board_worker_sh *worker = &board->workers[row];
		struct board_work work;

		if (!atomic_load(&worker->used) || !board_read_work(worker, &work))
			continue;
		for (int i = 0; i < BOARD_COUNTERS; i++)
			counters[work.pool % TABLE_POOLS][i] += atomic_load(&worker->counters[i]);
	}
}

void board_owners(const struct board_sh *board, uint8_t owners[YM_GROUP_CAPACITY_MAX])
{
	for (uint32_t row = 0; row < board->instance.rows; row++) {
		struct board_work work;
		bool taken =
		    atomic_load(&board->workers[row].used) && board_read_work(&board->workers[row], &work) && work.pid;

		owners[row] = taken ? work.pool % TABLE_POOLS : TABLE_POOLS;
	}
}

void board_sum_times(const struct board_sh *board, unsigned pool, const uint8_t *owners, struct histogram *wait,
                     struct histogram *run)
{
	*wait = *run = (struct histogram){0};
	histogram_sum(wait, &board->past_times[pool].wait);
	histogram_sum(run, &board->past_times[pool].run);
	for (uint32_t row = 0; row < board->instance.rows; row++) {
		if (owners[row] != pool)
			continue;
		histogram_sum(wait, &board_times_const(board, row)->wait);
		histogram_sum(run, &board_times_const(board, row)->run);
	}
}

void board_show_pool(struct board_pool_sh *row, enum board_pool_state state)
{
	if (atomic_load(&row->state) == BOARD_POOL_RUNNING && state != BOARD_POOL_RUNNING)
		atomic_store(&row->ran_until, ym_now_ns());
	atomic_store(&row->state, state);
}

/* ---- the flight recorder ----------------------------------------------------------------------- */

void board_note_crash(struct board_sh *board, const struct board_crash *crash)
{
	uint64_t number = atomic_load(&board->instance.crashes), words[BOARD_CRASH_WORDS] = {0};
	struct board_crash_sh *row = &board->crashes[number % BOARD_CRASHES];
	uint64_t version = atomic_load(&row->version) | 1;

	memcpy(words, crash, sizeof(*crash));
	/* A master that was killed here has left it odd. */
	atomic_store(&row->version, version);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < BOARD_CRASH_WORDS; i++)
		atomic_store_explicit(&row->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&row->version, version + 1, memory_order_release);
	atomic_store(&board->instance.crashes, number + 1);
}

static bool read_crash(const struct board_crash_sh *row, struct board_crash *crash)
{
	uint64_t before = atomic_load_explicit(&row->version, memory_order_acquire), words[BOARD_CRASH_WORDS];

	for (size_t i = 0; i < BOARD_CRASH_WORDS; i++)
		words[i] = atomic_load_explicit(&row->words[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	memcpy(crash, words, sizeof(*crash));
	/* Shared memory: a text may lack its end. */
	crash->pool[sizeof(crash->pool) - 1] = crash->cause[sizeof(crash->cause) - 1] = '\0';
	return before != 0 && before % 2 == 0 && atomic_load_explicit(&row->version, memory_order_relaxed) == before;
}

unsigned board_crashes(const struct board_sh *board, struct board_crash *crashes, unsigned n)
{
	uint64_t number = atomic_load(&board->instance.crashes);
	unsigned found = 0;

	for (unsigned i = 0; i < BOARD_CRASHES && i < number && found < n; i++)
		found += read_crash(&board->crashes[(number - 1 - i) % BOARD_CRASHES], &crashes[found]);
	return found;
}

int board_held(const struct board_sh *board, unsigned pool)
{
	for (uint32_t i = 0; i < board->instance.rows; i++) {
		struct board_work work;

		if (atomic_load(&board->workers[i].used) && board_read_work(&board->workers[i], &work) &&
		    work.state == BOARD_WORKER_HELD && work.pool == pool && work.limit)
			return work.limit - 1;
	}
	return -1;
}
