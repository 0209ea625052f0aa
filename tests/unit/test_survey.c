/* test_survey.c - the tables of /proc/sysvipc, processes, and what objects turn out to be. */
#include <sched.h>
#include <sys/mman.h>

#include "../../ipc/group.h"
#include "../../ipc/key.h"
#include "../../ipc/survey.h"
#include "support.h"

#define CAPACITY 4u

/* ---- tables ---------------------------------------------------------------------------------- */

static int parse(const char *text, struct ym_sysv_row **rows, size_t *count)
{
	FILE *from = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int result;

	ck_assert_ptr_nonnull(from);
	result = ym_sysv_parse(from, "table", rows, count, &err);
	fclose(from);
	return result;
}

START_TEST(columns_are_found_by_name)
{
	struct ym_sysv_row *rows;
	size_t count;

	ASSERT_OK(parse("  shmid cuid flavour key perms size uid nattch\n"
	                "  7 1000 vanilla -5 1644 4096 33 2\n"
	                "8 0 none 2147483647 600 18 0 0\n",
	                &rows, &count));
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(rows[0].id, 7);
	ck_assert_int_eq(rows[0].key, -5);
	ck_assert_int_eq(rows[0].perms, 01644);
	ck_assert_int_eq(rows[0].size, 4096);
	ck_assert_int_eq(rows[0].uid, 33);
	ck_assert_int_eq(rows[0].cuid, 1000);
	ck_assert_int_eq(rows[0].count, 2);
	ck_assert_int_eq(rows[0].creator, -1);
	ck_assert_int_eq(rows[0].last_receiver, -1);
	ck_assert_int_eq(rows[1].key, 2147483647);
	free(rows);
}
END_TEST

START_TEST(a_table_without_rows)
{
	struct ym_sysv_row *rows;
	size_t count = 1;

	ASSERT_OK(parse("key semid perms nsems uid cuid\n", &rows, &count));
	ck_assert_uint_eq(count, 0);
	free(rows);
}
END_TEST

START_TEST(damaged_tables)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	    {"key semid perms uid cuid\n", "does not name the columns"},
	    {"id perms nsems uid cuid\n", "does not name the columns"},
	    {"key semid perms nsems uid cuid\n1 2 600 3 0\n", "line 2: 5 columns, not 6"},
	    {"key semid perms nsems uid cuid\n1 2 600 3 0 0\n1 x 600 3 0 0\n", "line 3: \"x\" in column semid"},
	    {"key semid perms nsems uid cuid\n1 2 9 3 0 0\n", "\"9\" in column perms"},
	    {"key semid perms nsems uid cuid\n1 99999999999999999999 6 3 0 0\n", "in column semid is no number"},
	};
	struct ym_sysv_row *rows;
	size_t count;

	for (size_t i = 0; i < COUNT(cases); i++) {
		ASSERT_ERR(parse(cases[i].text, &rows, &count), YM_ERR_CORRUPT);
		ASSERT_IN(cases[i].why, err.text);
		ck_assert_ptr_null(rows);
		ck_assert_uint_eq(count, 0);
	}
}
END_TEST

static const struct ym_sysv_row *row_of(const struct ym_sysv_row *rows, size_t count, int id)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].id == id)
			return &rows[i];
	ck_abort_msg("no row for id %d", id);
	return NULL;
}

