/* test_cron.c - a cron section and its jobs in a real table; the time is what the test says it is. */
#include "../../runtime/cron.h"

#include "yard.h"

/* 2024-03-04T00:00Z, a Monday. It must be past: jobs are not for times to come. */
#define MONDAY INT64_C(1709510400)
#define HOUR   INT64_C(3600)
#define DAY    INT64_C(86400)

#define TEXT(literal) ((char *)(uintptr_t)(literal))

static char why[CFG_WHY_MAX];
static struct zone *utc;
static struct cron cron;
static struct cfg_cron section;
static bool changed;

static void begin(void)
{
	begin_yard();
	utc = zone_open("UTC", MONDAY, why);
	ck_assert_ptr_nonnull(utc);
	section = (struct cfg_cron){.name = "night",
	                            .pool = TEXT("work"),
	                            .schedule = TEXT("0 * * * *"),
	                            .payload = TEXT("sweep up"),
	                            .catch_up_max_ms = 7 * DAY * 1000,
	                            .priority = -1};
}

static void end(void)
{
	cron_free(&cron);
	zone_close(utc);
	end_yard();
}

static void init(const char *schedule)
{
	section.schedule = strdup(schedule);
	cron_free(&cron);
	ASSERT_OK(cron_init(&cron, &section, utc, MONDAY, &err));
	free(section.schedule);
}

/* Look at a time; the next look is wanted at. */
static int64_t look_ms(int64_t now_ms)
{
	changed = false;
	return cron_look(&cron, &yard, now_ms, &changed);
}

static int64_t look(int64_t now)
{
	int64_t next = look_ms(now * 1000);

	ck_assert(next == CRON_NEVER || next % 1000 == 0);
	return next == CRON_NEVER ? next : next / 1000;
}

static unsigned jobs(void)
{
	return slots_in(JOB_READY) + slots_in(JOB_DELAYED);
}

/* The next job is for this time, and is done now. */
static void run_job_of(int64_t time)
{
	struct job_ref ref;
	uint64_t word;

	ck_assert_msg(try_claim(&ref, &word), "there is no job");
	ck_assert_int_eq(job_of(ref)->at_ms, time * 1000);
	finish(ref, word, STORY_DONE);
}

static void no_job(void)
{
	ck_assert_uint_eq(jobs(), 0);
}

/* ---- what a job looks like ------------------------------------------------------------------- */

START_TEST(job)
{
	struct job_ref ref;
	struct job_sh *made;
	uint64_t word;

	init("0 * * * *");
	ck_assert_int_eq(look(MONDAY), MONDAY + HOUR);
	ck_assert_int_eq(look_ms((MONDAY + HOUR) * 1000 - 1), (MONDAY + HOUR) * 1000);
	ck_assert(!changed);
	no_job();
	ck_assert_int_eq(look(MONDAY + HOUR), MONDAY + 2 * HOUR);
	ck_assert(changed);
	ck_assert_int_eq(cron.last, MONDAY + HOUR);
	ck_assert(try_claim(&ref, &word));
	made = job_of(ref);
	ck_assert_str_eq((char *)made->payload, "sweep up");
	ck_assert_str_eq(made->tag, "night");
	ck_assert_str_eq(made->unique, "cron:night");
	ck_assert_int_eq(made->level, 5);
	ck_assert_int_eq(made->at_ms, (MONDAY + HOUR) * 1000);
	no_job();
}
END_TEST

START_TEST(job_as_configured)
{
	struct job_ref ref;
	uint64_t word;

	add_pool("other");
	section.pool = TEXT("other");
	section.tag = TEXT("mark");
	section.priority = 2;
	section.overlap = CFG_OVERLAP_QUEUE;
	init("@every 30s");
	ck_assert_int_eq(look(MONDAY), MONDAY + 30);
	ck_assert_int_eq(look(MONDAY + 30), MONDAY + 60);
	ck_assert(!try_claim(&ref, &word));
	pool = 1;
	ck_assert(try_claim(&ref, &word));
	ck_assert_str_eq(job_of(ref)->tag, "mark");
	ck_assert_int_eq(job_of(ref)->level, 2);
	ck_assert_str_eq(job_of(ref)->unique, "cron:night:1709510430");
}
END_TEST

