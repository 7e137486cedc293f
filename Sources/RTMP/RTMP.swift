// RTMP without I/O: chunk stream, AMF0, FLV, and the state machines of the client and the server.
