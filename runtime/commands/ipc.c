/* ipc.c - `yardmaster ipc`: its subcommands, and `ipc ls`: which groups, objects and participants there are. */
#include <stdio.h>
#include <string.h>

#include "../../ipc/queue.h"
#include "../../ipc/sem.h"
#include "../../ipc/sys.h"
#include "../text.h"
#include "census.h"
#include "command.h"

/* One line; TEXT says the rest. */
static void print_line(const char *word, const char *name, key_t key, int id, const char *text)
{
	printf("  %-10s %-24.40s 0x%08x %10d  %s\n", word, name, (unsigned)key, id, text);
}

/* `units`: what a semaphore was made with, -1 if that is not known. */
static void describe(const struct ym_survey_object *object, int64_t units, char *out, size_t max)
{
	const struct ym_sysv_row *row = &object->row;
	struct ym_queue_stat queue;
	char size[TEXT_MAX];
	int n;

	switch (object->type) {
	case YM_OBJECT_SEGMENT:
	case YM_OBJECT_VARIABLES:
		snprintf(out, max, "%s, %lld attached%s", text_amount((double)row->size, true, size),
		         (long long)row->count, object->dest ? ", removed" : "");
		break;
	case YM_OBJECT_QUEUE:
		n = snprintf(out, max, "%lld messages, %lld", (long long)row->count, (long long)row->size);
		if (ym_queue_stat(object->id, &queue, NULL) == 0)
			n += snprintf(out + n, max - (size_t)n, " of %llu", (unsigned long long)queue.capacity);
		snprintf(out + n, max - (size_t)n, " bytes");
		break;
	case YM_OBJECT_SEMAPHORE:
		if (object->value < 0) {
			snprintf(out, max, "%lld members", (long long)row->size);
			break;
		}
		n = snprintf(out, max, "%d", object->value);
		if (units >= 0)
			n += snprintf(out + n, max - (size_t)n, " of %lld", (long long)units);
		snprintf(out + n, max - (size_t)n, " units free, %d handles, %d waiting", object->usage,
		         object->waiters);
		break;
	}
}

static void print_objects(const struct census *census, const struct ym_survey_group *group)
{
	for (unsigned i = 0; i < group->nentries; i++) {
		const struct ym_survey_entry *entry = &group->entries[i];
		enum ym_object_kind type = entry->kind == YM_OBJECT_VARIABLES ? YM_OBJECT_SEGMENT : entry->kind;
		const struct ym_survey_object *object = ym_survey_by_id(&census->survey, type, entry->id);
		char text[160] = "GONE: removed by somebody else";

		if (entry->creating)
			snprintf(text, sizeof(text), "being made");
		else if (entry->exists && object)
			describe(object, (int64_t)entry->size, text, sizeof(text));
		print_line(ym_object_word(entry->kind), entry->name, entry->key, entry->id, text);
	}
}

static void print_participants(const struct ym_survey_group *group)
{
	char since[TEXT_MAX];

	for (unsigned i = 0; i < group->nmembers; i++) {
		const struct ym_survey_member *member = &group->members[i];

		printf("  slot %-5u %-24.15s pid %-8d %s%s\n", member->slot, member->role, member->pid,
		       !member->alive   ? "DEAD, not cleared up yet"
		       : member->joined ? "alive for "
		                        : "alive",
		       member->alive && member->joined ? text_duration(ym_now_ns() - member->joined, since) : "");
	}
}

static const char *group_state(const struct ym_survey_group *group)
{
	if (!group->ready)
		return group->usage == 0 ? ", half made or half removed: the next start repairs it"
		                         : ", being made or removed";
	if (!census_is_instance(group))
		return group->led ? ", has a leader" : "";
	return group->led ? ", has a master" : ", no master";
}