START_TEST(the_tables_of_this_kernel)
{
	struct {
		long type;
		char text[5];
	} message = {9, "five"};
	struct ym_sysv_row *rows;
	const struct ym_sysv_row *row;
	key_t key = fresh_key();
	int sem = semget(key, 5, IPC_CREAT | 0640), shm = shmget(key, 12345, IPC_CREAT | 0600);
	int msg = msgget(key, IPC_CREAT | 0606);
	void *addr = shmat(shm, NULL, 0);
	size_t count;

	ck_assert_int_eq(msgsnd(msg, &message, 5, 0), 0);
	ASSERT_OK(ym_sysv_read(YM_OBJECT_SEMAPHORE, &rows, &count, &err));
	row = row_of(rows, count, sem);
	ck_assert_int_eq(row->key, key);
	ck_assert_int_eq(row->size, 5);
	ck_assert_int_eq(row->perms, 0640);
	ck_assert_int_eq(row->cuid, geteuid());
	free(rows);
	ASSERT_OK(ym_sysv_read(YM_OBJECT_SEGMENT, &rows, &count, &err));
	row = row_of(rows, count, shm);
	ck_assert_int_eq(row->size, 12345);
	ck_assert_int_eq(row->count, 1);
	ck_assert_int_eq(row->creator, getpid());
	ck_assert_int_eq(row->last, getpid());
	ck_assert_int_eq(row->resident, 0);
	free(rows);
	ASSERT_OK(ym_sysv_read(YM_OBJECT_QUEUE, &rows, &count, &err));
	row = row_of(rows, count, msg);
	ck_assert_int_eq(row->size, 5);
	ck_assert_int_eq(row->count, 1);
	ck_assert_int_eq(row->last, getpid());
	ck_assert_int_eq(row->last_receiver, 0);
	ck_assert_int_ge(row->used, row->changed);
	ck_assert_int_eq(row->received, 0);
	free(rows);
	shmdt(addr);
	semctl(sem, 0, IPC_RMID);
	shmctl(shm, IPC_RMID, NULL);
	msgctl(msg, IPC_RMID, NULL);
}
END_TEST

/* ---- processes ------------------------------------------------------------------------------- */

static void sleep_with_a_strange_name(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "a) Z\n(");
	tell_step();
	sleep_for_ever();
}

START_TEST(processes_are_seen_as_they_are)
{
	struct ym_process process;
	pid_t child;

	open_steps();
	ym_process_look(getpid(), &process);
	ck_assert(process.alive && !ym_process_stopped(&process));
	ck_assert_str_eq(process.name, "test_survey");
	ym_process_look(0, &process);
	ck_assert(!process.alive);
	child = spawn(sleep_with_a_strange_name, NULL);
	await_step();
	WAIT_UNTIL(process_state(child) == 'S');
	ym_process_look(child, &process);
	ck_assert(process.alive && !ym_process_stopped(&process));
	ck_assert_str_eq(process.name, "a) Z?(");
	kill(child, SIGSTOP);
	WAIT_UNTIL((ym_process_look(child, &process), ym_process_stopped(&process)));
	ck_assert(process.alive);
	kill(child, SIGKILL);
	WAIT_UNTIL((ym_process_look(child, &process), !process.alive));
	ck_assert_int_eq(process.state, 'Z');
	reap(child);
	ym_process_look(child, &process);
	ck_assert(!process.alive);
	ck_assert_int_eq(process.state, 0);
}
END_TEST

static void attach_and_sleep(void *arg)
{
	if (shmat(*(int *)arg, NULL, SHM_RDONLY) == (void *)-1)
		_exit(1);
	tell_step();
	sleep_for_ever();
}

/* Ids of another IPC namespace are other objects. */
static void attach_elsewhere(void *arg)
{
	int *id = arg, other = -1;

	if (unshare(CLONE_NEWIPC) < 0)
		_exit(0);
	while (other < *id)
		other = shmget(IPC_PRIVATE, 100, 0600);
	if (other == *id)
		attach_and_sleep(id);
	_exit(1);
}

START_TEST(who_maps_a_removed_segment)
{
	int id = shmget(IPC_PRIVATE, 100, 0600), other = shmget(IPC_PRIVATE, 100, 0600);
	struct ym_survey survey;
	const struct ym_survey_object *object;
	pid_t child, pids[2] = {0};

	open_steps();
	ck_assert_uint_eq(ym_process_mapping(id, pids, 2), 0);
	child = spawn(attach_and_sleep, &id);
	await_step();
	shmctl(id, IPC_RMID, NULL);
	ck_assert_uint_eq(ym_process_mapping(id, pids, 2), 1);
	ck_assert_int_eq(pids[0], child);
	ck_assert_uint_eq(ym_process_mapping(id, pids, 0), 1);
	ck_assert_uint_eq(ym_process_mapping(other, pids, 2), 0);
	ASSERT_OK(ym_survey_take(&survey, NULL, 0, &err));
	object = ym_survey_by_id(&survey, YM_OBJECT_SEGMENT, id);
	ck_assert(object && object->dest);
	ck_assert(!ym_survey_by_id(&survey, YM_OBJECT_SEGMENT, other)->dest);
	ym_survey_free(&survey);
	kill_and_reap(child);
	child = spawn(attach_elsewhere, &other);
	if (geteuid() == 0) {
		await_step();
		ck_assert_uint_eq(ym_process_mapping(other, pids, 2), 0);
	}
	kill_and_reap(child);
	shmctl(other, IPC_RMID, NULL);
}
END_TEST

