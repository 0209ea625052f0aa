/* test_other_user_access.c - what is shared with a Unix group and what is not, and who is kept out. */
#include <fcntl.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "../../ipc/key.h"
#include "../../ipc/share.h"
#include "../../runtime/bell.h"
#include "other_user_support.h"

static mode_t mode_of(const char *name, gid_t gid)
{
	char path[PATH_MAX];
	struct stat st;

	join_path(path, name);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_gid, gid);
	return st.st_mode & 07777;
}

START_TEST(what_is_shared)
{
	struct job_ref ref;
	char name[64];

	if (skipped)
		return;
	ref = submit_large(&yard, 1);
	snprintf(name, sizeof(name), "jobs/%u-%u.payload", ref.slot, ref.gen);
	/* The set, the registry, the table, the board, the queue. */
	ck_assert_uint_eq(count_modes(0660, GROUP), 5);
	ck_assert_int_eq(count_objects() - objects_before, 5);
	ck_assert_uint_eq(mode_of("jobs", GROUP), 02770);
	ck_assert_uint_eq(mode_of(name, GROUP), 0640);
	/* With a mode of its own, as an inbox has it, and one of a limit. */
	ASSERT_OK(ym_group_lock(&yard.group, &err));
	ASSERT_OK(ym_registry_add(yard.group.reg, YM_OBJECT_QUEUE, "inbox.x", 0, 0, 0600, NULL, &err));
	ASSERT_OK(ym_registry_add(yard.group.reg, YM_OBJECT_SEMAPHORE, "limit.x", 1, 0, 0, NULL, &err));
	ASSERT_OK(ym_registry_add(yard.group.reg, YM_OBJECT_VARIABLES, "vars", 4096, 0, 0, NULL, &err));
	ym_group_unlock(&yard.group);
	ck_assert_uint_eq(count_modes(0600, GROUP), 1);
	ck_assert_uint_eq(count_modes(0660, GROUP), 7);
}
END_TEST

START_TEST(nothing_is_shared_without_a_group)
{
	struct job_ref ref;
	char name[64];
	int fd;

	yard_close();
	ASSERT_OK(instance_share(&yard, NULL, &err));
	yard_open(16);
	pool = add_pool("work");
	ref = submit_large(&yard, 1);
	snprintf(name, sizeof(name), "jobs/%u-%u.payload", ref.slot, ref.gen);
	fd = bell_open(directory, &err);
	ck_assert_uint_eq(count_modes(0600, getegid()), geteuid() == 0 ? 5 : 0);
	ck_assert_uint_eq(mode_of("jobs", skipped ? getegid() : GROUP), 0700);
	ck_assert_uint_eq(mode_of(name, getegid()), 0600);
	ck_assert_uint_eq(mode_of("bell", getegid()), 0600);
	close(fd);
}
END_TEST

static int noticed;

static void notice(void *arg, const char *text)
{
	(void)arg;
	ASSERT_IN("ipc_group has changed", text);
	noticed++;
}

START_TEST(a_group_that_has_changed_is_told)
{
	static const struct {
		const char *group;
		int notices;
	} cases[] = {{GROUP_TXT, 0}, {"54399", 1}, {NULL, 1}};
	const struct instance_sizes sizes = {.participants = 16, .notice = notice};
	struct instance second;

	for (size_t i = 0; !skipped && i < COUNT(cases); i++) {
		noticed = 0;
		ASSERT_OK(instance_locate(&second, "unit", directory, &err));
		ASSERT_OK(instance_share(&second, cases[i].group, &err));
		ASSERT_OK(instance_join(&second, "second", &sizes, &err));
		ck_assert_int_eq(noticed, cases[i].notices);
		ASSERT_OK(instance_leave(&second, NULL, &err));
	}
}
END_TEST

START_TEST(groups_by_name_and_number)
{
	static const char *const wrong[] = {"", "no such group", "-1", "4294967295", "99999999999999999999", "1x"};

	for (size_t i = 0; i < COUNT(wrong); i++)
		ASSERT_ERR(instance_share(&yard, wrong[i], &err), YM_ERR_CONFIG);
	ASSERT_OK(instance_share(&yard, "daemon", &err));
	ck_assert(yard.shared);
	ck_assert_uint_eq(yard.gid, getgrnam("daemon")->gr_gid);
	ASSERT_OK(instance_share(&yard, "77", &err));
	ck_assert_uint_eq(yard.gid, 77);
}
END_TEST

