/* Calls what CModules/CLinux/old_libc.c has in place of the C library's newest; exit status 0 if each answers rightly. */
#include <math.h>
#include <stdint.h>

uint32_t arc4random(void);

int main(int count, char **arguments) {
    (void)arguments;
    volatile double x = 3 * count, y = 4 * count; /* nothing that the compiler could compute */
    return !(hypot(x, y) == 5 && hypotf((float)x, (float)y) == 5 && arc4random() != arc4random());
}