/* ---- what objects are ------------------------------------------------------------------------ */

static int make_objects(struct ym_group *group, void *arg, struct ym_err *error)
{
	(void)arg;
	if (ym_registry_add(group->reg, YM_OBJECT_SEGMENT, "page", 4096, 1, 0600, NULL, error) < 0 ||
	    ym_registry_add(group->reg, YM_OBJECT_QUEUE, "queue", 0, 0, 0600, NULL, error) < 0 ||
	    ym_registry_add(group->reg, YM_OBJECT_SEMAPHORE, "limit", 1, 0, 0600, NULL, error) < 0)
		return -1;
	return 0;
}

static struct ym_group join_group(void)
{
	struct ym_group_spec spec = {
	    .directory = directory,
	    .role = "te\033st",
	    .capacity = CAPACITY,
	    .mode = 0600,
	    .patience_ms = PATIENCE_MS,
	    .init = make_objects,
	};
	struct ym_group group;

	ASSERT_OK(ym_group_join(&group, &spec, &err));
	return group;
}

/* With something to point to, it enters itself into the registry. */
static void join_and_sleep(void *arg)
{
	struct ym_group group = join_group();

	if (arg)
		ASSERT_OK(ym_group_registry(&group, &err));
	tell_step();
	sleep_for_ever();
}

static struct ym_survey survey;

static void look(void)
{
	const char *const known[] = {"/nowhere", directory};

	ym_survey_free(&survey);
	ASSERT_OK(ym_survey_take(&survey, known, COUNT(known), &err));
}

static const struct ym_survey_object *found(enum ym_object_kind type, int id)
{
	const struct ym_survey_object *object = ym_survey_by_id(&survey, type, id);

	ck_assert_ptr_nonnull(object);
	return object;
}

static enum ym_survey_kind kind_of(enum ym_object_kind type, int id)
{
	return found(type, id)->kind;
}

/* A segment that starts with these bytes. */
static int segment_with(const void *bytes, size_t length, size_t size)
{
	int id = shmget(fresh_key(), size, IPC_CREAT | 0600);
	void *addr = shmat(id, NULL, 0);

	ck_assert(addr != (void *)-1);
	memcpy(addr, bytes, length);
	shmdt(addr);
	return id;
}