START_TEST(wrong_schedule)
{
	section.schedule = TEXT("0 0 31 2 *");
	ASSERT_ERR(cron_init(&cron, &section, utc, MONDAY, &err), YM_ERR_CONFIG);
	ASSERT_IN("[cron:night]: schedule = 0 0 31 2 *: never happens", err.text);
}
END_TEST

START_TEST(same_schedule)
{
	section.timezone = TEXT("UTC");
	init("@daily");
	ck_assert(cron_same_schedule(&cron, "@daily", "UTC"));
	ck_assert(!cron_same_schedule(&cron, "@weekly", "UTC"));
	ck_assert(!cron_same_schedule(&cron, "@daily", "Asia/Baku"));
	ck_assert(!cron_same_schedule(&cron, "@daily", NULL));
	section.timezone = NULL;
	init("@daily");
	ck_assert(cron_same_schedule(&cron, "@daily", NULL));
	ck_assert(!cron_same_schedule(&cron, "@daily", "UTC"));
}
END_TEST

/* ---- overlap --------------------------------------------------------------------------------- */

static void begin_overlap(enum cfg_overlap overlap)
{
	section.overlap = overlap;
	init("0 * * * *");
	look(MONDAY + HOUR);
	ck_assert_uint_eq(jobs(), 1);
}

START_TEST(skip_while_waiting)
{
	begin_overlap(CFG_OVERLAP_SKIP);
	ck_assert_int_eq(look(MONDAY + 2 * HOUR), MONDAY + 3 * HOUR);
	ck_assert(changed);
	ck_assert_uint_eq(jobs(), 1);
	run_job_of(MONDAY + HOUR);
	look(MONDAY + 2 * HOUR + 60);
	no_job();
	look(MONDAY + 3 * HOUR);
	run_job_of(MONDAY + 3 * HOUR);
}
END_TEST

/* Running, and waiting for its next try, are not over either. */
START_TEST(skip_while_running)
{
	struct job_ref ref;
	uint64_t word;

	begin_overlap(CFG_OVERLAP_SKIP);
	ck_assert(try_claim(&ref, &word));
	look(MONDAY + 2 * HOUR);
	no_job();
	ck_assert_int_eq(finish(ref, word, STORY_RETRY), JOB_DELAYED);
	look(MONDAY + 3 * HOUR);
	ck_assert_uint_eq(jobs(), 1);
	ck_assert_int_eq(dispatch_delete(&yard, ref, &err), 0);
	look(MONDAY + 4 * HOUR);
	run_job_of(MONDAY + 4 * HOUR);
}
END_TEST

START_TEST(queue)
{
	begin_overlap(CFG_OVERLAP_QUEUE);
	look(MONDAY + 2 * HOUR);
	look(MONDAY + 3 * HOUR);
	ck_assert_uint_eq(jobs(), 3);
	run_job_of(MONDAY + HOUR);
	run_job_of(MONDAY + 2 * HOUR);
	run_job_of(MONDAY + 3 * HOUR);
}
END_TEST

START_TEST(cancel)
{
	struct job_ref ref, other = submit_unique("cron:nightly:1");
	uint64_t word;

	claim_this(other);
	begin_overlap(CFG_OVERLAP_CANCEL);
	look(MONDAY + 2 * HOUR);
	ck_assert_uint_eq(slots_in(JOB_CANCELLED), 1);
	ck_assert_uint_eq(jobs(), 1);
	ck_assert(try_claim(&ref, &word));
	ck_assert_int_eq(job_of(ref)->at_ms, (MONDAY + 2 * HOUR) * 1000);
	look(MONDAY + 3 * HOUR);
	ck_assert(word_flags(word_of(ref)) & JOB_CANCEL);
	ck_assert_uint_eq(jobs(), 1);
	/* Another section's, whose name begins alike, is not touched. */
	ck_assert(!(word_flags(word_of(other)) & JOB_CANCEL));
	ck_assert_uint_eq(slots_in(JOB_CANCELLED), 1);
}
END_TEST

