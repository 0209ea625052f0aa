/* diagnose.c - compare what the survey saw with what a healthy group looks like. */
#include "diagnose.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../ipc/key.h"
#include "../../ipc/sem.h"

/* Joining and leaving take less than a millisecond; a salvage may write files for a while. */
#define LOCK_LONG_S 3

#define IDS_MAX   8
#define PIDS_MAX  8
#define TEXT_LINE 192

/* How a group is named in a finding. */
static const char *label(const struct census *census, const struct ym_survey_group *group, char out[TEXT_LINE])
{
	snprintf(out, TEXT_LINE, "%.40s (key 0x%08x, %.100s)", census_name(census, group), (unsigned)group->key,
	         group->directory[0] ? group->directory : "directory not known");
	return out;
}

int64_t diagnose_unfinished(const struct ym_survey_group *group)
{
	const struct ym_survey_entry *entry = ym_survey_entry(group, TABLE_NAME);
	int64_t unfinished = 0;
	struct table_sh *table;
	void *addr;
	size_t size;

	if (!entry || !entry->exists ||
	    ym_seg_attach(entry->id, TABLE_NAME, TABLE_VERSION, -1, true, &addr, &size, NULL) < 0)
		return -1;
	table = addr;
	if (table_check(table, size, NULL) < 0)
		unfinished = -1;
	for (uint32_t slot = 0; unfinished >= 0 && slot < table->slots; slot++)
		unfinished += !job_state_over(word_state(atomic_load(&table->words[slot])));
	ym_seg_detach(addr);
	return unfinished;
}

/* " with 3 unfinished jobs", or nothing for a group that is no instance. */
static void jobs_text(const struct ym_survey_group *group, char *out, size_t max)
{
	int64_t unfinished = census_is_instance(group) ? diagnose_unfinished(group) : 0;

	out[0] = '\0';
	if (unfinished < 0)
		snprintf(out, max, ", its job table cannot be read");
	else if (unfinished > 0)
		snprintf(out, max, ", %" PRId64 " unfinished jobs", unfinished);
}

static bool in_default_place(const struct census *census, const struct ym_survey_group *group)
{
	size_t length = strlen(census->base);

	return strncmp(group->directory, census->base, length) == 0 && group->directory[length] == '/' &&
	       !strchr(group->directory + length + 1, '/');
}

/* ---- the set --------------------------------------------------------------------------------- */

static void diagnose_empty(struct findings *findings, const struct census *census, const struct ym_survey_group *group)
{
	char name[TEXT_LINE], jobs[64], guardian[64] = "";

	jobs_text(group, jobs, sizeof(jobs));
	if (group->guarded)
		snprintf(guardian, sizeof(guardian), "; its guardian (pid %d) should be about to do it",
		         group->guardian);
	if (group->ready)
		findings_add(findings, FINDING_GROUP_ABANDONED, "yardmaster ipc gc", "%s: no participant%s%s",
		             label(census, group, name), jobs, guardian);
	else
		findings_add(findings, FINDING_GROUP_HALF_MADE, "yardmaster ipc gc",
		             "%s: READY is 0 and nobody is inside%s%s", label(census, group, name), jobs, guardian);
}

/* Processes that still live are participants without a group. */
static void diagnose_lost_set(struct findings *findings, const struct census *census,
                              const struct ym_survey_group *group)
{
	char name[TEXT_LINE], jobs[64], process[CENSUS_PROCESS_MAX];

	jobs_text(group, jobs, sizeof(jobs));
	if (group->nmembers)
		findings_add(findings, FINDING_SET_REMOVED_LIVE, NULL,
		             "%s: no semaphore set, but %u processes, one is %s", label(census, group, name),
		             group->nmembers, census_process(group->members[0].pid, process));
	else
		findings_add(findings, FINDING_SET_REMOVED, "yardmaster ipc gc",
		             "%s: no semaphore set; list of objects (segment %d) with %u entries%s",
		             label(census, group, name), group->regid, group->nentries, jobs);
}