struct stranger {
	uid_t uid;
	gid_t group;
	enum ym_err_class class;
	const char *text;
};

static void is_refused(void *arg)
{
	const struct stranger *stranger = arg;
	struct ym_group_look look;
	struct instance mine;

	become(stranger->uid, stranger->group);
	MUST(instance_locate(&mine, "unit", directory, &err) == 0);
	MUST(instance_join(&mine, "child", NULL, &err) == -1);
	MUST(err.class == stranger->class && strstr(err.text, stranger->text));
	MUST(ym_group_look(directory, &look, &err) == -1);
	MUST(err.class == stranger->class);
}

START_TEST(others_are_refused)
{
	struct stranger stranger = {NOBODY, THIRD, YM_ERR_PERMISSION, "not in that group"};

	if (skipped)
		return;
	run_child(is_refused, &stranger);
	/* Who can write to the directory can exchange the key files. */
	stranger = (struct stranger){NOBODY, GROUP, YM_ERR_PERMISSION, "may write to that directory"};
	ck_assert_int_eq(chmod(directory, 0775), 0);
	run_child(is_refused, &stranger);
	ck_assert_int_eq(chmod(directory, 0755), 0);
	/* Everybody could write to it. */
	stranger = (struct stranger){NOBODY, GROUP, YM_ERR_FOREIGN, "another user or program"};
	ASSERT_OK(ym_share_object(YM_OBJECT_SEMAPHORE, yard.group.semid, GROUP, 0666, &err));
	run_child(is_refused, &stranger);
	ck_assert_int_eq(ym_group_usage(&yard.group), 1);
	ASSERT_OK(ym_share_object(YM_OBJECT_SEMAPHORE, yard.group.semid, GROUP, 0660, &err));
}
END_TEST

/* Behind the key of `name`: a set, or a segment, made by a third user for everybody in the group. */
struct forgery {
	const char *name;
	size_t size; /* 0: a set */
};

static void forge(void *arg)
{
	const struct forgery *forgery = arg;
	enum ym_object_kind kind = forgery->size ? YM_OBJECT_SEGMENT : YM_OBJECT_SEMAPHORE;
	key_t key;
	int id;

	become(THIRD, GROUP);
	MUST(ym_keyfile(directory, forgery->name, NULL, NULL, &key, &err) == 0);
	id = kind == YM_OBJECT_SEGMENT ? shmget(key, forgery->size, IPC_CREAT | IPC_EXCL | 0660)
	                               : semget(key, YM_GROUP_NSEMS(16), IPC_CREAT | IPC_EXCL | 0660);
	MUST(id >= 0);
	MUST(ym_share_object(kind, id, GROUP, 0660, &err) == 0);
}

static void remove_behind(enum ym_object_kind kind, key_t key)
{
	int id;

	ck_assert(ym_object_behind(kind, key, &id));
	ck_assert_int_eq(kind == YM_OBJECT_SEGMENT ? shmctl(id, IPC_RMID, NULL) : semctl(id, 0, IPC_RMID), 0);
}

START_TEST(a_set_that_a_member_has_made)
{
	struct stranger member = {NOBODY, GROUP, YM_ERR_FOREIGN, "another user or program"};
	struct forgery forgery = {YM_REGISTRY_NAME, 0};
	key_t key = yard.group.key;

	if (skipped)
		return;
	yard_close();
	run_child(forge, &forgery);
	run_child(is_refused, &member);
	/* The owner gets out of its way. */
	open_shared();
	ck_assert_int_ne(yard.group.key, key);
	remove_behind(YM_OBJECT_SEMAPHORE, key);
}
END_TEST

static void finds_a_forged_registry(void *arg)
{
	struct instance mine;
	char text[64];

	(void)arg;
	become(NOBODY, GROUP);
	snprintf(text, sizeof(text), "made by uid %d", THIRD);
	MUST(instance_locate(&mine, "unit", directory, &err) == 0);
	MUST(instance_join(&mine, "child", NULL, &err) == -1);
	MUST(err.class == YM_ERR_FOREIGN && strstr(err.text, text));
}

