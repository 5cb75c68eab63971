// Names of numbered files: "d0012/f0012345", made without printf, which would cost as much as the open.
#define FOLDER_LENGTH 5
#define NAME_SIZE 16

static inline void digits(long number, char *end, int count) {
    while (count--) {
        *--end = (char)('0' + number % 10);
        number /= 10;
    }
}

static inline void name_of(long index, long per_folder, char *name) {
    name[0] = 'd';
    digits(index / per_folder, name + 5, 4);
    name[5] = '/';
    name[6] = 'f';
    digits(index, name + 14, 7);
    name[14] = 0;
}