static void diagnose_lock(struct findings *findings, const struct census *census, const struct ym_survey_group *group)
{
	/* The holder took it at or before the last operation on the set. */
	int64_t held = time(NULL) - group->used;
	struct ym_process holder;
	char name[TEXT_LINE], process[CENSUS_PROCESS_MAX], command[FINDING_COMMAND_MAX];

	ym_process_look(group->lock, &holder);
	census_process(group->lock, process);
	snprintf(command, sizeof(command), "kill -CONT %d", group->lock);
	if (group->lock > 0 && ym_process_stopped(&holder))
		findings_add(findings, FINDING_LOCK_STUCK, command, "%s: %s has held LOCK for at least %" PRId64 " s",
		             label(census, group, name), process, held);
	else if (group->lock > 0 && !holder.alive)
		findings_add(findings, FINDING_LOCK_STUCK, NULL, "%s: LOCK is 1, but its last holder is %s",
		             label(census, group, name), process);
	else if (held >= LOCK_LONG_S)
		findings_add(findings, FINDING_LOCK_HELD, NULL, "%s: %s has held LOCK for at least %" PRId64 " s",
		             label(census, group, name), process, held);
}

/* ---- what belongs to it ---------------------------------------------------------------------- */

static void diagnose_members(struct findings *findings, const struct census *census,
                             const struct ym_survey_group *group)
{
	unsigned dead = 0;
	pid_t last = 0;
	const char *start = census_is_instance(group) ? "yardmaster run FILE" : NULL;
	char name[TEXT_LINE];

	label(census, group, name);
	for (unsigned i = 0; i < group->nmembers; i++) {
		dead += !group->members[i].alive;
		if (!group->members[i].alive)
			last = group->members[i].pid;
	}
	/* A living leader clears up in a moment; without any participant there is more to say. */
	if (dead && !group->led && group->usage > 0)
		findings_add(findings, FINDING_MEMBER_DEAD, start,
		             "%s: %u participants were killed (last pid %d) and nobody leads", name, dead, last);
	if (group->usage <= 0 || group->guarded)
		return;
	if (group->guardian > 0)
		findings_add(findings, FINDING_GUARDIAN_DEAD, start,
		             "%s: %d participants, but the guardian (pid %d) is dead", name, group->usage,
		             group->guardian);
	else
		findings_add(findings, FINDING_GUARDIAN_NONE, NULL, "%s: %d participants", name, group->usage);
}

static void diagnose_entries(struct findings *findings, const struct census *census,
                             const struct ym_survey_group *group)
{
	char name[TEXT_LINE];

	for (unsigned i = 0; i < group->nentries; i++) {
		const struct ym_survey_entry *entry = &group->entries[i];

		if (!entry->exists && !entry->creating)
			findings_add(findings, FINDING_OBJECT_GONE, NULL, "%s: %s \"%s\" (key 0x%08x, id %d) is gone",
			             label(census, group, name), ym_object_word(entry->kind), entry->name,
			             (unsigned)entry->key, entry->id);
	}
}

/* The letter of ipcrm. */
static char ipcrm_letter(enum ym_object_kind type)
{
	return type == YM_OBJECT_SEMAPHORE ? 's' : type == YM_OBJECT_QUEUE ? 'q' : 'm';
}

static void diagnose_key(struct findings *findings, const struct census *census, const struct ym_survey_group *group,
                         const char *file, key_t key)
{
	char name[TEXT_LINE], command[FINDING_COMMAND_MAX];

	for (size_t i = 0; i < census->survey.nobjects; i++) {
		const struct ym_survey_object *object = &census->survey.objects[i];

		/* A stray segment has a finding of its own. */
		if (object->key != key || object->group >= 0 || object->dest || object->kind == YM_SURVEY_STRAY)
			continue;
		snprintf(command, sizeof(command), "ipcrm -%c %d", ipcrm_letter(object->type), object->id);
		findings_add(findings, FINDING_OBJECT_UNREGISTERED, command,
		             "%s: %s %d (key 0x%08x, uid %lld) of file %.40s", label(census, group, name),
		             ym_object_word(object->type), object->id, (unsigned)key, (long long)object->row.cuid,
		             file);
	}
}

