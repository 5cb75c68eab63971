// Opens one file for reading and, if asked, writes another.
//
//   reader FILE [OUT]
//
// Exit status: 0, or the errno of the call that failed.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int main(int count, char **arguments) {
    char bytes[64];
    int in = open(arguments[1], O_RDONLY | O_CLOEXEC);
    if (in < 0) return errno;
    ssize_t length = read(in, bytes, sizeof bytes);
    if (length < 0) return errno;
    if (count > 2) {
        int out = open(arguments[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (out < 0) return errno;
        if (length > 0 && write(out, bytes, length) < 0) return errno;
    }
    return 0;
}
