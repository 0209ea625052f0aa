/* test_segment.c - segments that are ours, and all kinds that are not. */
#include <sys/shm.h>

#include "../../ipc/segment.h"
#include "support.h"

#define SIZE    8192
#define VERSION 3
#define SEMID   77
#define NONCE   UINT64_C(0x1122334455667788)

static int id;
static key_t key;
static struct ym_seg_head_sh *head;

/* Each test starts with a good segment. */
static void begin_segment(void)
{
	void *addr;

	begin_test();
	key = fresh_key();
	ASSERT_OK(ym_seg_create(key, SIZE, 0600, &id, &addr, &err));
	head = addr;
	ym_seg_publish(addr, "table", VERSION, SEMID, NONCE, SIZE, id);
}

static void end_segment(void)
{
	ym_seg_detach(head);
	ck_assert_int_eq(shmctl(id, IPC_RMID, NULL), 0);
	end_test();
}

static unsigned long attached(void)
{
	struct shmid_ds ds;

	ck_assert_int_eq(shmctl(id, IPC_STAT, &ds), 0);
	return ds.shm_nattch;
}

/* It must be refused with this class, and not stay attached. */
static void refused(enum ym_err_class class, const char *word)
{
	unsigned long before = attached();
	size_t size;
	void *addr;

	for (int readonly = 0; readonly <= 1; readonly++) {
		ASSERT_ERR(ym_seg_attach(id, "table", VERSION, SEMID, readonly, &addr, &size, &err), class);
		ASSERT_IN(word, err.text);
	}
	ck_assert_uint_eq(attached(), before);
}

START_TEST(the_head_says_what_was_published)
{
	struct shmid_ds ds;

	ck_assert_int_eq(shmctl(id, IPC_STAT, &ds), 0);
	ck_assert_uint_eq(ds.shm_segsz, SIZE);
	ck_assert_uint_eq(ds.shm_perm.mode & 0777, 0600);
	ck_assert_uint_eq(head->magic, YM_SEG_MAGIC);
	ck_assert_mem_eq(head, "YMSEG01", 8);
	ck_assert_uint_eq(head->version, VERSION);
	ck_assert_int_eq(head->semid, SEMID);
	ck_assert_uint_eq(head->nonce, NONCE);
	ck_assert_uint_eq(head->size, SIZE);
	ck_assert_int_eq(head->shmid, id);
	ck_assert_mem_eq(head->name, "table\0\0\0\0\0\0\0\0\0\0\0", 16);
	for (size_t i = sizeof(*head); i < SIZE; i++)
		ck_assert_int_eq(((char *)head)[i], 0);
}
END_TEST

START_TEST(attached_and_shared)
{
	size_t size = 0;
	void *addr;

	ASSERT_OK(ym_seg_attach(id, "table", VERSION, SEMID, false, &addr, &size, &err));
	ck_assert_uint_eq(size, SIZE);
	((char *)addr)[100] = 'x';
	ck_assert_int_eq(((char *)head)[100], 'x');
	ym_seg_detach(addr);
	/* Whoever looks at one object does not know the group's set. */
	ASSERT_OK(ym_seg_attach(id, "table", VERSION, -1, true, &addr, NULL, &err));
	ck_assert_int_eq(((char *)addr)[100], 'x');
	ym_seg_detach(addr);
	ym_seg_detach(NULL);
}
END_TEST

START_TEST(a_taken_key)
{
	void *addr;
	int other;

	ASSERT_ERR(ym_seg_create(key, SIZE, 0600, &other, &addr, &err), YM_ERR_FOREIGN);
	ck_assert_int_eq(err.sys, EEXIST);
	ck_assert_int_eq(ym_seg_create(fresh_key(), 0, 0600, &other, &addr, &err), -1);
}
END_TEST

START_TEST(no_magic)
{
	atomic_store(&head->magic, 0);
	refused(YM_ERR_FOREIGN, "magic");
	atomic_store(&head->magic, YM_SEG_MAGIC + 1);
	refused(YM_ERR_FOREIGN, "magic");
}
END_TEST

START_TEST(wrong_name)
{
	memcpy(head->name, "board", 6);
	refused(YM_ERR_FOREIGN, "\"board\"");
	memset(head->name, 'x', sizeof(head->name)); /* no end */
	refused(YM_ERR_FOREIGN, "xxx");
}
END_TEST

START_TEST(another_generation)
{
	head->semid = SEMID + 1;
	refused(YM_ERR_FOREIGN, "generation");
	head->semid = SEMID;
	head->shmid = id + 1;
	refused(YM_ERR_FOREIGN, "generation");
}
END_TEST

START_TEST(wrong_version)
{
	head->version = VERSION + 1;
	refused(YM_ERR_CORRUPT, "layout version 4");
}
END_TEST

