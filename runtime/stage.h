/*
 * stage.h - between who submits or asks and the clerk (clerk.h): a slot of the table, handed over and given back.
 *
 *   submitter                          word                       clerk
 *   fills the slot                     FILLING, its own
 *   stage_put(), stage_ring()          STORING, its own
 *                                      STORING | TAKEN            is about it: writes it to the store
 *   stage_await()                      READY, DELAYED             accepted, and stays in the table
 *                                      FILLING | TAKEN, its own   `verdict` says what came of it; the submitter reads it
 *                                                                 and frees the slot
 *
 * A submitter that does not want to wait any longer takes the slot back, unless the clerk is about it: then it leaves it
 * to the clerk (owner JOB_NOBODY). So does the sweep for one that was killed. Marks tell the clerk which slots to look at; one
 * that is lost with a killed process is set again by the sweep. A clerk that is killed leaves all slots as they are, for
 * the next one.
 */
#ifndef YM_RUNTIME_STAGE_H
#define YM_RUNTIME_STAGE_H

#include "instance.h"

/* What a STORING slot is: a new job, or a question (enum store_ask, from STAGE_ASK on). */
enum stage_ask { STAGE_SUBMIT, STAGE_ASK };

/* What came of it: the first ones are enum store_verdict. */
enum stage_verdict {
	STAGE_OK,     /* stored; it is not in the table */
	STAGE_EXISTS, /* `other` of the slot has its unique key */
	STAGE_NONE,
	STAGE_HELD,
	STAGE_CANNOT,
	STAGE_REFUSED, /* `error` and `refusal` say why; nothing is stored */
};

/* How the clerk sleeps. */
enum stage_sleep {
	STAGE_AWAKE,
	STAGE_ASLEEP,   /* until there is anything */
	STAGE_LINGERING /* for a moment, unless somebody waits */
};

/* Let the clerk look at the slot; and wake it. `urgent`: somebody waits for it. */
void stage_mark(struct table_sh *table, uint32_t slot);
void stage_ring(struct table_sh *table, bool urgent);

/* For a job whose word has changed: tell the clerk if it is stored. */
static inline void stage_tell(struct table_sh *table, uint32_t slot, uint64_t word)
{
	if (!(word_flags(word) & JOB_STORED))
		return;
	stage_mark(table, slot);
	stage_ring(table, false);
}

/* Hand a slot of ours (FILLING, filled) over; *word is its new word. False: it is not ours any more. Ring afterwards. */
bool stage_put(struct table_sh *table, uint32_t slot, uint64_t *word, unsigned attempt, unsigned flags);

enum stage_end {
	STAGE_LEFT,      /* accepted, it goes its way */
	STAGE_ANSWERED,  /* ours again: read it, then dispatch_free() with *word */
	STAGE_WITHDRAWN, /* the deadline passed; ours again, nothing was done */
	STAGE_ABANDONED, /* the deadline passed; the clerk is about it, or was when it was killed */
	STAGE_LOST,      /* the instance is gone */
};
/* Wait for what comes of it, and do not touch it. False: the deadline has passed. */
bool stage_watch(struct instance *instance, uint32_t slot, uint64_t *word, uint64_t deadline, enum stage_end *end);
/* Wait, or take it back. *word is its last word. */
enum stage_end stage_await(struct instance *instance, uint32_t slot, uint64_t *word, uint64_t deadline);

/* Is there no answer yet? */
bool stage_open(const struct table_sh *table, uint32_t slot, uint64_t word);

/* Take it back at once: true, it is ours again (free it); false: the clerk is about it, or has answered. */
bool stage_withdraw(struct table_sh *table, uint32_t slot, uint64_t *word);

/* Nobody waits for the answer any more: the slot is the clerk's to free. */
void stage_leave(struct instance *instance, uint32_t slot, uint64_t word);

/* err for a wait that ended without an answer. */
int stage_fail(const struct instance *instance, enum stage_end end, struct ym_err *err);

/* How long to wait for the clerk at least: a commit is a matter of milliseconds, a new master one of seconds. */
#define STAGE_PATIENCE_MS 10000

/* ---- the clerk's side */

/* Give the slot back to its submitter, or free it if there is none any more. The clerk has written the answer. */
void stage_answer(struct instance *instance, uint32_t slot, uint64_t word);

#endif