static void print_group(const struct census *census, const struct ym_survey_group *group)
{
	char text[160] = "GONE: removed by somebody else";

	printf("%s (%s)\n", census_name(census, group), group->directory[0] ? group->directory : "directory not known");
	if (group->readable)
		snprintf(text, sizeof(text), "%u slots, %d participants%s", group->capacity, group->usage,
		         group_state(group));
	else if (group->semid >= 0)
		snprintf(text, sizeof(text), "%u slots, of uid %u: not to be read", group->capacity, group->uid);
	print_line("semaphore", YM_REGISTRY_NAME, group->key, group->semid, text);
	if (group->regid < 0)
		return;
	print_line("segment", YM_REGISTRY_NAME, group->key, group->regid,
	           group->reg_dest ? "the list of objects, removed by somebody else" : "the list of objects");
	print_objects(census, group);
	print_participants(group);
	if (group->guarded)
		printf("  %-10s %-24s pid %d\n", "guardian", "", group->guardian);
}

static void print_others(const struct census *census)
{
	size_t others = 0;

	for (size_t i = 0; i < census->survey.nobjects; i++) {
		const struct ym_survey_object *object = &census->survey.objects[i];
		char text[160], name[64];

		if (object->group >= 0)
			continue;
		if (others++ == 0)
			printf("in no group\n");
		describe(object, -1, text, sizeof(text));
		snprintf(name, sizeof(name), "%s, uid %lld", ym_survey_word(object->kind), (long long)object->row.cuid);
		print_line(ym_object_word(object->type), name, object->key, object->id, text);
	}
}

static void print_json(const struct census *census, bool all)
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	json_open(&json, "groups", '[');
	for (size_t i = 0; i < census->survey.ngroups; i++)
		if (census_wants(census, &census->survey.groups[i]))
			census_json_group(&json, census, &census->survey.groups[i]);
	json_close(&json, ']');
	if (all) {
		json_open(&json, "others", '[');
		for (size_t i = 0; i < census->survey.nobjects; i++)
			if (census->survey.objects[i].group < 0)
				census_json_object(&json, &census->survey.objects[i]);
		json_close(&json, ']');
	}
	json_close(&json, '}');
	printf("\n");
}

/* The instance that was asked for is not there: why? */
static int not_there(const struct census *census, struct ym_err *err)
{
	struct ym_group_look look;

	if (ym_group_look(census->instance.directory, &look, err) < 0)
		return -1;
	return ym_fail(err, YM_ERR_NOT_RUNNING, "not running: instance %s has just been started or stopped: try again",
	               census->instance.name);
}

static int list(const struct args *args)
{
	bool all = args_flag(args, "all");
	struct census census;
	struct ym_err err;
	size_t found = 0;
	int result = census_take(&census, args, &err);

	for (size_t i = 0; result == 0 && i < census.survey.ngroups; i++)
		found += census_wants(&census, &census.survey.groups[i]);
	if (result == 0 && census.one && !found)
		result = not_there(&census, &err);
	if (result == 0 && args_flag(args, "json")) {
		print_json(&census, all);
	} else if (result == 0) {
		for (size_t i = 0; i < census.survey.ngroups; i++)
			if (census_wants(&census, &census.survey.groups[i]))
				print_group(&census, &census.survey.groups[i]);
		if (!found)
			printf("no instance is running below %s, and there is no group elsewhere\n", census.base);
		if (all)
			print_others(&census);
	}
	census_free(&census);
	return result < 0 ? command_fail(&err) : 0;
}

static const struct option_row list_options[] = {
    CENSUS_OPTIONS,
    {"all", 'a', NULL, "also the objects that belong to no group"},
    {"json", 0, NULL, "everything that is known, with processes and times, as JSON"},
    {0},
};

static const struct command command_ls = {
    .verb = "ls",
    .usage = "[OPTIONS]",
    .summary = "list groups with their objects and participants",
    .text = "A group is an instance of Yardmaster or of another program that uses its library. All of this IPC\n"
	    "namespace are listed, wherever their directory is.",
    .options = list_options,
    .run = list,
};

static const struct command *const subcommands[] = {&command_ls, &command_ipc_doctor, &command_ipc_gc, NULL};

const struct command command_ipc = {
    .verb = "ipc",
    .usage = "COMMAND [OPTIONS]",
    .summary = "see, explain and clear up System V IPC objects",
    .group = COMMAND_GROUP_IPC,
    .subcommands = subcommands,
};