START_TEST(a_size_that_is_a_lie)
{
	head->size = SIZE + 1;
	refused(YM_ERR_CORRUPT, "8193");
	head->size = UINT64_MAX;
	refused(YM_ERR_CORRUPT, "8192");
}
END_TEST

START_TEST(too_small_for_a_head)
{
	int small = shmget(fresh_key(), 63, IPC_CREAT | IPC_EXCL | 0600);
	void *addr;

	ck_assert_int_ge(small, 0);
	ASSERT_ERR(ym_seg_attach(small, "table", VERSION, SEMID, false, &addr, NULL, &err), YM_ERR_FOREIGN);
	ASSERT_IN("63 bytes", err.text);
	shmctl(small, IPC_RMID, NULL);
}
END_TEST

START_TEST(gone)
{
	void *addr;
	int other;

	ASSERT_OK(ym_seg_create(fresh_key(), SIZE, 0600, &other, &addr, &err));
	ym_seg_detach(addr);
	ck_assert_int_eq(shmctl(other, IPC_RMID, NULL), 0);
	ASSERT_ERR(ym_seg_attach(other, "table", VERSION, SEMID, false, &addr, NULL, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_seg_attach(-1, "table", VERSION, SEMID, false, &addr, NULL, &err), YM_ERR_GONE);
}
END_TEST

/* ---- other users ----------------------------------------------------------------------------- */

static void make_as_nobody(void *arg)
{
	void *addr;
	int foreign;

	become_nobody(NULL);
	ASSERT_OK(ym_seg_create(*(key_t *)arg, SIZE, 0666, &foreign, &addr, &err));
	ym_seg_publish(addr, "table", VERSION, SEMID, NONCE, SIZE, foreign);
}

START_TEST(made_by_another_user)
{
	key_t other = fresh_key();
	void *addr;
	int foreign;

	if (!have_nobody())
		return;
	run_child(make_as_nobody, &other);
	foreign = shmget(other, 0, 0);
	ASSERT_ERR(ym_seg_attach(foreign, "table", VERSION, SEMID, false, &addr, NULL, &err), YM_ERR_FOREIGN);
	ASSERT_IN("uid 65534", err.text);
	/* Looking is no risk. */
	ASSERT_OK(ym_seg_attach(foreign, "table", VERSION, SEMID, true, &addr, NULL, &err));
	ym_seg_detach(addr);
	shmctl(foreign, IPC_RMID, NULL);
}
END_TEST

static void attach_as_nobody(void *arg)
{
	void *addr;

	become_nobody(NULL);
	ASSERT_ERR(ym_seg_attach(*(int *)arg, "table", VERSION, SEMID, true, &addr, NULL, &err), YM_ERR_PERMISSION);
}

START_TEST(not_allowed_to_look)
{
	if (have_nobody())
		run_child(attach_as_nobody, &id);
}
END_TEST

/* ---- read-only ------------------------------------------------------------------------------- */

static void write_to_it(void *arg)
{
	void *addr;

	signal(SIGSEGV, SIG_DFL); /* a sanitizer would answer otherwise */
	ASSERT_OK(ym_seg_attach(id, "table", VERSION, SEMID, *(bool *)arg, &addr, NULL, &err));
	((volatile char *)addr)[100] = 'x';
}

START_TEST(readonly_means_it)
{
	bool readonly = false;
	int status;

	run_child(write_to_it, &readonly);
	ck_assert_int_eq(((char *)head)[100], 'x');
	((char *)head)[100] = 'y';
	readonly = true;
	status = reap(spawn(write_to_it, &readonly));
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	ck_assert_int_eq(((char *)head)[100], 'y');
}
END_TEST

START_TEST(prefault_changes_nothing)
{
	memset((char *)head + 64, 'z', SIZE - 64);
	ASSERT_OK(ym_seg_prefault(head, SIZE, &err));
	for (size_t i = 64; i < SIZE; i++)
		ck_assert_int_eq(((char *)head)[i], 'z');
	ck_assert_uint_eq(head->magic, YM_SEG_MAGIC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("segment");
	TCase *tcase = tcase_create("segment");

	tcase_add_checked_fixture(tcase, begin_segment, end_segment);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, the_head_says_what_was_published);
	tcase_add_test(tcase, attached_and_shared);
	tcase_add_test(tcase, a_taken_key);
	tcase_add_test(tcase, no_magic);
	tcase_add_test(tcase, wrong_name);
	tcase_add_test(tcase, another_generation);
	tcase_add_test(tcase, wrong_version);
	tcase_add_test(tcase, a_size_that_is_a_lie);
	tcase_add_test(tcase, too_small_for_a_head);
	tcase_add_test(tcase, gone);
	tcase_add_test(tcase, made_by_another_user);
	tcase_add_test(tcase, not_allowed_to_look);
	tcase_add_test(tcase, readonly_means_it);
	tcase_add_test(tcase, prefault_changes_nothing);
	return run_suite(suite);
}
