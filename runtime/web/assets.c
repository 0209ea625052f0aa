/* assets.c - the files of runtime/web/page, put into the program by the assembler (the build runs at the top of the tree). */
#include "assets.h"

#include <string.h>

#include "../../ipc/key.h"

#define X(name, path, file, type)                                                                                      \
	__asm__(".pushsection .rodata\n"                                                                               \
	        "asset_" #name "_start: .incbin \"runtime/web/page/" file "\"\n"                                       \
	        "asset_" #name "_end: .byte 0\n"                                                                       \
	        ".popsection\n");                                                                                      \
	extern const char asset_##name##_start[], asset_##name##_end[];
ASSET_MAP(X)
#undef X

static struct asset assets[ASSETS];

struct asset *asset(enum asset_name name)
{
	return &assets[name];
}

struct asset *asset_at(const char *path, size_t length)
{
	for (int i = 0; i < ASSETS; i++)
		if (assets[i].path && strlen(assets[i].path) == length && memcmp(assets[i].path, path, length) == 0)
			return &assets[i];
	return NULL;
}

static void fill(struct asset *one, const char *start, const char *end)
{
	one->bytes = (struct bytes){.holders = 1, .at = start, .size = (size_t)(end - start)};
	snprintf(one->etag, sizeof(one->etag), "\"%08x\"", ym_crc32(start, one->bytes.size));
}

void assets_open(void)
{
#define X(name, where, file, kind)                                                                                     \
	assets[ASSET_##name].path = where;                                                                             \
	assets[ASSET_##name].type = kind;                                                                              \
	fill(&assets[ASSET_##name], asset_##name##_start, asset_##name##_end);
	ASSET_MAP(X)
#undef X
}

uint32_t assets_mark(void)
{
	uint32_t mark = 0;

	for (int i = 0; i < ASSETS; i++)
		mark = mark * 31 + ym_crc32(assets[i].bytes.at, assets[i].bytes.size);
	return mark;
}
