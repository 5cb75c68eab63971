/* Calls the counter by one handle, which is opened once: client HOST udp|tcp CALLS-A-SECOND [SLOW-MILLISECONDS]
 *
 * Ends when its input ends, and writes what it saw as one line of JSON: how many values came, the first and the last, how many did
 * not follow the one before, the longest time from one answer to the next (in seconds), calls that failed. With a fourth argument
 * each call is a slow one. */
#include "counter.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **words) {
    if (count < 4) return 2;
    CLIENT *handle = clnt_create(words[1], COUNTER, COUNTER_1, words[2]);
    if (!handle) {
        clnt_pcreateerror(words[1]);
        return 1;
    }
    double pause = 1.0 / atof(words[3]), gap = 0, last_time = 0;
    u_int slow = count > 4 ? (u_int)atoi(words[4]) : 0;
    u_quad_t first = 0, last = 0;
    unsigned long values = 0, jumps = 0, failed = 0;
    fputs("open\n", stderr);
    for (double due = now();; due += pause) {
        struct pollfd input = {.fd = 0, .events = POLLIN};
        double left = due - now();
        if (poll(&input, 1, left > 0 ? (int)(left * 1000) : 0) > 0) break;
        if (left < -1) due = now();
        u_quad_t *value = slow ? slow_1(&slow, handle) : next_1(NULL, handle);
        if (!value) {
            if (!failed++) clnt_perror(handle, "the first failure");
            continue;
        }
        double time = now();
        if (values && *value != last + 1) jumps++;
        if (!values) first = *value;
        if (values && time - last_time > gap) gap = time - last_time;
        last = *value;
        last_time = time;
        values++;
    }
    printf("{\"values\": %lu, \"first\": %llu, \"last\": %llu, \"jumps\": %lu, \"gap\": %.6f, \"failed\": %lu}\n", values,
           (unsigned long long)first, (unsigned long long)last, jumps, gap, failed);
    return 0;
}
