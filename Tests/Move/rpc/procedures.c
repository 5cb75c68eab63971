/* What the server does; all else, the main function too, is as rpcgen makes it.
 *
 * Its data is a count. SIGUSR1 has it written to the file that COUNTER_DATA names, as XDR, SIGUSR2 has it read from there; COUNTER_DATA.saved
 * and COUNTER_DATA.restored say that it was. The process that took the signal may be of 32 or of 64 bits. */
#include "counter.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static u_quad_t count;

static void transfer(int number) {
    const char *path = getenv("COUNTER_DATA");
    char done[4096];
    FILE *file = path ? fopen(path, number == SIGUSR1 ? "w" : "r") : NULL;
    XDR stream;
    if (!file) return;
    xdrstdio_create(&stream, file, number == SIGUSR1 ? XDR_ENCODE : XDR_DECODE);
    bool_t whole = xdr_u_quad_t(&stream, &count);
    xdr_destroy(&stream);
    if (fclose(file) != 0 || !whole) return;
    snprintf(done, sizeof done, "%s.%s", path, number == SIGUSR1 ? "saved" : "restored");
    file = fopen(done, "w");
    if (file) fclose(file);
}

__attribute__((constructor)) static void prepare(void) {
    struct sigaction action = {.sa_handler = transfer, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
}

u_quad_t *next_1_svc(void *argument, struct svc_req *request) {
    static u_quad_t result;
    (void)argument, (void)request;
    result = ++count;
    return &result;
}

/* A call that takes its time, in milliseconds. */
u_quad_t *slow_1_svc(u_int *milliseconds, struct svc_req *request) {
    static u_quad_t result;
    (void)request;
    usleep(*milliseconds * 1000);
    result = ++count;
    return &result;
}
