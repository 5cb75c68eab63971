/* Has a tracepoint's events written into a ring of each processor, and throws them away.
 *
 *     rings GROUP/NAME FILTER [GROUP/NAME FILTER]...
 *
 * As a watcher reads them that works in batches: every 10 ms, woken by none of them. Needs CAP_PERFMON.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGES = 256, MOST = 512 };

static struct perf_event_mmap_page *rings[MOST];
static int count;

static int number_of(const char *name) {
    char path[256], text[32] = {0};
    snprintf(path, sizeof path, "/sys/kernel/tracing/events/%s/id", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof text - 1) <= 0) perror(path), exit(1);
    close(file);
    return atoi(text);
}

static void add(int number, const char *filter, int processor) {
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof attributes, .config = number, .sample_period = 1,
        .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_RAW, .disabled = 1, .watermark = 1,
        .wakeup_watermark = PAGES * 4096, .use_clockid = 1, .clockid = CLOCK_MONOTONIC};
    int event = syscall(SYS_perf_event_open, &attributes, -1, processor, -1, PERF_FLAG_FD_CLOEXEC);
    if (event < 0) perror("perf_event_open"), exit(1);
    void *ring = mmap(NULL, (1 + PAGES) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, event, 0);
    if (ring == MAP_FAILED) perror("mmap"), exit(1);
    if (*filter && ioctl(event, PERF_EVENT_IOC_SET_FILTER, filter)) perror("filter"), exit(1);
    if (ioctl(event, PERF_EVENT_IOC_ENABLE, 0)) perror("enable"), exit(1);
    if (count < MOST) rings[count++] = ring;
}

int main(int words, char **arguments) {
    for (int index = 1; index + 1 < words; index += 2)
        for (int processor = 0; processor < sysconf(_SC_NPROCESSORS_ONLN); processor++)
            add(number_of(arguments[index]), arguments[index + 1], processor);
    puts("ready");
    fflush(stdout);
    for (;;) {
        for (int index = 0; index < count; index++) {
            unsigned long long head = __atomic_load_n(&rings[index]->data_head, __ATOMIC_ACQUIRE);
            __atomic_store_n(&rings[index]->data_tail, head, __ATOMIC_RELEASE);
        }
        usleep(10000);
    }
}
