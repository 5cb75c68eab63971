/* What the Swift runtime and libstdc++ in these programs ask for in a version that the C library of older systems has not:
 * GLIBC_2.35 and 2.36, where RHEL 9 has 2.34 and Debian 11 has 2.31. These definitions take precedence over the C
 * library's. They are hidden: what a program exports without a version stands for every version, and the first versions
 * below would be bound to these functions themselves. packaging/check-symbols finds whatever else asks for too much. */
#include <features.h>

#if defined(__linux__) && defined(__GLIBC__)
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

#if defined(__x86_64__)
#define FIRST_VERSION "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define FIRST_VERSION "GLIBC_2.17"
#endif

#define OURS __attribute__((visibility("hidden")))

#ifdef FIRST_VERSION
/* Swift's module of the C library and Foundation's CGFloat have functions for them. The newer version differs in rounding, by
 * less than a unit in the last place, and in no longer setting errno by way of matherr. */
extern double clinux_first_hypot(double x, double y);
extern float clinux_first_hypotf(float x, float y);
__asm__(".symver clinux_first_hypot, hypot@" FIRST_VERSION);
__asm__(".symver clinux_first_hypotf, hypotf@" FIRST_VERSION);

OURS double hypot(double x, double y) { return clinux_first_hypot(x, y); }
OURS float hypotf(float x, float y) { return clinux_first_hypotf(x, y); }
#endif

/* Of glibc 2.36; std::random_device. getrandom(2) gives as few bytes at once, or fails for a reason that does not go. */
OURS uint32_t arc4random(void) {
    uint32_t number;
    while (getrandom(&number, sizeof number, 0) != sizeof number)
        if (errno != EINTR) abort();
    return number;
}

/* Of glibc 2.32; libstdc++ counts references without atomics while it is not 0. It has to be right in a program that may
 * have threads at any time: it never is. */
OURS char __libc_single_threaded = 0;
#endif
