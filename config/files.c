/* files.c - the file itself, and [include] files = GLOBS, which are read behind it as supervisord does. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "expand.h"
#include "loader.h"

#define DEPTH_MAX 8   /* files that include one another */
#define FILES_MAX 512 /* in all */
#define BLANK     " \t\n"

/* A file that is being read, for its includes. */
struct level {
	const struct level *above;
	const struct cfg_file *file;
	int depth;
};

static int same_file(const char *a, const char *b)
{
	struct stat left, right;

	return !stat(a, &left) && !stat(b, &right) && left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

/* One more file and its document, both empty; NULL when out of memory. `absolute` is its path, without links followed. */
static struct cfg_file *add_file(struct cfg_loader *load, const char *path, const char *absolute)
{
	struct config *out = load->out;
	struct cfg_file **files = cfg_room(out->files, out->nfiles, sizeof(struct cfg_file *));
	struct cfg_document **documents = NULL;
	struct cfg_file *file;
	size_t length = (size_t)(strrchr(absolute, '/') - absolute);

	if (files) {
		out->files = files;
		documents = cfg_room(load->documents, out->nfiles, sizeof(struct cfg_document *));
	}
	if (!documents)
		return NULL;
	load->documents = documents;
	documents[out->nfiles] = calloc(1, sizeof(struct cfg_document));
	file = files[out->nfiles] = calloc(1, sizeof(*file));
	if (!documents[out->nfiles] || !file) {
		free(documents[out->nfiles]);
		free(file);
		return NULL;
	}
	file->order = (int)out->nfiles++;
	file->path = strdup(path);
	file->directory = strndup(absolute, length ? length : 1);
	return file->path && file->directory ? file : NULL;
}

static void read_includes(struct cfg_loader *load, const struct level *level);

/* Its document; then what it includes. 0, or -1 if there is nothing to look at. */
static int read_one(struct cfg_loader *load, const char *path, const char *absolute, const struct level *above)
{
	struct level level = {.above = above, .depth = above ? above->depth + 1 : 0};

	level.file = add_file(load, path, absolute);
	if (!level.file) {
		cfg_problems_no_memory(load->problems);
		return -1;
	}
	if (cfg_document_read(level.file, above != NULL, load->documents[level.file->order], load->problems))
		return -1;
	read_includes(load, &level);
	return 0;
}

static void include(struct cfg_loader *load, const char *path, const struct level *level, struct cfg_place at)
{
	const struct level *up = level;

	do {
		if (same_file(up->file->path, path)) {
			cfg_problems_add(load->problems, at, "%s includes itself%s: remove it from `files`", path,
			                 up == level ? "" : ", through others");
			load->lost = true;
			return;
		}
		up = up->above;
	} while (up);
	for (size_t i = 0; i < load->out->nfiles; i++) {
		if (same_file(load->out->files[i]->path, path)) {
			cfg_note(load, at, "%s is included already: it is read once", path);
			return;
		}
	}
	if (level->depth < DEPTH_MAX && load->out->nfiles < FILES_MAX) {
		if (read_one(load, path, path, level))
			load->lost = true;
		return;
	}
	load->lost = true;
	if (level->depth >= DEPTH_MAX)
		cfg_problems_add(load->problems, at, "%s: files include one another more than %d levels deep", path,
		                 DEPTH_MAX);
	else
		cfg_problems_add(load->problems, at, "%s is one file too many: at most %d", path, FILES_MAX);
}

static void include_pattern(struct cfg_loader *load, const char *word, const struct level *level, struct cfg_place at)
{
	char *pattern = cfg_resolve_path(level->file->directory, word);
	glob_t found;
	int result;

	if (!pattern) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	result = glob(pattern, 0, NULL, &found);
	if (result == GLOB_NOMATCH)
		cfg_note(load, at, "no file is called %s: nothing is included", pattern);
	else if (result)
		cfg_problems_no_memory(load->problems);
	for (size_t i = 0; !result && i < found.gl_pathc; i++)
		include(load, found.gl_pathv[i], level, at);
	globfree(&found);
	free(pattern);
}

static void include_files(struct cfg_loader *load, const struct cfg_entry *entry, const struct level *level)
{
	struct cfg_expansion values = {.here = level->file->directory, .no_process_num = true};
	char *text, *rest, *word, why[CFG_WHY_MAX];

	if (cfg_expand(entry->value, &values, &text, why)) {
		cfg_problems_add(load->problems, entry->at, "%s: %s", entry->name, why);
		return;
	}
	for (word = strtok_r(text, BLANK, &rest); word; word = strtok_r(NULL, BLANK, &rest))
		include_pattern(load, word, level, entry->at);
	free(text);
}

static void read_includes(struct cfg_loader *load, const struct level *level)
{
	const struct cfg_document *document = load->documents[level->file->order];

	for (size_t i = 0; i < document->count; i++) {
		const struct cfg_section *section = &document->sections[i];
		bool named = false;

		if (strcmp(section->name, cfg_kind_word(CFG_INCLUDE)))
			continue;
		for (size_t j = 0; j < section->count; j++) {
			const struct cfg_entry *entry = &section->entries[j];

			if (!cfg_option_find(CFG_INCLUDE, entry->name)) {
				cfg_problems_add(load->problems, entry->at,
				                 "unknown option `%s` in [include]: there is only `files`",
				                 entry->name);
				continue;
			}
			named = true;
			include_files(load, entry, level);
		}
		if (!named && !section->damaged && !section->count)
			cfg_problems_add(load->problems, section->at, "[include] needs `files` (paths and patterns)");
	}
}

int cfg_files_read(struct cfg_loader *load, const char *path)
{
	char *here = getcwd(NULL, 0);
	struct ym_err err;

	if (!here && *path != '/') {
		ym_fail_sys(&err, errno, "getcwd() to find the configuration");
		cfg_problems_add(load->problems, (struct cfg_place){0}, "%s", err.text);
		return -1;
	}
	/* Without following links: a link that moves to another file must keep working. */
	load->out->path = cfg_resolve_path(here ? here : "", path);
	free(here);
	if (!load->out->path) {
		cfg_problems_no_memory(load->problems);
		return -1;
	}
	return read_one(load, path, load->out->path, NULL);
}
