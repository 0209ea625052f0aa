/* census.c - take the survey with the directories where instances are, and say in JSON what it found. */
#include "census.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/key.h"

static void add_directory(struct census *census, const char *directory)
{
	if (census->ndirectories < CENSUS_DIRECTORIES_MAX)
		census->directories[census->ndirectories] = strdup(directory);
	if (census->ndirectories < CENSUS_DIRECTORIES_MAX && census->directories[census->ndirectories])
		census->ndirectories++;
}

/* Every instance below the directory where they are by default. */
static int find_directories(struct census *census, struct ym_err *err)
{
	struct instance instance;
	DIR *directory;

	if (instance_locate(&instance, INSTANCE_NAME_DEFAULT, NULL, err) < 0)
		return -1;
	memcpy(census->base, instance.directory, sizeof(census->base));
	*strrchr(census->base, '/') = '\0';
	directory = opendir(census->base);
	for (struct dirent *entry = directory ? readdir(directory) : NULL; entry; entry = readdir(directory))
		if (entry->d_name[0] != '.' && instance_locate(&instance, entry->d_name, NULL, NULL) == 0)
			add_directory(census, instance.directory);
	if (directory)
		closedir(directory);
	return 0;
}

int census_take(struct census *census, const struct args *args, struct ym_err *err)
{
	*census = (struct census){.one = args_value(args, "config") || args_value(args, "instance")};
	if (census->one) {
		if (args_instance(args, &census->instance, err) < 0)
			return -1;
		if (ym_keyfile(census->instance.directory, YM_REGISTRY_NAME, NULL, NULL, &census->key, NULL) < 0)
			census->key = 0;
		add_directory(census, census->instance.directory);
	}
	if (find_directories(census, err) < 0)
		return -1;
	return ym_survey_take(&census->survey, (const char *const *)census->directories, census->ndirectories, err);
}

void census_free(struct census *census)
{
	ym_survey_free(&census->survey);
	for (size_t i = 0; i < census->ndirectories; i++)
		free(census->directories[i]);
	census->ndirectories = 0;
}

bool census_wants(const struct census *census, const struct ym_survey_group *group)
{
	/* By the key: the directory may have been written in another way when the group was made. */
	return !census->one || (group->key == census->key && census->key != 0);
}

bool census_is_instance(const struct ym_survey_group *group)
{
	const struct ym_survey_entry *entry = ym_survey_entry(group, TABLE_NAME);

	return entry && entry->kind == YM_OBJECT_SEGMENT;
}

const char *census_name(const struct census *census, const struct ym_survey_group *group)
{
	const char *slash = strrchr(group->directory, '/');

	if (census->one)
		return census->instance.name;
	return slash && slash[1] ? slash + 1 : "group";
}

const char *census_process(pid_t pid, char out[CENSUS_PROCESS_MAX])
{
	struct ym_process process;

	ym_process_look(pid, &process);
	if (pid <= 0)
		snprintf(out, CENSUS_PROCESS_MAX, "a process that cannot be seen from here");
	else
		snprintf(out, CENSUS_PROCESS_MAX, "pid %ld (%s%s)", (long)pid, process.alive ? process.name : "dead",
		         ym_process_stopped(&process) ? ", stopped" : "");
	return out;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_process(struct json *json, const char *key, int64_t pid)
{
	struct ym_process process;

	if (pid <= 0)
		return;
	ym_process_look((pid_t)pid, &process);
	json_open(json, key, '{');
	json_put_int(json, "pid", pid);
	json_put_bool(json, "alive", process.alive);
	if (process.alive) {
		json_put_string(json, "name", process.name);
		json_put_bool(json, "stopped", ym_process_stopped(&process));
	}
	json_close(json, '}');
}

static void json_known(struct json *json, const char *key, int64_t number)
{
	if (number >= 0)
		json_put_int(json, key, number);
}

void census_json_object(struct json *json, const struct ym_survey_object *object)
{
	const struct ym_sysv_row *row = &object->row;
	char mode[16];

	json_open(json, NULL, '{');
	json_put_string(json, "type", ym_object_word(object->type));
	json_put_string(json, "kind", ym_survey_word(object->kind));
	json_put_int(json, "id", object->id);
	json_put_int(json, "key", object->key);
	if (object->name[0])
		json_put_string(json, "name", object->name);
	json_put_int(json, "uid", row->uid);
	json_put_int(json, "creator_uid", row->cuid);
	snprintf(mode, sizeof(mode), "%04o", (unsigned)row->perms & 0777);
	json_put_string(json, "mode", mode);
	json_put_int(json,
	             object->type == YM_OBJECT_SEMAPHORE ? "members"
	             : object->type == YM_OBJECT_SEGMENT ? "size"
	                                                 : "bytes",
	             row->size);
	json_known(json, object->type == YM_OBJECT_SEGMENT ? "attached" : "messages", row->count);
	if (object->type == YM_OBJECT_SEGMENT)
		json_put_bool(json, "removed", object->dest);
	json_known(json, "value", object->value);
	json_known(json, "usage", object->usage);
	json_known(json, "waiting", object->waiters);
	json_process(json, "creator", row->creator);
	json_process(json, "last", row->last);
	json_process(json, "last_receiver", row->last_receiver);
	json_known(json, "used", row->used);
	json_known(json, "received", row->received);
	json_known(json, "detached", row->detached);
	json_known(json, "changed", row->changed);
	json_close(json, '}');
}

static void json_members(struct json *json, const struct ym_survey_group *group)
{
	json_open(json, "participants", '[');
	for (unsigned i = 0; i < group->nmembers; i++) {
		const struct ym_survey_member *member = &group->members[i];

		json_open(json, NULL, '{');
		json_put_uint(json, "slot", member->slot);
		json_put_string(json, "role", member->role);
		json_put_int(json, "pid", member->pid);
		json_put_bool(json, "alive", member->alive);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_parts(struct json *json, const struct census *census, const struct ym_survey_group *group)
{
	json_open(json, "objects", '[');
	for (size_t i = 0; i < census->survey.nobjects; i++)
		if (census->survey.objects[i].group == (int)(group - census->survey.groups))
			census_json_object(json, &census->survey.objects[i]);
	json_close(json, ']');
	json_open(json, "gone", '[');
	for (unsigned i = 0; i < group->nentries; i++) {
		const struct ym_survey_entry *entry = &group->entries[i];

		if (entry->exists || entry->creating)
			continue;
		json_open(json, NULL, '{');
		json_put_string(json, "type", ym_object_word(entry->kind));
		json_put_string(json, "name", entry->name);
		json_put_int(json, "key", entry->key);
		json_put_int(json, "id", entry->id);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void census_json_group(struct json *json, const struct census *census, const struct ym_survey_group *group)
{
	json_open(json, NULL, '{');
	json_put_string(json, "name", census_name(census, group));
	json_put_string(json, "directory", group->directory);
	json_put_bool(json, "instance", census_is_instance(group));
	json_put_int(json, "key", group->key);
	json_known(json, "semaphores", group->semid);
	json_known(json, "registry", group->regid);
	json_put_uint(json, "uid", group->uid);
	json_put_uint(json, "capacity", group->capacity);
	if (group->readable) {
		json_put_int(json, "usage", group->usage);
		json_put_bool(json, "ready", group->ready > 0);
		json_put_bool(json, "locked", group->locked);
		json_process(json, "lock_holder", group->lock);
		json_process(json, "leader", group->leader);
	}
	json_process(json, "guardian", group->guarded ? group->guardian : 0);
	json_members(json, group);
	json_parts(json, census, group);
	json_close(json, '}');
}
