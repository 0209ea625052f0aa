/* slot.c - take, clear. */
#include "slot.h"

#include <string.h>

#include "../ipc/sys.h"
#include "payload.h"

int64_t slot_take(struct instance *instance, uint64_t deadline, uint64_t *word, struct ym_err *err)
{
	struct table_sh *table = instance->table;
	int64_t slot = table_take(table, instance->group.slot, word);

	while (slot < 0 && ym_now_ns() < deadline) {
		/* At most a second at once: a waker may have been killed between giving the slot and waking. */
		uint64_t nap = ym_deadline(1000);

		if (instance_gone(instance, err))
			return -1;
		table_want_space(table);
		slot = table_take(table, instance->group.slot, word);
		if (slot < 0)
			table_sleep_for_space(table, nap < deadline ? nap : deadline);
	}
	if (slot < 0)
		ym_fail(err, YM_ERR_FULL,
		        "the job table is full (%u jobs): wait, or raise `jobs` in [yardmaster] and start anew",
		        table->slots);
	return slot;
}

int slot_clear(struct instance *instance, uint32_t slot, struct ym_err *err)
{
	struct job_sh *job = table_job(instance->table, slot);

	if (index_has_key(instance, slot)) {
		if (!index_take(instance))
			return index_fail(instance, err);
		index_drop_key(instance, slot);
		index_unlock(instance);
	}
	if (job->files)
		payload_discard(instance->directory, job, slot);
	memset(job, 0, offsetof(struct job_sh, payload));
	return 0;
}
