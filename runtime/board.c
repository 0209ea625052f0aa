/* board.c - reading the status board. */
#include "board.h"

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
	return sizeof(struct board_sh) + rows * sizeof(struct board_worker_sh);
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
