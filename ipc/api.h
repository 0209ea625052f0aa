/* api.h - what is visible outside the shared library; everything else is built with -fvisibility=hidden. */
#ifndef YM_IPC_API_H
#define YM_IPC_API_H

#define YM_API __attribute__((visibility("default")))

#endif