/* The one that an earlier master has submitted, also under another policy. */
START_TEST(cancel_after_a_restart)
{
	begin_overlap(CFG_OVERLAP_SKIP);
	section.overlap = CFG_OVERLAP_CANCEL;
	init("0 * * * *");
	cron.last = MONDAY + HOUR;
	look(MONDAY + 2 * HOUR);
	ck_assert_uint_eq(slots_in(JOB_CANCELLED), 1);
	run_job_of(MONDAY + 2 * HOUR);
	no_job();
}
END_TEST

/* ---- missed ---------------------------------------------------------------------------------- */

static void begin_missed(enum cfg_catch_up catch_up, const char *schedule)
{
	section.catch_up = catch_up;
	section.overlap = CFG_OVERLAP_QUEUE;
	init(schedule);
}

START_TEST(none)
{
	begin_missed(CFG_CATCH_UP_NONE, "0 * * * *");
	ck_assert_int_eq(look(MONDAY + 10 * HOUR + 61), MONDAY + 11 * HOUR);
	ck_assert(changed);
	ck_assert_int_eq(cron.last, MONDAY + 10 * HOUR);
	no_job();
	ck_assert_int_eq(look(MONDAY + 10 * HOUR + 62), MONDAY + 11 * HOUR);
	ck_assert(!changed);
	/* Up to a minute late is in time. */
	ck_assert_int_eq(look(MONDAY + 12 * HOUR + 60), MONDAY + 13 * HOUR);
	run_job_of(MONDAY + 12 * HOUR);
	no_job();
}
END_TEST

START_TEST(one)
{
	begin_missed(CFG_CATCH_UP_ONE, "0 * * * *");
	ck_assert_int_eq(look(MONDAY + 10 * HOUR + 61), MONDAY + 11 * HOUR);
	run_job_of(MONDAY + 10 * HOUR);
	no_job();
	ck_assert_int_eq(look(MONDAY + 20 * HOUR), MONDAY + 21 * HOUR);
	run_job_of(MONDAY + 20 * HOUR);
	no_job();
}
END_TEST

START_TEST(all)
{
	begin_missed(CFG_CATCH_UP_ALL, "0 * * * *");
	ck_assert_int_eq(look(MONDAY + 10 * HOUR + 61), MONDAY + 11 * HOUR);
	for (int i = 1; i <= 10; i++)
		run_job_of(MONDAY + i * HOUR);
	no_job();
}
END_TEST

/* ... but not what is too old. */
START_TEST(catch_up_max)
{
	section.catch_up_max_ms = 3 * HOUR * 1000;
	begin_missed(CFG_CATCH_UP_ALL, "0 * * * *");
	look(MONDAY + 10 * HOUR + 1);
	for (int i = 8; i <= 10; i++)
		run_job_of(MONDAY + i * HOUR);
	no_job();
	begin_missed(CFG_CATCH_UP_ALL, "0 * * * *");
	look(MONDAY + 10 * HOUR);
	for (int i = 7; i <= 10; i++)
		run_job_of(MONDAY + i * HOUR);
	no_job();
	begin_missed(CFG_CATCH_UP_ALL, "@every 700s");
	look(MONDAY + 10 * HOUR + 100);
	for (int i = 37; i <= 51; i++)
		run_job_of(MONDAY + i * 700);
	no_job();
	begin_missed(CFG_CATCH_UP_ONE, "@daily");
	look(MONDAY + DAY + 4 * HOUR);
	no_job();
	begin_missed(CFG_CATCH_UP_ALL, "@daily");
	ck_assert_int_eq(look(MONDAY + DAY + 4 * HOUR), MONDAY + 2 * DAY);
	ck_assert_int_eq(cron.last, MONDAY + DAY);
	no_job();
	/* What is in time is not missed, however small that is. */
	section.catch_up_max_ms = 0;
	for (int policy = CFG_CATCH_UP_NONE; policy <= CFG_CATCH_UP_ALL; policy++) {
		begin_missed((enum cfg_catch_up)policy, "0 * * * *");
		look(MONDAY + 2 * HOUR + 5);
		run_job_of(MONDAY + 2 * HOUR);
		no_job();
	}
}
END_TEST

