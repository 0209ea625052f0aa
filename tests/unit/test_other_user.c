/*
 * test_other_user.c - an instance that is shared with a Unix group: its members work in it as guests, others stay out.
 *
 * Needs root: the owner is root, guests are `nobody` with and without the group, and a third user.
 */
#include <fcntl.h>
#include <grp.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "../../ipc/guardian.h"
#include "../../ipc/key.h"
#include "../../ipc/procfs.h"
#include "../../ipc/share.h"
#include "../../runtime/bell.h"
#include "../../runtime/limit.h"
#include "backlogs.h"

#define GROUP     54321
#define GROUP_TXT "54321"
#define THIRD     54322 /* a user and a group without any part in all this */
#define LARGE     (3u << 20)

static bool skipped;

/* For the rest of this process: nobody, in the group or not. */
static void become(uid_t uid, gid_t group)
{
	MUST(setgroups(1, &group) == 0);
	MUST(setgid(THIRD) == 0 && setuid(uid) == 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void open_shared(void)
{
	struct instance_sizes sizes = {
	    .slots = 16,
	    .rows = 4,
	    .participants = 16,
	    .payload_max = PAYLOAD_MAX,
	    .result_ttl_ns = TTL_NS,
	    .board_mode = 0640,
	};

	ASSERT_OK(instance_locate(&yard, "unit", directory, &err));
	ASSERT_OK(instance_share(&yard, GROUP_TXT, &err));
	ASSERT_OK(instance_prepare(&yard, &err));
	ASSERT_OK(instance_join(&yard, "test", &sizes, &err));
	pool = add_pool("work");
}

static void begin_shared(void)
{
	begin_test();
	open_steps();
	skipped = !have_nobody();
	umask(077);
	ck_assert_int_eq(chmod(directory, 0755), 0);
	if (skipped)
		yard_open(16);
	else
		open_shared();
}

static void join_as_guest(struct instance *mine)
{
	join_yard(mine);
	MUST(mine->group.guest);
}

static char *large_bytes(char seed)
{
	char *bytes = malloc(LARGE);

	MUST(bytes);
	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (char)(seed + (char)(i * 7 + i / 1000));
	return bytes;
}

static struct job_ref submit_large(struct instance *instance, char seed)
{
	struct job_request request = request_of("");
	struct job_ref ref;

	request.payload = (struct payload_source){.data = large_bytes(seed), .size = LARGE};
	MUST(submit_job(instance, &request, &ref, &err) == 0);
	free((void *)(uintptr_t)request.payload.data);
	return ref;
}

static void must_hold(const struct payload *payload, char seed)
{
	char *bytes = large_bytes(seed);

	MUST(payload->size == LARGE && memcmp(payload->data, bytes, LARGE) == 0);
	free(bytes);
}

/* ---- work ------------------------------------------------------------------------------------ */

/* What runs in a worker: take two jobs, one small and one large, and give such results. */
static void work_as_nobody(void *arg)
{
	struct instance mine;

	(void)arg;
	become(NOBODY, GROUP);
	join_as_guest(&mine);
	for (char seed = 0; seed < 2; seed++) {
		char *bytes = large_bytes((char)(seed + 5));
		struct job_report report = {.end = STORY_DONE, .result = bytes, .result_size = seed ? LARGE : 5};
		struct payload payload;
		enum job_state state;
		uint32_t slot;
		uint64_t word;

		MUST(ready_take(&mine, pool, &slot, &word));
		MUST(payload_open(directory, table_job(mine.table, slot), slot, &payload, &err) == 0);
		if (seed)
			must_hold(&payload, 1);
		else
			MUST(payload.size == 5 && memcmp(payload.data, "small", 5) == 0);
		payload_close(&payload);
		MUST(dispatch_finish(&mine, slot, word, &report, &state) && state == JOB_DONE);
		free(bytes);
	}
	leave_yard(&mine);
}

START_TEST(jobs_run_as_another_user)
{
	struct job_request request = request_of("small");
	struct job_ref small, large;
	struct payload bytes;

	if (skipped)
		return;
	request.keep = true;
	small = submit_request(request);
	large = submit_large(&yard, 1);
	run_child(work_as_nobody, NULL);
	ck_assert_int_eq(state_of(small), JOB_DONE);
	ck_assert_int_eq(state_of(large), JOB_DONE);
	ASSERT_OK(payload_open_result(directory, job_of(small), small.slot, &bytes, &err));
	ck_assert_uint_eq(bytes.size, 5);
	payload_close(&bytes);
	ASSERT_OK(payload_open_result(directory, job_of(large), large.slot, &bytes, &err));
	must_hold(&bytes, 6);
	payload_close(&bytes);
	ck_assert_int_eq(ym_group_usage(&yard.group), 1);
}
END_TEST

static void submit_as_nobody(void *arg)
{
	struct instance mine;

	(void)arg;
	become(NOBODY, GROUP);
	join_as_guest(&mine);
	submit_large(&mine, 3);
	leave_yard(&mine);
}

START_TEST(a_member_submits)
{
	struct payload payload;
	struct job_ref ref;
	uint64_t word;

	if (skipped)
		return;
	run_child(submit_as_nobody, NULL);
	ck_assert(try_claim(&ref, &word));
	ASSERT_OK(payload_open(directory, job_of(ref), ref.slot, &payload, &err));
	must_hold(&payload, 3);
	payload_close(&payload);
	finish(ref, word, STORY_DONE);
}
END_TEST

static void ring_as_nobody(void *arg)
{
	(void)arg;
	become(NOBODY, GROUP);
	bell_ring(directory);
}

START_TEST(a_member_rings_the_bell)
{
	struct stat st;
	char letter;
	int fd;

	if (skipped)
		return;
	fd = bell_open(directory, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0620);
	ck_assert_uint_eq(st.st_gid, GROUP);
	run_child(ring_as_nobody, NULL);
	ck_assert_int_eq(read(fd, &letter, 1), 1);
	close(fd);
}
END_TEST

/* ---- who may what ---------------------------------------------------------------------------- */

/* Permissions and group of all System V objects of this name space. */
static unsigned count_modes(int64_t perms, int64_t gid)
{
	static const enum ym_object_kind kinds[] = {YM_OBJECT_SEMAPHORE, YM_OBJECT_SEGMENT, YM_OBJECT_QUEUE};
	unsigned n = 0;

	for (size_t k = 0; k < COUNT(kinds); k++) {
		struct ym_sysv_row *rows;
		size_t count;

		ASSERT_OK(ym_sysv_read(kinds[k], &rows, &count, &err));
		for (size_t i = 0; i < count; i++)
			n += (rows[i].perms & 0777) == perms && rows[i].gid == gid && rows[i].cuid == 0 &&
			     rows[i].uid == 0;
		free(rows);
	}
	return n;
}

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

/* ---- guests that are left alone -------------------------------------------------------------- */

/* A process of the owner, which makes the instance, submits, and is there until it is killed. */
static void own(void *arg)
{
	(void)arg;
	open_shared();
	submit("small");
	submit_large(&yard, 4);
	tell_step();
	sleep_for_ever();
}

static int go[2];

static int give_to_nobody(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return lchown(path, NOBODY, 0);
}

/* Joined, until a letter comes. */
static void visit(void *arg)
{
	struct instance mine;
	char letter;

	(void)arg;
	become(NOBODY, GROUP);
	join_as_guest(&mine);
	tell_step();
	MUST(read(go[0], &letter, 1) == 1);
	leave_yard(&mine);
}

static void begin_alone(void)
{
	begin_shared();
	ck_assert_int_eq(pipe(go), 0);
	yard_close();
}

static struct ym_group_look look(void)
{
	struct ym_group_look seen;

	ASSERT_OK(ym_group_look(directory, &seen, &err));
	return seen;
}

/* The last guest is alone in what its owner has made. */
static pid_t leave_a_guest_alone(void)
{
	pid_t owner = spawn(own, NULL), guest;

	await_step();
	guest = spawn(visit, NULL);
	await_step();
	kill_and_reap(owner);
	ck_assert_int_eq(look().usage, 1);
	return guest;
}

static void guard(void *arg)
{
	struct ym_group_spec spec = {.role = "guardian", .salvage = instance_salvage};

	(void)arg;
	MUST(ym_group_guard(look().semid, &spec, &err) == 0);
}

static void assert_jobs_come_back(void)
{
	struct payload payload;
	struct job_ref ref;

	assert_nothing_left();
	ck_assert_uint_eq(count_backlogs(), 1);
	ck_assert_uint_eq(count_files("jobs"), 0);
	open_shared();
	load(2, 0, 0);
	ref = find(2);
	ASSERT_OK(payload_open(directory, job_of(ref), ref.slot, &payload, &err));
	must_hold(&payload, 4);
	payload_close(&payload);
}

/* Nobody but the owner can keep the jobs and remove the objects: the door must not be shut before. */
START_TEST(the_last_guest_leaves_it_to_the_guardian)
{
	struct ym_group_look seen;
	pid_t guest;

	if (!skipped) {
		guest = leave_a_guest_alone();
		ck_assert_int_eq(write(go[1], "!", 1), 1);
		reap_well(guest);
		seen = look();
		ck_assert_int_eq(seen.usage, 0);
		ck_assert_int_eq(seen.ready, 1);
		ck_assert_int_eq(seen.lock, 0);
		ck_assert_uint_eq(count_backlogs(), 0);
		run_child(guard, NULL);
		assert_jobs_come_back();
	} else {
		yard_open(16);
	}
}
END_TEST

START_TEST(a_killed_guest_wakes_the_guardian)
{
	pid_t guest, guardian;
	int set;

	if (!skipped) {
		guest = leave_a_guest_alone();
		set = look().semid;
		guardian = spawn(guard, NULL);
		WAIT_UNTIL(semctl(set, YM_GROUP_USAGE, GETZCNT) == 1);
		kill_and_reap(guest);
		reap_well(guardian);
		assert_jobs_come_back();
	} else {
		yard_open(16);
	}
}
END_TEST

START_TEST(the_next_start_takes_over_from_a_guest)
{
	pid_t guest;

	if (!skipped) {
		guest = leave_a_guest_alone();
		ck_assert_int_eq(write(go[1], "!", 1), 1);
		reap_well(guest);
		open_shared();
		ck_assert(!yard.group.fresh);
		ck_assert_uint_eq(slots_in(JOB_READY), 2);
		/* Only the owner was killed: the guest has given its slot back. */
		bool dead[16];
		ck_assert_int_eq(ym_group_dead(&yard.group, dead, &err), 1);
		unsigned slot = 0;
		while (!dead[slot])
			slot++;
		ym_group_bury(&yard.group, slot);
	} else {
		yard_open(16);
	}
}
END_TEST

/* ---- what guests must not do ----------------------------------------------------------------- */

static void finds_it_half_made(void *arg)
{
	struct instance mine;

	(void)arg;
	become(NOBODY, GROUP);
	MUST(instance_locate(&mine, "unit", directory, &err) == 0);
	MUST(instance_join(&mine, "child", NULL, &err) == -1 && err.class == YM_ERR_NOT_RUNNING);
}

START_TEST(a_guest_repairs_nothing)
{
	int set;

	if (!skipped) {
		/* As a maker leaves it that was killed right after it had shared the set. */
		set = semget(yard.group.key, YM_GROUP_NSEMS(16), IPC_CREAT | IPC_EXCL | 0600);
		ASSERT_OK(ym_share_object(YM_OBJECT_SEMAPHORE, set, GROUP, 0660, &err));
		run_child(finds_it_half_made, NULL);
		ck_assert_int_eq(count_objects() - objects_before, 1);
		ck_assert_int_eq(look().semid, set);
		ck_assert_int_eq(look().usage, 0);
		ck_assert_int_eq(look().lock, 0);
		open_shared();
		ck_assert_int_eq(yard.group.semid, set);
		ck_assert_uint_eq(count_modes(0660, GROUP), 5);
	} else {
		yard_open(16);
	}
}
END_TEST

static void finds_it_full(void *arg)
{
	struct instance mine;

	(void)arg;
	become(NOBODY, GROUP);
	MUST(instance_locate(&mine, "unit", directory, &err) == 0);
	MUST(instance_join(&mine, "child", NULL, &err) == -1 && err.class == YM_ERR_FULL);
}

static void set_all_dirty(int set, int value)
{
	for (unsigned slot = 0; slot < 16; slot++)
		ck_assert_int_eq(semctl(set, YM_GROUP_DIRTY(slot), SETVAL, value), 0);
}

START_TEST(a_guest_that_fails_alone_changes_nothing)
{
	struct ym_group_look seen;
	pid_t owner;

	if (!skipped) {
		owner = spawn(own, NULL);
		await_step();
		kill_and_reap(owner);
		seen = look();
		set_all_dirty(seen.semid, 1);
		run_child(finds_it_full, NULL);
		seen = look();
		ck_assert_int_eq(seen.usage, 0);
		ck_assert_int_eq(seen.ready, 1);
		ck_assert_int_eq(seen.lock, 0);
		set_all_dirty(seen.semid, 0);
		run_child(guard, NULL);
		assert_jobs_come_back();
	} else {
		yard_open(16);
	}
}
END_TEST

START_TEST(a_set_that_was_not_shared_yet)
{
	int set;

	if (!skipped) {
		set = semget(yard.group.key, YM_GROUP_NSEMS(16), IPC_CREAT | IPC_EXCL | 0600);
		open_shared();
		ck_assert_int_eq(yard.group.semid, set);
		ck_assert_uint_eq(count_modes(0660, GROUP), 5);
	} else {
		yard_open(16);
	}
}
END_TEST

/* And the other way round: what is to be private was shared by a maker that did not come to the end. */
START_TEST(a_set_that_is_shared_no_longer)
{
	int set;

	if (!skipped) {
		set = semget(yard.group.key, YM_GROUP_NSEMS(16), IPC_CREAT | IPC_EXCL | 0600);
		ASSERT_OK(ym_share_object(YM_OBJECT_SEMAPHORE, set, GROUP, 0660, &err));
		yard_open(16);
		ck_assert_int_eq(yard.group.semid, set);
		ck_assert_uint_eq(count_modes(0600, getegid()), 4);
	} else {
		yard_open(16);
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

/* Nobody's instance, shared with a group that root is not in. */
static void own_as_nobody(void *arg)
{
	become(NOBODY, GROUP);
	open_shared();
	if (arg) {
		MUST(instance_leave(&yard, NULL, &err) == 0);
		return;
	}
	tell_step();
	sleep_for_ever();
}

START_TEST(root_is_no_guest_by_nature)
{
	struct instance mine;
	bool cleaned = true;
	pid_t owner;

	if (!skipped) {
		ck_assert_int_eq(chown(directory, NOBODY, 0), 0);
		nftw(directory, give_to_nobody, 16, FTW_DEPTH | FTW_PHYS);
		owner = spawn(own_as_nobody, NULL);
		await_step();
		ASSERT_OK(instance_locate(&mine, "unit", directory, &err));
		ASSERT_ERR(instance_join(&mine, "root", NULL, &err), YM_ERR_PERMISSION);
		ASSERT_IN("not in that group", err.text);
		kill_and_reap(owner);
		run_child(own_as_nobody, &cleaned);
		assert_nothing_left();
		ck_assert_int_eq(chown(directory, 0, 0), 0);
	}
	yard_open(16);
}
END_TEST

/* The limit of a pool, as the master enters it. */
static key_t add_limit(void)
{
	struct table_limit_sh *row = &yard.table->limits[0];
	struct ym_entry_sh *entry;

	ASSERT_OK(ym_group_lock(&yard.group, &err));
	ASSERT_OK(ym_registry_add(yard.group.reg, YM_OBJECT_SEMAPHORE, "limit.x", 2, 0, 0, NULL, &err));
	ym_group_unlock(&yard.group);
	entry = ym_registry_find(yard.group.reg, "limit.x");
	snprintf(row->name, sizeof(row->name), "x");
	row->key = entry->key;
	atomic_store(&row->id, entry->id);
	atomic_store(&row->max, 2);
	atomic_store(&row->used, 1);
	atomic_store(&pool_row()->limits[0].limit, 0);
	atomic_store(&pool_row()->limits[0].units, 1);
	atomic_store(&pool_row()->nlimits, 1);
	return entry->key;
}

/* Takes a unit of the limit; or fails to, when it was removed (arg). */
static void uses_the_limit(void *arg)
{
	struct limit_set set;
	struct instance mine;
	int opened;

	become(NOBODY, GROUP);
	join_as_guest(&mine);
	opened = limit_set_open(&set, mine.table, pool, &err);
	if (arg) {
		MUST(opened == -1 && err.class == YM_ERR_NO && strstr(err.text, "limit x"));
	} else {
		MUST(opened == 0 && limit_set_take(&set, NULL, NULL, &err) == 0);
		MUST(limit_free(&mine.table->limits[0]) == 1);
		limit_set_close(&set);
	}
	leave_yard(&mine);
}

START_TEST(a_guest_uses_limits_but_makes_none)
{
	int id;

	if (skipped)
		return;
	add_limit();
	run_child(uses_the_limit, NULL);
	id = atomic_load(&yard.table->limits[0].id);
	ck_assert_int_eq(semctl(id, 0, IPC_RMID), 0);
	run_child(uses_the_limit, &id);
	ck_assert_int_eq(count_objects() - objects_before, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("other_user");
	TCase *tcase = yard_case(suite, "work", begin_shared);

	tcase_add_test(tcase, jobs_run_as_another_user);
	tcase_add_test(tcase, a_member_submits);
	tcase_add_test(tcase, a_member_rings_the_bell);
	tcase_add_test(tcase, a_guest_uses_limits_but_makes_none);

	tcase = yard_case(suite, "access", begin_shared);
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

	tcase = yard_case(suite, "alone", begin_alone);
	tcase_add_test(tcase, the_last_guest_leaves_it_to_the_guardian);
	tcase_add_test(tcase, a_killed_guest_wakes_the_guardian);
	tcase_add_test(tcase, the_next_start_takes_over_from_a_guest);
	tcase_add_test(tcase, a_guest_repairs_nothing);
	tcase_add_test(tcase, a_guest_that_fails_alone_changes_nothing);
	tcase_add_test(tcase, root_is_no_guest_by_nature);
	tcase_add_test(tcase, a_set_that_was_not_shared_yet);
	tcase_add_test(tcase, a_set_that_is_shared_no_longer);
	return run_suite(suite);
}
