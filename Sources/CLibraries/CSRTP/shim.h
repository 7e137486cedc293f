// The oracle of the SRTP tests; nothing in the product links it.
#include <srtp2/srtp.h>
