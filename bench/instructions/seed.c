// Gives a program that is run under a counter the same "random" numbers every time: the tables of the daemon are
// seeded, and how often two names meet in one slot would change the count by some percent from run to run.
//
// The Swift library asks by syscall(2), which is taken over for getrandom alone. RETINUE_SEED names the numbers.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>

static uint64_t state;

// The finaliser of SplitMix64.
static uint64_t next(void) {
    uint64_t x = state += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static long fill(unsigned char *bytes, size_t count) {
    const char *seed = getenv("RETINUE_SEED");
    if (state == 0 && seed != NULL) state = strtoull(seed, NULL, 10);
    for (size_t i = 0; i < count; i++) bytes[i] = (unsigned char)(next() >> 56);
    return (long)count;
}

long syscall(long number, ...) {
    long argument[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) argument[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_getrandom) return fill((unsigned char *)argument[0], (size_t)argument[1]);
    static long (*original)(long, ...);
    if (original == NULL) *(void **)&original = dlsym(RTLD_NEXT, "syscall");
    return original(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}