START_TEST(every_kind_outside_of_groups)
{
	struct ym_seg_head_sh stray = {.magic = YM_SEG_MAGIC, .semid = 4711, .name = "lost\033[2J"};
	int semaphore = semget(fresh_key(), 3, IPC_CREAT | 0600), set = semget(fresh_key(), 7, IPC_CREAT | 0600);
	int shape = semget((key_t)0x79000001, 9, IPC_CREAT | 0600),
	    even = semget((key_t)0x79000002, 8, IPC_CREAT | 0600);
	int queue = msgget(fresh_key(), IPC_CREAT | 0600), empty = shmget(fresh_key(), 100, IPC_CREAT | 0600);
	int variables = segment_with("PHP_SM\0", 7, 40), similar = segment_with("PHP_SMART", 9, 400);
	int small = segment_with("PHP_SM\0", 7, 39), lost = segment_with(&stray, sizeof(stray), 64);
	struct sembuf busy[] = {{1, 2, 0}, {2, 1, 0}, {0, 5, 0}};
	const struct ym_survey_object *object;

	semop(semaphore, busy, 3);
	look();
	ck_assert_uint_eq(survey.nobjects, 10);
	ck_assert_uint_eq(survey.ngroups, 0);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEMAPHORE, set), YM_SURVEY_FOREIGN);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEMAPHORE, shape), YM_SURVEY_SHAPE);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEMAPHORE, even), YM_SURVEY_FOREIGN);
	ck_assert_int_eq(kind_of(YM_OBJECT_QUEUE, queue), YM_SURVEY_QUEUE);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEGMENT, empty), YM_SURVEY_FOREIGN);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEGMENT, variables), YM_SURVEY_VARIABLES);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEGMENT, similar), YM_SURVEY_FOREIGN);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEGMENT, small), YM_SURVEY_FOREIGN);
	object = found(YM_OBJECT_SEGMENT, lost);
	ck_assert_int_eq(object->kind, YM_SURVEY_STRAY);
	ck_assert_int_eq(object->semid, 4711);
	ck_assert_str_eq(object->name, "lost?[2J");
	object = found(YM_OBJECT_SEMAPHORE, semaphore);
	ck_assert_int_eq(object->kind, YM_SURVEY_SEMAPHORE);
	ck_assert(object->ours);
	ck_assert_int_eq(object->value, 5);
	ck_assert_int_eq(object->usage, 2);
	ck_assert_int_eq(object->locked, 1);
	ck_assert_int_eq(object->locker, getpid());
	ck_assert_int_eq(object->waiters, 0);
	/* What nobody has written to is left as it is: not even a page for its zeroes. */
	look();
	ck_assert_int_eq(found(YM_OBJECT_SEGMENT, empty)->row.resident, 0);
	ym_survey_free(&survey);
	for (size_t i = 0; i < 4; i++)
		semctl((int[]){semaphore, set, shape, even}[i], 0, IPC_RMID);
	for (size_t i = 0; i < 5; i++)
		shmctl((int[]){empty, variables, similar, small, lost}[i], IPC_RMID, NULL);
	msgctl(queue, IPC_RMID, NULL);
}
END_TEST

static const struct ym_survey_member *member_of(const struct ym_survey_group *group, pid_t pid)
{
	for (unsigned i = 0; i < group->nmembers; i++)
		if (group->members[i].pid == pid)
			return &group->members[i];
	ck_abort_msg("pid %d is not among the participants", (int)pid);
	return NULL;
}

START_TEST(a_group_with_everything)
{
	struct ym_group group = join_group();
	const struct ym_survey_group *seen;
	const struct ym_survey_member *member;
	const struct ym_survey_entry *entry;
	pid_t leader, child;

	open_steps();
	/* What earlier owners of the slots have written. */
	for (unsigned i = 0; i < CAPACITY; i++)
		if (i != group.slot)
			group.reg->members[i] = (struct ym_member_sh){.pid = 1, .joined = 5, .role = "stale"};
	ck_assert_int_eq(ym_group_lead(&group, &leader, &err), 0);
	child = spawn(join_and_sleep, NULL);
	await_step();
	look();
	ck_assert_uint_eq(survey.ngroups, 1);
	seen = &survey.groups[0];
	ck_assert_int_eq(seen->semid, group.semid);
	ck_assert_int_eq(seen->regid, group.regid);
	ck_assert_str_eq(seen->directory, directory);
	ck_assert(seen->ours && seen->readable && !seen->reg_dest && !seen->keeps && !seen->guarded);
	ck_assert_uint_eq(seen->capacity, CAPACITY);
	ck_assert_int_eq(seen->usage, 2);
	ck_assert_int_eq(seen->ready, 1);
	ck_assert(seen->led && !seen->locked);
	ck_assert_int_eq(seen->leader, getpid());
	ck_assert_int_eq(seen->lock, 0);
	ck_assert_int_eq(seen->guardian, 0);
	ck_assert_uint_eq(seen->attached, 2); /* the child inherited our mapping */
	ck_assert_uint_eq(seen->nmembers, 2);
	member = member_of(seen, getpid());
	ck_assert_str_eq(member->role, "te?st");
	ck_assert(member->alive && member->joined);
	/* It has not entered itself yet: only the kernel knows it. */
	member = member_of(seen, child);
	ck_assert_str_eq(member->role, "");
	ck_assert(member->alive && !member->joined);
	ck_assert_uint_eq(seen->nentries, 3);
	entry = ym_survey_entry(seen, "queue");
	ck_assert(entry && entry->exists && !entry->creating);
	ck_assert_int_eq(entry->kind, YM_OBJECT_QUEUE);
	ck_assert_int_eq(kind_of(YM_OBJECT_QUEUE, entry->id), YM_SURVEY_MEMBER);
	ck_assert_int_eq(found(YM_OBJECT_QUEUE, entry->id)->group, 0);
	ck_assert_str_eq(found(YM_OBJECT_QUEUE, entry->id)->name, "queue");
	ck_assert_ptr_null(ym_survey_entry(seen, "queu"));
	ck_assert_int_eq(kind_of(YM_OBJECT_SEMAPHORE, group.semid), YM_SURVEY_GROUP);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEGMENT, group.regid), YM_SURVEY_REGISTRY);
	/* An id with another key is another object. */
	ym_registry_find(group.reg, "queue")->key++;
	look();
	ck_assert(!ym_survey_entry(&survey.groups[0], "queue")->exists);
	ym_registry_find(group.reg, "queue")->key--;
	msgctl(ym_registry_find(group.reg, "queue")->id, IPC_RMID, NULL);
	ASSERT_OK(ym_group_lock(&group, &err));
	kill_and_reap(child);
	look();
	seen = &survey.groups[0];
	ck_assert(!ym_survey_entry(seen, "queue")->exists);
	ck_assert(ym_survey_entry(seen, "limit")->exists);
	ck_assert(seen->locked);
	ck_assert_int_eq(seen->lock, getpid());
	ck_assert_int_eq(seen->usage, 1);
	ck_assert_uint_eq(seen->nmembers, 2);
	ck_assert(member_of(seen, getpid())->alive && !member_of(seen, child)->alive);
	ym_survey_free(&survey);
	ym_group_unlock(&group);
	ASSERT_OK(ym_group_leave(&group, NULL, &err));
}
END_TEST

