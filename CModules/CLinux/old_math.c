/* hypot and hypotf of glibc 2.35 differ from those before only in how they round and in that they no longer set errno
 * for a matherr handler; the Swift runtime in these programs asks for the newest, which would shut out every system with
 * glibc 2.34 or older (RHEL 9, Debian 11). These definitions take precedence over libm's and lead to the first version.
 * See packaging/check-symbols. */
#include <features.h>

#if defined(__linux__) && defined(__GLIBC__)
#if defined(__x86_64__)
#define FIRST_VERSION "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define FIRST_VERSION "GLIBC_2.17"
#endif
#endif

#ifdef FIRST_VERSION
extern double clinux_first_hypot(double x, double y);
extern float clinux_first_hypotf(float x, float y);
__asm__(".symver clinux_first_hypot, hypot@" FIRST_VERSION);
__asm__(".symver clinux_first_hypotf, hypotf@" FIRST_VERSION);

double hypot(double x, double y) { return clinux_first_hypot(x, y); }
float hypotf(float x, float y) { return clinux_first_hypotf(x, y); }
#endif
