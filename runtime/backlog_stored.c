/* backlog_stored.c - unfinished jobs of an earlier run go into the store. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "backlog_self.h"
#include "mailbox.h"
#include "stage.h"

/* With one commit. */
#define TOGETHER 128
#define NAP_NS   500000

struct one {
	struct backlog_job record;
	struct submit_pending pending;
	long at; /* of the record in the file */
};

struct load {
	struct instance *instance;
	FILE *file;
	struct backlog_result *result;
	uint64_t deadline;
	size_t n;
	struct one ones[TOGETHER];
};

static bool note(FILE *file, struct one *one, enum backlog_taken taken)
{
	one->record.taken = taken;
	return pwrite(fileno(file), &one->record, sizeof(one->record), one->at) == (ssize_t)sizeof(one->record);
}

/* ---- ids that were given before -------------------------------------------------------------- */

void backlog_raise_given(struct table_sh *table, const char *path)
{
	FILE *file = fopen(path, "re");
	struct backlog_head head;
	struct backlog_job record;

	if (!file)
		return;
	if (fread(&head, sizeof(head), 1, file) == 1 && head.magic == BACKLOG_MAGIC)
		while (fread(&record, sizeof(record), 1, file) == 1) {
			if (record.taken == BACKLOG_GIVEN)
				backlog_raise_id(table, record.id);
			if (record.size > INT64_MAX || fseeko(file, (off_t)record.size, SEEK_CUR) < 0)
				break;
		}
	fclose(file);
}

/* Who gave it up, or was killed, may have left it on its way. */
static bool is_staged(const struct table_sh *table, uint64_t id)
{
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		const struct job_sh *job = table_job_const(table, slot);

		if (word_state(atomic_load(&table->words[slot])) == JOB_STORING && job->ask == STAGE_SUBMIT &&
		    job->id == id)
			return true;
	}
	return false;
}

/* 1 the store has it, 0 it has not, -1 it does not say. */
static int is_stored(struct load *load, const struct backlog_job *record)
{
	struct mailbox_look look;

	while (is_staged(load->instance->table, record->id)) {
		if (ym_now_ns() >= load->deadline)
			return ym_fail(&load->result->why, YM_ERR_TIMEOUT, "no answer from the store in time");
		ym_nap(NAP_NS);
	}
	if (mailbox_look(load->instance, record->id, load->deadline, &look, &load->result->why) < 0)
		return -1;
	if (look.verdict == STORE_OK && look.state == JOB_DONE)
		payload_close(&look.result);
	/* In another store, the id is another job's. */
	return look.verdict == STORE_OK && look.job.payload_size == record->size &&
	       strcmp(look.job.tag, record->tag) == 0 && strcmp(look.job.unique, record->unique) == 0;
}

/* ---- a batch --------------------------------------------------------------------------------- */

/* What became of it. */
static bool end_one(struct load *load, struct one *one)
{
	struct backlog_result *result = load->result;
	struct job_ref ref;
	int end;

	do {
		end = submit_end(load->instance, &one->pending, ym_now_ns() >= load->deadline, &ref, &result->why);
		if (end == 2)
			ym_nap(NAP_NS);
	} while (end == 2);
	if (end == 0)
		result->loaded++;
	else if (end == 1)
		result->doubled++;
	else
		result->full++;
	/* Not stored, or it is not known: then the id tells later. */
	return end < 0 || note(load->file, one, end == 0 ? BACKLOG_TAKEN : BACKLOG_WAITS);
}

static bool end_batch(struct load *load)
{
	bool good = true;

	submit_go(load->instance);
	for (size_t i = 0; i < load->n; i++)
		good &= end_one(load, &load->ones[i]);
	load->n = 0;
	return good;
}

/* Under an id of its own, which is on the disk before the job is. */
static bool begin_one(struct load *load, struct backlog_job *record, long at, unsigned pool,
                      const struct payload_source *payload)
{
	struct one *one = &load->ones[load->n];
	struct job_request request;
	struct job_past past;

	record->id = atomic_fetch_add(&load->instance->table->next_id, 1);
	*one = (struct one){.record = *record, .at = at};
	if (!note(load->file, one, BACKLOG_GIVEN))
		return false;
	backlog_request(&one->record, pool, payload, &past, &request);
	if (submit_begin(load->instance, &request, &one->pending, &load->result->why) < 0) {
		load->result->full++;
		return note(load->file, one, BACKLOG_WAITS);
	}
	load->n++;
	return true;
}

/* False: the file cannot be written. */
static bool load_one(struct load *load, struct backlog_job *record, long at, const struct payload_source *payload)
{
	struct backlog_result *result = load->result;
	int pool = table_pool(load->instance->table, record->pool), stored = 0;
	struct one known = {.record = *record, .at = at};

	if (record->taken == BACKLOG_TAKEN)
		return true;
	/* The order of jobs is kept: behind one that is left, none is tried. */
	if (result->full || ym_now_ns() >= load->deadline) {
		result->full++;
		return true;
	}
	if (record->taken == BACKLOG_GIVEN)
		stored = is_stored(load, record);
	if (stored < 0) {
		result->full++;
		return true;
	}
	if (stored)
		return note(load->file, &known, BACKLOG_TAKEN);
	if (pool < 0) {
		result->unknown++;
		return record->taken == BACKLOG_WAITS || note(load->file, &known, BACKLOG_WAITS);
	}
	if (load->n == TOGETHER && !end_batch(load))
		return false;
	return begin_one(load, record, at, (unsigned)pool, payload);
}

static bool load_all(struct load *load)
{
	struct backlog_head head;

	if (fread(&head, sizeof(head), 1, load->file) != 1 || head.magic != BACKLOG_MAGIC)
		return false;
	for (uint64_t i = 0; i < head.jobs; i++) {
		char buffer[JOB_PAYLOAD_MAX];
		struct payload_source payload;
		struct backlog_job record;
		long at = ftell(load->file);
		off_t next = 0;
		bool good = at >= 0 && backlog_read(load->file, &record, &payload, buffer, &next);

		good = good && load_one(load, &record, at, &payload);
		/* Long bytes were read, or passed over, without the stream knowing of it. */
		if (!good || (!payload.data && fseeko(load->file, next, SEEK_SET) < 0))
			return false;
	}
	return true;
}

bool backlog_store(struct instance *instance, FILE *file, uint64_t deadline, struct backlog_result *result)
{
	struct load *load = calloc(1, sizeof(*load));
	bool good;

	if (!load)
		return false;
	load->instance = instance;
	load->file = file;
	load->result = result;
	load->deadline = deadline;
	good = load_all(load);
	good &= end_batch(load);
	free(load);
	return good;
}
