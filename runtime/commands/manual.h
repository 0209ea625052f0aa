/*
 * manual.h - `yardmaster manual [PAGE]`: the pages of the manual, made from the tables of commands and of options, so that
 * they say what the program does. `make install` asks for the list and for each page.
 */
#ifndef YM_RUNTIME_COMMANDS_MANUAL_H
#define YM_RUNTIME_COMMANDS_MANUAL_H

#include <stdio.h>

/* Head of a page, up to its NAME. */
void manual_head(FILE *to, const char *name, char section, const char *what);
/* The other pages, as the last section. */
void manual_see_also(FILE *to, const char *name, char section);

/* yardmaster.ini(5): manual_ini.c */
#define MANUAL_INI "yardmaster.ini"
void manual_ini(FILE *to);

#endif
