// Creates one file: the least that a spawned program can do and still be recognised.
//
//   unit FILE
#include <fcntl.h>

int main(int count, char **arguments) { return count == 2 && creat(arguments[1], 0644) >= 0 ? 0 : 1; }
