#include "packet_io.h"

#include <sys/eventfd.h>

int proscenium_eventfd(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}
