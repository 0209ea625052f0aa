/* gc.c - `yardmaster ipc gc`: remove what nobody uses any more, by the protocol of those who might come back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../ipc/collect.h"
#include "../../ipc/sem.h"
#include "../../ipc/sys.h"
#include "census.h"

struct gc {
	const struct census *census;
	struct ym_collect_spec spec;
	unsigned removed, failed;
	struct ym_err err; /* of the last failure */
};

static void notice(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "yardmaster: %s\n", text);
}

/* Only an instance's contents can be saved by this program. */
static bool knows(const struct ym_group *group)
{
	return ym_registry_find(group->reg, TABLE_NAME) != NULL;
}

static void say_removed(const struct gc *gc, const char *word, key_t key, int id, const char *why)
{
	printf("%s %s (key 0x%08x, id %d): %s\n", gc->spec.dry ? "would remove" : "removed", word, (unsigned)key, id,
	       why);
}

/* A semaphore that scripts use stays with them. */
static bool still_there(const struct gc *gc, const struct ym_survey_entry *entry)
{
	const struct ym_survey_object *object;
	uid_t cuid;
	key_t key;

	if (!gc->spec.dry)
		return ym_object_identity(entry->kind, entry->id, &cuid, &key) && key == entry->key;
	object = entry->kind == YM_OBJECT_SEMAPHORE
	             ? ym_survey_by_id(&gc->census->survey, YM_OBJECT_SEMAPHORE, entry->id)
	             : NULL;
	return object && (object->usage > 0 || object->locked > 0);
}

static void say_group_removed(struct gc *gc, const struct ym_survey_group *group, const char *why)
{
	char name[160];

	for (unsigned i = 0; i < group->nentries; i++) {
		const struct ym_survey_entry *entry = &group->entries[i];

		if (!entry->exists)
			continue;
		snprintf(name, sizeof(name), "%s %s/%s", ym_object_word(entry->kind), census_name(gc->census, group),
		         entry->name);
		if (still_there(gc, entry))
			printf("left %s (key 0x%08x, id %d): scripts still use it\n", name, (unsigned)entry->key,
			       entry->id);
		else
			say_removed(gc, name, entry->key, entry->id, why);
	}
	snprintf(name, sizeof(name), "segment %s/" YM_REGISTRY_NAME, census_name(gc->census, group));
	if (group->regid >= 0)
		say_removed(gc, name, group->key, group->regid, why);
	snprintf(name, sizeof(name), "semaphore %s/" YM_REGISTRY_NAME, census_name(gc->census, group));
	if (group->semid >= 0)
		say_removed(gc, name, group->key, group->semid, why);
	gc->removed++;
}

static const char *reason(const struct ym_survey_group *group)
{
	if (group->semid < 0)
		return "the group's semaphore set was removed by hand, and nobody works with it";
	return group->ready ? "the group has no participant" : "the group was left half made or half removed";
}

static void collect_group(struct gc *gc, const struct ym_survey_group *group)
{
	enum ym_collect_verdict verdict;
	int result = group->semid >= 0 ? ym_collect_group(group->semid, group->key, &gc->spec, &verdict, &gc->err)
	                               : ym_collect_registry(group->regid, group->key, &gc->spec, &verdict, &gc->err);

	if (result < 0) {
		gc->failed++;
		fprintf(stderr, "yardmaster: group %s: %s\n", census_name(gc->census, group), gc->err.text);
		return;
	}
	switch (verdict) {
	case YM_COLLECT_REMOVED:
		say_group_removed(gc, group, reason(group));
		break;
	case YM_COLLECT_KEPT:
		printf("left group %s (%s): its own program has to save what is in it: start that program\n",
		       census_name(gc->census, group), group->directory);
		break;
	case YM_COLLECT_BUSY:
		printf("left group %s (%s): somebody uses it\n", census_name(gc->census, group), group->directory);
		break;
	case YM_COLLECT_GONE:
	case YM_COLLECT_FOREIGN:
		/* Changed since the survey: not what we found any more. */
		break;
	}
}

