/* assets.h - what the page is made of, a part of the program: the files of runtime/web/page. */
#ifndef YM_RUNTIME_WEB_ASSETS_H
#define YM_RUNTIME_WEB_ASSETS_H

#include <stdint.h>

#include "response.h"

/* Name, path, file, type. The first two are asked for before anybody has shown a token, too. */
#define ASSET_MAP(X)                                                                                                   \
	X(STYLE, "/app.css", "app.css", "text/css; charset=utf-8")                                                     \
	X(ICON, "/icon.svg", "icon.svg", "image/svg+xml")                                                              \
	X(PAGE, "/", "page.html", "text/html; charset=utf-8")                                                          \
	X(APP, "/app.js", "app.js", "text/javascript; charset=utf-8")                                                  \
	X(LIVE, "/live.js", "live.js", "text/javascript; charset=utf-8")                                               \
	X(WORDS, "/words.js", "words.js", "text/javascript; charset=utf-8")                                            \
	X(DRAW, "/draw.js", "draw.js", "text/javascript; charset=utf-8")                                               \
	X(POOLS, "/pools.js", "pools.js", "text/javascript; charset=utf-8")                                            \
	X(WORKERS, "/workers.js", "workers.js", "text/javascript; charset=utf-8")                                      \
	X(LISTS, "/lists.js", "lists.js", "text/javascript; charset=utf-8")                                            \
	X(JOB, "/job.js", "job.js", "text/javascript; charset=utf-8")                                                  \
	X(LOGIN, NULL, "login.html", "text/html; charset=utf-8")

enum asset_name {
#define X(name, path, file, type) ASSET_##name,
	ASSET_MAP(X)
#undef X
	    ASSETS
};

struct asset {
	const char *path; /* NULL: shown only in place of another */
	const char *type;
	struct bytes bytes;
	char etag[16];
};

/* Before all others. */
void assets_open(void);

struct asset *asset(enum asset_name name);
/* By its path, NULL: there is none. */
struct asset *asset_at(const char *path, size_t length);

/* Changes with any of them: a page that was loaded before has to be loaded anew. */
uint32_t assets_mark(void);

#endif