/* Half a century of seconds. */
START_TEST(long_absence)
{
	begin_missed(CFG_CATCH_UP_ONE, "@every 1s");
	cron.last = MONDAY - 50 * 366 * DAY;
	ck_assert_int_eq(look(MONDAY), MONDAY + 1);
	run_job_of(MONDAY);
	no_job();
	section.catch_up_max_ms = 3000;
	begin_missed(CFG_CATCH_UP_ALL, "* * * * *");
	cron.last = MONDAY - 50 * 366 * DAY;
	look(MONDAY);
	run_job_of(MONDAY);
	no_job();
}
END_TEST

START_TEST(every_keeps_its_pace)
{
	begin_missed(CFG_CATCH_UP_NONE, "@every 7m");
	ck_assert_int_eq(look(MONDAY + 421), MONDAY + 840);
	run_job_of(MONDAY + 420);
	ck_assert_int_eq(look(MONDAY + DAY + 200), MONDAY + 207 * 420);
	no_job();
}
END_TEST

/* ---- a clock that is set --------------------------------------------------------------------- */

START_TEST(set_back)
{
	begin_missed(CFG_CATCH_UP_ALL, "0 * * * *");
	look(MONDAY + HOUR);
	look(MONDAY + 2 * HOUR);
	ck_assert_uint_eq(jobs(), 2);
	ck_assert_int_eq(look(MONDAY), MONDAY + 3 * HOUR);
	ck_assert_int_eq(look(MONDAY + HOUR), MONDAY + 3 * HOUR);
	ck_assert(!changed);
	ck_assert_int_eq(look(MONDAY + 2 * HOUR - DAY), MONDAY + 3 * HOUR);
	ck_assert_uint_eq(jobs(), 2);
	/* A clock that had been wrong by years does not stop us for years. */
	ck_assert_int_eq(look(MONDAY + 2 * HOUR - DAY - 1), MONDAY + 2 * HOUR - DAY);
	ck_assert(changed);
	ck_assert_uint_eq(jobs(), 2);
	look(MONDAY + 2 * HOUR - DAY);
	ck_assert_uint_eq(jobs(), 3);
}
END_TEST

START_TEST(set_back_every)
{
	begin_missed(CFG_CATCH_UP_ALL, "@every 60s");
	look(MONDAY + 60);
	ck_assert_int_eq(look(MONDAY + 60), MONDAY + 120);
	ck_assert(!changed);
	ck_assert_int_eq(look(MONDAY + 59), MONDAY + 119);
	ck_assert(changed);
	ck_assert_int_eq(look(MONDAY - DAY), MONDAY - DAY + 60);
	ck_assert_uint_eq(jobs(), 1);
}
END_TEST

/* A job that waits for its jitter waits no longer than that. */
START_TEST(set_back_while_owed)
{
	section.jitter_ms = 60000;
	begin_missed(CFG_CATCH_UP_NONE, "0 * * * *");
	while (look_ms((MONDAY + HOUR) * 1000) == (MONDAY + 2 * HOUR) * 1000)
		init("0 * * * *");
	ck_assert_int_ne(cron.owed, 0);
	ck_assert_int_eq(look(MONDAY + HOUR - 10 * DAY), MONDAY + HOUR - 10 * DAY + HOUR);
	ck_assert_int_eq(cron.owed, 0);
}
END_TEST

