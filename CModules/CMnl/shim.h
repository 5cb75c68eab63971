// As in every module: one definition of the C library's types.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
// fd_set as the C library's own Swift module has it, which is built without _GNU_SOURCE.
#include <features.h>
#pragma push_macro("__USE_XOPEN")
#undef __USE_XOPEN
#include <sys/select.h>
#pragma pop_macro("__USE_XOPEN")
#include <libmnl/libmnl.h>
