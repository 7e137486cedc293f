// The WebRTC protocols as state machines: bytes and time come in as arguments, datagrams and events come out.