/* ---- jitter ---------------------------------------------------------------------------------- */

START_TEST(jitter)
{
	int64_t least = INT64_MAX, most = 0;

	section.overlap = CFG_OVERLAP_QUEUE;
	section.jitter_ms = 600000;
	for (int i = 0; i < 200; i++) {
		int64_t due = (MONDAY + HOUR) * 1000, at;

		init("0 * * * *");
		at = look_ms(due);
		/* Not a moment later: this one has drawn 0. */
		if (at == due + HOUR * 1000) {
			run_job_of(MONDAY + HOUR);
			at = due;
		} else {
			no_job();
			ck_assert(!changed);
			ck_assert_int_eq(look_ms(at - 1), at);
			no_job();
			ck_assert_int_eq(look_ms(at), due + HOUR * 1000);
			run_job_of(MONDAY + HOUR);
		}
		ck_assert_int_le(at, due + 600000);
		ck_assert_int_ge(at, due);
		least = at - due < least ? at - due : least;
		most = at - due > most ? at - due : most;
	}
	ck_assert_int_lt(least, 60000);
	ck_assert_int_gt(most, 540000);
}
END_TEST

/* Never so late that the next one comes first; and what comes late anyhow waits no longer. */
START_TEST(jitter_has_bounds)
{
	section.overlap = CFG_OVERLAP_QUEUE;
	section.jitter_ms = HOUR * 1000;
	for (int i = 0; i < 100; i++) {
		init("@every 5s");
		ck_assert_int_le(look_ms((MONDAY + 5) * 1000), (MONDAY + 10) * 1000);
		look_ms((MONDAY + 9) * 1000);
		run_job_of(MONDAY + 5);
	}
	init("@every 1s");
	look(MONDAY + 1);
	run_job_of(MONDAY + 1);
	section.catch_up = CFG_CATCH_UP_ONE;
	init("@daily");
	look(MONDAY + DAY + 2 * HOUR);
	run_job_of(MONDAY + DAY);
}
END_TEST

/* ---- no room --------------------------------------------------------------------------------- */

static void fill_table(struct job_ref *refs)
{
	for (uint32_t i = 0; i < yard.table->slots; i++)
		refs[i] = submit("filler");
}

START_TEST(full_table)
{
	struct job_ref refs[16];

	ck_assert_uint_eq(yard.table->slots, COUNT(refs));
	section.overlap = CFG_OVERLAP_QUEUE;
	init("0 * * * *");
	fill_table(refs);
	ck_assert_int_eq(look(MONDAY + HOUR), MONDAY + HOUR + 1);
	ck_assert(!changed);
	ck_assert_int_eq(look(MONDAY + HOUR + 1), MONDAY + HOUR + 2);
	/* It is not lost, however late that becomes; of those that come meanwhile the policy decides (none). */
	ck_assert_int_eq(look(MONDAY + 5 * HOUR - 1), MONDAY + 5 * HOUR);
	ck_assert_int_eq(dispatch_cancel(&yard, refs[0], &err), 0);
	ck_assert_int_eq(look(MONDAY + 5 * HOUR + 100), MONDAY + 6 * HOUR);
	ck_assert(changed);
	ck_assert_int_eq(cron.last, MONDAY + 5 * HOUR);
	for (size_t i = 1; i < COUNT(refs); i++)
		run_job(refs[i], STORY_DONE);
	run_job_of(MONDAY + HOUR);
	no_job();
}
END_TEST

START_TEST(pool_that_drains)
{
	init("0 * * * *");
	dispatch_mode(&yard, pool, POOL_DRAINING, 0);
	ck_assert_int_eq(look(MONDAY + HOUR), MONDAY + HOUR + 1);
	dispatch_mode(&yard, pool, 0, POOL_DRAINING);
	ck_assert_int_eq(look(MONDAY + HOUR + 1), MONDAY + 2 * HOUR);
	run_job_of(MONDAY + HOUR);
}
END_TEST