/* Is it worth asking the kernel? */
static bool looks_abandoned(const struct ym_survey_group *group)
{
	/* A list that is removed but attached is known to a guardian or another process: it will clear up. */
	return !group->reg_dest && (group->semid < 0 || (group->readable && group->usage == 0));
}

static void collect_groups(struct gc *gc)
{
	for (size_t i = 0; i < gc->census->survey.ngroups; i++) {
		const struct ym_survey_group *group = &gc->census->survey.groups[i];

		if (!census_wants(gc->census, group) || !looks_abandoned(group))
			continue;
		if (group->ours)
			collect_group(gc, group);
		else
			printf("left group %s (%s): it belongs to uid %u\n", census_name(gc->census, group),
			       group->directory, (unsigned)group->uid);
	}
}

/* 0 removed (or would be), 1 somebody came, -1. A dry run only asks. */
static int remove_semaphore(struct gc *gc, int id)
{
	struct sembuf unused[] = {{YM_SEM_USAGE, 0, IPC_NOWAIT}, {YM_SEM_LOCK, 0, IPC_NOWAIT}};

	if (!gc->spec.dry)
		return ym_sem_remove_unused(id, 0, &gc->err);
	return ym_semop_until(id, unused, 2, YM_NEVER) ? 1 : 0;
}

static void collect_semaphores(struct gc *gc)
{
	for (size_t i = 0; i < gc->census->survey.nobjects; i++) {
		const struct ym_survey_object *object = &gc->census->survey.objects[i];
		int result;

		if (object->kind != YM_SURVEY_SEMAPHORE || !object->ours)
			continue;
		result = remove_semaphore(gc, object->id);
		if (result == 0) {
			say_removed(gc, "semaphore", object->key, object->id,
			            "three members as PHP makes them, nobody has it open");
			gc->removed++;
		} else if (result < 0) {
			gc->failed++;
			fprintf(stderr, "yardmaster: %s\n", gc->err.text);
		}
	}
}

static int run(const struct args *args)
{
	struct census census;
	struct gc gc = {
	    .census = &census,
	    .spec = {.dry = args_flag(args, "dry-run"),
	             .knows = knows,
	             .salvage = instance_salvage,
	             .notice = notice,
	             .patience_ms = INSTANCE_PATIENCE_MS},
	};
	int code = 0;

	if (census_take(&census, args, &gc.err) < 0) {
		census_free(&census);
		return command_fail(&gc.err);
	}
	collect_groups(&gc);
	if (args_flag(args, "unused-semaphores"))
		collect_semaphores(&gc);
	if (!gc.removed && !gc.failed)
		printf("nothing to remove\n");
	if (gc.failed)
		code = ym_err_exit_code(gc.err.class);
	census_free(&census);
	return code;
}

static const struct option_row options[] = {
    CENSUS_OPTIONS,
    {"dry-run", 'n', NULL, "say what would be removed, remove nothing"},
    {"unused-semaphores", 0, NULL, "also semaphores that nobody has open, see above"},
    {0},
};

const struct command command_ipc_gc = {
    .verb = "gc",
    .usage = "[OPTIONS]",
    .summary = "remove groups without participants, and what was left half made or half removed",
    .text =
	"Removed are, if our user made them: groups that nobody is in, sets that a killed process left half made or\n"
	"half removed, and what is left of groups whose semaphore set was removed by hand, if nobody works with it.\n"
	"Unfinished jobs of an instance are kept in its directory for the next start. Never removed is what another\n"
	"user made, what has a participant, what belongs to no group, and a group whose own program has to save what\n"
	"is in it. Somebody who joins at the same moment is not harmed.\n"
	"\n"
	"--unused-semaphores removes every set of three members of our user whose second and third member (USAGE and\n"
	"SETVAL) are 0. PHP makes such sets and never removes them; sem_get() makes them again and sets their first\n"
	"member, so nothing is lost. Another program may use sets of three members in another way and keep something\n"
	"in them: look with --dry-run before.",
    .options = options,
    .run = run,
};
