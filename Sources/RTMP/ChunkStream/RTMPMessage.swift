// One RTMP message, as it lies between the chunk stream and what understands it.

/// The number that says what a message holds (RTMP 1.0, sections 5.4 and 7.1).
enum MessageType {
    static let setChunkSize: UInt8 = 1
    static let abort: UInt8 = 2
    static let acknowledgement: UInt8 = 3
    static let userControl: UInt8 = 4
    static let windowAcknowledgementSize: UInt8 = 5
    static let setPeerBandwidth: UInt8 = 6
    static let audio: UInt8 = 8
    static let video: UInt8 = 9
    static let dataAMF3: UInt8 = 15
    static let commandAMF3: UInt8 = 17
    static let dataAMF0: UInt8 = 18
    static let commandAMF0: UInt8 = 20
    static let aggregate: UInt8 = 22
}

/// The chunk streams that we send on; 2 is prescribed, the rest is common practice.
enum ChunkStreamID {
    static let control: UInt32 = 2
    static let command: UInt32 = 3
    static let audio: UInt32 = 4
    static let data: UInt32 = 5
    static let video: UInt32 = 6
}

/// A whole message.
struct RTMPMessage: Equatable, Sendable {
    var chunkStreamID: UInt32
    var type: UInt8
    var streamID: UInt32
    /// Milliseconds, modulo 2^32.
    var timestamp: UInt32
    var payload: [UInt8]
}