START_TEST(no_pool)
{
	section.pool = TEXT("play");
	init("0 * * * *");
	ck_assert_int_eq(look(MONDAY + HOUR), MONDAY + HOUR + 1);
	add_pool("play");
	pool = 1;
	ck_assert_int_eq(look(MONDAY + HOUR + 1), MONDAY + 2 * HOUR);
	run_job_of(MONDAY + HOUR);
}
END_TEST

/* Who asks for what cannot be is told, and does not hold up the rest. */
START_TEST(refused_for_good)
{
	section.tag = TEXT("0123456789012345678901234567890123456789012345678");
	init("0 * * * *");
	ck_assert_int_eq(look(MONDAY + HOUR), MONDAY + 2 * HOUR);
	ck_assert(changed);
	no_job();
}
END_TEST

/* Somebody has the lock of the lists, and is stopped: the master goes on. */
static void hold_lists(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	index_lock(&mine);
	tell_step();
	sleep_for_ever();
}

START_TEST(stopped_submitter)
{
	pid_t child = spawn(hold_lists, NULL);

	await_step();
	init("0 * * * *");
	ck_assert_int_eq(look(MONDAY + HOUR), MONDAY + HOUR + 1);
	no_job();
	kill_and_reap(child);
	run_sweep();
	ck_assert_int_eq(look(MONDAY + HOUR + 1), MONDAY + 2 * HOUR);
	run_job_of(MONDAY + HOUR);
}
END_TEST

/* Others have their turn after a hundred. */
START_TEST(burst)
{
	section.catch_up = CFG_CATCH_UP_ALL;
	section.overlap = CFG_OVERLAP_SKIP;
	init("* * * * *");
	ck_assert_int_eq(look(MONDAY + 150 * 60), MONDAY + 150 * 60);
	ck_assert_int_eq(cron.last, MONDAY + CRON_BURST * 60);
	ck_assert_int_eq(look(MONDAY + 150 * 60), MONDAY + 151 * 60);
	ck_assert_uint_eq(jobs(), 1);
}
END_TEST

/* ---- a master that died ---------------------------------------------------------------------- */

/* It had submitted, but not noted it. */
static void lose_note(void)
{
	int64_t last = cron.last;

	look(last + HOUR);
	ck_assert_int_eq(cron.last, last + HOUR);
	cron.last = last;
}

static const struct {
	enum cfg_overlap overlap;
	bool done;
} notes[] = {
    {CFG_OVERLAP_SKIP, false}, {CFG_OVERLAP_SKIP, true},    {CFG_OVERLAP_QUEUE, false},
    {CFG_OVERLAP_QUEUE, true}, {CFG_OVERLAP_CANCEL, false}, {CFG_OVERLAP_CANCEL, true},
};

START_TEST(lost_note)
{
	struct cron two[2];

	section.overlap = notes[_i].overlap;
	init("0 * * * *");
	lose_note();
	if (notes[_i].done)
		run_job_of(MONDAY + HOUR);
	memcpy(section.name, "nigh", 5);
	two[1] = cron;
	section.schedule = TEXT("0 * * * *");
	ASSERT_OK(cron_init(&two[0], &section, utc, MONDAY, &err));
	ck_assert(cron_find(two, 2, &yard));
	ck_assert_int_eq(two[1].last, MONDAY + HOUR);
	ck_assert_int_eq(two[0].last, MONDAY);
	ck_assert(!cron_find(two, 2, &yard));
	cron = two[1];
	ck_assert_int_eq(look(MONDAY + HOUR + 1), MONDAY + 2 * HOUR);
	ck_assert_uint_eq(jobs(), notes[_i].done ? 0 : 1);
	cron_free(&two[0]);
}
END_TEST

