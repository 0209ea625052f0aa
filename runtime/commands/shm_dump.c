/* shm_dump.c - `yardmaster shm dump`: every byte of a segment, whatever state it is in. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../typed.h"
#include "shm.h"

#define ROW       16
#define INDENT    10
#define RAW_BYTES 512 /* shown of what makes no sense, without --hex */

#define CHUNK_LEAST ym_vars_chunk_size(0)

/* A dump on its way through the segment. Nothing it finds there is believed before it has been checked. */
struct dump {
	const struct ym_vars *vars;
	struct ym_err why; /* what is wrong outside of the chunks, if anything */
	const char *bytes; /* of the segment, `size` of them */
	size_t size;
	struct ym_vars_head_sh head; /* as it was when the dump began */
	struct json *json;           /* NULL: text */
	bool hex;
	unsigned damages;
};

/* ---- bytes --------------------------------------------------------------------------------------- */

static void hex_row(size_t at, const unsigned char row[ROW], size_t length)
{
	printf("%*s%08zx ", INDENT, "", at);
	for (size_t i = 0; i < ROW; i++) {
		if (i < length)
			printf("%s%02x", i == ROW / 2 ? "  " : " ", row[i]);
		else
			printf("%s", i == ROW / 2 ? "    " : "   ");
	}
	printf("  |");
	for (size_t i = 0; i < length; i++)
		putchar(isprint(row[i]) ? row[i] : '.');
	printf("|\n");
}

/* Rows that repeat the one before are replaced by a single asterisk. */
static void hex_dump(const struct dump *dump, size_t from, size_t to)
{
	unsigned char row[ROW], before[ROW];
	bool repeated = false;

	for (size_t at = from; at < to; at += ROW) {
		size_t length = to - at < ROW ? to - at : ROW;

		memcpy(row, dump->bytes + at, length);
		if (at > from && length == ROW && at + ROW < to && memcmp(row, before, ROW) == 0) {
			if (!repeated)
				printf("%*s*\n", INDENT, "");
			repeated = true;
			continue;
		}
		repeated = false;
		hex_row(at, row, length);
		memcpy(before, row, length);
	}
}

static void raw_bytes(const struct dump *dump, size_t from, size_t to)
{
	size_t shown = dump->hex || to - from < RAW_BYTES ? to - from : RAW_BYTES;

	if (dump->json || from >= to)
		return;
	printf("%8zu  raw bytes up to offset %zu\n", from, to);
	hex_dump(dump, from, from + shown);
	if (shown < to - from)
		printf("%*s... --hex shows %zu bytes more\n", INDENT, "", to - from - shown);
}

/* ---- the head ------------------------------------------------------------------------------------ */

static void head_json(struct json *json, const struct dump *dump)
{
	json_put_int(json, "key", dump->vars->key);
	json_put_int(json, "id", dump->vars->id);
	json_put_uint(json, "size", dump->size);
	json_open(json, "head", '{');
	json_put_blob(json, "magic", dump->head.magic, strnlen(dump->head.magic, sizeof(dump->head.magic)));
	json_put_int(json, "start", dump->head.start);
	json_put_int(json, "end", dump->head.end);
	json_put_int(json, "free", dump->head.free);
	json_put_int(json, "total", dump->head.total);
	json_close(json, '}');
}

static void head_text(const struct dump *dump)
{
	const struct ym_vars_head_sh *head = &dump->head;

	printf("segment 0x%x, id %d: %zu bytes\n", (unsigned)dump->vars->key, dump->vars->id, dump->size);
	printf("%8d  head  magic \"", 0);
	typed_print_bytes(stdout, head->magic, strnlen(head->magic, sizeof(head->magic)));
	printf("\"  start %" PRId64 "  end %" PRId64 "  free %" PRId64 "  total %" PRId64 "\n", head->start, head->end,
	       head->free, head->total);
	if (dump->hex)
		hex_dump(dump, 0, YM_VARS_SIZE_MIN);
}

/* ---- chunks -------------------------------------------------------------------------------------- */

static int chunk_text(const struct dump *dump, const struct shm_variable *variable, size_t next, struct ym_err *err)
{
	const struct ym_value *value = &variable->value;
	int result = 0;

	printf("%8zu  key %" PRId64 "  length %" PRId64 "  next %" PRId64 "\n%*s", variable->at, variable->key,
	       variable->length, variable->next, INDENT, "");
	if (!variable->readable) {
		printf("DAMAGED at offset %zu: %s", variable->at, variable->why.text);
	} else {
		printf("%s ", shm_type(variable));
		result = value->type == YM_TYPE_STRING ? typed_preview(stdout, value, SIZE_MAX, err)
		                                       : typed_print(stdout, value, INDENT, err);
	}
	putchar('\n');
	if (!variable->readable)
		raw_bytes(dump, variable->at, next);
	else if (dump->hex)
		hex_dump(dump, variable->at, next);
	return result;
}

