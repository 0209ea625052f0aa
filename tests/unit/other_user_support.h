/*
 * other_user_support.h - what the tests of instances with other users share: an instance that is shared with a Unix
 * group, users with and without that group, large payloads, a look at the group.
 *
 * Needs root: the owner is root, guests are `nobody` with and without the group, and a third user.
 */
#ifndef YM_TESTS_OTHER_USER_SUPPORT_H
#define YM_TESTS_OTHER_USER_SUPPORT_H

#include <grp.h>

#include "../../ipc/procfs.h"
#include "backlogs.h"

#define GROUP     54321
#define GROUP_TXT "54321"
#define THIRD     54322 /* a user and a group without any part in all this */
#define LARGE     (3u << 20)

static bool skipped;

/* For the rest of this process: nobody, in the group or not. */
static inline void become(uid_t uid, gid_t group)
{
	MUST(setgroups(1, &group) == 0);
	MUST(setgid(THIRD) == 0 && setuid(uid) == 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline void open_shared(void)
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

static inline void begin_shared(void)
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

static inline void join_as_guest(struct instance *mine)
{
	join_yard(mine);
	MUST(mine->group.guest);
}

static inline char *large_bytes(char seed)
{
	char *bytes = malloc(LARGE);

	MUST(bytes);
	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (char)(seed + (char)(i * 7 + i / 1000));
	return bytes;
}

static inline struct job_ref submit_large(struct instance *instance, char seed)
{
	struct job_request request = request_of("");
	struct job_ref ref;

	request.payload = (struct payload_source){.data = large_bytes(seed), .size = LARGE};
	MUST(submit_job(instance, &request, &ref, &err) == 0);
	free((void *)(uintptr_t)request.payload.data);
	return ref;
}

static inline void must_hold(const struct payload *payload, char seed)
{
	char *bytes = large_bytes(seed);

	MUST(payload->size == LARGE && memcmp(payload->data, bytes, LARGE) == 0);
	free(bytes);
}

/* Permissions and group of all System V objects of this name space. */
static inline unsigned count_modes(int64_t perms, int64_t gid)
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

static inline struct ym_group_look look(void)
{
	struct ym_group_look seen;

	ASSERT_OK(ym_group_look(directory, &seen, &err));
	return seen;
}

#endif
