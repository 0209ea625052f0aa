/* lock.c - spin a little, sleep, ask whether the holder lives. */
#include "lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ipc/sys.h"

#define WAITERS UINT32_C(0x80000000)

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

static bool take_if_free(struct lock_sh *lock, uint32_t mine)
{
	uint32_t nobody = 0;

	return atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
	       atomic_compare_exchange_strong_explicit(&lock->word, &nobody, mine, memory_order_acquire,
	                                               memory_order_relaxed);
}

/* False when it slept until its patience was at an end. */
static bool sleep_on(struct lock_sh *lock, uint32_t seen)
{
	uint64_t until = ym_now_ns() + PATIENCE_NS;
	struct timespec deadline = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};

	return syscall(SYS_futex, &lock->word, FUTEX_WAIT_BITSET, seen, &deadline, NULL, FUTEX_BITSET_MATCH_ANY) == 0 ||
	       errno != ETIMEDOUT;
}

static bool holder_is_dead(const struct ym_group *group, uint32_t word, uint64_t since)
{
	int alive =
	    ym_sys.semctl(group->semid, (int)YM_GROUP_ALIVE((word & ~WAITERS) - 1), GETVAL, (union ym_semun){0});

	return alive < 0 ? ym_now_ns() > since + ORPHAN_NS : alive == 0;
}

static bool take_slowly(struct lock_sh *lock, const struct ym_group *group, uint32_t mine)
{
	uint64_t since = ym_now_ns();

	for (;;) {
		uint32_t seen = atomic_load(&lock->word);

		/* With the flag: others may sleep on, and only who has the lock can wake them. */
		if (seen == 0) {
			if (take_if_free(lock, mine | WAITERS))
				return false;
			continue;
		}
		if (!(seen & WAITERS)) {
			if (!atomic_compare_exchange_strong(&lock->word, &seen, seen | WAITERS))
				continue;
			seen |= WAITERS;
		}
		if (sleep_on(lock, seen) || !holder_is_dead(group, seen, since))
			continue;
		if (atomic_compare_exchange_strong(&lock->word, &seen, mine | WAITERS)) {
			atomic_fetch_add(&lock->broken, 1);
			return true;
		}
	}
}

bool lock_take(struct lock_sh *lock, const struct ym_group *group)
{
	uint32_t mine = group->slot + 1;

	for (int i = 0; i < SPINS; i++) {
		if (take_if_free(lock, mine))
			return false;
		relax();
	}
	return take_slowly(lock, group, mine);
}

void lock_give(struct lock_sh *lock)
{
	if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) & WAITERS)
		syscall(SYS_futex, &lock->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool lock_take_from(struct lock_sh *lock, const struct ym_group *group, unsigned slot)
{
	uint32_t seen = atomic_load(&lock->word);

	while ((seen & ~WAITERS) == slot + 1)
		if (atomic_compare_exchange_strong(&lock->word, &seen, (group->slot + 1) | WAITERS)) {
			atomic_fetch_add(&lock->broken, 1);
			return true;
		}
	return false;
}
