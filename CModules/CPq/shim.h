// libpq as it is; nothing is added.
#include <libpq-fe.h>