START_TEST(a_group_whose_set_was_removed)
{
	struct ym_group group = join_group();
	pid_t child;

	open_steps();
	child = spawn(join_and_sleep, directory);
	await_step();
	semctl(group.semid, 0, IPC_RMID);
	look();
	ck_assert_uint_eq(survey.ngroups, 1);
	ck_assert_int_eq(survey.groups[0].semid, -1);
	ck_assert_int_eq(survey.groups[0].regid, group.regid);
	ck_assert_int_eq(survey.groups[0].key, group.key);
	ck_assert_uint_eq(survey.groups[0].nmembers, 2);
	kill_and_reap(child);
	look();
	ck_assert_uint_eq(survey.groups[0].nmembers, 1);
	ck_assert_int_eq(survey.groups[0].members[0].pid, getpid());
	/* Another set with the old id's key and shape, but another id, is not its set. */
	ck_assert_int_ge(semget(group.key, YM_GROUP_NSEMS(CAPACITY), IPC_CREAT | 0600), 0);
	look();
	ck_assert_uint_eq(survey.ngroups, 2);
	ym_survey_free(&survey);
	semctl(semget(group.key, 0, 0), 0, IPC_RMID);
	ASSERT_OK(ym_group_abandon(&group, &err));
	ym_group_leave(&group, NULL, NULL);
}
END_TEST

START_TEST(a_group_whose_registry_was_removed)
{
	struct ym_group group = join_group();
	struct ym_seg_head_sh head;
	int semid = group.semid, objects;

	/* While it is attached it still tells what belongs to the group. */
	shmctl(group.regid, IPC_RMID, NULL);
	look();
	ck_assert_uint_eq(survey.ngroups, 1);
	ck_assert_int_eq(survey.groups[0].semid, semid);
	ck_assert(survey.groups[0].reg_dest);
	ck_assert_str_eq(survey.groups[0].directory, directory);
	ck_assert_uint_eq(survey.groups[0].nentries, 3);
	objects = survey.groups[0].entries[0].id;
	ck_assert(ym_survey_peek(objects, &head, sizeof(head)));
	ck_assert_str_eq(head.name, "page");
	ym_registry_remove_all(group.reg);
	shmdt(group.reg);
	look();
	/* Now only the key file says whose set that is. */
	ck_assert_uint_eq(survey.ngroups, 1);
	ck_assert_int_eq(survey.groups[0].semid, semid);
	ck_assert_int_eq(survey.groups[0].regid, -1);
	ck_assert_str_eq(survey.groups[0].directory, directory);
	ck_assert_int_eq(survey.groups[0].usage, 1);
	ym_survey_free(&survey);
	ASSERT_OK(ym_survey_take(&survey, NULL, 0, &err));
	ck_assert_uint_eq(survey.ngroups, 0);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEMAPHORE, semid), YM_SURVEY_SHAPE);
	ym_survey_free(&survey);
	semctl(semid, 0, IPC_RMID);
}
END_TEST