/* Objects with the keys of files in the directory, which nobody has entered. */
static void diagnose_directory(struct findings *findings, const struct census *census,
                               const struct ym_survey_group *group)
{
	DIR *directory = group->directory[0] ? opendir(group->directory) : NULL;

	for (struct dirent *file = directory ? readdir(directory) : NULL; file; file = readdir(directory)) {
		key_t key;

		if (file->d_type == DT_REG && strcmp(file->d_name, YM_REGISTRY_NAME) != 0 &&
		    ym_keyfile(group->directory, file->d_name, NULL, NULL, &key, NULL) == 0)
			diagnose_key(findings, census, group, file->d_name, key);
	}
	if (directory)
		closedir(directory);
}

static void say_healthy(struct findings *findings, const struct census *census, const struct ym_survey_group *group)
{
	char name[TEXT_LINE], leader[CENSUS_PROCESS_MAX + 16] = "", guardian[32] = "", text[CENSUS_PROCESS_MAX];

	if (group->led)
		snprintf(leader, sizeof(leader), ", led by %s", census_process(group->leader, text));
	if (group->guarded)
		snprintf(guardian, sizeof(guardian), ", guardian pid %d", group->guardian);
	findings_add(findings, FINDING_GROUP_HEALTHY, NULL, "%s: %d participants, %u objects%s%s",
	             label(census, group, name), group->usage, group->nentries, leader, guardian);
}

static void diagnose_group(struct findings *findings, const struct census *census, const struct ym_survey_group *group)
{
	size_t before = findings->count;
	char name[TEXT_LINE], command[FINDING_COMMAND_MAX];

	label(census, group, name);
	if (group->semid < 0) {
		diagnose_lost_set(findings, census, group);
		return;
	}
	if (!group->readable) {
		findings_add(findings, FINDING_GROUP_UNREADABLE, NULL, "%s: made by uid %u", name,
		             (unsigned)group->uid);
		return;
	}
	if (group->usage == 0 && !group->locked)
		diagnose_empty(findings, census, group);
	else if (!group->ready && !group->locked)
		findings_add(findings, FINDING_GROUP_HALF_MADE, NULL, "%s: READY is 0 with %d inside (scripts?)", name,
		             group->usage);
	/* Without a list only the key file says that the set is a group's: gc has to be told where that is. */
	snprintf(command, sizeof(command), "yardmaster ipc gc %s%.40s",
	         in_default_place(census, group) ? "-i " : "-c FILE",
	         in_default_place(census, group) ? census_name(census, group) : "");
	if (group->ready && !group->locked && (group->regid < 0 || group->reg_dest))
		findings_add(findings, FINDING_REGISTRY_REMOVED, command, "%s: %d participants, but no list of objects",
		             name, group->usage);
	if (group->locked)
		diagnose_lock(findings, census, group);
	diagnose_members(findings, census, group);
	/* While somebody makes or removes the group nothing is as it should be. */
	if (group->ready && !group->locked)
		diagnose_entries(findings, census, group);
	diagnose_directory(findings, census, group);
	if (findings->count == before)
		say_healthy(findings, census, group);
}

void diagnose_groups(struct findings *findings, const struct census *census)
{
	for (size_t i = 0; i < census->survey.ngroups; i++)
		if (census_wants(census, &census->survey.groups[i]))
			diagnose_group(findings, census, &census->survey.groups[i]);
}

/* ---- single objects -------------------------------------------------------------------------- */

