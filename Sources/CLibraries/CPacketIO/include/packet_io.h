// What the importer can't see of Linux's datagram and event interfaces.
#pragma once
#include <stdint.h>

int proscenium_eventfd(void);