/* Look at the chunk at variable->at: *next is where the next one is, or `end` if that cannot be known. */
static int one_chunk(struct dump *dump, struct shm_variable *variable, size_t end, size_t *next, struct ym_err *err)
{
	const size_t least = CHUNK_LEAST, left = end - variable->at;
	struct ym_chunk_sh chunk;

	memcpy(&chunk, dump->bytes + variable->at, sizeof(chunk));
	variable->key = chunk.key;
	variable->length = chunk.length;
	variable->next = chunk.next;
	variable->readable = false;
	variable->bytes.length = 0;
	*next = end;
	if (chunk.next < (int64_t)least || (uint64_t)chunk.next > left) {
		ym_fail(&variable->why, YM_ERR_CORRUPT, "next is %" PRId64 ", outside %zu..%zu", chunk.next, least,
		        left);
	} else {
		*next = variable->at + (size_t)chunk.next;
		if ((uint64_t)chunk.length > (uint64_t)chunk.next - sizeof(chunk))
			ym_fail(&variable->why, YM_ERR_CORRUPT, "length is %" PRId64 ", outside 0..%zu", chunk.length,
			        (size_t)chunk.next - sizeof(chunk));
		else if (shm_variable_decode(variable, dump->bytes + variable->at + sizeof(chunk), (size_t)chunk.length,
		                             err) < 0)
			return -1;
	}
	dump->damages += !variable->readable;
	return dump->json ? shm_variable_json(dump->json, variable, err) : chunk_text(dump, variable, *next, err);
}

/* From the first chunk to `end`, as far as each says where the next one is. */
static int all_chunks(struct dump *dump, size_t end, struct ym_err *err)
{
	struct shm_variable variable = {.at = YM_VARS_SIZE_MIN};
	int result = 0;

	while (result == 0 && variable.at + CHUNK_LEAST <= end) {
		size_t next;

		result = one_chunk(dump, &variable, end, &next, err);
		variable.at = next;
	}
	if (result == 0 && variable.at < end) {
		ym_fail(&dump->why, YM_ERR_CORRUPT, "offset %zu: %zu bytes before the end, too few for a chunk",
		        variable.at, end - variable.at);
		dump->damages++;
		raw_bytes(dump, variable.at, end);
	}
	shm_variable_free(&variable);
	return result;
}

/* ---- the segment --------------------------------------------------------------------------------- */

static bool is_variables(const struct dump *dump)
{
	return dump->size >= YM_VARS_SIZE_MIN && memcmp(dump->head.magic, YM_VARS_MAGIC, sizeof(YM_VARS_MAGIC)) == 0;
}

/* Where chunks may be: up to the end that the head gives, if it can be true. */
static size_t chunks_end(const struct dump *dump)
{
	const struct ym_vars_head_sh *head = &dump->head;

	return head->end >= (int64_t)YM_VARS_SIZE_MIN && (uint64_t)head->end <= dump->size ? (size_t)head->end
	                                                                                   : dump->size;
}

static void print_why(const struct dump *dump)
{
	if (dump->why.class != YM_ERR_NONE)
		printf("%*s%s: %s\n", INDENT, "", dump->why.class == YM_ERR_FOREIGN ? "FOREIGN" : "DAMAGED",
		       dump->why.text);
}

static int dump_text(struct dump *dump, struct ym_err *err)
{
	size_t end = chunks_end(dump);
	int result;

	head_text(dump);
	print_why(dump);
	if (!is_variables(dump)) {
		raw_bytes(dump, 0, dump->size);
		return 0;
	}
	dump->why.class = YM_ERR_NONE;
	result = all_chunks(dump, end, err);
	if (result == 0) {
		print_why(dump);
		printf("%8zu  end, %zu bytes behind it\n", end, dump->size - end);
		if (dump->hex)
			hex_dump(dump, end, dump->size);
	}
	return result;
}

static int dump_json(struct dump *dump, struct ym_err *err)
{
	struct json *json = dump->json;
	int result = 0;

	json_open(json, NULL, '{');
	head_json(json, dump);
	json_open(json, "chunks", '[');
	if (is_variables(dump))
		result = all_chunks(dump, chunks_end(dump), err);
	json_close(json, ']');
	json_put_bool(json, "damaged", dump->damages > 0);
	if (dump->why.class != YM_ERR_NONE)
		json_put_string(json, "reason", dump->why.text);
	json_close(json, '}');
	putchar('\n');
	return result;
}

static int dump_segment(const struct args *args)
{
	struct json json = {.to = stdout};
	struct dump dump = {.hex = args_flag(args, "hex"), .json = args_flag(args, "json") ? &json : NULL};
	struct shm_access access;
	struct ym_err err;
	int result = shm_enter(args, &access, 0, SHM_MODE, YM_VARS_READONLY | YM_VARS_DAMAGED, &err);

	if (result < 0)
		return command_fail(&err);
	dump.vars = &access.vars;
	dump.bytes = (const char *)access.vars.head;
	dump.size = access.vars.size;
	dump.why = access.why;
	dump.damages = access.why.class != YM_ERR_NONE;
	memcpy(&dump.head, dump.bytes, sizeof(dump.head));
	result = (dump.json ? dump_json : dump_text)(&dump, &err);
	shm_leave(&access);
	if (result < 0)
		return command_fail(&err);
	return dump.damages > 0 ? ym_err_exit_code(YM_ERR_NO) : 0;
}

static const struct option_row options[] = {
    {"hex", 'x', NULL, "all bytes as well, with their offsets"},
    {"json", 'j', NULL, "as a JSON object, without bytes"},
    SHM_OPTIONS,
    {0},
};

const struct command command_shm_dump = {
    .verb = "dump",
    .usage = "KEY [OPTIONS]",
    .summary = "show head and chunks of a segment in any state; exit code 1: it is damaged",
    .text =
	KEY_HELP "\n"
		 "What is damaged is shown as raw bytes, with the offset and the reason; so is the whole of a segment\n"
		 "that holds something other than variables. While others write, use the semaphore they use (--lock).",
    .options = options,
    .least = 1,
    .most = 1,
    .run = dump_segment,
};
