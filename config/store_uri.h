/* store_uri.h - where jobs wait durably, as `store` has it: which kind of store that is, and what of it may be shown. */
#ifndef YM_CONFIG_STORE_URI_H
#define YM_CONFIG_STORE_URI_H

#include "config.h"

/* The kind of a store; CFG_STORES: none of them. NULL is memory. */
enum cfg_store cfg_store_kind(const char *uri);

/* How a user writes this kind: "sqlite:PATH". */
const char *cfg_store_word(enum cfg_store kind);

/* What stands behind the scheme: the path of sqlite. Of a URI that has a kind. */
const char *cfg_store_rest(const char *uri);

/*
 * Any text with *** for the passwords of the URIs in it, cut at the size of `out`. Rather too much is hidden than too
 * little: passwords whose @, / or ? should have been written as %40, %2F, %3F are, too. Returns `out`.
 */
#define CFG_STORE_SHOWN_MAX 576 /* has room for every path that sqlite takes */
const char *cfg_store_shown(const char *uri, char out[CFG_STORE_SHOWN_MAX]);

#endif
