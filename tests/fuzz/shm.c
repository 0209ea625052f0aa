/* shm.c - one shared segment between guards, without the kernel. */
#include "shm.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "fuzz.h"

#define ID    77
#define GUARD ((size_t)1 << 20)

size_t shm_size;
bool shm_removed;

/* The area of the library and the same memory for us; the segment ends where the area does. */
static char *view, *ours;

static size_t rounded(size_t size)
{
	return (size + 7) / 8 * 8;
}

char *shm_view(void)
{
	return view + SHM_MAX - rounded(shm_size);
}

char *shm_bytes(void)
{
	return ours + SHM_MAX - rounded(shm_size);
}

/* ---- the calls ------------------------------------------------------------------------------- */

static int play_shmget(key_t key, size_t size, int flags)
{
	(void)size, (void)flags;
	CLAIM(key == SHM_KEY, "0x%x", (unsigned)key);
	return ID;
}

static void *play_shmat(int id, const void *at, int flags)
{
	CLAIM(id == ID && !at, "id %d", id);
	CLAIM(mprotect(view, SHM_MAX, flags & SHM_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE) == 0, "mprotect()");
	return shm_view();
}

static int play_shmdt(const void *at)
{
	CLAIM(at == shm_view(), "%p, not %p", at, (void *)shm_view());
	return 0;
}

static int play_shmctl(int id, int command, struct shmid_ds *ds)
{
	CLAIM(id == ID && (command == IPC_STAT || command == IPC_RMID), "id %d, command %d", id, command);
	if (command == IPC_RMID)
		shm_removed = true;
	else
		*ds = (struct shmid_ds){.shm_segsz = shm_size, .shm_nattch = 1};
	return 0;
}

/* ---- making it ------------------------------------------------------------------------------- */

static char *map(void *at, size_t size, int protection, int flags, int fd)
{
	void *mapped = mmap(at, size, protection, flags, fd, 0);

	CLAIM(mapped != MAP_FAILED, "mmap(%zu)", size);
	return mapped;
}

static void make(void)
{
	int fd = memfd_create("segment", MFD_CLOEXEC);
	char *space = map(NULL, SHM_MAX + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	CLAIM(fd >= 0 && ftruncate(fd, (off_t)SHM_MAX) == 0, "memfd_create()");
	view = map(space + GUARD, SHM_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd);
	ours = map(NULL, SHM_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	close(fd);
	ym_sys.shmget = play_shmget;
	ym_sys.shmat = play_shmat;
	ym_sys.shmdt = play_shmdt;
	ym_sys.shmctl = play_shmctl;
}

void shm_load(const void *bytes, size_t size)
{
	CLAIM(size <= SHM_MAX, "%zu bytes", size);
	if (!view)
		make();
	shm_size = size;
	shm_removed = false;
	memcpy(shm_bytes(), bytes, size);
	ASAN_UNPOISON_MEMORY_REGION(view, SHM_MAX);
	ASAN_POISON_MEMORY_REGION(view, (size_t)(shm_view() - view));
	ASAN_POISON_MEMORY_REGION(shm_view() + size, rounded(size) - size);
}