/* Nothing that a registry says about itself makes us read behind its end, or take another set for its own. */
START_TEST(a_registry_that_does_not_fit)
{
	struct ym_group group = join_group();
	size_t size = ym_registry_size(1);
	struct ym_registry_sh *reg = malloc(size), *fake;
	int regid;

	memcpy(reg, group.reg, size);
	shmctl(group.regid, IPC_RMID, NULL);
	ym_registry_remove_all(group.reg);
	shmdt(group.reg);
	/* Another key: the set is not its own. */
	regid = shmget(fresh_key(), size, IPC_CREAT | 0600);
	fake = shmat(regid, NULL, 0);
	memcpy(fake, reg, size);
	fake->head.shmid = regid;
	shmdt(fake);
	look();
	ck_assert_uint_eq(survey.ngroups, 2);
	for (size_t i = 0; i < survey.ngroups; i++)
		ck_assert_int_eq(survey.groups[i].semid, survey.groups[i].regid == regid ? -1 : group.semid);
	shmctl(regid, IPC_RMID, NULL);
	/* The right key, but room for one member only, and a set for four. */
	regid = shmget(group.key, size, IPC_CREAT | 0600);
	fake = shmat(regid, NULL, 0);
	memcpy(fake, reg, size);
	fake->head.shmid = regid;
	semop(group.semid, (struct sembuf[]){{YM_GROUP_ALIVE(3), 1, 0}}, 1);
	look();
	ck_assert_uint_eq(survey.ngroups, 1);
	ck_assert_uint_eq(survey.groups[0].capacity, CAPACITY);
	ck_assert_uint_eq(survey.groups[0].nmembers, 1);
	ym_survey_free(&survey);
	shmctl(regid, IPC_RMID, NULL);
	semctl(group.semid, 0, IPC_RMID);
	shmdt(fake);
	free(reg);
}
END_TEST

/* ---- other users ----------------------------------------------------------------------------- */

static key_t forged_key = 0x66666666;
static int loose_queue;

/* As nobody: a registry that claims our set and lists our objects, with whatever it likes in it. */
static void forge(void *arg)
{
	size_t size = ym_registry_size(1);
	struct ym_registry_sh *reg;
	int id;

	become_nobody(NULL);
	id = shmget(forged_key, size, IPC_CREAT | 0644);
	reg = shmat(id, NULL, 0);
	if (reg == (void *)-1)
		_exit(1);
	memcpy(reg, arg, size);
	reg->head.shmid = id;
	memset(reg->directory, 0x1b, sizeof(reg->directory));
	memset(reg->entries[1].name, 'x', sizeof(reg->entries[1].name));
	reg->entries[1].kind = 99;
	reg->entries[2].key = 0x77777777;
	reg->entries[2].id = loose_queue;
	reg->entries[2].kind = YM_OBJECT_QUEUE;
	reg->capacity = 4000000000u;
}

static void look_as_nobody(void *arg)
{
	(void)arg;
	become_nobody(NULL);
	look();
	ck_assert_uint_eq(survey.ngroups, 1);
	ck_assert(!survey.groups[0].readable && !survey.groups[0].ours);
	ck_assert_int_eq(survey.groups[0].usage, -1);
}