static void diagnose_removed(struct findings *findings, const struct ym_survey_object *object)
{
	pid_t pids[PIDS_MAX];
	size_t n = ym_process_mapping(object->id, pids, PIDS_MAX), at = 0;
	char who[PIDS_MAX * CENSUS_PROCESS_MAX] = "processes that cannot be seen from here",
			    process[CENSUS_PROCESS_MAX];

	for (size_t i = 0; i < n && i < PIDS_MAX; i++)
		at += (size_t)snprintf(who + at, sizeof(who) - at, "%s%s", i ? ", " : "",
		                       census_process(pids[i], process));
	findings_add(findings, FINDING_SEGMENT_REMOVED, NULL,
	             "segment %d (%" PRId64 " bytes, uid %" PRId64 ") is still attached %" PRId64 " times, by %s",
	             object->id, object->row.size, object->row.cuid, object->row.count, who);
}

static void diagnose_stray(struct findings *findings, const struct census *census,
                           const struct ym_survey_object *object)
{
	const struct ym_survey_object *set = ym_survey_by_id(&census->survey, YM_OBJECT_SEMAPHORE, object->semid);
	char command[FINDING_COMMAND_MAX];

	/* Its group may be in the middle of making it. */
	if (set && set->group >= 0 && census->survey.groups[set->group].locked)
		return;
	snprintf(command, sizeof(command), "ipcrm -m %d", object->id);
	findings_add(
	    findings, FINDING_STRAY_SEGMENT, command,
	    "segment %d \"%s\" (key 0x%08x, %" PRId64 " bytes, attached %" PRId64 " times) of the group of set %d",
	    object->id, object->name, (unsigned)object->key, object->row.size, object->row.count, object->semid);
}

static void diagnose_semaphore(struct findings *findings, const struct ym_survey_object *object)
{
	char process[CENSUS_PROCESS_MAX], command[FINDING_COMMAND_MAX];
	struct ym_process holder;

	if (object->locked <= 0)
		return;
	ym_process_look(object->locker, &holder);
	if (object->locker <= 0 || (holder.alive && !ym_process_stopped(&holder)))
		return;
	snprintf(command, sizeof(command), holder.alive ? "kill -CONT %d" : "ipcrm -s %d",
	         holder.alive ? (int)object->locker : object->id);
	findings_add(findings, FINDING_SEMAPHORE_STUCK, command, "semaphore %d (key 0x%08x): %s holds SETVAL",
	             object->id, (unsigned)object->key, census_process(object->locker, process));
}

static void diagnose_unused(struct findings *findings, const struct census *census)
{
	char ids[IDS_MAX * 12] = "";
	size_t unused = 0, at = 0;

	for (size_t i = 0; i < census->survey.nobjects; i++) {
		const struct ym_survey_object *object = &census->survey.objects[i];

		if (object->kind != YM_SURVEY_SEMAPHORE || !object->ours || object->usage != 0 || object->locked != 0)
			continue;
		if (unused++ < IDS_MAX)
			at += (size_t)snprintf(ids + at, sizeof(ids) - at, " %d", object->id);
	}
	if (unused)
		findings_add(findings, FINDING_SEMAPHORE_UNUSED, "yardmaster ipc gc --unused-semaphores --dry-run",
		             "%zu semaphores nobody has open, ids%s%s", unused, ids, unused > IDS_MAX ? " ..." : "");
}

void diagnose_objects(struct findings *findings, const struct census *census)
{
	for (size_t i = 0; i < census->survey.nobjects; i++) {
		const struct ym_survey_object *object = &census->survey.objects[i];

		if (object->dest)
			diagnose_removed(findings, object);
		else if (object->kind == YM_SURVEY_STRAY)
			diagnose_stray(findings, census, object);
		else if (object->kind == YM_SURVEY_SHAPE)
			findings_add(findings, FINDING_GROUP_SHAPE, "yardmaster ipc gc -c FILE",
			             "semaphore set %d (key 0x%08x, %" PRId64 " members, uid %" PRId64 ")", object->id,
			             (unsigned)object->key, object->row.size, object->row.cuid);
		if (object->type == YM_OBJECT_SEMAPHORE)
			diagnose_semaphore(findings, object);
	}
	diagnose_unused(findings, census);
}
