#include "media_shims.h"

#include <pthread.h>

void proscenium_name_thread(const char *name) {
    pthread_setname_np(pthread_self(), name);
}
