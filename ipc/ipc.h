/*
 * ipc.h - System V IPC for programs that share their objects with PHP, Perl and Python, and want them to be gone when
 * nobody needs them any more. Link with -lyardmaster; see yardmaster-ipc(3).
 *
 *   error.h      struct ym_err: how every function says what went wrong
 *   clock.h      deadlines
 *   key.h        ftok, crc32, key files
 *   sem.h        counting semaphores, PHP's sysvsem
 *   value.h      PHP values
 *   serialize.h  PHP's serialize() and unserialize()
 *   vars.h       variable segments, PHP's sysvshm
 *   queue.h      message queues, PHP's sysvmsg
 *   group.h      objects that live exactly as long as their participants
 *   object.h     is there one behind a key, and whose is it?
 *   limits.h     the kernel's limits, and how much of them is used
 *   buffer.h, number.h   bytes that grow; numbers as PHP writes them
 */
#ifndef YM_IPC_IPC_H
#define YM_IPC_IPC_H

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/error.h"
#include "ipc/group.h"
#include "ipc/guardian.h"
#include "ipc/key.h"
#include "ipc/limits.h"
#include "ipc/number.h"
#include "ipc/object.h"
#include "ipc/queue.h"
#include "ipc/sem.h"
#include "ipc/serialize.h"
#include "ipc/value.h"
#include "ipc/vars.h"

#endif
