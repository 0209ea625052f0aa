/* ftok.c - `yardmaster ftok PATH [LETTER]`: the System V key of a file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../ipc/key.h"
#include "../json.h"
#include "command.h"

static int ftok_of(const struct args *args)
{
	char letter[2] = {YM_KEY_PROJECT, '\0'};
	struct ym_err err;
	key_t key;

	if (args->nrest > 1) {
		if (strlen(args->rest[1]) != 1) {
			ym_fail(&err, YM_ERR_USAGE, "\"%.80s\" is no project letter: give one character",
			        args->rest[1]);
			return command_fail(&err);
		}
		letter[0] = args->rest[1][0];
	}
	if (ym_ftok(args->rest[0], (unsigned char)letter[0], &key, &err) < 0)
		return command_fail(&err);
	if (args_flag(args, "json")) {
		struct json json = {.to = stdout};

		json_open(&json, NULL, '{');
		json_put_string(&json, "path", args->rest[0]);
		json_put_string(&json, "letter", letter);
		json_put_int(&json, "key", key);
		json_close(&json, '}');
		putchar('\n');
		return 0;
	}
	printf("%" PRId32 " 0x%08" PRIx32 "\n", (int32_t)key, (uint32_t)key);
	return 0;
}

static const struct option_row options[] = {
    {"json", 0, NULL, "print {\"path\": ..., \"letter\": ..., \"key\": ...}"},
    {0},
};

const struct command command_ftok = {
    .verb = "ftok",
    .usage = "PATH [LETTER] [OPTIONS]",
    .summary = "the System V key of a file, as PHP's and C's ftok() give it: decimal and hex",
    .text = "LETTER is y if it is not given: that is what the key files of this program use. The key follows from the\n"
	    "inode and the device: a file that is deleted and made again has another one.\n\n"
	    "example: yardmaster ftok /var/lib/app/lock a",
    .options = options,
    .least = 1,
    .most = 2,
    .run = ftok_of,
    .group = COMMAND_GROUP_IPC,
};