/* Also without a look at the table: a live one is the only one. */
START_TEST(lost_note_unseen)
{
	for (int overlap = CFG_OVERLAP_SKIP; overlap <= CFG_OVERLAP_CANCEL; overlap++) {
		section.overlap = (enum cfg_overlap)overlap;
		init("0 * * * *");
		lose_note();
		look(MONDAY + HOUR);
		run_job_of(MONDAY + HOUR);
		no_job();
	}
}
END_TEST

/* What is filled, but never accepted, becomes free again: it is no proof. */
START_TEST(free_slot_says_nothing)
{
	struct job_ref ref;

	init("0 * * * *");
	lose_note();
	ref = (struct job_ref){1, 0, word_gen(atomic_load(&yard.table->words[0]))};
	ck_assert_int_eq(dispatch_delete(&yard, ref, &err), 0);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	ck_assert(!cron_find(&cron, 1, &yard));
	look(MONDAY + HOUR + 1);
	run_job_of(MONDAY + HOUR);
}
END_TEST

START_TEST(goes_on_after_a_reload)
{
	struct cron before;
	struct job_ref refs[16];

	section.overlap = CFG_OVERLAP_CANCEL;
	init("0 * * * *");
	look(MONDAY + HOUR);
	refs[0] = submit("x");
	for (size_t i = 1; i < 15; i++)
		refs[i] = submit("x");
	look(MONDAY + 2 * HOUR);
	ck_assert_int_eq(cron.owed, MONDAY + 2 * HOUR);
	before = cron;
	cron = (struct cron){0};
	section.payload = TEXT("new");
	init("0 * * * *");
	cron_continue(&cron, &before);
	cron_free(&before);
	ck_assert_int_eq(cron.last, MONDAY + HOUR);
	ck_assert_int_eq(dispatch_delete(&yard, refs[0], &err), 0);
	look(MONDAY + 2 * HOUR + 100);
	ck_assert_int_eq(cron.last, MONDAY + 2 * HOUR);
	ck_assert_uint_eq(slots_in(JOB_CANCELLED), 1);
	for (size_t i = 1; i < 15; i++)
		run_job(refs[i], STORY_DONE);
	ck_assert_str_eq((char *)job_of(cron.job)->payload, "new");
	run_job_of(MONDAY + 2 * HOUR);
}
END_TEST

static TCase *add(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("cron");
	TCase *made = add(suite, "job"), *overlap = add(suite, "overlap"), *missed = add(suite, "missed");
	TCase *clock = add(suite, "clock"), *room = add(suite, "room"), *death = add(suite, "death");

	tcase_add_test(made, job);
	tcase_add_test(made, job_as_configured);
	tcase_add_test(made, wrong_schedule);
	tcase_add_test(made, same_schedule);
	tcase_add_test(overlap, skip_while_waiting);
	tcase_add_test(overlap, skip_while_running);
	tcase_add_test(overlap, queue);
	tcase_add_test(overlap, cancel);
	tcase_add_test(overlap, cancel_after_a_restart);
	tcase_add_test(missed, none);
	tcase_add_test(missed, one);
	tcase_add_test(missed, all);
	tcase_add_test(missed, catch_up_max);
	tcase_add_test(missed, long_absence);
	tcase_add_test(missed, every_keeps_its_pace);
	tcase_add_test(clock, set_back);
	tcase_add_test(clock, set_back_every);
	tcase_add_test(clock, set_back_while_owed);
	tcase_add_test(clock, jitter);
	tcase_add_test(clock, jitter_has_bounds);
	tcase_add_test(room, full_table);
	tcase_add_test(room, pool_that_drains);
	tcase_add_test(room, no_pool);
	tcase_add_test(room, refused_for_good);
	tcase_add_test(room, stopped_submitter);
	tcase_add_test(room, burst);
	tcase_add_loop_test(death, lost_note, 0, COUNT(notes));
	tcase_add_test(death, lost_note_unseen);
	tcase_add_test(death, free_slot_says_nothing);
	tcase_add_test(death, goes_on_after_a_reload);
	return run_suite(suite);
}
