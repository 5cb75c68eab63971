// As in every module: one definition of the C library's types.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <netlink/netlink.h>
#include <netlink/msg.h>
#include <netlink/attr.h>
#include <netlink/socket.h>
#include <netlink/errno.h>
