/* What a kernel may say when something is wrong with it, for a daemon that is started with this preloaded
 * (test_monitoring_failures.py): its clock is not synchronised, and, while the file $NO_ENTROPY exists, its generator of
 * random numbers fails. While the file $LEAK exists, each use of that generator takes memory and never gives it back. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/types.h>
#include <unistd.h>

int adjtimex(struct timex *state)
{
    state->status = STA_UNSYNC;
    state->maxerror = 16000000;
    return TIME_ERROR;
}

static void leak(void)
{
    static int times = 0;
    const size_t octets = 48 << 20;
    void *lost;

    if (times < 6 && (lost = malloc(octets)) != NULL) {
        memset(lost, 1, octets);
        times++;
    }
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
    const char *file = getenv("NO_ENTROPY");
    const char *leaking = getenv("LEAK");

    if (leaking != NULL && access(leaking, F_OK) == 0)
        leak();
    if (file != NULL && access(file, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_getrandom, buffer, length, flags);
}
