// A clock for a redis-server that a test can set. Loaded with LD_PRELOAD it takes
// the place of the functions that tell the time of day, and adds what stands in the
// file that REDISTEST_CLOCK names: nanoseconds, as a number of 64 bits. The
// monotonic clock stays as it is.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset;

static void now(clockid_t clock, struct timespec *t) {
	syscall(SYS_clock_gettime, clock, t);
	if (!offset) {
		const char *name = getenv("REDISTEST_CLOCK");
		int fd = name ? open(name, O_RDONLY) : -1;
		if (fd < 0) return;
		void *page = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
		if (page == MAP_FAILED) return;
		offset = page;
	}
	long long nsec = t->tv_nsec + *offset % 1000000000;
	t->tv_sec += *offset / 1000000000;
	if (nsec < 0) t->tv_sec--, nsec += 1000000000;
	if (nsec >= 1000000000) t->tv_sec++, nsec -= 1000000000;
	t->tv_nsec = nsec;
}

int clock_gettime(clockid_t clock, struct timespec *t) {
	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return syscall(SYS_clock_gettime, clock, t);
	now(clock, t);
	return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
	struct timespec t;
	now(CLOCK_REALTIME, &t);
	tv->tv_sec = t.tv_sec;
	tv->tv_usec = t.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *to) {
	struct timespec t;
	now(CLOCK_REALTIME, &t);
	if (to) *to = t.tv_sec;
	return t.tv_sec;
}