START_TEST(nobody_can_take_over_a_group_by_what_he_writes)
{
	struct ym_group group;
	const struct ym_survey_group *forged = NULL;
	char copy[sizeof(struct ym_registry_sh) + sizeof(struct ym_member_sh)];

	if (!have_nobody())
		return;
	group = join_group();
	chmod(directory, 0755);
	run_child(look_as_nobody, NULL);
	loose_queue = msgget(0x77777777, IPC_CREAT | 0666);
	run_child(forge, group.reg);
	look();
	ck_assert_uint_eq(survey.ngroups, 2);
	for (size_t i = 0; i < survey.ngroups; i++)
		if (survey.groups[i].key == 0x66666666)
			forged = &survey.groups[i];
	ck_assert(forged && !forged->ours);
	ck_assert_int_eq(forged->semid, -1);
	ck_assert_uint_eq(forged->nentries, 2);
	ck_assert_uint_eq(strlen(forged->directory), sizeof(forged->directory) - 1);
	ck_assert_int_eq(forged->directory[0], '?');
	/* Our objects stay ours, in a group or not. */
	ck_assert_int_eq(kind_of(YM_OBJECT_QUEUE, loose_queue), YM_SURVEY_QUEUE);
	for (unsigned i = 0; i < forged->nentries; i++)
		ck_assert(!forged->entries[i].exists);
	ck_assert_int_eq(survey.groups[found(YM_OBJECT_SEMAPHORE, group.semid)->group].key, group.key);
	shmctl(forged->regid, IPC_RMID, NULL);
	msgctl(loose_queue, IPC_RMID, NULL);
	/* Nor with our key, when our registry is gone. */
	ym_registry_remove_all(group.reg);
	shmctl(group.regid, IPC_RMID, NULL);
	forged_key = group.key;
	memcpy(copy, group.reg, sizeof(copy));
	shmdt(group.reg);
	group.reg = NULL;
	run_child(forge, copy);
	look();
	ck_assert_uint_eq(survey.ngroups, 2);
	for (size_t i = 0; i < survey.ngroups; i++)
		ck_assert(survey.groups[i].ours == (survey.groups[i].semid == group.semid));
	shmctl(shmget(group.key, 0, 0), IPC_RMID, NULL);
	semctl(group.semid, 0, IPC_RMID);
	ym_survey_free(&survey);
}
END_TEST

static bool set_rmid_forced(const char *value)
{
	FILE *to = fopen("/proc/sys/kernel/shm_rmid_forced", "we");
	bool written = to && fputs(value, to) >= 0;

	return to && fclose(to) == 0 && written;
}

/* With this sysctl the last detach destroys a segment: merely looking into one must not do that. */
START_TEST(looking_destroys_nothing)
{
	int id = segment_with("PHP_SM\0", 7, 400);
	struct shmid_ds ds;

	look();
	ck_assert(!survey.rmid_forced);
	ck_assert_int_eq(kind_of(YM_OBJECT_SEGMENT, id), YM_SURVEY_VARIABLES);
	if (set_rmid_forced("1")) {
		look();
		ck_assert(survey.rmid_forced);
		ck_assert_int_eq(kind_of(YM_OBJECT_SEGMENT, id), YM_SURVEY_FOREIGN);
		ck_assert_int_eq(shmctl(id, IPC_STAT, &ds), 0);
		ck_assert(set_rmid_forced("0"));
	}
	ym_survey_free(&survey);
	shmctl(id, IPC_RMID, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("survey");
	TCase *tables = add_case(suite, "tables"), *processes = add_case(suite, "processes");
	TCase *kinds = add_case(suite, "kinds"), *users = add_case(suite, "users");

	tcase_add_test(tables, columns_are_found_by_name);
	tcase_add_test(tables, a_table_without_rows);
	tcase_add_test(tables, damaged_tables);
	tcase_add_test(tables, the_tables_of_this_kernel);
	tcase_add_test(processes, processes_are_seen_as_they_are);
	tcase_add_test(processes, who_maps_a_removed_segment);
	tcase_add_test(kinds, every_kind_outside_of_groups);
	tcase_add_test(kinds, a_group_with_everything);
	tcase_add_test(kinds, a_group_whose_set_was_removed);
	tcase_add_test(kinds, a_group_whose_registry_was_removed);
	tcase_add_test(kinds, a_registry_that_does_not_fit);
	tcase_add_test(users, nobody_can_take_over_a_group_by_what_he_writes);
	tcase_add_test(users, looking_destroys_nothing);
	return run_suite(suite);
}
