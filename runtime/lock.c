/* lock.c - spin a little, sleep, ask whether the holder lives. */
#include "lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ipc/sys.h"

#define WAITERS UINT64_C(0x80000000)
#define HOLDER  UINT64_C(0x7fffffff)
#define TURN    (UINT64_C(1) << 32)

/* The futex is the half with holder and flag. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the futex word is the low half of the lock word");

/* What it guards takes well under a microsecond. */
#define SPINS 100

/* How long to sleep before asking whether the holder is alive. */
#define PATIENCE_NS UINT64_C(10000000)

/* Nobody can say who is alive once the group's set was removed by hand: then a holder is given this long. */
#define ORPHAN_NS UINT64_C(1000000000)

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* The same lock in other hands. */
static uint64_t hand_over(uint64_t seen, uint64_t holder)
{
	return ((seen & ~(WAITERS | HOLDER)) + TURN) | holder;
}

static bool take_if_free(struct lock_sh *lock, uint64_t mine)
{
	uint64_t seen = atomic_load_explicit(&lock->word, memory_order_relaxed);

	return (seen & HOLDER) == 0 &&
	       atomic_compare_exchange_strong_explicit(&lock->word, &seen, hand_over(seen, mine), memory_order_acquire,
	                                               memory_order_relaxed);
}

/* Signals may wake it before. */
static void sleep_on(struct lock_sh *lock, uint64_t seen, uint64_t until)
{
	struct timespec deadline = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};

	syscall(SYS_futex, &lock->word, FUTEX_WAIT_BITSET, (uint32_t)seen, &deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

static bool holder_is_dead(const struct ym_group *group, uint64_t word, uint64_t since)
{
	int alive = ym_sys.semctl(group->semid, (int)YM_GROUP_ALIVE((unsigned)(word & HOLDER) - 1), GETVAL,
	                          (union ym_semun){0});

	return alive < 0 ? ym_now_ns() > since + ORPHAN_NS : alive == 0;
}

static bool inherit(struct lock_sh *lock, uint64_t seen, uint64_t mine)
{
	if (!atomic_compare_exchange_strong(&lock->word, &seen, hand_over(seen, mine | WAITERS)))
		return false;
	atomic_fetch_add(&lock->broken, 1);
	return true;
}

static enum lock_taken take_slowly(struct lock_sh *lock, const struct ym_group *group, uint64_t mine, uint64_t deadline)
{
	uint64_t since = ym_now_ns(), ask = since + PATIENCE_NS;

	for (;;) {
		uint64_t seen = atomic_load(&lock->word);

		/* With the flag: others may sleep on, and only who has the lock can wake them. */
		if ((seen & HOLDER) == 0) {
			if (take_if_free(lock, mine | WAITERS))
				return LOCK_TAKEN;
			continue;
		}
		if (!(seen & WAITERS)) {
			if (!atomic_compare_exchange_strong(&lock->word, &seen, seen | WAITERS))
				continue;
			seen |= WAITERS;
		}
		sleep_on(lock, seen, ask);
		if (ym_now_ns() < ask)
			continue;
		ask = ym_now_ns() + PATIENCE_NS;
		if (holder_is_dead(group, seen, since) && inherit(lock, seen, mine))
			return LOCK_INHERITED;
		if (ym_now_ns() >= deadline)
			return LOCK_BUSY;
	}
}

enum lock_taken lock_take(struct lock_sh *lock, const struct ym_group *group, uint64_t deadline)
{
	uint64_t mine = group->slot + 1;

	for (int i = 0; i < SPINS; i++) {
		if (take_if_free(lock, mine))
			return LOCK_TAKEN;
		relax();
	}
	return take_slowly(lock, group, mine, deadline);
}

void lock_give(struct lock_sh *lock)
{
	uint64_t before = atomic_fetch_and_explicit(&lock->word, ~(WAITERS | HOLDER), memory_order_release);

	if (before & WAITERS)
		syscall(SYS_futex, &lock->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool lock_take_from(struct lock_sh *lock, const struct ym_group *group, unsigned slot)
{
	uint64_t seen = atomic_load(&lock->word);

	/* Others only set the flag: while the holder is the dead one, try again. */
	while ((seen & HOLDER) == slot + 1) {
		if (inherit(lock, seen, group->slot + 1))
			return true;
		seen = atomic_load(&lock->word);
	}
	return false;
}

int lock_holder(const struct lock_sh *lock)
{
	return (int)(atomic_load(&lock->word) & HOLDER) - 1;
}

uint64_t lock_holding(const struct lock_sh *lock)
{
	uint64_t seen = atomic_load(&lock->word);

	return seen & HOLDER ? seen & ~WAITERS : 0;
}