START_TEST(a_registry_that_a_member_has_made)
{
	struct forgery forgery = {YM_REGISTRY_NAME, ym_registry_size(16)};

	if (skipped)
		return;
	ck_assert_int_eq(shmctl(yard.group.regid, IPC_RMID, NULL), 0);
	run_child(forge, &forgery);
	run_child(finds_a_forged_registry, NULL);
	/* Whoever fails to join leaves no trace. */
	ck_assert_int_eq(ym_group_usage(&yard.group), 1);
	ck_assert_int_eq(ym_sem_value(yard.group.semid, YM_GROUP_LOCK), 0);
	remove_behind(YM_OBJECT_SEGMENT, yard.group.key);
}
END_TEST

/* In place of the payload of a job. */
static void replace_payload(const char *path, int how)
{
	char secret[PATH_MAX];

	ck_assert_int_eq(unlink(path), 0);
	join_path(secret, "secret");
	if (how == 0)
		ck_assert_int_eq(symlink(secret, path), 0);
	else if (how == 1)
		ck_assert_int_eq(link(secret, path), 0);
	else if (how == 2)
		ck_assert_int_eq(mkfifo(path, 0660), 0);
	else
		ck_assert_int_eq(mkdir(path, 0770), 0);
}

START_TEST(only_files_of_jobs_are_read)
{
	char *bytes = large_bytes(9);

	write_file("secret", bytes, LARGE);
	free(bytes);
	if (skipped)
		return;
	for (int how = 0; how < 4; how++) {
		struct job_ref ref = submit_large(&yard, 9);
		struct payload payload;
		char name[64], path[PATH_MAX];
		uint64_t word = claim_this(ref);

		snprintf(name, sizeof(name), "jobs/%u-%u.payload", ref.slot, ref.gen);
		join_path(path, name);
		replace_payload(path, how);
		ck_assert_int_eq(payload_open(directory, job_of(ref), ref.slot, &payload, &err), -1);
		payload_close(&payload);
		ck_assert_int_eq(remove(path), 0);
		finish(ref, word, STORY_DONE);
	}
}
END_TEST

static void overreaches(void *arg)
{
	struct instance mine;
	pid_t other;

	(void)arg;
	become(NOBODY, GROUP);
	join_as_guest(&mine);
	MUST(ym_group_lead(&mine.group, &other, &err) == -1 && err.class == YM_ERR_PERMISSION);
	MUST(ym_group_guardian(&mine.group, &err) == -1 && err.class == YM_ERR_PERMISSION);
	MUST(ym_group_abandon(&mine.group, &err) == -1 && err.class == YM_ERR_USAGE);
	leave_yard(&mine);
}

START_TEST(a_guest_neither_leads_nor_removes)
{
	if (skipped)
		return;
	run_child(overreaches, NULL);
	ck_assert_int_eq(look().usage, 1);
	ck_assert_int_eq(look().leader, 0);
	ck_assert_uint_eq(count_modes(0660, GROUP), 5);
}
END_TEST

static void would_make(void *arg)
{
	struct ym_group_spec spec = {.directory = directory, .capacity = 16, .mode = 0600, .patience_ms = PATIENCE_MS};
	struct ym_group group;

	(void)arg;
	become(NOBODY, GROUP);
	MUST(ym_group_join(&group, &spec, &err) == -1);
}

START_TEST(who_makes_groups_is_no_guest)
{
	if (skipped)
		return;
	run_child(would_make, NULL);
	ck_assert_int_eq(look().usage, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("other_user_access");
	TCase *tcase = yard_case(suite, "access", begin_shared);

	tcase_add_test(tcase, what_is_shared);
	tcase_add_test(tcase, nothing_is_shared_without_a_group);
	tcase_add_test(tcase, a_group_that_has_changed_is_told);
	tcase_add_test(tcase, groups_by_name_and_number);
	tcase_add_test(tcase, others_are_refused);
	tcase_add_test(tcase, a_set_that_a_member_has_made);
	tcase_add_test(tcase, a_registry_that_a_member_has_made);
	tcase_add_test(tcase, only_files_of_jobs_are_read);
	tcase_add_test(tcase, a_guest_neither_leads_nor_removes);
	tcase_add_test(tcase, who_makes_groups_is_no_guest);
	return run_suite(suite);
}
