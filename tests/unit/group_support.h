/*
 * group_support.h - what the tests of groups share: a group with two segments, a queue and a semaphore; participants in
 * processes of their own.
 */
#ifndef YM_TESTS_GROUP_SUPPORT_H
#define YM_TESTS_GROUP_SUPPORT_H

#include <sys/mman.h>

#include "../../ipc/group.h"
#include "../../ipc/key.h"
#include "../../ipc/registry.h"
#include "support.h"

#define CAPACITY 8u
#define OBJECTS  6 /* the set, the registry, and what make_objects() makes */
#define VERSION  1

/* What all processes of a test know. */
static struct shared {
	_Atomic int salvaged;
	_Atomic int refuse; /* 1: the salvage fails */
	_Atomic int made;
	_Atomic int noticed;
	_Atomic int go;
	_Atomic int joins, violations;
	char notice[256];
	char violation[256];
} * shared;

static inline void begin_group(void)
{
	begin_test();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(shared != MAP_FAILED);
	open_steps();
}

struct content {
	struct ym_seg_head_sh head;
	uint64_t nonce;
};

static inline int make_objects(struct ym_group *group, void *arg, struct ym_err *error)
{
	void *one;

	(void)arg;
	atomic_fetch_add(&shared->made, 1);
	if (ym_registry_add(group->reg, YM_OBJECT_SEGMENT, "one", 4096, VERSION, 0600, &one, error) < 0)
		return -1;
	((struct content *)one)->nonce = group->reg->head.nonce;
	ym_seg_detach(one);
	if (ym_registry_add(group->reg, YM_OBJECT_SEGMENT, "two", 8192, VERSION, 0600, NULL, error) < 0 ||
	    ym_registry_add(group->reg, YM_OBJECT_QUEUE, "queue", 0, 0, 0600, NULL, error) < 0 ||
	    ym_registry_add(group->reg, YM_OBJECT_SEMAPHORE, "limit", 1, 0, 0600, NULL, error) < 0)
		return -1;
	return 0;
}

static inline int salvage(struct ym_group *group, void *arg, struct ym_err *error)
{
	struct content *content;
	void *one;

	(void)arg;
	/* Everything, or nothing any more: a remover may have been killed before. */
	if (ym_group_attach(group, "one", VERSION, &one, NULL, NULL) < 0)
		return 0;
	if (atomic_load(&shared->refuse)) {
		ym_seg_detach(one);
		return ym_fail(error, YM_ERR_FULL, "no room to keep it");
	}
	content = one;
	if (content->nonce == group->reg->head.nonce)
		atomic_fetch_add(&shared->salvaged, 1);
	ym_seg_detach(one);
	return 0;
}

static inline void notice(void *arg, const char *text)
{
	(void)arg;
	snprintf(shared->notice, sizeof(shared->notice), "%s", text);
	atomic_fetch_add(&shared->noticed, 1);
}

static inline struct ym_group_spec spec_of(unsigned capacity)
{
	return (struct ym_group_spec){
	    .directory = directory,
	    .role = "test",
	    .capacity = capacity,
	    .mode = 0600,
	    .patience_ms = PATIENCE_MS,
	    .init = make_objects,
	    .salvage = salvage,
	    .notice = notice,
	};
}

static inline void join(struct ym_group *group, unsigned capacity)
{
	struct ym_group_spec spec = spec_of(capacity);

	ASSERT_OK(ym_group_join(group, &spec, &err));
	ASSERT_OK(ym_group_registry(group, &err));
}

static inline void leave(struct ym_group *group, bool as_last)
{
	bool last = !as_last;

	ASSERT_OK(ym_group_leave(group, &last, &err));
	ck_assert_int_eq(last, as_last);
	ck_assert_int_eq(group->semid, -1);
}

static inline int value(const struct ym_group *group, int member)
{
	return ym_sys.semctl(group->semid, member, GETVAL, (union ym_semun){0});
}

static const char *objects_wrong(struct ym_group *group)
{
	struct content *content;
	const char *wrong = NULL;
	void *one, *two;

	if (value(group, YM_GROUP_READY) != 1)
		return "READY is not 1";
	if (group->reg->head.semid != group->semid)
		return "the registry belongs to another set";
	if (ym_group_attach(group, "one", VERSION, &one, NULL, &err) < 0)
		return err.text;
	content = one;
	if (content->nonce != group->reg->head.nonce)
		wrong = "the segment has another nonce";
	ym_seg_detach(one);
	if (wrong)
		return wrong;
	if (ym_group_attach(group, "two", VERSION, &two, NULL, &err) < 0)
		return err.text;
	ym_seg_detach(two);
	if (!ym_registry_find(group->reg, "queue") || !ym_registry_find(group->reg, "limit"))
		return "the queue or the semaphore is not entered";
	return NULL;
}

static inline void assert_good(struct ym_group *group)
{
	const char *wrong = objects_wrong(group);

	ck_assert_msg(wrong == NULL, "%s", wrong);
}

/* Whatever happened before: the next one gets in, finds everything, and cleans up behind himself. */
static inline void assert_recovers(void)
{
	struct ym_group group;

	join(&group, CAPACITY);
	assert_good(&group);
	ck_assert_int_eq(value(&group, YM_GROUP_USAGE), 1);
	ck_assert_int_eq(value(&group, YM_GROUP_LOCK), 0);
	leave(&group, true);
	assert_nothing_left();
}

/* A child that joins, says so, and sleeps until it is killed or gets SIGTERM, after which it leaves. */
static volatile sig_atomic_t told_to_leave;

static inline void on_term(int signo)
{
	(void)signo;
	told_to_leave = 1;
}

static inline void stay_joined(void *arg)
{
	struct sigaction action = {.sa_handler = on_term};
	struct ym_group group;
	sigset_t term, before;
	bool last;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	sigaction(SIGTERM, &action, NULL);
	join(&group, *(unsigned *)arg);
	tell_step();
	while (!told_to_leave)
		sigsuspend(&before);
	ASSERT_OK(ym_group_leave(&group, &last, &err));
	_exit(last);
}

static inline pid_t participant(void)
{
	static unsigned capacity = CAPACITY;
	pid_t pid = spawn(stay_joined, &capacity);

	await_step();
	return pid;
}

static inline bool leaves_as_last(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	status = reap(pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status) == 1;
}

static inline key_t key_of_members(void)
{
	char path[PATH_MAX];

	join_path(path, "members");
	return ftok(path, YM_KEY_PROJECT);
}

static inline TCase *group_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin_group, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#endif
